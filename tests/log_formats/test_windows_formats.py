import json
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.log_formats.log_event import HEADER, FormatSettings, Header, Line, LogEvent
from trine.log_formats.windows_formats import Windows

LOGON = (
    '<Event xmlns="http://schemas.microsoft.com/win/2004/08/events/event"><System>'
    '<Provider Name="Microsoft-Windows-Security-Auditing" Guid="{54849625}"/><EventID>4625</EventID><Level>0</Level>'
    '<TimeCreated SystemTime="2024-05-01T10:00:00.500Z"/><Channel>Security</Channel><Computer>DC01</Computer></System>'
    '<EventData><Data Name="SubjectUserName">-</Data><Data Name="TargetUserName">administrator</Data>'
    '<Data Name="Status">0xc000006d</Data><Data Name="SubStatus">0xC000006A</Data><Data Name="LogonType">3</Data>'
    '<Data Name="IpAddress">::ffff:198.51.100.4</Data></EventData></Event>'
)
PROCESS = """<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'>
  <System>
    <Provider Name='Microsoft-Windows-Sysmon'/>
    <EventID>1</EventID>
    <TimeCreated SystemTime='2024-05-01T10:00:01.0000000Z'/>
    <Channel>Microsoft-Windows-Sysmon/Operational</Channel>
    <Computer>WS5.corp</Computer>
  </System>
  <EventData>
    <Data Name='ProcessId'>4321</Data>
    <Data Name='Image'>C:\\Windows\\System32\\CMD.EXE</Data>
    <Data Name='CommandLine'>cmd /c dir</Data>
    <Data Name='User'>CORP\\bob</Data>
    <Data Name='LogonId'>0x3e7</Data>
    <Data Name='ParentImage'>C:\\Windows\\explorer.exe</Data>
  </EventData>
</Event>"""
FAILED = LogEvent(
    ("Security", " 4625", " 3", " 0xc000006a"),
    False,
    1714557600.5,
    {"host": "DC01", "user": "administrator", "address": "198.51.100.4"},
    {"level": "0"},
)
STARTED = LogEvent(
    ("Sysmon", " 1", " cmd.exe"),
    False,
    1714557601.0,
    {"host": "WS5.corp", "user": "CORP\\bob", "process": "4321", "session": "0x3e7"},
    {"program": "cmd.exe", "parent": "explorer.exe"},
)

Found = list[tuple[int, LogEvent | Header | None]]


def events(text: str, settings: FormatSettings | None = None) -> Found:
    reader = Windows(settings)
    assert reader.joiner is not None
    found: Found = []
    for number, line in enumerate(text.split("\n"), 1):
        found += [(record.number, reader.parse(record.text)) for record in reader.joiner.feed(Line(0, number, line))]
    return found + [(record.number, reader.parse(record.text)) for record in reader.joiner.finish()]


def only(text: str, settings: FormatSettings | None = None) -> LogEvent:
    ((_, event),) = (found for found in events(text, settings) if found[1] is not HEADER)
    assert isinstance(event, LogEvent)
    return event


def test_xml_is_read_from_one_line_and_from_many() -> None:
    text = f'<?xml version="1.0" encoding="utf-8"?><Events>\n{LOGON}\n{PROCESS}\n</Events>'
    assert events(text) == [(1, HEADER), (2, FAILED), (3, STARTED), (20, HEADER)]


def test_several_events_of_one_line_are_several_records() -> None:
    assert events(f"<Events>{LOGON}{LOGON}</Events>") == [(1, HEADER), (1, FAILED), (1, FAILED), (1, HEADER)]


def test_a_broken_event_is_given_as_it_is_and_reading_goes_on() -> None:
    assert events(f"<Event><System>\n<EventID>7</EventID>\n{LOGON}\nno XML") == [
        (1, None),
        (2, None),
        (3, FAILED),
        (4, None),
    ]


@pytest.mark.parametrize("definition", ["<!DOCTYPE Event>", '<!DOCTYPE x [<!ENTITY a "b">]>', '<!entity a "b">'])
def test_a_document_that_defines_something_is_refused(definition: str) -> None:
    reader = Windows()
    assert reader.parse(definition + LOGON) is None
    assert reader.parse(LOGON.replace("<System>", f"{definition}<System>")) is None
    assert reader.parse(LOGON.replace("administrator", "&a;")) is None


@pytest.mark.parametrize(
    "record",
    [
        # evtx_dump, winlogbeat, NXLog and public data sets, Wazuh
        {"Event": {"#attributes": {"xmlns": "x"}, "System": {
            "Provider": {"#attributes": {"Name": "Microsoft-Windows-Security-Auditing", "Guid": "5"}}, "EventID": 4625,
            "Level": 0, "TimeCreated": {"#attributes": {"SystemTime": "2024-05-01T10:00:00.500000Z"}},
            "Execution": {"#attributes": {"ProcessID": 876}}, "Channel": "Security", "Computer": "DC01"},
            "EventData": {"SubjectUserName": "-", "TargetUserName": "administrator", "Status": "0xc000006d",
            "SubStatus": "0xc000006a", "LogonType": 3, "IpAddress": "198.51.100.4"}}},
        {"event_record_id": 1, "timestamp": "2024-05-01T10:00:00.5Z", "data": {"Event": {"System": {
            "EventID": {"#attributes": {"Qualifiers": 0}, "#text": 4625}, "Level": 0, "Channel": "Security",
            "TimeCreated": {"#attributes": {"SystemTime": "2024-05-01T10:00:00.5Z"}}, "Computer": "DC01"},
            "EventData": {"Data": [{"#attributes": {"Name": "TargetUserName"}, "#text": "administrator"},
            {"#attributes": {"Name": "LogonType"}, "#text": "3"}, {"#attributes": {"Name": "IpAddress"},
            "#text": "198.51.100.4"}, {"#attributes": {"Name": "Status"}, "#text": "0xc000006a"}]}}}},
        {"@timestamp": "2024-05-01T10:00:00.500Z", "host": {"name": "dc01.corp"}, "log": {"level": "information"},
            "event": {"code": "4625", "outcome": "failure"}, "winlog": {"channel": "Security", "event_id": "4625",
            "provider_name": "Microsoft-Windows-Security-Auditing", "computer_name": "DC01", "event_data": {
            "TargetUserName": "administrator", "LogonType": "3", "IpAddress": "198.51.100.4",
            "SubStatus": "0xc000006a"}}},
        {"EventTime": "2024-05-01 10:00:00.5", "Hostname": "DC01", "EventID": 4625, "Level": "0",
            "SourceName": "Microsoft-Windows-Security-Auditing", "Channel": "Security",
            "TargetUserName": "administrator",
            "LogonType": "3", "IpAddress": "198.51.100.4", "SubStatus": "0xc000006a", "Message": "An account failed"},
    ],
)  # fmt: skip
def test_json_of_several_tools_gives_the_same_event(record: dict[str, object]) -> None:
    for text in (json.dumps(record), json.dumps(record, indent=2)):
        assert only(text)._replace(attributes={}) == FAILED._replace(attributes={})


def test_json_of_powershell_is_read_by_its_message() -> None:
    message = (
        "An account was successfully logged on.\r\n\r\nSubject:\r\n"
        "\tAccount Name:\t\tDC01$\r\n\tLogon ID:\t\t0x3E7\r\n\r\n"
        "Logon Type:\t\t\t10\r\n\r\nNew Logon:\r\n\tAccount Name:\t\tbob\r\n\tLogon ID:\t\t0x1234\r\n\r\n"
        "Network Information:\r\n\tSource Network Address:\t10.0.0.9\r\n"
    )
    record = {"Id": 4624, "ProviderName": "Microsoft-Windows-Security-Auditing", "LogName": "Security",
              "MachineName": "DC01", "TimeCreated": "/Date(1714557600500)/", "Message": message}  # fmt: skip
    event = only(json.dumps([record], indent=4))
    assert (event.event, event.time) == (("Security", " 4624", " 10"), 1714557600.5)
    assert event.entities == {"host": "DC01", "user": "bob", "address": "10.0.0.9", "session": "0x1234"}


def test_csv_of_the_event_viewer_is_read_with_its_unnamed_description() -> None:
    text = textwrap.dedent("""\
        Level,Date and Time,Source,Event ID,Task Category
        Information,2024-05-01 10:00:00,Microsoft-Windows-Security-Auditing,4688,Process Creation,"A process.

        Creator Subject:
        \tAccount Name:\t\tbob
        \tLogon ID:\t\t0x3E7

        Process Information:
        \tNew Process Name:\tC:\\Windows\\System32\\net.exe
        \tProcess Command Line:\tnet user x /add"
        Error,2024-05-01 10:00:01,Disk,7,None,The device has a bad block.""")
    (one, header), (two, process), (eleven, disk) = events(text)
    assert (one, two, eleven, header) == (1, 2, 11, HEADER)
    assert isinstance(process, LogEvent)
    assert process.event == ("Security", " 4688", " net.exe")
    assert process.time == 1714557600.0
    assert process.entities == {"user": "bob", "session": "0x3E7"}
    assert disk == LogEvent(("Disk", " 7"), False, 1714557601.0, {}, {"level": "Error"})


def test_arguments_add_what_is_unusual_about_them() -> None:
    usual = only(PROCESS)
    unusual = only(PROCESS.replace("cmd /c dir", "cmd /c ..\\..\\x"))
    assert unusual.event[:3] == usual.event
    assert len(unusual.event) == 4


def test_settings_name_fields_of_the_event_log() -> None:
    settings = FormatSettings(event=("EventID", "LogonType"), entity="TargetUserName")
    event = only(LOGON, settings)
    assert (event.event, event.entities["TargetUserName"]) == (("4625", " 3"), "administrator")


def test_records_of_other_kinds_are_not_read() -> None:
    assert [Windows().parse(text) for text in ('{"message": "x"}', "<html/>", "a,b,c", "", "<Event/>")] == [None] * 5


@given(text=st.text(alphabet='<Event>/{}[]":,\n a1', max_size=80) | st.text(max_size=40))
def test_no_text_breaks_the_format(text: str) -> None:
    assert all(event is None or isinstance(event, LogEvent | Header) for _, event in events(text))


@pytest.mark.parametrize("filling", ["<Event>", "<a>", "</Event>", "<Event", "&lt;", '"', "{", "a,"])
def test_a_long_line_takes_no_time(filling: str) -> None:
    for text in (filling, LOGON[:-8] + filling, f"<Event>{filling}"):
        assert events(text + filling * (5_000 // len(filling)))
