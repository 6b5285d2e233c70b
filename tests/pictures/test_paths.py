import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from trine.errors import DataError, UsageError
from trine.pictures.paths import found_pictures
from trine.pictures.picture_set import open_pictures


def names_of(*words: str | Path) -> list[str]:
    """Names of the files that words stand for."""
    with found_pictures(words) as found:
        return [path.name for path in found.paths]


def test_a_folder_gives_what_a_training_would_read(make_folder, make_picture):
    root = make_folder({"cat": 2, "@eaDir": 1, ".hidden": 1, "run": 1, "deep/er/est": 1})
    (root / "run" / "trine.json").write_text("{}")
    (root / "cat" / "._cat0.png").write_bytes(b"\0\5\x16\7")
    (root / "cat" / ".DS_Store").write_bytes(b"")
    (root / "notes.txt").write_text("seen in May")
    shutil.copy(root / "cat" / "cat0.png", root / "without_suffix")
    with found_pictures([root]) as found:
        assert [path.name for path in found.paths] == ["without_suffix", "cat0.png", "cat1.png", "deep-er-est0.png"]
        assert found.names == [str(path) for path in found.paths]
        assert found.passed_over == [
            f"{root}: passed over, a run of Trine and no class: run/",
            f"{root}: passed over, left by a system: @eaDir/",
            f"{root}: passed over, no picture: 1 .txt (notes.txt)",
        ]


def test_linked_folders_are_followed(make_folder, tmp_path):
    root = make_folder({"cat": 2})
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "animals").symlink_to(root / "cat")
    assert len(names_of(tmp_path / "linked")) == 2


def test_archives_give_their_pictures_with_names_that_say_where(make_folder, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", make_folder({"cat": 1, "dog": 1}))
    with found_pictures([archive]) as found:
        assert found.names == [f"{archive}/cat/cat0.png", f"{archive}/dog/dog0.png"]
        assert all(path.is_file() for path in found.paths)
    assert not any(path.exists() for path in found.paths)


def test_a_table_gives_the_pictures_that_it_lists(make_folder):
    root = make_folder({"cat": 2})
    (root / "set.csv").write_text("path,label\ncat/cat1.png,cat\ncat/cat0.png,\n")
    assert names_of(root / "set.csv") == ["cat1.png", "cat0.png"]


def test_files_and_globs_are_taken_in_order(make_folder, monkeypatch):
    monkeypatch.chdir(make_folder({"cat": 3}))
    words = ["cat/cat2.png", "cat/cat[01].png"]
    assert names_of(*words) == ["cat2.png", "cat0.png", "cat1.png"]


def test_a_folder_without_pictures_says_what_is_in_it(tmp_path):
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(
        DataError, match=r"holds no pictures: give a folder that does; passed over, no picture: 1 \.txt"
    ):
        names_of(tmp_path)


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_word_is_wrong_use_everywhere(empty):
    for read in (open_pictures, names_of):
        with pytest.raises(UsageError, match="an empty name was given"):
            read(empty)


def test_names_of_any_bytes_are_read_and_printed_in_an_ascii_locale(make_folder, tmp_path):
    root = make_folder({"cat": 2, "dog": 2, "k\u00e4fer": 2})
    os.rename(os.fsencode(root / "cat"), os.fsencode(root) + b"/c\xe4t")  # noqa: PTH104  (bytes)
    archive = shutil.make_archive(str(tmp_path / "packed"), "tar", root)
    settings = {**os.environ, "LC_ALL": "C", "TRINE_CACHE": str(tmp_path / "cache")}
    for data in (str(root), archive):
        for words in (["--json"], []):
            line = [sys.executable, "-X", "utf8=0", "-m", "trine", "data", "check", data, *words]
            done = subprocess.run(line, capture_output=True, env=settings, check=False, cwd=Path.cwd())
            assert done.returncode == 0, done.stderr
            assert b"Traceback" not in done.stderr
