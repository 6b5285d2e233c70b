import gzip
import json
import signal
import time

import numpy as np
import pytest
from safetensors.torch import load_file

from tests.detect.conftest import write_log
from trine.detect.cells import CELLS
from trine.logs.carried import held

SMALL = [
    word
    for pair in ("embedding=8", "hidden=8", "steps=8", "epochs=3", "least_steps=1", "folds=1", "batch_size=4")
    for word in ("--set", pair)
]
LOOP = ("open", "read", "read", "close")


def table_text(count=40, **columns):
    draw = np.random.default_rng(0)
    rows = [{"events": list(LOOP) * int(draw.integers(3, 7)), "name": f"n{i}", **columns} for i in range(count)]
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "loops.jsonl"
    odd = json.dumps({"events": ["open", "ptrace", "ptrace", "close"] * 3, "label": 1, "split": "test", "name": "odd"})
    path.write_text(table_text(split="train") + table_text(10, split="test") + odd + "\n")
    return path


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    """The run folder of a small detector."""
    from trine.cli import main

    folder = tmp_path_factory.mktemp("run") / "run"
    with pytest.raises(SystemExit) as ended:
        main(["detect", "fit", str(table), *SMALL, "--false-alarms", "0.1", "--out", str(folder), "--device", "cpu"])
    assert not ended.value.code
    return folder


# ---- output


def test_fit_prints_exactly_one_json_document(trine, table, tmp_path):
    done = trine("detect", "fit", table, *SMALL, "--json", "--out", tmp_path / "run", "--device", "cpu")
    assert done.status == 0
    result = json.loads(done.out)
    assert result["task"] == "detect"
    assert {"auc", "fpr_realised", "fpr_interval", "tpr_at_fpr", "per_kind"} <= set(result["metrics"])


def test_evaluate_prints_exactly_one_json_document(trine, run, table):
    done = trine("detect", "evaluate", run, table, "--json")
    assert (done.status, json.loads(done.out)["data"]["split"]) == (0, "test")


def test_evaluate_says_the_interval_and_each_members_and_each_kinds_figures(trine, run, table):
    figures, members, kinds = printed_tables(trine("detect", "evaluate", run, table).out)
    low, high = map(float, figures["false alarms, 95 % interval"]["value"].split(" to "))
    assert low <= float(figures["false alarms, measured"]["value"]) <= high
    assert {"counts", "unseen", "pairs", "rare", "size"} < set(members)
    assert all(0 <= float(member["AUC: abnormal above normal"]) <= 1 for member in members.values())
    assert kinds["attack"]["sequences"] == "1"


def printed_tables(text: str) -> list[dict[str, dict[str, str]]]:
    """The tables of a command's output: their rows by the first cell, the cells of a row by the names in the header."""
    tables = []
    for line in text.splitlines():
        cells = line.removeprefix("# ").split("\t")
        if line.startswith("# "):
            columns = cells[1:]
            tables.append({})
        else:
            tables[-1][cells[0]] = dict(zip(columns, cells[1:], strict=True))
    return tables


def test_score_prints_one_json_document_or_plain_lines(trine, run, table):
    document = json.loads(trine("detect", "score", run, table, "--all", "--json").out)
    assert document["sessions"] == len(document["findings"]) == 51
    assert (document["findings"][0]["name"], document["findings"][0]["flagged"]) == ("odd", True)
    done = trine("detect", "score", run, table)
    assert done.out.splitlines()[0].startswith("odd\tp=0.")
    assert "\tALERT (" in done.out.splitlines()[0]
    flagged = document["flagged"]
    assert f"{flagged} of 51 sessions {'is' if flagged == 1 else 'are'} flagged" in done.err


def test_score_shows_the_strangest_or_all_sequences(trine, run, table):
    assert len(trine("detect", "score", run, table, "--most", "7").out.splitlines()) == 7
    assert len(trine("detect", "score", run, table, "--all").out.splitlines()) == 51


def test_explain_prints_one_json_document_and_draws(trine, run, table, tmp_path):
    done = trine("detect", "explain", run, table, "--most", "1", "--json", "--gates", "--out", tmp_path / "seen")
    assert done.status == 0
    (explanation,) = json.loads(done.out)["explanations"]
    assert explanation["name"] == "odd"
    assert explanation["nearest_normal"].startswith("n")
    assert {path.name for path in (tmp_path / "seen").iterdir()} == {
        "odd-surprise.png",
        "odd-gates.png",
        "odd-unit.png",
    }


def test_sequences_of_the_same_name_have_a_picture_each(trine, run, tmp_path):
    path, out = tmp_path / "twins.jsonl", tmp_path / "seen"
    path.write_text(
        "".join(json.dumps({"events": list(LOOP), "name": name}) + "\n" for name in ("a/b", "a b", "a-b-2"))
    )
    assert trine("detect", "explain", run, path, "--out", out).status == 0
    assert {picture.name for picture in out.iterdir()} == {f"a-b{number}-surprise.png" for number in ("", "-2", "-2-2")}


def test_explain_prints_one_sequence_by_name_as_text(trine, run, table):
    done = trine("detect", "explain", run, table, "--name", "odd")
    assert done.status == 0
    assert "ALERT" in done.out
    assert "ptrace" in done.out


@pytest.mark.parametrize(
    ("words", "status", "part"),
    [
        (("--name", "nobody"), 2, "no sequence called 'nobody'"),
        (("--most", "0"), 2, "--most"),
    ],
)
def test_explaining_a_sequence_that_does_not_exist_is_wrong_use(trine, run, table, words, status, part):
    done = trine("detect", "explain", run, table, *words)
    assert (done.status, done.out) == (status, "")
    assert part in done.err


# ---- raw logs


def test_a_detector_learns_a_raw_log_states_its_format_and_flags_a_foreign_line(trine, tmp_path):
    log, run = write_log(tmp_path / "auth.log"), tmp_path / "run"
    done = trine("detect", "fit", log, *SMALL, "--false-alarms", "0.2", "--out", run, "--device", "cpu")
    assert done.status == 0
    assert "auth.log: looks like syslog" in done.err
    assert "; a session is one process; 24 sessions" in done.err
    assert "auth.log: 72 lines: 72 events" in done.err
    second = write_log(tmp_path / "second.log", 3, foreign="kernel module evil loaded by nobody at all")
    done = trine("detect", "score", run, second, "--all", "--json")
    findings = json.loads(done.out)["findings"]
    assert findings[0]["entity"] == "sshd[100]"
    assert [finding["flagged"] for finding in findings] == [True, False, False]
    assert findings[0]["events"][0]["text"].endswith("evil loaded by nobody at all")
    assert "second.log: 10 lines: 10 events" in done.err
    plain = trine("detect", "score", run, second).out
    assert "second.log:2\tnever seen\tJan  1 00:00:01" in plain


def test_several_logs_are_one_and_stdin_is_read(trine, tmp_path):
    log, run = write_log(tmp_path / "auth.log"), tmp_path / "run"
    (tmp_path / "auth.log.1").write_text(log.read_text().replace("Jan  1", "Jan  2"))
    words = (*SMALL, "--false-alarms", "0.2", "--out", run, "--device", "cpu")
    done = trine("detect", "fit", log, tmp_path / "auth.log.1", *words)
    assert done.status == 0
    assert "144 lines: 144 events" in done.err


def test_a_log_is_checked_before_anything_is_trained(trine, tmp_path):
    log = write_log(tmp_path / "auth.log")
    done = trine("detect", "check", log)
    assert done.status == 0
    assert "looks like syslog" in done.out
    assert "Accepted password for" in done.out
    document = json.loads(trine("detect", "check", log, "--entity", "host", "--json").out)
    assert (document["entity"], document["sessions"]) == ("host", 1)
    assert document["reading"]["events"] == 72


def test_the_error_for_a_single_session_names_the_windows(trine, tmp_path):
    log = tmp_path / "a.log"
    log.write_text("something happened\nsomething else happened\n" * 30)
    done = trine("detect", "fit", log, *SMALL, "--out", tmp_path / "run", "--device", "cpu")
    assert done.status == 1
    assert "--window 15m" in done.err
    assert "--window-events 200" in done.err
    done = trine("detect", "check", log, "--window-events", "10")
    assert "6 sessions" in done.out


def test_a_log_scored_every_hour_goes_on_where_it_stopped(trine, tmp_path):
    log, run = write_log(tmp_path / "auth.log"), tmp_path / "run"
    assert trine("detect", "fit", log, *SMALL, "--out", run, "--device", "cpu").status == 0
    hour = tmp_path / "hour.log"
    lines = write_log(hour, 2).read_text().splitlines(keepends=True)
    hour.write_text("".join(lines[:2]))
    words = ("detect", "score", run, hour, "--state", tmp_path / "state.json", "--all", "--json")
    assert [each["length"] for each in json.loads(trine(*words).out)["findings"]] == [2]
    hour.write_text("".join(lines))
    lengths = {each["entity"]: each["length"] for each in json.loads(trine(*words).out)["findings"]}
    assert lengths == {"sshd[100]": 3, "sshd[101]": 3}
    assert json.loads(trine(*words).out)["findings"] == []


def test_format_pattern_and_entity_are_kept_in_the_bundle(trine, tmp_path):
    log, run = tmp_path / "own.log", tmp_path / "run"
    log.write_text("".join(f"{i} u{i % 6} did {LOOP[i // 6 % 4]}\n" for i in range(120)))
    pattern = r"(?P<time>\d+) (?P<user>\w+) did (?P<event>\w+)"
    words = ("--pattern", pattern, "--entity", "user", "--out", run, "--device", "cpu")
    done = trine("detect", "fit", log, *SMALL, *words)
    assert done.status == 0
    assert "a session is one user; 6 sessions" in done.err
    assert len(json.loads(trine("detect", "score", run, log, "--all", "--json").out)["findings"]) == 6


def test_another_log_is_read_in_the_format_of_the_training_and_what_does_not_fit_is_said(trine, tmp_path):
    """The format of these lines would be guessed otherwise: only one of four is syslog."""
    log, run = write_log(tmp_path / "auth.log"), tmp_path / "run"
    assert trine("detect", "fit", log, *SMALL, "--out", run, "--device", "cpu").status == 0
    mixed = tmp_path / "mixed.log"
    mixed.write_text("garbage without any form\n" * 3 + log.read_text().splitlines()[0] + "\n")
    done = trine("detect", "score", run, mixed)
    assert done.status == 0
    assert "75 % of the lines do not have the format syslog, in training 0 % (first: " in done.err
    mixed.write_text("garbage without any form\n" * 3)
    done = trine("detect", "score", run, mixed)
    assert done.status == 1
    assert "no line has the format syslog" in done.err


def test_nothing_in_a_log_reaches_the_terminal_as_a_control_character(trine, tmp_path):
    log, run = tmp_path / "app.log", tmp_path / "run"
    rows = [(f"u{i % 12}", word) for i in range(240) for word in ("open", "read", "close")]
    log.write_text("".join(json.dumps({"user": user, "event": word}) + "\n" for user, word in rows))
    words = ("--entity", "user", "--members", "counting", "--false-alarms", "0.2", "--out", run, "--device", "cpu")
    assert trine("detect", "fit", log, *words).status == 0
    hostile = "ev\x1b]0;owned\x07il\nu1\tp=1\u202e"
    log.write_text("".join(json.dumps({"user": hostile, "event": word}) + "\n" for word in ("open", "rm", "rm")))
    for command in (("score", run), ("explain", run), ("check",)):
        done = trine("detect", *command, log, *(("--entity", "user") if command == ("check",) else ()))
        assert done.status == 0, command
        for line in (*done.out.split("\n"), *done.err.split("\n")):
            assert all(letter.isprintable() or letter == "\t" for letter in line), (command, line)
        assert sum("owned" in line for line in done.out.splitlines()) <= 1 + (command != ("score", run)) * 9


def test_two_calls_do_not_share_a_state(trine, tmp_path):
    log, run, state = write_log(tmp_path / "auth.log"), tmp_path / "run", tmp_path / "state.json"
    words = ("--members", "counting", "--out", run, "--device", "cpu")
    assert trine("detect", "fit", log, *words).status == 0
    with held(state):
        done = trine("detect", "score", run, log, "--state", state)
    assert (done.status, done.err.count("\n")) == (1, 1)
    assert "in use by another call" in done.err
    assert trine("detect", "score", run, log, "--state", state).status == 0
    done = trine("detect", "score", run, log, "--state", tmp_path)
    assert (done.status, "a folder; give a file" in done.err) == (1, True)


def test_data_unlike_the_training_is_said(trine, tmp_path):
    log, run = write_log(tmp_path / "auth.log", 40), tmp_path / "run"
    words = ("--members", "counting", "--false-alarms", "0.1", "--out", run, "--device", "cpu")
    assert trine("detect", "fit", log, *words).status == 0
    other = tmp_path / "other.log"
    other.write_text(log.read_text().replace("Connection", "Tunnel").replace("Accepted", "Refused"))
    assert "never occurred in the training" in trine("detect", "score", run, other).err


def test_every_command_says_how_the_lines_were_read(trine, tmp_path):
    log, run = write_log(tmp_path / "auth.log"), tmp_path / "run"
    done = trine("detect", "fit", log, *SMALL, "--out", run, "--device", "cpu", "--json")
    assert json.loads(done.out)["metrics"]["reading"] == {"lines": 72, "events": 1.0, "unparsed": 0.0, "left_out": 0.0}
    other = write_log(tmp_path / "other.log", 25, foreign="odd")
    other.write_text(other.read_text() + "no line of syslog\n" * 24)
    for command in ("evaluate", "score", "explain"):
        done = trine("detect", command, run, other, "--json")
        assert "24 unparsed (24 %)" in done.err, command
        assert "in training 0 %" in done.err, command
    assert json.loads(trine("detect", "evaluate", run, other, "--json").out)["metrics"]["reading"]["unparsed"] == 0.24


def test_options_that_exclude_one_another_or_cannot_apply_are_refused(trine, table, tmp_path):
    log = write_log(tmp_path / "auth.log")
    words = ("--out", tmp_path / "run", "--device", "cpu")
    done = trine("detect", "fit", log, "--format", "syslog", "--pattern", "(?P<message>.+)", *words)
    assert (done.status, done.err.count("\n")) == (2, 1)
    done = trine("detect", "fit", log, "--false-alarms", "0.1", "--alerts-per-day", "1", *words)
    assert (done.status, "give one of them" in done.err) == (2, True)
    for option in (("--format", "web"), ("--entity", "user"), ("--window", "15m"), ("--time-format", "%H")):
        done = trine("detect", "fit", table, *option, *words)
        assert done.status == 2, option
        assert option[0] in done.err


def test_an_unknown_format_is_wrong_use(trine, tmp_path):
    done = trine("detect", "fit", write_log(tmp_path / "a.log"), "--format", "cobol", "--out", tmp_path / "run")
    assert done.status == 2
    assert "cobol" in done.err


# ---- bad input


def truncated(text):
    whole = gzip.compress(text.encode() * 50)
    return whole[: len(whole) // 2]


BAD = {
    "an empty table": ("a.jsonl", b"", "empty"),
    "an empty log": ("a.log", b"", "empty"),
    "one sequence": ("a.jsonl", b'{"events": "a b c"}\n', "1 normal sequence"),
    "one distinct event": ("a.jsonl", b'{"events": "a a a"}\n' * 5, "one distinct event"),
    "attacks alone": ("a.jsonl", b'{"events": "a b", "label": 1}\n' * 5, "0 normal sequence"),
    "a truncated .gz": ("a.jsonl.gz", truncated(table_text()), "a.jsonl.gz"),
    "a table without events": ("a.tsv", b"name\tkind\nx\ty\n", "events"),
    "a label that is none": ("a.jsonl", b'{"events": "a b", "label": "perhaps"}\n', "label"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("command", ["fit", "score"])
def test_bad_input_is_one_clear_line(trine, run, tmp_path, case, command):
    name, content, part = BAD[case]
    path = tmp_path / name
    path.write_bytes(content)
    if command == "score" and case in ("an empty log", "one sequence", "one distinct event", "attacks alone"):
        assert trine("detect", "score", run, path).status == 0, "scoring does not learn from it"
        return
    words = ("fit", path, *SMALL, "--out", tmp_path / "run") if command == "fit" else ("score", run, path)
    done = trine("detect", *words)
    assert (done.status, done.out) == (1, "")
    assert done.err.splitlines()[-1].startswith("trine: ")
    assert part in done.err.splitlines()[-1]
    assert "Traceback" not in done.err


def test_negative_and_huge_ids_are_events_like_any_other(trine, tmp_path):
    path = tmp_path / "ids.jsonl"
    path.write_text("".join(json.dumps({"events": [-1, 10**40, 3] * (2 + i % 3)}) + "\n" for i in range(12)))
    assert trine("detect", "fit", path, *SMALL, "--out", tmp_path / "run", "--device", "cpu").status == 0
    assert trine("detect", "score", tmp_path / "run", path).status == 0


def test_invalid_utf_8_does_not_stop_the_reading(trine, run, tmp_path):
    path = tmp_path / "odd.jsonl"
    path.write_bytes(table_text().encode() + b'{"events": "open \xff\xfe close", "name": "bad"}\n')
    done = trine("detect", "score", run, path, "--all", "--json")
    assert done.status == 0
    assert json.loads(done.out)["sessions"] >= 40


def test_attacks_among_training_rows_are_left_out_and_counted(trine, tmp_path):
    path = tmp_path / "mixed.jsonl"
    path.write_text(table_text(10) + table_text(3, label=1))
    done = trine("detect", "fit", path, *SMALL, "--out", tmp_path / "run", "--device", "cpu")
    assert done.status == 0
    assert "3 abnormal sequences among the training rows are left out" in done.err


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--alerts-per-day", "5"), "needs event times"),
        (("--members", "network,psychic"), "members"),
        (("--false-alarms", "2"), "false_alarms"),
        (("--set", 'attributes=["process"]'), "attributes process"),
    ],
)
def test_options_that_cannot_be_met_are_wrong_use_before_any_training(trine, table, tmp_path, words, part):
    done = trine("detect", "fit", table, *words, "--out", tmp_path / "run", "--device", "cpu")
    assert (done.status, done.out) == (2, "")
    assert part in done.err
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_a_folder_that_is_no_model_is_refused(trine, table, tmp_path):
    done = trine("detect", "score", tmp_path / "nothing", table)
    assert done.status == 1
    assert "no such model" in done.err


# ---- cells, and a real process


def test_compare_cells_draws_and_prints_one_json_document(trine, table, tmp_path, monkeypatch):
    monkeypatch.setattr("trine.detect.inside.CELLS", {name: CELLS[name] for name in ("rnn", "gru")})
    words = ("--compare-cells", "--json", "--out", tmp_path / "cells", "--device", "cpu")
    done = trine("detect", "fit", table, *SMALL, "--set", "epochs=1", *words)
    assert done.status == 0
    assert [comparison["cell"] for comparison in json.loads(done.out)] == ["rnn", "gru"]
    assert {"cells.png", "cells.json"} <= {path.name for path in (tmp_path / "cells").iterdir()}


@pytest.mark.long
def test_resume_after_kill_9_gives_the_same_weights(start_trine, trine, tmp_path):
    path = tmp_path / "table.jsonl"
    path.write_text(table_text(60))
    often = ("--set", "checkpoint_seconds=0", "--set", "epochs=8", "--set", "folds=2", "--device", "cpu")
    words = ("detect", "fit", path, *SMALL, *often)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert trine(*words, "--out", whole).status == 0
    process = start_trine(*words, "--out", killed)
    while not any((killed / "checkpoints").glob("[0-9]*.json")) and process.poll() is None:
        time.sleep(0.01)
    time.sleep(0.2)
    process.kill()
    assert process.wait() == -signal.SIGKILL, "it ended before it was killed"
    done = trine(*words, "--out", killed, "--resume")
    assert done.status == 0
    assert "resuming at step" in done.err
    before, after = (load_file(folder / "bundle" / "model.safetensors") for folder in (whole, killed))
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert value.equal(after[name]), name


# ---- records that are parts of a line


def cloud_trail(count: int, odd: int | None = None) -> str:
    """An export of events on one line; the event `odd` is one that is seen nowhere else."""
    names = ["DeleteTrail" if i == odd else ("GetObject", "PutObject")[i % 2] for i in range(count)]
    fields = {"eventSource": "s3.amazonaws.com", "eventVersion": "1.08", "awsRegion": "eu-1"}
    events = [
        {"eventTime": f"2024-05-01T{i // 60:02}:{i % 60:02}:00Z", "eventName": name, "n": i, **fields}
        | {"userIdentity": {"userName": f"user{i % 40}"}, "sourceIPAddress": "192.0.2.1"}
        for i, name in enumerate(names)
    ]
    return json.dumps({"Records": events})


def test_every_command_shows_a_record_of_a_line_by_its_own_text(trine, tmp_path):
    train, log, model = tmp_path / "train.json", tmp_path / "new.json", tmp_path / "run"
    train.write_text(cloud_trail(1_200))
    log.write_text(cloud_trail(200, odd=77))
    assert trine("detect", "fit", train, "--members", "ngrams,unseen", "--out", model, "--device", "cpu").status == 0
    finding = json.loads(trine("detect", "score", model, log, "--most", 1, "--json").out)["findings"][0]
    explained = json.loads(trine("detect", "explain", model, log, "--most", 1, "--json").out)["explanations"][0]
    kinds = json.loads(trine("detect", "check", log, "--json").out)["kinds"]
    odd = next(kind for kind in kinds if kind["event"] == "s3:DeleteTrail")
    for shown in (finding["events"][0], explained["most_important"][0], odd):
        assert (json.loads(shown["text"])["n"], shown["line"], shown["record"]) == (77, 1, 78)
    assert f"{log}:1 record 78" in trine("detect", "score", model, log, "--most", 1).out
