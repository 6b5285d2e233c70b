"""The commands and programs of README and docs work, and their links lead to existing files."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FOLDERS = ("docs", "bench", "hostlab_recorder")
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(page for folder in FOLDERS for page in sorted((ROOT / folder).rglob("*.md"))),
]
SESSION = re.compile(r"<!-- session: .*?<!-- end of session -->", re.DOTALL)
"""The session of README and of the start page: it needs a finished demo."""
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def blocks(page: Path, language: str) -> list[str]:
    text = SESSION.sub("", page.read_text(encoding="utf-8"))
    return [body for kind, body in BLOCK.findall(text) if kind == language]


def with_blocks(language: str) -> list[Path]:
    return [page for page in PAGES if blocks(page, language)]


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each command, without `--minutes`."""
    for body in blocks(page, "sh"):
        for line in body.splitlines():
            words = shlex.split(line, comments=True)
            if "--minutes" in words:
                index = words.index("--minutes")
                words[index : index + 2] = []
            if words:
                yield words


@pytest.mark.long
@pytest.mark.parametrize("page", with_blocks("sh"), ids=named)
def test_every_command_of_a_page_works(trine, newcomer, page):
    for words in commands(page):
        assert words[0] == "trine", "a command that a test cannot run belongs into a text block, with its duration"
        done = trine(*words[1:])
        assert done.status == 0, f"{' '.join(words)}: {done.err}"


@pytest.mark.long
@pytest.mark.parametrize("page", with_blocks("python"), ids=named)
def test_every_program_of_a_page_works(newcomer, page):
    for body in blocks(page, "python"):
        exec(compile(re.sub(r", minutes=\d+", "", body), page.name, "exec"), {})


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_of_a_page_leads_somewhere(page):
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_blocks_are_of_kinds_that_are_checked_or_only_read(page):
    fences = re.findall(r"^```(\w*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    of_units = {"watch.md": {"ini", "dockerfile"}}.get(page.name, set())
    assert set(fences[::2]) <= {"sh", "python", "text"} | of_units


def test_the_pictures_of_the_docs_are_small():
    sizes = {path.name: path.stat().st_size for path in (ROOT / "docs").rglob("*.png")}
    assert {name: size for name, size in sizes.items() if size > 150_000} == {}


def test_the_start_page_and_readme_show_the_same_session():
    sessions = [
        SESSION.search(path.read_text(encoding="utf-8")) for path in (ROOT / "README.md", ROOT / "docs/index.md")
    ]
    assert sessions[0] is not None
    assert sessions[1] is not None
    assert sessions[0].group() == sessions[1].group()
