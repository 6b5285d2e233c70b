"""Write the session of README and of the site's start page: commands on a finished demo, and their real output."""

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", ROOT / "docs" / "index.md")
START, END = "<!-- session: written by tools/session.py -->", "<!-- end of session -->"
LINES, COLUMNS = 15, 110
"""Largest number of lines and of characters per line that are shown of an output."""
COMMANDS = (
    "trine classify predict demo/classify demo/digits",
    "trine detect explain demo/detect hostlab --most 1",
    "trine generate sample demo/generate -n 64 --seed 7 --out new.png",
)


def output(command: str, folder: Path) -> str:
    """Output of a command, shortened."""
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command)], cwd=folder, capture_output=True, text=True, check=True
    )
    lines = [line.replace("\t", "  ")[:COLUMNS].rstrip() for line in done.stdout.splitlines()]
    return "\n".join(lines[:LINES] + (["…"] if len(lines) > LINES else []))


def session(folder: Path) -> str:
    """Each command, and its output below it."""
    return "\n\n".join(f"```sh\n{command}\n```\n\n```text\n{output(command, folder)}\n```" for command in COMMANDS)


def replaced(text: str, session: str) -> str:
    """A page with this session between its markers."""
    before, _, rest = text.partition(START)
    return f"{before}{START}\n{session}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder in which `trine demo` was run")
    written = session(parser.parse_args().folder)
    for page in PAGES:
        page.write_text(replaced(page.read_text(), written))
