"""Lines of standard input, in a process of its own."""

import json
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

READER = """
import json, sys, time
from trine.live.stdin_source import StdinSource
source = StdinSource()
source.resume(None)
while not source.ended:
    for batch in source.poll(1000):
        print(json.dumps([[line.number, line.text[:100]] for line in batch.lines]), flush=True)
    time.sleep(0.005)
print(json.dumps(source.skips.messages()))
"""


def read(data: bytes) -> tuple[list[list], list[str]]:
    done = subprocess.run([sys.executable, "-c", READER], input=data, capture_output=True, timeout=60, check=True)
    *batches, messages = [json.loads(line) for line in done.stdout.decode().splitlines()]
    return [line for batch in batches for line in batch], messages


def test_lines_are_read_to_the_end_and_the_last_one_as_it_is():
    lines, messages = read(b"one\ntwo\nthree")
    assert lines == [[1, "one"], [2, "two"], [3, "three"]]
    assert messages == []


def test_a_line_arrives_while_the_other_program_still_writes():
    process = subprocess.Popen([sys.executable, "-c", READER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"one\ntwo")
    process.stdin.flush()
    assert json.loads(process.stdout.readline()) == [[1, "one"]]
    time.sleep(0.05)
    process.stdin.write(b" more\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline()) == [[2, "two more"]]
    process.stdin.close()
    assert process.wait(10) == 0
    process.stdout.close()


HUNGRY = """
import sys
from trine.live.stdin_source import StdinSource
source = StdinSource()
source.resume(None)
largest = 0
while not source.ended:
    for batch in source.poll(10**9):
        largest = max(largest, sum(len(line.text) for line in batch.lines))
print(largest)
"""


def test_long_lines_do_not_fill_the_memory_however_many_may_be_taken_at_once():
    data = (b"x" * 50_000 + b"\n") * 1_000
    done = subprocess.run([sys.executable, "-c", HUNGRY], input=data, capture_output=True, timeout=60, check=True)
    assert int(done.stdout) < 20 << 20


def test_bad_and_long_lines_are_counted_and_named():
    lines, messages = read(b"\xff\n" + b"y" * 10_000_000 + b"\nend\n")
    assert [text[:4] for _, text in lines] == ["\\xff", "yyyy", "end"]
    assert "not UTF-8" in messages[0]
    assert "line 1" in messages[0]
    assert "cut to 65,536" in messages[1]


@pytest.mark.parametrize("seed", [1])
def test_random_bytes_are_lines(seed):
    @settings(max_examples=5)
    @given(data=st.binary(max_size=2000))
    def check(data):
        read(data)

    check()
