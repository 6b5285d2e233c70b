"""The text of a record is its own, wherever it stands: alone on a line, among others, or over several lines."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.logs.readers import LogSettings, log_lines
from trine.logs.record_texts import SHOWN_TEXT, Place, place_text

EVENTS = [
    {"time": f"2024-05-01T10:00:{i:02d}Z", "event": name, "user": "ann", "number": i, "détail": 'é {}[] " \\ ,'}
    for i, name in enumerate(("login", "read", "delete", "logout"))
]
LAYOUTS = {
    "a line each": "".join(f"{json.dumps(event)}\n" for event in EVENTS),
    "one line": " ".join(json.dumps(event) for event in EVENTS),
    "two per line": "\n".join(f"{json.dumps(a)}, {json.dumps(b)}" for a, b in (EVENTS[:2], EVENTS[2:])),
    "a list": json.dumps(EVENTS),
    "an indented list": json.dumps(EVENTS, indent=4),
    "an object that holds them": json.dumps({"Records": EVENTS}),
    "an indented object that holds them": json.dumps({"Records": EVENTS}, indent=1),
    "after a comma, in the midst of a line": "[" + ",\n".join(json.dumps(event) for event in EVENTS) + "]",
}


def shown(path: Path, **settings: object) -> list[tuple[str, str]]:
    """Name and text of each event, in the order of the log."""
    lines = log_lines([path], LogSettings(**settings))
    events = [event for block in lines.blocks() for event in block]
    places = [Place(event.source, event.line, event.record) for event in events]
    assert len(set(places)) == len(places)
    texts = lines.records.texts(places)
    return [(lines.names.name(event.event), texts[place]) for event, place in zip(events, places, strict=True)]


def written(folder: str | Path, content: str) -> Path:
    path = Path(folder) / "a.log"
    path.write_text(content, "utf-8")
    return path


@pytest.mark.parametrize("content", LAYOUTS.values(), ids=LAYOUTS)
def test_an_event_of_json_is_shown_with_its_own_object(tmp_path: Path, content: str) -> None:
    texts = shown(written(tmp_path, content), event=("event",))
    assert [(name, json.loads(text)) for name, text in texts] == [(event["event"], event) for event in EVENTS]
    assert not any("\n" in text or "  " in text for _, text in texts)


@given(
    numbers=st.lists(st.integers(0, 99), min_size=1, max_size=30, unique=True),
    breaks=st.lists(st.sampled_from(["", "\n", " \n\n", " "]), min_size=30, max_size=30),
    in_list=st.booleans(),
)
def test_whatever_the_line_breaks_between_objects_each_event_has_its_own(
    numbers: list[int], breaks: list[str], in_list: bool
) -> None:
    objects = [json.dumps({"event": f"e{number}", "time": 1714557600 + number}) for number in numbers]
    between = "," if in_list else "\n"
    content = "".join(f"{each}{between}{gap}" for each, gap in zip(objects, breaks, strict=False)).rstrip(
        f"{between} \n"
    )
    with tempfile.TemporaryDirectory() as folder:
        texts = shown(written(folder, f"[{content}]" if in_list else content), format="json", event=("event",))
    assert [json.loads(text)["event"] for _, text in texts] == [f"e{number}" for number in numbers]


def windows_event(number: int, record: int, between: str) -> str:
    parts = (
        '<Event xmlns="http://schemas.microsoft.com/win/2004/08/events/event"><System><Provider Name="Security"/>',
        f"<EventID>{number}</EventID><TimeCreated SystemTime='2024-05-01T10:00:00Z'/>",
        f"<Channel>Security</Channel><Computer>pc</Computer><EventRecordID>{record}</EventRecordID></System></Event>",
    )
    return between.join(parts)


@pytest.mark.parametrize("between", ["", "\n"], ids=["one line", "several lines"])
def test_an_event_of_windows_in_xml_is_shown_with_its_own_element(tmp_path: Path, between: str) -> None:
    elements = [windows_event(number, i, between) for i, number in enumerate((4624, 4625, 4688))]
    texts = shown(written(tmp_path, f"<Events>{''.join(elements)}</Events>"))
    assert [text for _, text in texts] == elements


def test_a_row_with_line_breaks_in_a_cell_is_shown_as_a_whole(tmp_path: Path) -> None:
    rows = ['2024-05-01 10:00:00;"two; words\non two lines";ann', "2024-05-01 10:00:01;one;bob"]
    texts = shown(written(tmp_path, "time;event;user\n" + "\n".join(rows) + "\n"), format="csv")
    assert [text for _, text in texts] == rows


def test_a_long_record_is_shown_by_its_beginning(tmp_path: Path) -> None:
    events = [{"event": "short"}, {"event": "long", "text": "x" * 300_000}, {"event": "short"}]
    texts = [text for _, text in shown(written(tmp_path, json.dumps(events)), event=("event",))]
    assert [len(text) for text in texts] == [17, SHOWN_TEXT, 17]
    assert texts[1].startswith('{"event":"long","text":"xxx')


def test_a_place_names_the_record_only_where_a_line_has_several() -> None:
    assert place_text("a.log", 3) == "a.log:3"
    assert place_text("a.log", 3, 78) == "a.log:3 record 78"
