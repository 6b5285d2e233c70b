import shutil
from pathlib import Path

import pytest

from trine.errors import DataError
from trine.pictures.folders import Folder
from trine.pictures.manifests import PictureManifest
from trine.pictures.sources import Archive, source_at


def test_the_source_of_a_path_is_chosen_by_its_content(make_folder, tmp_path):
    (tmp_path / "a.csv").write_text("path,label\n")
    (tmp_path / "a.tar.gz").write_bytes(b"")
    assert isinstance(source_at(make_folder({"cat": 1})), Folder)
    assert isinstance(source_at(tmp_path / "a.csv"), PictureManifest)
    assert isinstance(source_at(tmp_path / "a.tar.gz"), Archive)


def test_a_table_without_a_path_column_does_not_make_a_folder_a_manifest(make_folder):
    folder = make_folder({"cat": 1})
    (folder / "notes.csv").write_text("name,age\n")
    assert isinstance(source_at(folder), Folder)


def test_a_manifest_with_a_mistake_in_its_header_still_makes_a_folder_a_manifest(make_folder):
    folder = make_folder({"cat": 1})
    (folder / "set.csv").write_text("path,label,Label\n")
    assert isinstance(source_at(folder), PictureManifest)


def test_a_file_that_only_looks_like_a_table_does_not_make_a_folder_a_manifest(make_folder):
    folder = make_folder({"cat": 1})
    (folder / "notes.csv").write_text('"path" is "quoted" wrongly\n')
    (folder / "old.csv.gz").write_bytes(b"\x1f\x8b cut off")
    assert isinstance(source_at(folder), Folder)


def test_an_error_inside_an_archive_names_the_archive(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "set.csv").write_text("path,label,Label\n")
    path = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "in"))
    with pytest.raises(DataError, match=r"packed\.zip/set\.csv: two columns have the same name"):
        source_at(path).read(tmp_path / "workspace")


def test_a_file_of_another_kind_is_refused_with_the_kinds_there_are(tmp_path):
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    with pytest.raises(DataError, match=r"no folder, manifest \(\.tsv, \.csv, \.jsonl, .*\) or archive"):
        source_at(tmp_path / "a.pdf")


def test_a_missing_path_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such file or folder"):
        source_at(tmp_path / "nothing")
