import csv
import gzip
import io
import json
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.errors import DataError, UnsafeDataError, UsageError
from trine.pictures.manifests import PictureManifest
from trine.pictures.picture_set import open_pictures

TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=12).filter(str.strip)


def manifest(path: Path, text: str) -> PictureManifest:
    path.write_text(text, encoding="utf-8")
    return PictureManifest(path)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=8))
@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".csv.gz", ".jsonl.gz"])
def test_any_table_of_paths_and_labels_is_read_back(tmp_path_factory, ending, rows):
    path = tmp_path_factory.mktemp("table") / f"set{ending}"
    stream = io.StringIO(newline="")
    if ".jsonl" in ending:
        stream.writelines(json.dumps({"Label": label, "path": name}) + "\n" for name, label in rows)
    else:
        delimiter, quoting = (",", csv.QUOTE_MINIMAL) if ".csv" in ending else ("\t", csv.QUOTE_ALL)
        csv.writer(stream, delimiter=delimiter, quoting=quoting).writerows([("path", "Label"), *rows])
    content = stream.getvalue().encode()
    path.write_bytes(gzip.compress(content) if ending.endswith(".gz") else content)
    read = PictureManifest(path).read(path.parent).entries
    assert [(entry.name, entry.label) for entry in read] == [(name.strip(), label.strip()) for name, label in rows]


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_a_data_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("noise") / "set.csv"
    path.write_bytes(data)
    with pytest.raises(DataError):
        PictureManifest(path).read(path.parent)
    path.write_bytes(b"path,label\n" + data)
    with suppress(DataError):
        assert PictureManifest(path).read(path.parent).entries


def test_a_table_with_splits_is_a_picture_set(tmp_path, make_picture):
    for i in range(6):
        make_picture(tmp_path / "img" / f"{i}.png")
    lines = [f"img/{i}.png,{'cat' if i % 2 else 'dog'},{'train' if i < 4 else 'test'}" for i in range(6)]
    (tmp_path / "set.csv").write_text("\n".join(["path,label,split", *lines]))
    for source in (tmp_path / "set.csv", tmp_path):
        pictures = open_pictures(source, cut=False)
        assert {split: len(part) for split, part in pictures.splits.items()} == {"train": 4, "test": 2}
        assert pictures.classes == ("cat", "dog")


def test_a_parquet_table_is_read_like_a_csv(tmp_path, make_picture):
    pyarrow = pytest.importorskip("pyarrow", exc_type=ImportError)
    from pyarrow import parquet

    make_picture(tmp_path / "a.png")
    make_picture(tmp_path / "b.png")
    table = pyarrow.table({"path": ["a.png", "b.png"], "label": [3, 10], "width": [1, 2]})
    parquet.write_table(table, tmp_path / "set.parquet")
    assert open_pictures(tmp_path / "set.parquet").classes == ("3", "10")


def test_a_compressed_table_of_json_lines_makes_a_folder_a_picture_set(tmp_path, make_picture):
    for i in range(4):
        make_picture(tmp_path / f"{i}.png")
    lines = [{"PATH": f"{i}.png", "label": i % 2, "split": None if i < 2 else "test", "width": 12} for i in range(4)]
    content = "".join(json.dumps(line) + "\n" for line in lines).encode()
    (tmp_path / "set.jsonl.gz").write_bytes(gzip.compress(content))
    for source in (tmp_path / "set.jsonl.gz", tmp_path):
        pictures = open_pictures(source, cut=False)
        assert {split: len(part) for split, part in pictures.splits.items()} == {"train": 2, "test": 2}
        assert pictures.classes == ("0", "1")


def test_a_manifest_that_is_not_utf_8_is_refused_by_line(tmp_path):
    (tmp_path / "set.csv").write_bytes("path,label\na.png,cat\nb.png,chèvre\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"set\.csv: line 3: not UTF-8; save the table as UTF-8"):
        PictureManifest(tmp_path / "set.csv").read(tmp_path)


def test_a_path_of_lone_surrogates_is_a_missing_picture(tmp_path, make_picture):
    make_picture(tmp_path / "a.png")
    (tmp_path / "set.jsonl").write_text('{"path": "\\ud800.png", "label": 1}\n{"path": "a.png", "label": 1}\n')
    assert open_pictures(tmp_path / "set.jsonl").skipped == ("missing: \\ud800.png (no such file)",)


def test_a_manifest_without_rows_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"set\.csv: 0 pictures could be read and 0 not; give a table with one picture"):
        manifest(tmp_path / "set.csv", "path,label\n").read(tmp_path)


def test_an_empty_path_is_refused_with_its_row(tmp_path):
    with pytest.raises(DataError, match=r"set\.csv: line 3: no path in the column 'path'"):
        manifest(tmp_path / "set.csv", "path,label\na.png,cat\n ,cat\n").read(tmp_path)


def test_a_broken_parquet_table_is_refused(tmp_path):
    pytest.importorskip("pyarrow", exc_type=ImportError)
    (tmp_path / "set.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(DataError, match="no whole Parquet file"):
        open_pictures(tmp_path / "set.parquet")


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "set.parquet").write_bytes(b"PAR1")
    with pytest.raises(UsageError, match=r"pip install 'trine\[parquet\]'"):
        open_pictures(tmp_path / "set.parquet")


def test_a_table_without_paths_is_refused(tmp_path):
    with pytest.raises(DataError, match="no column 'path' among: file, label"):
        manifest(tmp_path / "set.csv", "file,label\na.png,cat\n").read(tmp_path)


def test_an_unknown_split_is_refused_with_its_row(tmp_path):
    with pytest.raises(DataError, match=r"set\.csv: line 3: unknown split 'fold 3'"):
        manifest(tmp_path / "set.csv", "path,split\na.png,train\nb.png,fold 3\n").read(tmp_path)


def test_rows_without_a_label_are_left_out_by_name(tmp_path):
    files = manifest(tmp_path / "set.csv", "path,label\na.png,cat\nb.png,\n").read(tmp_path)
    assert [entry.name for entry in files.entries] == ["a.png"]
    assert files.skipped == ["unlabelled: b.png (its row has no label)"]


def test_pictures_that_are_not_there_are_skipped_by_name(tmp_path, make_picture):
    make_picture(tmp_path / "a.png")
    (tmp_path / "set.csv").write_text("path,label\na.png,cat\ngone.png,cat\n")
    assert open_pictures(tmp_path / "set.csv").skipped == ("missing: gone.png (no such file)",)


def test_a_picture_that_returns_is_noticed(tmp_path, make_picture):
    make_picture(tmp_path / "a.png")
    (tmp_path / "set.csv").write_text("path,label\na.png,cat\nlate.png,cat\n")
    assert open_pictures(tmp_path / "set.csv").skipped
    make_picture(tmp_path / "late.png")
    assert not open_pictures(tmp_path / "set.csv").skipped


@pytest.mark.parametrize("name", ["../secret.png", "/etc/secret.png", "a/../../secret.png"])
def test_a_table_out_of_an_archive_stays_in_its_folder(tmp_path, name):
    (tmp_path / "set.csv").write_text(f"path,label\n{name},cat\n")
    with pytest.raises(UnsafeDataError, match="leaves the archive"):
        PictureManifest(tmp_path / "set.csv", confined=True).read(tmp_path)


def test_a_list_of_classes_in_a_row_is_refused_with_the_row(tmp_path):
    rows = [{"path": "a.png", "label": ["cat"]}, {"path": "b.png", "label": ["cat", "dog"]}]
    with pytest.raises(DataError, match=r"set\.jsonl: line 2: several classes at once \(cat, dog\)"):
        manifest(tmp_path / "set.jsonl", "\n".join(map(json.dumps, rows))).read(tmp_path)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_a_list_of_one_class_is_that_class(tmp_path, make_picture, suffix):
    rows = {"path": ["a.png", "b.png"], "label": [["cat"], ["dog"]]}
    for name in rows["path"]:
        make_picture(tmp_path / name)
    path = tmp_path / f"set.{suffix}"
    if suffix == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pytest.importorskip("pyarrow").table(rows), path)
    else:
        path.write_text(
            "\n".join(json.dumps({"path": name, "label": label}) for name, label in zip(*rows.values(), strict=True))
        )
    assert [entry.label for entry in PictureManifest(path).read(tmp_path).entries] == ["cat", "dog"]
