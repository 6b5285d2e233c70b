"""Write docs/reference/*.md from the code: commands, recipes, errors, formats. `--check` only says what is stale."""

import inspect
import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from trine import bundle, errors
from trine.classify.recipe import ClassifyRecipe
from trine.cli import app
from trine.detect.recipe import DetectRecipe
from trine.generate.recipe import GenerateRecipe
from trine.recipe import Recipe
from trine.result import Compute, Data, Result

FOLDER = Path(__file__).parent.parent / "docs" / "reference"
RECIPES: dict[str, type[Recipe]] = {
    "classify": ClassifyRecipe,
    "detect": DetectRecipe,
    "generate": GenerateRecipe,
}
EFFORTS = ("quick", "good", "best")


def commands() -> str:
    """Every command with its options, as cyclopts knows them."""
    said = app.generate_docs(output_format="markdown")
    body = said[said.index("**Say what") :].replace("```console", "```text")
    head = "Options go by the same name in all jobs. `--traceback` with any command shows where it failed."
    return f"# Commands\n\n{head}\n\n{body}"


def recipes() -> str:
    """Every setting of every job, its presets and its meaning."""
    parts = [
        "# Recipes",
        "Every setting of a training. `--effort` chooses the preset, `--set name=value` changes a setting, "
        "`--recipe FILE` repeats a training from the `recipe.json` of its run.",
    ]
    for job, kind in RECIPES.items():
        presets = [kind.preset(effort) for effort in EFFORTS]
        rows = [
            row(f"`{name}`", *(shown(getattr(preset, name)) for preset in presets), flat(field.description))
            for name, field in kind.model_fields.items()
            if name != "effort"
        ]
        head = [row("setting", *EFFORTS, "meaning"), row(*["---"] * 5)]
        parts.append(f"## {job}\n\n" + "\n".join(head + rows))
    return "\n\n".join(parts)


def mistakes() -> str:
    """The tree of errors, and each with what it means and its exit status."""
    tree = inspect.getdoc(errors) or ""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.TrineError)]
    rows = [row(f"`{kind.__name__}`", str(kind.exit_status), flat(kind.__doc__)) for kind in kinds]
    drawn = "\n".join(line for line in tree.splitlines() if "──" in line or line.startswith("TrineError"))
    return f"""# Errors

Every error that Trine raises on purpose is one of these. The command line prints it as one line on stderr: what is
wrong, where, what to do. Catch `TrineError` for all of them.

```text
{drawn}
```

| error | exit status | when |
| --- | --- | --- |
{chr(10).join(rows)}

Exit status 0: done. 1: the work failed. 2: wrong use."""


def formats() -> str:
    """What a run and a bundle hold, and the fields of their JSON files."""
    layout = (inspect.getdoc(bundle) or "").split("\n\n", 1)[1]
    return f"""# File formats

Weights are [safetensors](https://huggingface.co/docs/safetensors); the rest is JSON, in UTF-8. No pickle anywhere.

## A run

```text
recipe.json      every setting of the training; `--recipe` takes it
plan.json        the data and the time that were asked for; --resume compares them
metrics.jsonl    a line a step: step, progress, loss; and a line a validation
checkpoints/     the state of the training, each with its checksum; `--resume` goes on from the newest whole one
result.json      the figures, once it is finished
bundle/          the model
*.png            pictures of the training and of its evaluation
```

## A bundle

```text
{layout}
```

A file that is missing, altered or cut short is refused, and so is a newer format than {bundle.FORMAT}.

{fields("trine.json", bundle.Manifest)}

## result.json

What `fit --json` and `evaluate --json` print, too.

{fields("result.json", Result)}

{fields("data", Data)}

{fields("compute", Compute)}"""


def fields(name: str, kind: type[BaseModel]) -> str:
    """A table of a document's fields."""
    rows = [
        row(f"`{key}`", typed(field.annotation), flat(field.description)) for key, field in kind.model_fields.items()
    ]
    return "\n".join([row(name, "type", ""), row(*["---"] * 3), *rows])


def row(*cells: str) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def typed(annotation: Any) -> str:
    """A type, as one would write it."""
    name = annotation.__name__ if isinstance(annotation, type) and "[" not in str(annotation) else str(annotation)
    return f"`{name.replace('typing.', '')}`"


def shown(value: Any) -> str:
    """A setting's value."""
    return json.dumps(value, ensure_ascii=False).replace("null", "none").replace('"', "")


def flat(text: str | None) -> str:
    """A docstring as a cell."""
    return " ".join((text or "").split()).replace("|", "\\|")


def written() -> dict[Path, str]:
    """What the pages must hold."""
    pages = {"commands": commands, "recipes": recipes, "errors": mistakes, "formats": formats}
    return {FOLDER / f"{name}.md": f"{page().strip()}\n" for name, page in pages.items()}


if __name__ == "__main__":
    stale = [path for path, text in written().items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv:
        sys.exit(f"not current: {', '.join(map(str, stale))}: run python tools/reference.py" if stale else 0)
    for path, text in written().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
