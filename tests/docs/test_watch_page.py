"""The page about a detector at work: its unit is one for systemd, its words are sources and sinks."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from trine.live.circumstances import Circumstances
from trine.live.finding_formats import FORMATS
from trine.live.kafka_brokers import Address
from trine.live.sinks import parse_sink

PAGE = (Path(__file__).parent.parent.parent / "docs" / "guides" / "watch.md").read_text(encoding="utf-8")


def test_the_unit_is_accepted_by_systemd(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    unit = re.search(r"```ini\n(.*?)```", PAGE, re.DOTALL)[1]
    (tmp_path / "trine.service").write_text(unit.replace("/opt/trine/bin/trine ", "/bin/true "))
    words = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", tmp_path / "trine.service"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if "trine.service" in line] == []


def test_every_sink_and_format_of_the_page_exists():
    section = PAGE.partition("| sink | default format")[2].partition("\n\n")[0]
    words = [word for line in section.splitlines() for word in re.findall(r"^\| (.*?) \|", line)]
    named = [word for cell in words for word in re.findall(r"`([^`]+)`", cell)]
    assert len(named) == 6
    for word in named:
        if word.startswith("kafka:"):  # a sink of it asks the brokers for the topic
            Address.parse(word)
        else:
            parse_sink(word, Circumstances(version="1")).close()
    formats = re.search(r"sets the format: (.*?)\. A finding", PAGE, re.DOTALL)[1]
    assert set(re.findall(r"`(\w+)`", formats)) == set(FORMATS)
