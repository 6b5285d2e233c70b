import pytest

from trine.errors import DataError
from trine.pictures.folders import Folder
from trine.pictures.manifests import Manifest
from trine.pictures.sources import Archive, source_at


def test_the_source_of_a_path_is_chosen_by_its_content(make_folder, tmp_path):
    (tmp_path / "a.csv").write_text("path,label\n")
    (tmp_path / "a.tar.gz").write_bytes(b"")
    assert isinstance(source_at(make_folder({"cat": 1})), Folder)
    assert isinstance(source_at(tmp_path / "a.csv"), Manifest)
    assert isinstance(source_at(tmp_path / "a.tar.gz"), Archive)


def test_a_table_without_a_path_column_does_not_make_a_folder_a_manifest(make_folder):
    folder = make_folder({"cat": 1})
    (folder / "notes.csv").write_text("name,age\n")
    assert isinstance(source_at(folder), Folder)


def test_the_error_for_a_file_of_another_kind_lists_the_kinds(tmp_path):
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    with pytest.raises(DataError, match=r"neither a folder, a manifest .* nor an archive"):
        source_at(tmp_path / "a.pdf")


def test_a_missing_path_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such file or folder"):
        source_at(tmp_path / "nothing")
