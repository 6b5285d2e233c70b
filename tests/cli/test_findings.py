"""trine detect findings and feedback, beside a service that owns the store."""

import json

import pytest

from tests.live.findings import finding
from trine.live.store import Changes, Store


@pytest.fixture
def store(tmp_path):
    opened = Store.own(tmp_path / "store.db", "model")
    opened.commit(
        Changes(
            findings=[
                finding("alice", last_time=1_777_629_600.0),
                finding("bob", last_time=1_777_716_000.0, status="closed", source="10.0.0.1"),
            ]
        )
    )
    yield opened
    opened.close()


def entities(said) -> list[str]:
    return [each["entity"] for each in json.loads(said.out)]


def test_findings_are_listed_latest_first_and_filtered(trine, store):
    assert entities(trine("detect", "findings", store.path, "--json")) == ["bob", "alice"]
    assert entities(trine("detect", "findings", store.path, "--json", "--status", "open")) == ["alice"]
    assert entities(trine("detect", "findings", store.path, "--json", "--source", "10.0.0.1")) == ["bob"]
    assert entities(trine("detect", "findings", store.path, "--json", "--since", "2026-05-02")) == ["bob"]
    assert entities(trine("detect", "findings", store.path, "--json", "--entity", "carol")) == []


def test_without_a_terminal_a_finding_is_a_line_and_no_text_of_a_log_steers_it(trine, store):
    said = trine("detect", "findings", store.path, "--most", "1")
    header, row = said.out.splitlines()
    assert header.split("\t")[:3] == ["# finding", "status", "entity"]
    assert row.split("\t")[1:3] == ["closed", "bob"]
    assert "\x1b" not in said.out
    assert "1 earlier finding" in said.err


def test_one_finding_is_shown_with_its_lines(trine, store):
    of = finding("alice").id
    said = trine("detect", "findings", store.path, of[:8])
    assert "/var/log/auth.log:7" in said.out
    assert "Failed password for root" in said.out
    assert "session 80 %" in said.out
    assert json.loads(trine("detect", "findings", store.path, of, "--json").out)["id"] == of


def test_feedback_is_kept_and_filtered_by(trine, store):
    of = finding("alice").id
    assert trine("detect", "feedback", store.path, of[:8], "benign").status == 0
    assert store.feedback() == {of: "benign"}
    assert entities(trine("detect", "findings", store.path, "--json", "--verdict", "benign")) == ["alice"]
    assert entities(trine("detect", "findings", store.path, "--json", "--verdict", "none")) == ["bob"]
    assert trine("detect", "feedback", store.path, of[:8], "breach").status == 0
    assert store.feedback() == {of: "breach"}


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("findings", "absent.db"), 1, "there is no such store"),
        (("findings", "STORE", "zz"), 1, "no finding has an id that begins with 'zz'"),
        (("feedback", "STORE", "zz", "benign"), 1, "no finding"),
        (("feedback", "STORE", "zz", "maybe"), 2, "maybe"),
    ],
)
def test_wrong_words_are_one_line(trine, store, words, status, said):
    ended = trine("detect", *(store.path if word == "STORE" else word for word in words))
    assert ended.status == status
    assert said in ended.err
    assert len(ended.err.splitlines()) == 1
