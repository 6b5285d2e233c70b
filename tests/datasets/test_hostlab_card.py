import csv
import gzip
from collections import Counter
from pathlib import Path

import pytest

import trine

HOME = Path(trine.__file__).parent / "datasets" / "hostlab"
MISUSE = {
    "command_injection",
    "shell_spawned",
    "bulk_read",
    "dropped_executable",
    "credentials_read",
    "login_burst",
    "connect_back",
}


@pytest.fixture(scope="module")
def rows():
    text = gzip.decompress((HOME / "hostlab.tsv.gz").read_bytes()).decode()
    return list(csv.DictReader(text.splitlines(), delimiter="\t"))


def test_the_file_is_at_most_500_kilobytes():
    assert (HOME / "hostlab.tsv.gz").stat().st_size <= 500_000


def test_there_are_enough_sessions_of_enough_kinds(rows):
    kinds = Counter(row["kind"] for row in rows)
    assert kinds["normal"] >= 500
    assert set(kinds) == MISUSE | {"normal"}
    assert sum(kinds[kind] for kind in MISUSE) >= 80
    assert all((row["label"] == "1") == (row["kind"] in MISUSE) for row in rows)


def test_every_run_belongs_to_one_split_and_misuse_to_test_alone(rows):
    splits = {row["name"].split("/")[0]: set() for row in rows}
    for row in rows:
        splits[row["name"].split("/")[0]].add(row["split"])
    assert all(len(split) == 1 for split in splits.values())
    assert set.union(*splits.values()) == {"train", "valid", "test"}
    assert {row["split"] for row in rows if row["label"] == "1"} == {"test"}
    assert len({row["name"] for row in rows}) == len(rows)


def test_every_event_has_a_time_and_a_process(rows):
    for row in rows:
        events, times, processes = (row[column].split(" ") for column in ("events", "times", "process"))
        assert len(events) == len(times) == len(processes)
        seconds = [float(time) for time in times]
        assert seconds == sorted(seconds)
        assert seconds[0] == 0
        assert set(map(int, processes)) == set(range(max(map(int, processes)) + 1))


def test_arguments_stay_coarse(rows):
    kinds = {event.partition(":")[2] for row in rows for event in row["events"].split(" ")}
    paths = {"lib", "etc", "home", "tmp", "upload", "data", "var", "proc", "dev", "bin", "other"}
    assert kinds <= {"", *paths, "loopback-service", "loopback-other", "unix", "none"}


def test_the_card_gives_the_counts_that_the_file_has(rows):
    card = (HOME / "README.md").read_text()
    counts = Counter((row["split"], row["kind"]) for row in rows)
    for (split, kind), number in counts.items():
        assert f"| {split} | {kind} | {number} |" in card
    assert f"{len(rows):,} sessions" in card
    assert f"{sum(len(row['events'].split(' ')) for row in rows):,} events" in card
