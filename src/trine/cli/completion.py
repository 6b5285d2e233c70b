"""trine completion: the shell finishes commands, options, named data sets and files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from trine.cli import output

if TYPE_CHECKING:
    from cyclopts import App
    from cyclopts.completion import CompletionContext


Install = Annotated[bool, Parameter(negative=(), show_default=False, help="Put it where the shell finds it.")]


def completion(shell: Literal["bash", "zsh", "fish"], *, install: Install = False) -> None:
    """Print the completion script of SHELL; for this terminal: eval "$(trine completion bash)"."""
    from trine.cli import app

    if install:
        output.note(f"written: {app.install_completion(shell=shell)}; it works from the next terminal on")
    else:
        print(_script(app, shell))


def complete_data(context: "CompletionContext") -> list[str]:
    """What DATA can be: a named set, a file, a folder."""
    from trine.datasets.catalogue import CATALOGUE

    begun = context.incomplete
    folder = Path(begun if begun.endswith("/") else Path(begun).parent)
    found = [f"{path}/" if path.is_dir() else str(path) for path in sorted(folder.glob("*"))]
    return [name for name in (*CATALOGUE, *found) if name.startswith(begun)]


def _script(app: "App", shell: Literal["bash", "zsh", "fish"]) -> str:
    """The script, ready for `eval`: zsh would else know it by the name of its file only."""
    script = app.generate_completion(prog_name="trine", shell=shell)
    return f"{script}\ncompdef _cyclopts_trine trine" if shell == "zsh" else script
