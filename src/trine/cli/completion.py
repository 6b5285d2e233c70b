"""trine completion: the shell completes commands, options, named data sets and files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from trine.cli import output

if TYPE_CHECKING:
    from cyclopts import App
    from cyclopts.completion import CompletionContext


Install = Annotated[
    bool, Parameter(negative=(), show_default=False, help="Write it where the shell loads completions.")
]


def completion(shell: Literal["bash", "zsh", "fish"], *, install: Install = False) -> None:
    """Print the completion script of SHELL. In this terminal: eval "$(trine completion bash)"."""
    from trine.cli import app

    if install:
        output.note(f"written: {app.install_completion(shell=shell)}; new terminals use it")
    else:
        print(_script(app, shell))


def complete_data(context: "CompletionContext") -> list[str]:
    """Values of DATA that begin with the typed text: named sets, files, folders."""
    from trine.datasets.catalogue import CATALOGUE

    prefix = context.incomplete
    folder = Path(prefix if prefix.endswith("/") else Path(prefix).parent)
    paths = [f"{path}/" if path.is_dir() else str(path) for path in sorted(folder.glob("*"))]
    return [name for name in (*CATALOGUE, *paths) if name.startswith(prefix)]


def _script(app: "App", shell: Literal["bash", "zsh", "fish"]) -> str:
    """The script for `eval`. zsh identifies completions by their file names, so its script registers itself."""
    script = app.generate_completion(prog_name="trine", shell=shell)
    return f"{script}\ncompdef _cyclopts_trine trine" if shell == "zsh" else script
