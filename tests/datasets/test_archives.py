import io
import os
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.datasets import archives
from trine.datasets.archives import safe_name, unpack
from trine.errors import DataError, UnsafeDataError
from trine.pictures.picture_set import open_pictures

FORMS = {".zip": "zip", ".tar": "tar", ".tar.gz": "gztar", ".tar.xz": "xztar", ".tar.bz2": "bztar"}


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def write_tar(path: Path, members: dict[str, bytes | str]) -> Path:
    """Bytes make a file; a string makes a symbolic link to it."""
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(data, str):
                info.type, info.linkname = tarfile.SYMTYPE, data
                archive.addfile(info)
            else:
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("suffix", FORMS)
def test_an_archive_gives_the_same_set_as_its_folder(make_folder, tmp_path, suffix, own_cache):
    folder = make_folder({"train/cat": 3, "train/dog": 3, "test/cat": 1})
    made = shutil.make_archive(str(tmp_path / "packed"), FORMS[suffix], folder)
    packed, plain = open_pictures(made), open_pictures(folder)
    assert packed.fingerprint == plain.fingerprint
    assert list(packed.splits["test"].names) == list(plain.splits["test"].names)
    assert not list(own_cache.rglob("unpacked"))


def test_an_archive_that_wraps_its_content_in_a_folder_is_read_too(make_folder, tmp_path):
    folder = make_folder({"cat": 2, "dog": 2})
    (folder / "labels.csv").write_text("path,label\ncat/cat0.png,feline\ndog/dog0.png,canine\n")
    made = shutil.make_archive(str(tmp_path / "packed"), "zip", folder.parent, folder.name)
    assert open_pictures(made).classes == ("canine", "feline")


@pytest.mark.parametrize("name", ["../evil.png", "/tmp/evil.png", "a/../../evil.png", "..\\evil.png", "C:\\evil.png"])
@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_a_name_that_leaves_the_archive_is_refused_and_nothing_is_written(tmp_path, name, write):
    path = write(tmp_path / ("a.zip" if write is write_zip else "a.tar"), {name: b"x"})
    with pytest.raises(UnsafeDataError, match="leaves the archive's folder"):
        unpack(path, tmp_path / "deep" / "out")
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize("target", ["/etc", "../..", "a/../../b"])
def test_a_link_that_leaves_the_archive_is_refused(tmp_path, target):
    path = write_tar(tmp_path / "a.tar", {"link": target, "link/evil.png": b"x"})
    with pytest.raises(UnsafeDataError, match="the link 'link' leaves the archive"):
        unpack(path, tmp_path / "out")


def test_a_link_that_stays_inside_is_left_out(tmp_path):
    unpack(write_tar(tmp_path / "a.tar", {"a/b.png": b"x", "a/c.png": "b.png"}), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out" / "a").iterdir()] == ["b.png"]


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_a_bomb_is_refused_by_the_bytes_that_come_out(tmp_path, write):
    path = write(tmp_path / ("a.zip" if write is write_zip else "a.tar.gz"), {"a.png": bytes(80 * 2**20)})
    with pytest.raises(UnsafeDataError, match="100 times its size"):
        unpack(path, tmp_path / "out")
    assert sum(p.stat().st_size for p in (tmp_path / "out").rglob("*")) <= 64 * 2**20


def test_a_bomb_leaves_nothing_in_the_cache(tmp_path, own_cache):
    path = write_zip(tmp_path / "a.zip", {f"cat/{i}.png": bytes(20 * 2**20) for i in range(4)})
    with pytest.raises(UnsafeDataError, match="unpacks to over"):
        open_pictures(path)
    assert not [p for p in own_cache.rglob("*") if p.is_file()]


def test_a_header_that_requests_gigabytes_is_refused_before_they_are_read(tmp_path):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=tarfile.GNU_FORMAT) as archive:
        info = tarfile.TarInfo("././@LongLink")
        info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2**25
        archive.addfile(info, io.BytesIO(bytes(2**25)))
    with pytest.raises(UnsafeDataError):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out")


def test_too_many_members_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_MEMBERS", 5)
    with pytest.raises(UnsafeDataError, match="holds over 5 members"):
        unpack(write_zip(tmp_path / "a.zip", {f"{i}.png": b"" for i in range(6)}), tmp_path / "out")


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tar.xz", "a.tar.bz2"])
def test_a_file_that_is_no_archive_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"no archive" * 100)
    with pytest.raises(DataError, match="damaged or not what its name says"):
        unpack(tmp_path / name, tmp_path / "out")


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_a_truncated_archive_is_refused(tmp_path, suffix):
    noise = np.random.default_rng(0).bytes(5000)
    path = (write_zip if suffix == ".zip" else write_tar)(tmp_path / f"a{suffix}", {"a.png": noise})
    path.write_bytes(path.read_bytes()[:2500])
    with pytest.raises(DataError, match="damaged"):
        unpack(path, tmp_path / "out")


def test_a_file_in_place_of_a_folder_is_an_error_of_the_archive(tmp_path):
    with pytest.raises(DataError, match="damaged"):
        unpack(write_tar(tmp_path / "a.tar", {"a": b"x", "a/b.png": b"x"}), tmp_path / "out")


def test_an_archive_without_pictures_names_the_archive_and_not_the_cache(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"readme.txt": b"x"})
    with pytest.raises(DataError, match=r"a\.zip: holds no picture") as caught:
        open_pictures(path)
    assert "unpacked" not in str(caught.value)


@given(st.text(st.characters(blacklist_categories=("Cs",)), max_size=30) | st.from_regex(r"[./\\a:]{1,12}"))
def test_a_name_stays_below_the_target_or_is_refused(tmp_path_factory, name):
    root = Path("/some/target")
    try:
        path = root / safe_name(name, Path("a.zip"))
    except UnsafeDataError:
        return
    assert Path(*path.parts) == root or root in Path(os.path.normpath(path)).parents
