"""Write docs/reference/*.md from the code: commands, recipes, errors, file formats."""

import argparse
import ast
import inspect
import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import BaseModel

from trine import bundle, errors, runtime
from trine.cli import FURTHER, app, describe_in_full
from trine.log_formats.log_event import Format
from trine.log_formats.registry import FORMATS
from trine.recipe import Recipe
from trine.result import Compute, Data, Result
from trine.tasks import TASKS, imported

FOLDER = Path(__file__).parent.parent / "docs" / "reference"
EFFORTS = ("quick", "good", "best")


def commands() -> str:
    """Every command with its options, as cyclopts describes them."""
    for name, *_ in FURTHER:
        describe_in_full(name)
    markdown = app.generate_docs(output_format="markdown")
    first = next(iter(TASKS.values())).job
    body = markdown[markdown.index(f"**{first}**") :].replace("```console", "```text")
    head = "An option has the same name in all tasks. `--traceback` with any command shows where it failed."
    return f"# Commands\n\n{head}\n\n{body}"


def recipes() -> str:
    """Every setting of every task: its value in the presets and its meaning."""
    parts = [
        "# Recipes",
        "Every setting of a training. `--effort` chooses the preset, `--set name=value` changes a setting, "
        "`--recipe FILE` repeats a training from the `recipe.json` of its run.",
    ]
    for name, task in TASKS.items():
        kind = task.recipe_class()
        presets = [kind.preset(effort) for effort in EFFORTS]
        rows = [
            row(f"`{field}`", *(shown(getattr(preset, field)) for preset in presets), meaning(kind, field))
            for field in kind.model_fields
            if field != "effort"
        ]
        head = [row("setting", *EFFORTS, "meaning"), row(*["---"] * 5)]
        parts.append(f"## {name}\n\n" + "\n".join(head + rows))
    return "\n\n".join(parts)


def meaning(kind: type[Recipe], field: str) -> str:
    """The description of a setting, for an inherited one with another default that of the base class; what is tried."""
    own, base = kind.model_fields[field], Recipe.model_fields.get(field)
    described = flat(own.description or (base.description if base else None))
    values = kind.searched().get(field)
    return f"{described} `tune` tries {values}." if values else described


def error_tree() -> str:
    """The tree of errors, and a table of their meanings and exit statuses."""
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
    """The files of a run and of a bundle, and the fields of their JSON files."""
    layout = (inspect.getdoc(bundle) or "").split("\n\n", 1)[1]
    return f"""# File formats

Weights are [safetensors](https://huggingface.co/docs/safetensors); the rest is JSON, in UTF-8. No pickle anywhere.

## A run

```text
recipe.json      every setting of the training; an input of `--recipe`
plan.json        data, settings and minutes of the command; `--resume` compares them
metrics.jsonl    one line per step: step, progress, loss, seconds; one line per validation
checkpoints/     states of the training, each with a checksum; `--resume` continues from the newest intact one
result.json      the figures, written when the run is complete
bundle/          the model
*.png            pictures of the training and of its evaluation
```

The flow prior of a generator is a second training in the same run: `metrics-flow.jsonl`, `checkpoints/flow/`.

## A bundle

```text
{layout}
```

A bundle is refused if a file is missing, altered or truncated, or if its format is newer than {bundle.FORMAT}.

{fields("trine.json", bundle.BundleManifest)}

## result.json

`fit --json` and `evaluate --json` print the same document.

{fields("result.json", Result)}

{fields("data", Data)}

{fields("compute", Compute)}"""


def logs() -> str:
    """The formats of logs: name, what they are, what a session belongs to."""
    rows = [row(f"`{name}`", flat(_first_line(kind)), kind.default_entity or "–") for name, kind in FORMATS.items()]
    head = [row("format", "what it reads", "a session belongs to one"), row(*["---"] * 3)]
    return "\n\n".join(
        (
            "# Log formats",
            "`trine detect check LOG` says which format a log seems to have, and how its lines would be read. "
            "`--format NAME` sets it. For a log of another format, `--pattern` is a regular expression with the groups "
            "`event` or `message`, and `time`, `user`, `address`, …",
            "\n".join(head + rows),
            "A format of JSON or of tables also takes `--event`, `--entity` and `--time`: names of fields or columns, "
            "nested ones as dotted paths.",
        )
    )


def runtime_page() -> str:
    """What can be called without torch: `load`, and the methods of each kind of model."""
    parts = [
        "# Without torch",
        flat_paragraphs(inspect.getdoc(runtime)),
        f"## `{called('runtime.load', runtime.load)}`\n\n{documented(runtime.load)}",
    ]
    for target in runtime.MODELS.values():
        kind = imported(target)
        parts.append(f"## {kind.__name__}\n\n{documented(kind)}")
        methods = {name: method for base in kind.__mro__[::-1] for name, method in vars(base).items()}
        for name, method in methods.items():
            if not name.startswith("_") and inspect.isfunction(method):
                parts.append(f"### `{called(name, method)}`\n\n{documented(method)}")
    return "\n\n".join(parts)


def called(name: str, function: Any) -> str:
    """A function with the names and defaults of its parameters."""
    parameters = inspect.signature(function).parameters.values()
    plain = [each.replace(annotation=inspect.Parameter.empty) for each in parameters if each.name != "self"]
    return f"{name}{inspect.Signature(plain)}"


def documented(thing: Any) -> str:
    """A docstring as Markdown: its table of parameters as text."""
    return flat_paragraphs(inspect.getdoc(thing))


def flat_paragraphs(text: str | None) -> str:
    """The paragraphs of a docstring; those with aligned columns or a program as blocks of text."""
    parts = []
    for paragraph in (text or "").split("\n\n"):
        columns = any("   " in line or line.startswith(">>>") for line in paragraph.splitlines())
        parts.append(f"```text\n{paragraph}\n```" if columns else paragraph)
    return "\n\n".join(parts)


def _first_line(kind: type[Format]) -> str:
    return (inspect.getdoc(kind) or "").split("\n\n")[0]


def fields(name: str, kind: type) -> str:
    """A table of the fields of a document: a pydantic model, or a dataclass."""
    if issubclass(kind, BaseModel):
        described = {key: (field.annotation, field.description) for key, field in kind.model_fields.items()}
    else:
        documented = attribute_docstrings(kind)
        described = {key: (hint, documented.get(key)) for key, hint in get_type_hints(kind).items()}
    rows = [row(f"`{key}`", typed(hint), flat(text) or "see below") for key, (hint, text) in described.items()]
    return "\n".join([row(name, "type", "meaning"), row(*["---"] * 3), *rows])


def attribute_docstrings(kind: type) -> dict[str, str]:
    """The text below each attribute of a class."""
    body = ast.parse(inspect.getsource(kind)).body[0].body
    return {
        field.target.id: text.value.value
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }


def row(*cells: str) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def typed(annotation: Any) -> str:
    """A type as it is written in Python."""
    name = annotation.__name__ if isinstance(annotation, type) and "[" not in str(annotation) else str(annotation)
    return f"`{name.replace('typing.', '')}`"


def shown(value: Any) -> str:
    """The value of a setting."""
    return json.dumps(value, ensure_ascii=False).replace("null", "none").replace('"', "")


def flat(text: str | None) -> str:
    """A docstring as a cell of a table."""
    return " ".join((text or "").split()).replace("|", "\\|")


def written() -> dict[Path, str]:
    """The content of each page."""
    pages = {
        "commands": commands,
        "recipes": recipes,
        "logs": logs,
        "errors": error_tree,
        "formats": formats,
        "runtime": runtime_page,
    }
    return {FOLDER / f"{name}.md": f"{page().strip()}\n" for name, page in pages.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, and fail if a page is not current")
    options = parser.parse_args()
    stale = [path for path, text in written().items() if not path.exists() or path.read_text() != text]
    if options.check:
        sys.exit(f"not current: {', '.join(map(str, stale))}: run python tools/reference.py" if stale else 0)
    for path, text in written().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
