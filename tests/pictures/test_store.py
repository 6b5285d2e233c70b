import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from trine.errors import DataError
from trine.pictures import store
from trine.pictures.picture_set import open_pictures
from trine.pictures.store import INDEX, is_whole, open_store


def the_store(cache: Path) -> Path:
    (index,) = cache.glob(f"pictures/*/*/{INDEX}")
    return index.parent


@pytest.mark.parametrize("name", [INDEX, "train.u8", "train.labels", "train.names"])
@pytest.mark.parametrize("harm", ["remove", "truncate", "empty", "flip"])
def test_a_damaged_store_is_rebuilt(make_folder, own_cache, name, harm):
    folder = make_folder({"cat": 3, "dog": 3})
    first = open_pictures(folder)
    path = the_store(own_cache) / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    if harm == "remove":
        path.unlink()
    else:
        path.write_bytes({"truncate": bytes(data[: len(data) // 2]), "empty": b"", "flip": bytes(data)}[harm])
    again = open_pictures(folder)
    assert again.fingerprint == first.fingerprint
    assert list(again.splits["train"].names) == list(first.splits["train"].names)
    assert np.array_equal(again.splits["train"].images, first.splits["train"].images)
    assert is_whole(open_store(the_store(own_cache)))


def test_verify_rebuilds_a_store_with_a_flipped_bit_anywhere(make_folder, own_cache):
    folder = make_folder({"cat": 40}, size=(90, 90))
    first = open_pictures(folder, size=90)
    path = the_store(own_cache)
    pixels = bytearray((path / "train.u8").read_bytes())
    pixels[20_000] ^= 1  # between two of the blocks that opening verifies
    (path / "train.u8").write_bytes(pixels)
    assert open_pictures(folder, size=90).fingerprint == first.fingerprint
    assert not is_whole(open_store(path))
    open_pictures(folder, size=90, verify=True)
    assert is_whole(open_store(path))


def test_a_store_of_another_version_is_rebuilt(make_folder, own_cache, monkeypatch):
    folder = make_folder({"cat": 3})
    open_pictures(folder)
    path = the_store(own_cache) / INDEX
    document = json.loads(path.read_text())
    document["index"]["version"] = 99
    path.write_text(json.dumps(document))
    open_pictures(folder)
    assert json.loads(path.read_text())["index"]["version"] == store.VERSION


def test_incomplete_stores_of_ended_processes_are_removed(make_folder, own_cache):
    folder = make_folder({"cat": 3})
    open_pictures(folder)
    location = the_store(own_cache).parent
    dead = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True).stdout.strip()
    abandoned = location / f"abc.{store.socket.gethostname()}-{dead}.part"
    alive = location / f"abc.{store.socket.gethostname()}-{os.getppid()}.part"
    abandoned.mkdir()
    alive.mkdir()
    (the_store(own_cache) / INDEX).unlink()
    open_pictures(folder)
    assert not abandoned.exists()
    assert alive.exists()


def test_a_failed_build_leaves_nothing_behind(make_folder, own_cache, monkeypatch):
    folder = make_folder({"cat": 3})

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store.StoreWriter, "add", full)
    with pytest.raises(DataError, match="the disk is full: free some space, or set TRINE_CACHE"):
        open_pictures(folder)
    assert not [path for path in own_cache.rglob("*") if path.is_file()]


def test_a_full_disk_is_an_error_and_leaves_other_stores_whole(make_folder, small_disk, monkeypatch):
    disk = small_disk("64k")
    monkeypatch.setenv("TRINE_CACHE", str(disk))
    small = make_folder({"cat": 2}, name="small-set")
    first = open_pictures(small, cut=False)
    with pytest.raises(DataError, match="the disk is full"):
        open_pictures(make_folder({"cat": 60}, name="large-set", size=(40, 40)))
    assert open_pictures(small, cut=False).fingerprint == first.fingerprint
    assert not list(disk.rglob("*.part"))


def test_a_file_in_place_of_the_cache_folder_is_an_error(make_folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TRINE_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"file: the cache cannot be written \(Not a directory\): set TRINE_CACHE"):
        open_pictures(make_folder({"cat": 3}))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_without_write_permission_is_an_error(make_folder, tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir(mode=0o500)
    monkeypatch.setenv("TRINE_CACHE", str(tmp_path / "closed"))
    with pytest.raises(DataError, match=r"the cache cannot be written \(Permission denied\)"):
        open_pictures(make_folder({"cat": 3}))


def test_two_processes_may_build_the_same_store(make_folder, own_cache):
    folder = make_folder({"cat": 30, "dog": 30})
    code = f"from trine.pictures.picture_set import open_pictures; print(open_pictures({str(folder)!r}).fingerprint)"
    command = [sys.executable, "-c", code]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    prints = {process.communicate()[0] for process in running}
    assert len(prints) == 1
    assert all(process.returncode == 0 for process in running)
    assert prints == {open_pictures(folder).fingerprint + "\n"}
