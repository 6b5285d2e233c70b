"""docs/house.md against the source tree and against the layers in pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SOURCE = ROOT / "src" / "trine"
PAGE = (ROOT / "docs" / "house.md").read_text(encoding="utf-8")
UNLISTED = {"__init__.py", "py.typed"}
"""Files below the top that the tree leaves out: the line of the folder stands for its `__init__.py`."""


def text_block(heading: str) -> list[str]:
    """The lines of the text block under a heading."""
    return re.search(rf"^## {heading}\n.*?^```text\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)[1].splitlines()


def described() -> dict[str, str]:
    """The description of each file and folder of the tree, by its path."""
    described, folder = {}, ""
    for line in filter(None, text_block("The files")):
        name, description = line.strip().split(maxsplit=1)
        if not line.startswith(" "):
            folder = name if name.endswith("/") else ""
        described[name if line[0] != " " else folder + name] = description
    return described


def test_the_tree_lists_every_file_of_the_source():
    files = {str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*") if path.is_file()}
    files = {name for name in files if "__pycache__" not in name}
    left_out = {name for name in files if Path(name).name in UNLISTED and name not in described()}
    assert {name for name in described() if not name.endswith("/")} == files - left_out
    assert left_out - {"py.typed"} == {name for name in left_out if "/" in name}


def test_every_file_and_folder_is_described_in_three_to_eight_words():
    lengths = {name: len(words.split()) for name, words in described().items()}
    assert {name: length for name, length in lengths.items() if not 3 <= length <= 8} == {}


def test_the_picture_of_imports_is_the_contract_of_import_linter():
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    layers = [re.findall(r"trine\.(\w+)", layer) for layer in contract["layers"]]
    existing = [{name for name in layer if exists(name)} for layer in layers]
    assert [set(line.split()) for line in text_block("What imports what")] == [layer for layer in existing if layer]


def exists(name: str) -> bool:
    return (SOURCE / name).is_dir() or (SOURCE / f"{name}.py").is_file()


@pytest.mark.parametrize("heading", ["What to touch", "Reading orders"])
def test_every_file_that_the_page_names_exists(heading):
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    named = {name for name in re.findall(r"`(\w+(?:/\w+)*\.py)`", section) if "NAME" not in name}
    assert len(named) > 5
    assert {name for name in named if not any((root / name).is_file() for root in (SOURCE, ROOT))} == set()


def test_each_reading_order_has_nine_files():
    order = re.compile(r"^\*\*(\w+ \w+) from end to end\*\*, nine files:\n\n((?:\d\. .*\n)+)", re.MULTILINE)
    orders = order.findall(PAGE)
    assert [name for name, _ in orders] == ["A VAE", "A CNN", "An LSTM"]
    assert {len(re.findall(r"^\d\. `", steps, re.MULTILINE)) for _, steps in orders} == {9}
