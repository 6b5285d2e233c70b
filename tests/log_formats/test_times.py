import math
import time
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.errors import UsageError
from trine.log_formats.times import Clock, find_time, leading_numbers_are_times, numbers_are_times, search_time, seconds


def utc(text: str) -> float:
    """The truth: an ISO time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("UTC")).timestamp()


def read(*texts: str, **settings: float | str) -> list[str | None]:
    """The times of a log, as ISO texts in UTC."""
    clock = Clock(**settings)  # type: ignore[arg-type]
    times = [clock.seconds(text) for text in texts]
    return [None if t is None else datetime.fromtimestamp(t, ZoneInfo("UTC")).isoformat(" ")[:-6] for t in times]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-05-01T10:00:00", "2024-05-01 10:00:00"),
        ("2024-05-01 10:00:00", "2024-05-01 10:00:00"),
        ("2024-05-01T10:00:00Z", "2024-05-01 10:00:00"),
        ("2024-05-01t10:00:00z", "2024-05-01 10:00:00"),
        ("2024-05-01T10:00:00+02:00", "2024-05-01 08:00:00"),
        ("2024-05-01T10:00:00+0200", "2024-05-01 08:00:00"),
        ("2024-05-01 10:00:00.5+02", "2024-05-01 08:00:00.500"),
        ("2024-05-01 10:00:00 -0530", "2024-05-01 15:30:00"),
        ("2024-05-01T10:00:00,123", "2024-05-01 10:00:00.123"),
        ("2024-05-01T10:00:00.123456789Z", "2024-05-01 10:00:00.123457"),
        ("2024-05-01 10:00:00:123", "2024-05-01 10:00:00.123"),
        ("2024-05-01", "2024-05-01 00:00:00"),
        ("2024-05-01T10:00", "2024-05-01 10:00:00"),
        ("2024-05-01, 10:00:00", "2024-05-01 10:00:00"),
        ("2024/05/01 10:00:00", "2024-05-01 10:00:00"),
        ("2024.05.01 10:00:00", "2024-05-01 10:00:00"),
        ("20240501T100000Z", "2024-05-01 10:00:00"),
        ("20240501T100000.25+0200", "2024-05-01 08:00:00.250"),
        ("20240501100000", "2024-05-01 10:00:00"),
        ("20240501 10:00:00", "2024-05-01 10:00:00"),
        ("20240501-10:00:00.5", "2024-05-01 10:00:00.500"),
        ("2024-05-01 10:00:00 UTC", "2024-05-01 10:00:00"),
        ("2024-05-01 10:00:00.25 +0000 UTC", "2024-05-01 10:00:00.250"),
        ("2024-05-01 10:00:00.250 CEST", "2024-05-01 08:00:00.250"),
        ("2024-05-01T24:00:00Z", "2024-05-02 00:00:00"),
        ("2016-12-31T23:59:60Z", "2017-01-01 00:00:00"),
        ("10/Oct/2000:13:55:36 -0700", "2000-10-10 20:55:36"),
        ("[10/Oct/2000:13:55:36 -0700]", "2000-10-10 20:55:36"),
        ("01-May-2024 10:00:00.123", "2024-05-01 10:00:00.123"),
        ("01 May 2024 10:00:00.5", "2024-05-01 10:00:00.500"),
        ("Tue Oct 10 13:55:36 2000", "2000-10-10 13:55:36"),
        ("Tue Oct  3 13:55:36 2000", "2000-10-03 13:55:36"),
        ("Tue Oct 10 13:55:36.123456 2000", "2000-10-10 13:55:36.123456"),
        ("Tue Oct 10 13:55:36 UTC 2000", "2000-10-10 13:55:36"),
        ("Tue Oct 10 13:55:36 PDT 2000", "2000-10-10 20:55:36"),
        ("Tue, 10 Oct 2000 13:55:36 GMT", "2000-10-10 13:55:36"),
        ("Tue, 10 Oct 2000 13:55:36 +0200 (CEST)", "2000-10-10 11:55:36"),
        ("10 Oct 2000 13:55:36 EST", "2000-10-10 18:55:36"),
        ("Tuesday, 10-Oct-00 13:55:36 GMT", "2000-10-10 13:55:36"),
        ("10/13/2000 1:55:36 PM", "2000-10-13 13:55:36"),
        ("10/13/2000 12:00:01 AM", "2000-10-13 00:00:01"),
        ("10/13/2000, 12:00:01 p.m.", "2000-10-13 12:00:01"),
        ("13.10.2000 13:55:36", "2000-10-13 13:55:36"),
        ("13/10/2000 13:55:36", "2000-10-13 13:55:36"),
        ("13.10.2000", "2000-10-13 00:00:00"),
        ("May 01, 2024 10:00:00 AM", "2024-05-01 10:00:00"),
        ("May 1, 2024 @ 10:00:00.000", "2024-05-01 10:00:00"),
        ("Dec 31 2024 23:59:59", "2024-12-31 23:59:59"),
        ("2024 Dec 31 23:59:59", "2024-12-31 23:59:59"),
        ("081109 203615", "2008-11-09 20:36:15"),
        ("160805  9:40:12", "2016-08-05 09:40:12"),
        ("17/06/09 20:10:40", "2017-06-09 20:10:40"),
        ("2005-06-03-15.42.50.675872", "2005-06-03 15:42:50.675872"),
        ("20171223-22:15:29:606", "2017-12-23 22:15:29.606"),
        ("20171224-0:7:20:4", "2017-12-24 00:07:20.004"),
        ("1117838570", "2005-06-03 22:42:50"),
        ("1117838570.5", "2005-06-03 22:42:50.500"),
        ("1117838570500", "2005-06-03 22:42:50.500"),
        ("1117838570500000", "2005-06-03 22:42:50.500"),
        ("1117838570500000000", "2005-06-03 22:42:50.500"),
        ("1117838570500.25", "2005-06-03 22:42:50.500250"),
        ("1.11783857e9", "2005-06-03 22:42:50"),
        ("132223104000000000", "2020-01-01 00:00:00"),
        ("@4000000037c219bf2ef02e94", "1999-08-24 04:04:05.787492"),
    ],
)
def test_a_time_is_read_in_any_of_these_forms(text: str, moment: str) -> None:
    clock = Clock()
    assert clock.seconds(text) == pytest.approx(utc(moment), abs=2e-6)
    assert clock.seconds(f"  {text} ") == pytest.approx(utc(moment), abs=2e-6)
    assert not clock.not_understood
    assert seconds(text) == pytest.approx(utc(moment), abs=2e-6)


HOSTILE = [
    "1e400", "nan", "inf", "-inf", "-5", "99:99:99", "10:60:00", "10:00:61", "25:00:00", "0000-01-01T00:00:00Z",
    "2024-02-30 10:00:00", "2023-02-29", "2024-13-01T00:00:00", "2024-05-01T10:00:00+99:00", "99/99/9999 10:00:00",
    "Feb 30 10:00:00", "13:55:36 PM", "1" * 40, "9" * 20, "٢٠٢٤-٠٥-٠١", "x", "null", "2024-05-01T10:00:00" * 60_000,
    "[" * 1_000_000, "\x00", "10/Foo/2000:13:55:36 -0700",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:20])
def test_what_is_no_time_is_counted_and_never_raises(text: str) -> None:
    clock = Clock()
    start = time.perf_counter()
    assert clock.seconds(text) is None
    assert time.perf_counter() - start < 0.5
    assert clock.not_understood == 1
    assert clock.examples == [text.strip()[:80]]


def test_an_empty_text_and_a_dash_are_no_time_that_was_given() -> None:
    clock = Clock()
    assert [clock.seconds(text) for text in ("", " ", "-")] == [None, None, None]
    assert clock.not_understood == 0


def test_only_three_examples_are_kept() -> None:
    clock = Clock()
    for number in range(10):
        clock.seconds(f"no time {number}")
    assert clock.not_understood == 10
    assert clock.examples == ["no time 0", "no time 1", "no time 2"]
    assert clock.notes() == ("times not understood (10: 'no time 0', 'no time 1', 'no time 2')",)


def test_the_last_and_the_first_years_are_read() -> None:
    assert seconds("9999-12-31T23:59:59Z") == 253402300799
    assert seconds("0001-01-01T00:00:00Z") == -62135596800


def test_late_lines_of_december_go_back_a_year() -> None:
    texts = (
        "Dec 31 23:59:58",
        "Jan  1 00:00:00",
        "Dec 31 23:59:59",
        "Dec 31 23:59:59",
        "Jan  1 00:00:02",
        "Jan 2 01:00:00",
    )
    times = [Clock().seconds(texts[0])]
    clock = Clock()
    times = [clock.seconds(text) for text in texts]
    first = times[0]
    assert first is not None
    assert [t - first for t in times if t is not None] == [0, 2, 1, 1, 4, 2 + 86400 + 3600]


def test_years_go_on_through_a_log_without_years() -> None:
    months = ["Jan", "Mar", "May", "Jul", "Sep", "Nov"]
    assert read(*[f"{month} 15 10:00:00" for month in months * 3], reference=utc("2021-03-01 00:00:00"))[::6] == [
        "2021-01-15 10:00:00",
        "2022-01-15 10:00:00",
        "2023-01-15 10:00:00",
    ]


def test_february_29_is_a_day_in_a_log_without_years() -> None:
    for before in ("Nov  5", "Jan 30", "Feb 28"):
        first, leap, after = read(f"{before} 10:00:00", "Feb 29 10:00:00", "Mar  1 10:00:00")
        assert first is not None
        assert leap == "2000-02-29 10:00:00"
        assert after == "2000-03-01 10:00:00"
    assert read("Mar  1 10:00:00", "Feb 29 23:59:59") == ["2000-03-01 10:00:00", "2000-02-29 23:59:59"]


def test_february_29_of_a_common_year_follows_february_28() -> None:
    reference = utc("2023-02-28 12:00:00")
    assert read("Feb 28 10:00:00", "Feb 29 10:00:00", reference=reference)[1] == "2023-03-01 10:00:00"
    assert read("Feb 29 10:00:00", reference=reference) == ["2020-02-29 10:00:00"]


def test_the_first_line_is_not_later_than_the_reference() -> None:
    assert read("Dec 31 23:59:59", reference=utc("2024-01-02 00:00:00")) == ["2023-12-31 23:59:59"]
    assert read("Jan 31 23:59:59", reference=utc("2024-12-02 00:00:00")) == ["2024-01-31 23:59:59"]
    assert read("23:59:59", reference=utc("2024-01-02 00:00:10")) == ["2024-01-01 23:59:59"]


def test_syslog_times_have_one_or_two_blanks_and_a_fraction() -> None:
    texts = ("Mar  1 18:46:11", "Mar 1 18:46:12", "Mar 01 18:46:12.5", "*Mar  1 18:46:13.123", "Mar  1 18:46:14 UTC")
    assert read(*texts, reference=utc("2024-03-02 00:00:00")) == [
        "2024-03-01 18:46:11",
        "2024-03-01 18:46:12",
        "2024-03-01 18:46:12.500000",
        "2024-03-01 18:46:13.123000",
        "2024-03-01 18:46:14",
    ]


def test_a_missing_year_is_taken_from_the_line_before() -> None:
    assert read("2011-12-31T23:00:00Z", "Jan  1 01:00:00")[1] == "2012-01-01 01:00:00"
    assert read("2017-01-01 00:00:01", "12-31 23:59:59.811")[1] == "2016-12-31 23:59:59.811000"


def test_android_and_proxifier_write_the_month_first() -> None:
    texts = ("03-17 16:13:38.811", "03-17 16:13:38.819", "03-18 00:00:00.000")
    assert [text and text[5:] for text in read(*texts)] == [
        "03-17 16:13:38.811000",
        "03-17 16:13:38.819000",
        "03-18 00:00:00",
    ]
    assert read("[10.30 16:49:06]", reference=utc("2019-01-01 00:00:00")) == ["2018-10-30 16:49:06"]
    assert read("0501 10:00:00.123456", reference=utc("2019-06-01 00:00:00")) == ["2019-05-01 10:00:00.123456"]


def test_the_day_advances_when_a_time_of_day_wraps_and_goes_back_for_late_lines() -> None:
    clock = Clock()
    texts = ("23:59:59.5", "00:00:01", "23:59:59", "00:00:02", "12:00:00", "23:00:00", "01:00:00")
    assert [clock.seconds(text) for text in texts] == [86399.5, 86401, 86399, 86402, 129600, 169200, 176400]


def test_a_time_of_day_takes_the_day_of_the_line_before() -> None:
    assert read("2024-05-01 23:59:59", "00:00:01")[1] == "2024-05-02 00:00:01"


def test_a_field_above_twelve_decides_the_order_of_day_and_month() -> None:
    assert read("13/04/2024 10:00:00", "01/05/2024 10:00:00") == ["2024-04-13 10:00:00", "2024-05-01 10:00:00"]
    assert read("04/13/2024 10:00:00", "05/01/2024 10:00:00") == ["2024-04-13 10:00:00", "2024-05-01 10:00:00"]
    assert read("04.13.2024 10:00:00", "05.01.2024 10:00:00") == ["2024-04-13 10:00:00", "2024-05-01 10:00:00"]


def test_custom_decides_where_the_log_does_not_and_the_notes_say_so() -> None:
    clock = Clock()
    assert clock.seconds("05/04/2024 10:00:00") == utc("2024-05-04 10:00:00")
    assert clock.notes() == ("dates are read as month/day/year, by custom: the log does not decide",)
    clock = Clock()
    assert clock.seconds("05.04.2024 10:00:00") == utc("2024-04-05 10:00:00")
    assert clock.notes() == ("dates are read as day.month.year, by custom: the log does not decide",)
    assert clock.orders["./yyyy".replace("/", "")].order == "dmy"


def test_times_that_run_backwards_decide_the_order() -> None:
    assert read("10/05/2024 10:00:00", "03/06/2024 10:00:00", "01/07/2024 10:00:00")[1:] == [
        "2024-06-03 10:00:00",
        "2024-07-01 10:00:00",
    ]


def test_midnight_decides_the_order() -> None:
    assert read("01/05/2024 23:59:59", "02/05/2024 00:00:01")[1] == "2024-05-02 00:00:01"
    assert read("05/01/2024 23:59:59", "05/02/2024 00:00:01")[1] == "2024-05-02 00:00:01"


def test_after_a_first_look_the_whole_log_is_read_in_the_order_that_was_found() -> None:
    texts = ["11/05/2024 10:00:00", "12/05/2024 10:00:00", "13/05/2024 10:00:00"]
    clock = Clock()
    for text in texts:
        clock.seconds(text)
    assert clock.notes() == ("dates are read as day/month/year; the first 1 were read otherwise",)
    clock.rewind()
    assert [clock.seconds(text) for text in texts] == [utc(f"2024-05-{day} 10:00:00") for day in (11, 12, 13)]
    assert clock.notes() == ("dates are read as day/month/year",)


def test_two_digit_years_are_read_by_their_neighbours() -> None:
    assert read("17/06/09 23:59:40", "17/06/10 00:00:01")[1] == "2017-06-10 00:00:01"
    assert read("06/09/17 23:59:40", "06/10/17 00:00:01", "06/10/17 00:00:02")[2] == "2017-06-10 00:00:02"
    assert read("09/06/17 23:59:40", "10/06/17 00:00:01", "13/06/17 00:00:02")[2] == "2017-06-13 00:00:02"
    assert read("31.12.99 10:00:00", "01.01.00 10:00:00") == ["1999-12-31 10:00:00", "2000-01-01 10:00:00"]


def test_one_odd_date_does_not_turn_a_log_that_has_decided() -> None:
    texts = [f"05/{day}/2024 10:00:00" for day in range(13, 20)]
    assert read(*texts, "13/05/2024 10:00:00", "05/02/2024 10:00:00")[-1] == "2024-05-02 10:00:00"


def test_an_unknown_zone_is_read_as_utc_and_said() -> None:
    clock = Clock()
    assert clock.seconds("Tue Oct 10 13:55:36 XYZT 2000") == utc("2000-10-10 13:55:36")
    assert clock.notes() == ("unknown time zones are read as UTC: XYZT",)


def test_a_given_form_is_the_only_one() -> None:
    clock = Clock(time_format="%d.%m.%y %H-%M")
    assert clock.seconds("05.04.24 10-30") == utc("2024-04-05 10:30:00")
    assert clock.seconds("2024-04-05T10:30:00Z") is None
    assert clock.seconds("1117838570") is None
    assert clock.not_understood == 2


@pytest.mark.parametrize(
    ("form", "text", "moment"),
    [
        ("%Y-%m-%d %H:%M:%S.%f", "2024-05-01 10:00:00.123456789", "2024-05-01 10:00:00.123456"),
        ("%Y-%m-%dT%H:%M:%S%z", "2024-05-01T10:00:00+0200", "2024-05-01 08:00:00"),
        ("%s", "1117838570", "2005-06-03 22:42:50"),
        ("%s.%f", "1117838570.500", "2005-06-03 22:42:50.500"),
        ("[%s.%3N]", "[1117838570.500]", "2005-06-03 22:42:50.500"),
        ("%F %T,%L", "2024-05-01 10:00:00,123", "2024-05-01 10:00:00.123"),
        ("%d/%b/%Y:%H:%M:%S %z", "10/Oct/2000:13:55:36 -0700", "2000-10-10 20:55:36"),
        ("%Y %b %e", "2024 May  1", "2024-05-01 00:00:00"),
    ],
)
def test_given_forms(form: str, text: str, moment: str) -> None:
    assert Clock(time_format=form).seconds(text) == pytest.approx(utc(moment), abs=1e-6)


def test_a_given_form_without_year_or_date_takes_them_from_its_neighbours() -> None:
    assert read("Dec 31 23.59", "Jan 1 00.01", "Feb 29 00.00", time_format="%b %d %H.%M") == [
        "1999-12-31 23:59:00",
        "2000-01-01 00:01:00",
        "2000-02-29 00:00:00",
    ]
    assert read("23.59", "00.01", time_format="%H.%M") == ["1970-01-01 23:59:00", "1970-01-02 00:01:00"]


@pytest.mark.parametrize("form", ["", "no directive", "%", "%Q", "%d %H:%M", "%s %H", "%s%s", "%Y%Y", "%H:%M %q", "%M"])
def test_a_form_that_reads_no_time_is_refused(form: str) -> None:
    with pytest.raises(UsageError, match="time format"):
        Clock(time_format=form)


@given(st.text(max_size=60))
def test_any_text_is_a_form_or_refused(form: str) -> None:
    try:
        clock = Clock(time_format=form)
    except UsageError:
        return
    clock.seconds("2024-05-01 10:00:00")


LETTERS = st.text(alphabet="0123456789:/.-+T Z,[]JanFebOctPMAMe@", max_size=40)


@given(st.lists(LETTERS | st.text(max_size=50), max_size=8))
def test_any_text_is_a_time_or_counted(texts: list[str]) -> None:
    clock = Clock()
    times = [clock.seconds(text) for text in texts]
    assert all(value is None or math.isfinite(value) for value in times)
    given_texts = [text for text in texts if text.strip() not in ("", "-")]
    assert clock.not_understood == len(given_texts) - sum(value is not None for value in times)
    for text in texts:
        if found := find_time(text):
            assert found[0] in text
            assert 0 < found[1] <= len(text)
        search_time(text)


FORMS = ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S.250", "%d/%b/%Y:%H:%M:%S +0000", "%a %b %d %H:%M:%S %Y",
         "%a %b %d %H:%M:%S.250000 %Y", "%m/%d/%Y %I:%M:%S %p", "%Y%m%dT%H%M%SZ", "%y%m%d %H%M%S"]  # fmt: skip


@given(st.sampled_from(FORMS), st.lists(st.integers(-200, 200), min_size=1, max_size=20))
def test_times_are_read_the_same_with_and_without_the_minutes_before(form: str, steps: list[int]) -> None:
    now, clock = utc("2024-12-31 23:58:00"), Clock()
    clock.seconds(datetime(2024, 12, 31, 23, 0, tzinfo=ZoneInfo("UTC")).strftime(form))
    for step in steps:
        now += step
        text = datetime.fromtimestamp(now, ZoneInfo("UTC")).strftime(form)
        assert clock.seconds(text) == now + (0.25 if ".25" in form else 0)


@given(st.integers(0, 2_000_000_000), st.lists(st.integers(-3600, 7_000_000), max_size=20))
def test_times_without_year_keep_their_differences(first: int, steps: list[int]) -> None:
    moments = [first]
    for step in steps:
        moments.append(max(0, moments[-1] + step))
    clock = Clock(reference=first)
    texts = [datetime.fromtimestamp(moment, ZoneInfo("UTC")).strftime("%b %d %H:%M:%S") for moment in moments]
    if "Feb 29" not in texts[0]:
        assert [clock.seconds(text) for text in texts] == moments


@pytest.mark.parametrize(
    ("line", "time_text", "rest"),
    [
        ("2024-05-01 10:00:00,123 - root - INFO - up", "2024-05-01 10:00:00,123", "root - INFO - up"),
        ("[2024-05-01T10:00:00Z] INFO up", "2024-05-01T10:00:00Z", "INFO up"),
        ("2024-05-01 10:00:00 +0200: up", "2024-05-01 10:00:00 +0200", "up"),
        ("2024-05-01 10:00:00 +0000 UTC up", "2024-05-01 10:00:00 +0000 UTC", "up"),
        ("2024-05-01 10:00:00 INFO up", "2024-05-01 10:00:00", "INFO up"),
        ("2024-05-01 10:00:00.123 UTC [77] LOG: up", "2024-05-01 10:00:00.123 UTC", "[77] LOG: up"),
        ("2024/05/01 10:00:00 [error] 7#7: up", "2024/05/01 10:00:00", "[error] 7#7: up"),
        ("[Tue Oct 10 13:55:36.123456 2000] [core:error] x", "Tue Oct 10 13:55:36.123456 2000", "[core:error] x"),
        ("Tue Oct 10 13:55:36 2000 : Info: up", "Tue Oct 10 13:55:36 2000", "Info: up"),
        ("Jun 14 15:16:01 est sshd: up", "Jun 14 15:16:01", "est sshd: up"),
        ("*Mar  1 18:46:11.123: %SYS-5-CONFIG_I: x", "Mar  1 18:46:11.123", "%SYS-5-CONFIG_I: x"),
        ("081109 203615 148 INFO dfs.DataNode: x", "081109 203615", "148 INFO dfs.DataNode: x"),
        ("03-17 16:13:38.811  1702  2395 D WM: x", "03-17 16:13:38.811", "1702  2395 D WM: x"),
        ("17/06/09 20:10:40 INFO spark: x", "17/06/09 20:10:40", "INFO spark: x"),
        ("20171223-22:15:29:606|Step_LSC|30002312|x", "20171223-22:15:29:606", "Step_LSC|30002312|x"),
        ("[10.30 16:49:06] chrome.exe - proxy", "10.30 16:49:06", "chrome.exe - proxy"),
        ("10/13/2000 1:55:36 PM, up", "10/13/2000 1:55:36 PM", "up"),
        ("13.10.2000 13:55:36 up", "13.10.2000 13:55:36", "up"),
        ("May 01, 2024 10:00:00 AM org.Foo bar", "May 01, 2024 10:00:00 AM", "org.Foo bar"),
        ("01-May-2024 10:00:00.123 queries: x", "01-May-2024 10:00:00.123", "queries: x"),
        ("23:59:59.5 up", "23:59:59.5", "up"),
        ("2024-05-01: up", "2024-05-01", "up"),
        ("1117838570 2005.06.03 R02", "1117838570", "2005.06.03 R02"),
        ("1117838570.123: up", "1117838570.123", "up"),
        ("(1117838570123) up", "1117838570123", "up"),
        ("2005-06-03-15.42.50.675872 R02", "2005-06-03-15.42.50.675872", "R02"),
    ],
)
def test_the_time_at_the_beginning_of_a_line_is_found(line: str, time_text: str, rest: str) -> None:
    found = find_time(line)
    assert found is not None
    assert (found[0], line[found[1] :]) == (time_text, rest)
    assert seconds(found[0]) is not None


@pytest.mark.parametrize(
    "line",
    [
        "up", "", "10.0.0.1 - - up", "1.2.3 released", "10.10.20.24:80 up", "12345 up", "9999999999 up",
        "0123456789 up",
        "5000000000000000 up", "1117838570abc", "fe80::1 up", "10:00:00:aa:bb:cc is up", "10-10-2020-15 up", "1/2 done",
        "2024-05-01-7 up",
    ],
)  # fmt: skip
def test_what_looks_like_a_time_is_none(line: str) -> None:
    assert find_time(line) is None


def test_numbers_are_no_times_if_told() -> None:
    assert find_time("1117838570 up", numbers=False) is None
    assert find_time("2024-05-01 up", numbers=False) is not None


def test_a_time_is_found_inside_a_line() -> None:
    web = '1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 200 5'
    assert search_time(web) == "10/Oct/2000:13:55:36 -0700"
    assert search_time('{"msg": "x", "ts": 1117838570.5}') == "1117838570.5"
    assert search_time('{"time":"2024-05-01T10:00:00Z"}') == "2024-05-01T10:00:00Z"
    assert search_time("type=SYSCALL msg=audit(1117838570.123:42): x") == "1117838570.123"
    assert search_time("<34>Oct 11 22:14:15 host su: x") == "Oct 11 22:14:15"
    assert search_time("<34>1 2003-10-11T22:14:15.003Z host su - - - x") == "2003-10-11T22:14:15.003Z"
    assert search_time("nothing 12 here 1.2.3.4") is None


def test_numbers_are_times_if_they_hardly_run_backwards() -> None:
    assert numbers_are_times([1714557600, 1714557600, 1714557599, 1714557700])
    assert numbers_are_times([1714557600123, 1714557600124])
    assert not numbers_are_times([1714557600, 1314557600, 1514557600, 1214557600])
    assert not numbers_are_times([1, 2, 3])
    assert not numbers_are_times([])
    assert leading_numbers_are_times([f"{1714557600 + i} up" for i in range(100)])
    assert not leading_numbers_are_times([f"{1714557600 - 1000 * i} up" for i in range(100)])


@pytest.mark.parametrize("line", ["1" * 10**6, "[" * 10**6, "2024-05-01 " * 10**5, " " * 10**6, "a:1-" * 250_000])
def test_a_hostile_line_takes_no_time(line: str) -> None:
    start = time.perf_counter()
    find_time(line)
    search_time(line)
    assert time.perf_counter() - start < 0.5


def test_memory_of_a_clock_is_bounded() -> None:
    clock = Clock()
    for minute in range(1200):
        clock.seconds(datetime.fromtimestamp(60 * minute, ZoneInfo("UTC")).strftime("%Y-%m-%d %H:%M:%S"))
    assert len(clock._minutes) <= 512
