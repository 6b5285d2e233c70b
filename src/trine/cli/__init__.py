"""The `trine` command: parse, call, print. One file per task; every error is one line on stderr."""

import os
import sys
from collections.abc import Sequence
from traceback import print_exc

from cyclopts import App, CycloptsError, Group

from trine.errors import TrineError
from trine.tasks import TASKS

HELP = """Three deep networks that train on the machine you have. Nothing is sent anywhere.

DATA is a named set or a path, MODEL a folder that `fit` wrote. Every command has a --help."""

app = App(name="trine", help=HELP, help_format="plaintext", version_flags=["--version"], result_action="return_value")

for position, task in enumerate(TASKS.values()):
    group = Group(task.job, help=task.example, sort_key=position)
    app.command(f"trine.cli.{task.name}:app", name=task.name, group=group, help=task.verbs)
further = Group("Further commands", help="trine demo", sort_key=len(TASKS))
for name, target, line in (
    ("demo", "demo:demo", "All tasks on data that comes with the package, and a report"),
    ("data", "data:app", "Named data sets: list, fetch; check a set of pictures"),
    ("show", "show:show", "Show a model or a run in the terminal"),
    ("completion", "completion:completion", "Completion of names in bash, zsh or fish"),
):
    app.command(f"trine.cli.{target}", name=name, group=further, help=line)


STDIN = "/dev/stdin"
"""What a lone `-` stands for: the parser would take it for an option."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line and exit: with 0 when done, 1 when the work failed, 2 on wrong use."""
    words = [STDIN if word == "-" else word for word in (sys.argv[1:] if arguments is None else arguments)]
    traceback = "--traceback" in words
    if traceback:
        words.remove("--traceback")
    sys.exit(_run(words, traceback))


def _run(words: list[str], traceback: bool) -> int:
    try:
        status = app(words, exit_on_error=False, print_error=False)
    except CycloptsError as problem:
        return _failed(_one_line(problem), 2)
    except TrineError as problem:
        if traceback:
            print_exc()
        return _failed(str(problem), problem.exit_status)
    except KeyboardInterrupt:
        return _failed("stopped", 1)
    except BrokenPipeError:  # the program that reads the output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status if isinstance(status, int) else 0


def _failed(message: str, status: int) -> int:
    print(f"trine: {' '.join(message.split())}", file=sys.stderr)
    return status


def _one_line(problem: CycloptsError) -> str:
    return f"{' '.join(str(problem).split())} (see --help)"
