"""The `trine` command: parse, call, print. One file per task; every error is one line on stderr."""

import codecs
import errno
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from traceback import print_exc

from cyclopts import App, CycloptsError, Group

from trine.errors import TrineError
from trine.extras import installed
from trine.start import command_began
from trine.tasks import TASKS

HELP = """Three deep networks that train on the machine you have. Nothing is sent but findings, to where you say.

DATA is a named set or a path, MODEL a folder that `fit` wrote. Every command has a --help."""

STOPPED = 130
"""Exit status after Ctrl-C, as shells have it."""
UNWRITABLE = frozenset({errno.ENOSPC, errno.EIO, errno.EBADF, errno.EDQUOT, errno.EFBIG})
"""Errors of a standard output that takes nothing."""

app = App(name="trine", help=HELP, help_format="plaintext", version_flags=["--version"], result_action="return_value")
app.suppress_keyboard_interrupt = False  # it is said in a line

for position, task in enumerate(TASKS.values()):
    group = Group(task.job, help=task.example, sort_key=position)
    app.command(f"trine.cli.{task.name}:app", name=task.name, group=group, help=task.verbs)
further = Group("Further commands", help="trine demo", sort_key=len(TASKS))
FURTHER = (
    ("demo", "demo:demo", "All tasks on data that comes with the package, and a report"),
    ("data", "data:app", "Named data sets: list, fetch; check a set of pictures"),
    ("export", "export:export", "A model as ONNX graphs, proved against it, to run without torch"),
    ("serve", "serve:serve", "Serve models over HTTP, with a page to look into them"),
    ("show", "show:show", "Show a model or a run in the terminal"),
    ("completion", "completion:completion", "Completion of names in bash, zsh or fish"),
)
for name, target, line in FURTHER:
    app.command(f"trine.cli.{target}", name=name, group=further, help=line)


def describe_in_full(word: str) -> None:
    """The help of a command that is one function is its docstring; the line of the list of commands is shorter."""
    if word in {name for name, target, _ in FURTHER if not target.endswith(":app")}:
        app[word].help = None


STDIN = "/dev/stdin"
"""What a lone `-` stands for as a log: the parser would take it for an option."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line and exit: with 0 when done, 1 when the work failed, 2 on wrong use, 130 when stopped."""
    if arguments is None:
        command_began()
    _prepare_output()
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["detect"]:
        words = [STDIN if word == "-" else word for word in words]
    traceback = "--traceback" in words
    if traceback:
        words.remove("--traceback")
    sys.exit(_run(words, traceback))


def _run(words: list[str], traceback: bool) -> int:
    try:
        with installed():
            describe_in_full(words[0] if words else "")
            status = app(words, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except CycloptsError as problem:
        return _failed(_one_line(problem), 2)
    except TrineError as problem:
        if traceback:
            print_exc()
        return _failed(str(problem), problem.exit_status)
    except KeyboardInterrupt:
        return _failed("stopped", STOPPED)
    except BrokenPipeError:  # the program that reads the output has closed it
        _discard_output()
        return 1
    except OSError as problem:
        if problem.filename is not None or problem.errno not in UNWRITABLE:
            raise
        _discard_output()
        return _failed(f"the output cannot be written ({problem.strerror}): send it elsewhere", 1)
    return status if isinstance(status, int) else 0


def _prepare_output() -> None:
    """Print UTF-8 where the locale has only ASCII, as Python does by default; escape what cannot be printed.

    Names of files and classes are in any script, and of any bytes.
    """
    if sys.stdout is None:  # the caller closed it
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            ascii_only = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding="utf-8" if ascii_only else None, errors="backslashreplace")


def _discard_output() -> None:
    """Whatever is still to be printed goes nowhere: Python would complain about it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _failed(message: str, status: int) -> int:
    print(f"trine: {' '.join(message.split())}", file=sys.stderr)
    return status


def _one_line(problem: CycloptsError) -> str:
    return f"{' '.join(str(problem).split())} (see --help)"
