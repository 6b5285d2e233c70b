"""Write README's session: commands on a finished demo, and what they really print. The tests run them again.

usage: session.py FOLDER       a folder in which `trine demo` was run
"""

import shlex
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
START, END = "<!-- session: written by tools/session.py -->", "<!-- end of session -->"
LINES = 14
"""Lines shown of what a command prints."""
COMMANDS = (
    "trine classify predict demo/classify demo/digits",
    "trine detect explain demo/detect hostlab --most 1",
    "trine generate sample demo/generate -n 64 --seed 7 --out new.png",
)


def printed(command: str, folder: Path) -> str:
    """What a command prints, cut after some lines."""
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command)], cwd=folder, capture_output=True, text=True, check=True
    )
    lines = [line.replace("\t", "  ")[:110].rstrip() for line in done.stdout.splitlines()]
    return "\n".join(lines[:LINES] + (["…"] if len(lines) > LINES else []))


def session(folder: Path) -> str:
    """Each command, and below it what it printed."""
    return "\n\n".join(f"```sh\n{command}\n```\n\n```text\n{printed(command, folder)}\n```" for command in COMMANDS)


if __name__ == "__main__":
    text = README.read_text()
    before, _, rest = text.partition(START)
    README.write_text(f"{before}{START}\n{session(Path(sys.argv[1]))}\n{END}{rest.partition(END)[2]}")
