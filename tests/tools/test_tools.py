"""Every script under tools/ explains itself, and changes nothing when it is only asked for help."""

import runpy
import sys
from pathlib import Path

import pytest

SCRIPTS = [
    path
    for path in sorted((Path(__file__).parent.parent.parent / "tools").glob("*.py"))
    if "__main__" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_help_prints_the_first_line_of_the_docstring(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(script), "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script), run_name="__main__")
    assert not ended.value.code
    printed = " ".join(capsys.readouterr().out.split())
    assert script.read_text(encoding="utf-8").removeprefix('"""').split(".")[0].splitlines()[0][:60] in printed


def test_every_script_but_the_hooks_of_the_site_can_be_run():
    assert [path.stem for path in SCRIPTS] == ["pictures", "reference", "session"]
