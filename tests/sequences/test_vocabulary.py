import pytest

import trine.sequences.vocabulary as module
from trine.sequences.vocabulary import (
    BEGIN,
    ENTITY,
    EVENT,
    FIRST,
    HOUR,
    TIME,
    UNKNOWN,
    WEEKDAY,
    Vocabulary,
    columns_of,
)


def test_words_that_occur_have_codes_and_codes_have_words(make_table):
    table = make_table(["b", "a", "b"], ["c"])
    vocabulary = Vocabulary.of(table.rows(table.names == "line 1"), ())
    assert vocabulary.values == {EVENT: ("b", "a")}
    assert vocabulary.encode(table)[EVENT].tolist() == [2, 3, 2, UNKNOWN]
    assert [vocabulary.name(code) for code in (BEGIN, UNKNOWN, 2, 3)] == ["(end)", "(unknown)", "b", "a"]
    assert [vocabulary.code(word) for word in ("a", "c")] == [3, UNKNOWN]


def test_negative_and_huge_ids_are_words_like_any_other(make_table):
    table = make_table([-1, 10**30, "0", -1])
    vocabulary = Vocabulary.of(table, ())
    assert vocabulary.encode(table)[EVENT].tolist() == [2, 3, 4, 2]
    assert vocabulary.code(str(10**30)) == 3


def test_the_time_since_the_previous_event_is_a_class_and_unknown_for_the_first_event(make_table):
    table = make_table("aaaa", "aa", times=[[0, 0, 1e-3, 100.001], [5, 1e9]])
    vocabulary = Vocabulary.of(table, (TIME,))
    codes = vocabulary.encode(table)[TIME].tolist()
    assert codes[0] == codes[4] == UNKNOWN
    assert codes[1] == FIRST
    assert FIRST < codes[2] < codes[3] < codes[5] == vocabulary.sizes[TIME] - 1


@pytest.mark.parametrize("seconds", ["0", "0.5", "1e-9", "3600", "1e12"])
def test_a_single_time_has_the_code_that_it_has_in_a_table(make_table, seconds):
    vocabulary = Vocabulary.of(table := make_table("ab", times=[[0, float(seconds)]]), (TIME,))
    assert vocabulary.code(seconds, TIME) == vocabulary.encode(table)[TIME][1]
    assert vocabulary.code("", TIME) == UNKNOWN


def test_attributes_that_a_table_lacks_are_unknown(make_table):
    vocabulary = Vocabulary.of(make_table("ab", result=[["ok", "no"]]), ("result",))
    bare = make_table("ab")
    assert vocabulary.encode(bare)["result"].tolist() == [UNKNOWN, UNKNOWN]


def test_json_gives_the_same_vocabulary(make_table):
    vocabulary = Vocabulary.of(make_table("ab", result=[["ok", "no"]]), ("result",))
    assert Vocabulary.from_json(vocabulary.as_json()) == vocabulary


def test_hour_and_weekday_are_those_in_utc(make_table):
    sunday_23_59, monday_0_00 = 1_704_671_940.0, 1_704_672_000.0
    table = make_table("aab", times=[[sunday_23_59, monday_0_00, monday_0_00 + 3 * 3_600]])
    vocabulary = Vocabulary.of(table, (HOUR, WEEKDAY))
    codes = vocabulary.encode(table)
    assert [vocabulary.name(code, HOUR) for code in codes[HOUR].tolist()] == ["23:00 UTC", "00:00 UTC", "03:00 UTC"]
    assert [vocabulary.name(code, WEEKDAY) for code in codes[WEEKDAY].tolist()] == ["Sunday", "Monday", "Monday"]
    assert vocabulary.sizes[HOUR] == 24 + FIRST


def test_hours_without_times_are_unknown(make_table):
    vocabulary = Vocabulary.of(make_table("ab", times=[[0, 1]]), (HOUR,))
    assert vocabulary.encode(make_table("ab"))[HOUR].tolist() == [UNKNOWN, UNKNOWN]


def test_the_entity_of_a_session_is_its_name_without_its_number(make_table):
    table = make_table("ab", "c", "a", name=["ann", "ann#2", "bob#x"])
    vocabulary = Vocabulary.of(table, (ENTITY,))
    assert vocabulary.values[ENTITY] == ("ann", "bob#x")
    assert vocabulary.encode(table)[ENTITY].tolist() == [2, 2, 2, 3]
    assert vocabulary.encode(make_table("a", name=["eve"]))[ENTITY].tolist() == [UNKNOWN]


def test_columns_are_the_attributes_and_what_can_be_derived(make_table):
    assert columns_of(make_table("ab")) == {ENTITY}
    table = make_table("ab", times=[[0, 1]], result=[["ok", "no"]])
    assert columns_of(table) == {ENTITY, TIME, HOUR, WEEKDAY, "result"}


def test_the_rarest_kinds_beyond_the_largest_number_are_unknown(make_table, monkeypatch):
    monkeypatch.setattr(module, "MOST_EVENTS", 2)
    monkeypatch.setattr(module, "MOST_VALUES", 1)
    table = make_table("cabbaab", result=[["no", "ok", "ok", "ok", "ok", "ok", "ok"]])
    vocabulary = Vocabulary.of(table, ("result",))
    assert vocabulary.values == {EVENT: ("a", "b"), "result": ("ok",)}
    assert vocabulary.encode(table)[EVENT].tolist()[0] == UNKNOWN
