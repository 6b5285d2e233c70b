import pytest

from trine.detect.reading import read_sequences
from trine.detect.recipe import DetectRecipe


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "app.log"
    lines = [f"Jan  1 00:{i:02}:00 host{i % 2} sshd[{i % 4}]: session {i} opened for ann\n" for i in range(40)]
    path.write_text("".join(lines))
    return path


def test_a_table_is_read_as_it_is(programs):
    found = read_sequences(programs, None, DetectRecipe())
    assert (len(found.table), found.format, found.miner) == (200, None, None)


def test_a_guessed_format_is_said(log):
    found = read_sequences(log, None, DetectRecipe())
    assert found.format == "syslog"
    assert "app.log: looks like syslog; a session is one" in found.said[0]


def test_a_named_format_and_entity_are_used(log):
    found = read_sequences(log, None, DetectRecipe(log_format="syslog", entity="host"))
    assert "read as syslog; a session is one host" in found.said[0]
    assert len(found.table) == 2


def test_a_pattern_is_used(log):
    found = read_sequences(
        log, None, DetectRecipe(log_pattern=r".* (?P<host>host\d) \S+ (?P<event>\w+)", entity="host")
    )
    assert found.table.vocabulary == ("session",)


def test_known_templates_are_known_again_and_none_is_learned(log, tmp_path):
    first = read_sequences(log, None, DetectRecipe())
    other = tmp_path / "other.log"
    line = "Jan  1 00:00:00 host0 sshd[9]: session 77 opened for ann\n"
    other.write_text(line + "Jan  1 00:00:01 host0 sshd[9]: kernel module evil.ko loaded with force\n")
    again = read_sequences(other, None, DetectRecipe(), first.miner)
    words = [again.table.vocabulary[code] for code in again.table.events]
    assert words[0] in first.table.vocabulary
    assert words[1] not in first.table.vocabulary
