"""The shell finishes what is begun: asked of the shells themselves."""

import os
import shutil
import subprocess
import sys

import pytest

BASH = """
eval "$(trine completion bash)"
COMP_WORDS=(trine {words}); COMP_CWORD={place}; _trine
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def shell_folder(tmp_path_factory):
    """A folder with a `trine` on the PATH, and a set of photos."""
    folder = tmp_path_factory.mktemp("shell")
    command = folder / "bin" / "trine"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m trine "$@"\n')
    command.chmod(0o755)
    (folder / "photos").mkdir()
    return folder


def said_by(shell, line, folder):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    environment = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HOME": str(folder)}
    done = subprocess.run(
        [shell, "-c", line], capture_output=True, text=True, check=False, cwd=folder, env=environment, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "finished"),
    [
        ("cl", "classify"),
        ("classify ev", "evaluate"),
        ("detect fit --cell ''", "gru"),
        ("classify fit hostl", "hostlab"),
        ("classify fit pho", "photos/"),
    ],
)
def test_bash_finishes_commands_choices_named_sets_and_folders(shell_folder, words, finished):
    line = BASH.format(words=words, place=len(words.split()))
    assert finished in said_by("bash", line, shell_folder)


def test_fish_finishes_commands_and_options(shell_folder):
    line = 'trine completion fish | source; complete -C "trine classify fit --min"; complete -C "trine det"'
    said = "\n".join(said_by("fish", line, shell_folder))
    assert "--minutes" in said
    assert "detect" in said


def test_zsh_takes_the_script(shell_folder):
    line = 'autoload -U compinit; compinit -u; eval "$(trine completion zsh)"; print ${_comps[trine]}'
    assert said_by("zsh", line, shell_folder) == ["_cyclopts_trine"]


def test_an_unknown_shell_is_one_line(trine):
    said = trine("completion", "csh")
    assert (said.status, said.out, len(said.err.splitlines())) == (2, "", 1)


def test_the_script_is_put_where_the_shell_finds_it(trine, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    said = trine("completion", "fish", "--install")
    assert said.status == 0
    (written,) = tmp_path.rglob("trine.fish")
    assert str(written) in said.err
