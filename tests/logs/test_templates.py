import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trine.errors import DataError
from trine.logs.templates import OTHER, Evidence, TemplateMiner

letters = st.characters(codec="utf-8", exclude_characters="\0")
line = st.text(letters, max_size=60)
word = st.sampled_from(
    ["user", "root", "opened", "closed", "10.0.0.1", "x=7", "(uid=0)", "/etc/passwd", "a", "b", "c", "d"]
)
sentence = st.lists(word, min_size=1, max_size=6).map(" ".join)


def mined(lines: list[str], miner: TemplateMiner) -> list[int]:
    ids = [miner.add(line) for line in lines]
    return [miner.resolve(id_) for id_ in ids]


def texts(miner: TemplateMiner) -> list[str]:
    return [template.text for template in miner.templates()]


def test_two_words_at_one_position_stay_two_templates() -> None:
    miner = TemplateMiner()
    assert len(set(mined(["AirPort: Link Up on awdl0", "AirPort: Link Down on awdl0"] * 50, miner))) == 2


def test_many_words_at_one_position_are_a_value() -> None:
    users = ["root", "admin", "guest", "oracle", "nagios"]
    miner = TemplateMiner()
    assert len(set(mined([f"Failed password for {user} from 10.0.0.{i}" for i, user in enumerate(users)], miner))) == 1
    assert texts(miner) == ["Failed password for <*> from <*>"]


def test_words_that_tell_what_happened_need_more_evidence() -> None:
    states = ["Started", "Stopped", "Paused", "Resumed", "Deleted"]
    assert len(set(mined([f"VM {state} (Lifecycle Event)" for state in states], TemplateMiner()))) == len(states)


def test_a_word_known_as_a_value_is_one_elsewhere() -> None:
    miner = TemplateMiner()
    mined([f"session closed for {user}" for user in ("cyrus", "news", "test", "mail")], miner)
    assert len(set(mined(["session opened for cyrus by me", "session opened for news by me"], miner))) == 1


def test_a_merged_template_continues_under_its_lowest_id() -> None:
    miner = TemplateMiner()
    ids = [miner.add(f"user {name} logs in") for name in ("ann", "bob", "cyd", "dan", "eve")]
    assert {miner.resolve(id_) for id_ in ids} == {min(ids)}


@given(lines=st.lists(sentence | line, max_size=40))
def test_mining_is_deterministic_and_every_line_has_a_template(lines: list[str]) -> None:
    first, second = TemplateMiner(), TemplateMiner()
    ids = mined(lines, first)
    assert ids == mined(lines, second)
    assert first.templates() == second.templates()
    assert set(ids) <= {template.id for template in first.templates()}


@given(lines=st.lists(sentence, max_size=40))
def test_a_learned_line_is_matched_and_matching_learns_nothing(lines: list[str]) -> None:
    miner = TemplateMiner()
    mined(lines, miner)
    before = miner.to_json()
    assert all(miner.match(line) != OTHER for line in lines)
    miner.match("nothing like this was ever logged")
    assert miner.to_json() == before


@given(lines=st.lists(sentence | line, max_size=30), more=st.lists(sentence | line, max_size=30))
def test_a_saved_miner_continues_with_the_same_results(lines: list[str], more: list[str]) -> None:
    miner = TemplateMiner()
    mined(lines, miner)
    loaded = TemplateMiner.from_json(miner.to_json())
    assert mined(more, loaded) == mined(more, miner)
    assert loaded.to_json() == miner.to_json()


@given(lines=st.lists(sentence | line, max_size=60), limit=st.integers(0, 5))
def test_templates_never_exceed_their_bound(lines: list[str], limit: int) -> None:
    miner = TemplateMiner(max_templates=limit)
    ids = mined(lines, miner)
    assert len(miner) <= limit
    assert len(set(ids) - {OTHER}) <= limit


@given(line=line, digits=st.lists(st.integers(0, 10**6), max_size=5))
def test_other_digits_are_the_same_template(line: str, digits: list[int]) -> None:
    miner = TemplateMiner()
    first = miner.add(line + " count 7")
    assert {miner.add(f"{line} count {digit}") for digit in digits} <= {first}


@pytest.mark.parametrize(
    "hostile",
    ["a" * 10**7, "a-" * 10**6, "(" * 10**6, "\0" * 10**6, " " * 10**6, "0a " * 10**6, "a:" * 10**6, "<" * 10**6],
)
def test_a_line_of_10_mb_is_mined_in_no_time(hostile: str) -> None:
    start = time.perf_counter()
    TemplateMiner().add(hostile)
    assert time.perf_counter() - start < 2


def test_lone_surrogates_and_empty_lines_are_lines() -> None:
    miner = TemplateMiner()
    assert len(set(mined(["\ud800", "", " "], miner))) == 2


@settings(deadline=None)
@given(text=st.text(max_size=40) | st.sampled_from(['{"format": 9}', "[]", "{}", '{"format": 1, "templates": 3}']))
def test_a_text_that_is_no_state_is_a_clear_error(text: str) -> None:
    with pytest.raises(DataError, match="templates: "):
        TemplateMiner.from_json(text)


def test_the_evidence_is_a_setting() -> None:
    eager = TemplateMiner(evidence=Evidence(plain=2))
    assert len(set(mined(["link goes up", "link goes down"], eager))) == 1


def test_a_line_of_no_template_has_a_text_with_its_values_masked() -> None:
    miner = TemplateMiner()
    assert miner.text_of_new("uploaded shell.php5 from 10.0.0.9 by root") == "uploaded <*> from <*> by root"
    assert miner.text_of_new("go" * 500) == "go" * 99 + "g…"
    assert miner.text(miner.match("uploaded")) == "<*>"
    assert len(miner) == 0


def test_a_template_has_a_text_also_after_it_was_merged() -> None:
    miner = TemplateMiner()
    ids = [miner.add(f"user {name} logs in") for name in ("ann", "bob", "cyd", "dan", "eve")]
    assert {miner.text(id_) for id_ in ids} == {"user <*> logs in"}


def test_event_names_of_structured_logs_are_templates() -> None:
    lines = ["request_started", "request_finished", "user.login", "Payment accepted", "Payment refused"]
    miner = TemplateMiner()
    assert len(set(mined(lines * 20, miner))) == len(lines)
    assert set(texts(miner)) == set(lines)


def test_names_of_values_in_event_names_are_merged() -> None:
    lines = [f"loading plugin {name}_handler for tenant" for name in ("csv", "pdf", "html", "json", "xml")]
    miner = TemplateMiner()
    mined(lines, miner)
    assert texts(miner) == ["loading plugin <*> for tenant"]


def names(count: int) -> list[str]:
    letters = "abcdefghijklmnop"
    return ["".join(letters[number >> shift & 15] for shift in (12, 8, 4, 0)) for number in range(count)]


@pytest.mark.parametrize("length", [1, 20, 800])
def test_lines_of_random_words_take_little_time_and_memory(length: int) -> None:
    words = names(20_000)
    start = time.process_time()
    tracemalloc.start()
    miner = TemplateMiner(max_templates=100)
    for i in range(60):
        miner.add(" ".join(words[(i * 31 + j * 17) % 20_000] for j in range(length)))
    assert tracemalloc.get_traced_memory()[0] < 10_000_000
    tracemalloc.stop()
    assert time.process_time() - start < 10


def test_new_lines_that_are_only_matched_leave_no_trace() -> None:
    miner = TemplateMiner()
    miner.add("started")
    for word in names(50):
        for _ in range(3):
            assert miner.match(f"{word} was never seen") == OTHER
    assert miner.match("started") == miner.add("started") != OTHER
    assert miner.add("aaaa was never seen") != OTHER
