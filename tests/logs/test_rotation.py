from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.logs.rotation import Head, Rotated, order, rotated


def names(*files: Head) -> list[str]:
    return [files[position].name for position in order(files)]


@pytest.mark.parametrize(
    ("name", "base", "date", "number"),
    [
        ("app.log", "app.log", "", None),
        ("app.log.1", "app.log", "", 1),
        ("logs/app.log.2.gz", "logs/app.log", "", 2),
        ("app.log-20240501.gz", "app.log", "20240501", None),
        ("app-2024-05-01.log", "app.log", "20240501", None),
        ("app.2024-05-01.3.log", "app.log", "20240501", 3),
        ("app.log.2024-05-01", "app.log", "20240501", None),
        ("app.log-20240501-1714557600", "app.log", "202405011714557600", None),
        ("app.log.2024-05-01-13", "app.log", "2024050113", None),
        ("access_log.1", "access_log", "", 1),
        ("localhost_access_log.2024-05-01.txt", "localhost_access_log.txt", "20240501", None),
        ("app.1.log", "app.log", "", 1),
        ("u_ex240501.log", "u_ex240501.log", "", None),
        ("logs.tar.gz:var/log/auth.log.1", "logs.tar.gz:var/log/auth.log", "", 1),
        ("syslog.7.xz", "syslog", "", 7),
        ("10.0.0.5.log", "10.0.0.log", "", 5),
        ("auth.log.10.zst", "auth.log", "", 10),
    ],
)
def test_a_name_is_taken_apart(name: str, base: str, date: str, number: int | None) -> None:
    assert rotated(name) == Rotated(base, date, number)


def test_times_decide_and_not_names() -> None:
    files = [
        Head("app.log.1", ["2024-05-03T10:00:00Z x"]),
        Head("app.log", ["2024-05-01T10:00:00Z x"]),
        Head("app.log.2", ["2024-05-02T10:00:00Z x"]),
    ]
    assert names(*files) == ["app.log", "app.log.2", "app.log.1"]


def test_sets_are_ordered_by_time_together() -> None:
    files = [
        Head("a.log", ["2024-05-03 10:00:00 x"]),
        Head("a.log.1", ["2024-05-01 10:00:00 x"]),
        Head("b.log", ["1.2.3.4 - - [04/May/2024:10:00:00 +0000] x"]),
        Head("b.log.1", ["1.2.3.4 - - [02/May/2024:10:00:00 +0000] x"]),
    ]
    assert names(*files) == ["a.log.1", "b.log.1", "a.log", "b.log"]


def test_without_times_the_highest_number_is_the_oldest() -> None:
    files = [Head(name, ["x"]) for name in ("app.log", "app.log.1", "app.log.10.gz", "app.log.2.gz")]
    assert names(*files) == ["app.log.10.gz", "app.log.2.gz", "app.log.1", "app.log"]


def test_without_times_dates_in_names_decide() -> None:
    files = [Head(name, ["x"]) for name in ("app.log", "app.log-20240502", "app.log-20231231.gz")]
    assert names(*files) == ["app.log-20231231.gz", "app.log-20240502", "app.log"]


def test_a_file_without_time_stands_by_its_number_in_its_set() -> None:
    files = [
        Head("app.log", ["2024-05-03 10:00:00 x"]),
        Head("app.log.1", ["x"]),
        Head("app.log.2", ["2024-05-01 10:00:00 x"]),
        Head("app.log.3", []),
        Head("other.log", ["2024-05-02 10:00:00 x"]),
    ]
    assert names(*files) == ["app.log.3", "app.log.2", "app.log.1", "other.log", "app.log"]


def test_sets_without_any_time_come_last_as_they_were_given() -> None:
    files = [Head("z.log", ["x"]), Head("a.log", ["x"]), Head("m.log", ["2024-05-01 10:00:00 x"])]
    assert names(*files) == ["m.log", "z.log", "a.log"]


def test_a_time_behind_a_banner_is_found() -> None:
    files = [
        Head("b.log", ["Log opened", "", "2024-05-01 10:00:00 x"]),
        Head("a.log", ["Log opened", "", "2024-05-02 10:00:00 x"]),
    ]
    assert names(*files) == ["b.log", "a.log"]


def test_the_year_of_a_syslog_file_is_that_of_its_last_change() -> None:
    january = datetime(2024, 1, 7, tzinfo=UTC).timestamp()
    files = [
        Head("auth.log", ["Jan  1 00:00:10 host sshd[1]: x"], january),
        Head("auth.log.1", ["Dec 25 00:00:10 host sshd[1]: x"], january - 6 * 86400),
    ]
    assert names(*files) == ["auth.log.1", "auth.log"]
    copied = [file._replace(modified=january + 90 * 86400) for file in files]
    assert names(*copied) == ["auth.log.1", "auth.log"]


def test_one_file_decides_the_order_of_day_and_month_for_all() -> None:
    files = [
        Head("a.log", ["03/05/2024 10:00:00 x"]),
        Head("b.log", ["04/04/2024 10:00:00 x"]),
        Head("c.log", ["25/03/2024 10:00:00 x"]),
    ]
    assert names(*files) == ["c.log", "b.log", "a.log"]


def test_times_of_day_and_since_a_start_do_not_order_files() -> None:
    files = [Head("app.log", ["00:00:10 x"]), Head("app.log.1", ["10:00:00 x"])]
    assert names(*files) == ["app.log.1", "app.log"]


def test_a_given_function_reads_the_times() -> None:
    files = [Head("a", ["t=1700000009"]), Head("b", ["?", "t=1700000003"])]
    assert order(files, lambda line: float(line[2:]) if line.startswith("t=") else None) == [1, 0]


@given(st.lists(st.tuples(st.text(max_size=20), st.lists(st.text(max_size=30), max_size=3)), max_size=6))
def test_any_files_have_an_order(files: list[tuple[str, list[str]]]) -> None:
    positions = order([Head(name, lines) for name, lines in files])
    assert sorted(positions) == list(range(len(files)))
