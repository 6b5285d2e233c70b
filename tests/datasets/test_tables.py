"""Tables of any content; and the two users, tables of sequences and manifests of pictures, on the same mistakes."""

import csv
import gzip
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.datasets.lines import Skips
from trine.datasets.tables import READERS, has_column, is_table, read_table
from trine.errors import DataError, UsageError
from trine.pictures.manifests import PictureManifest
from trine.pictures.picture_set import open_pictures
from trine.sequences.readers import open_sequences

ENDINGS = [suffix + packed for suffix in READERS for packed in ("", ".gz")]
USERS: dict[str, Callable[[Path], object]] = {"path": open_pictures, "events": open_sequences}
"""The two users of the reader, by the column that they require."""

letters = st.characters(exclude_categories=["Cs", "Cc"])
name = (
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"'), min_size=1, max_size=8)
    .map(lambda name: name.strip().lower())
    .filter(lambda name: name and name == name.strip().lower())
)
names = st.lists(name, min_size=1, max_size=4, unique=True)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    """Column names and rows. The first cell is not empty: TSV cannot tell an empty cell alone from an empty line."""
    columns = draw(names)
    cells = [st.text(letters, min_size=i == 0, max_size=10) for i in range(len(columns))]
    return columns, draw(st.lists(st.tuples(*cells).map(list), min_size=1, max_size=5))


def encode(ending: str, columns: list[str], rows: list[list[str]]) -> bytes:
    """The content of a table of that format."""
    suffix = ending.removesuffix(".gz")
    stream: io.StringIO | io.BytesIO = io.BytesIO() if suffix == ".parquet" else io.StringIO(newline="")
    if suffix == ".tsv":
        stream.write("".join("\t".join(cells) + "\n" for cells in (columns, *rows)))
    elif suffix == ".csv":
        csv.writer(stream).writerows([columns, *rows])
    elif suffix == ".parquet":
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        values = [[row[i] for row in rows] for i in range(len(columns))]
        parquet.write_table(pyarrow.table([pyarrow.array(column, "string") for column in values], columns), stream)
    else:
        stream.write("".join(json.dumps(dict(zip(columns, cells, strict=True))) + "\n" for cells in rows))
    content = stream.getvalue()
    raw = content if isinstance(content, bytes) else content.encode()
    return gzip.compress(raw) if ending.endswith(".gz") else raw


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows_of(path: Path, required: str, columns: list[str] | None = None) -> list[tuple[str, dict[str, object]]]:
    return [tuple(row) for row in read_table(path, required, Skips(path.name), columns)]


def error_of(path: Path) -> str | None:
    try:
        rows_of(path, "a")
    except DataError as error:
        return str(error)
    return None


@given(table=tables())
@pytest.mark.parametrize("ending", ENDINGS)
def test_every_format_gives_back_the_cells_that_were_written(tmp_path_factory, ending, table):
    columns, rows = table
    path = write(tmp_path_factory.mktemp("table") / f"t{ending}", encode(ending, columns, rows))
    unit, first = ("row", 1) if "parquet" in ending else ("line", 1 if "json" in ending else 2)
    expected = [
        (f"{unit} {number}", dict(zip(columns, cells, strict=True))) for number, cells in enumerate(rows, first)
    ]
    assert rows_of(path, columns[0]) == expected
    assert rows_of(path, columns[0], columns[-1:]) == [
        (position, {columns[-1]: cells[columns[-1]]}) for position, cells in expected
    ]
    assert has_column(path, columns[-1])
    assert not has_column(path, "no such column")


@given(raw=st.binary(max_size=300))
@pytest.mark.parametrize("ending", ENDINGS)
def test_arbitrary_bytes_are_rows_or_a_named_error(tmp_path_factory, ending, raw):
    path = tmp_path_factory.mktemp("noise") / f"t{ending}"
    for content in (raw, b"a,b\n" + raw, b"a\tb\n" + raw, b'{"a": 1}\n' + raw, b"\x1f\x8b" + raw):
        write(path, content)
        message = error_of(path)
        assert message is None or (str(path) in message and "\n" not in message)


def test_a_parquet_file_cut_off_anywhere_is_a_named_error(tmp_path):
    for ending in (".parquet", ".parquet.gz"):
        whole = encode(ending, ["a"], [["x"] * 1] * 50)
        for length in range(1, len(whole), 7):
            with pytest.raises(DataError, match="no whole Parquet file"):
                rows_of(write(tmp_path / f"t{ending}", whole[:length]), "a")


def test_parquet_cells_keep_their_types_over_several_batches(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table({"Events": [[i, i + 1] for i in range(2_500)], "label": [None] * 2_500})
    parquet.write_table(table, tmp_path / "t.parquet")
    rows = rows_of(tmp_path / "t.parquet", "events")
    assert rows[0] == ("row 1", {"events": [0, 1], "label": None})
    assert rows[-1] == ("row 2500", {"events": [2499, 2500], "label": None})


def test_a_name_says_what_is_a_table():
    assert all(is_table(Path(f"a{ending.upper()}")) for ending in ENDINGS)
    assert not any(is_table(Path(name)) for name in ("a", "a.gz", "a.txt", "a.tar.gz", "csv", "tsv.gz"))
    with pytest.raises(DataError, match=r"a\.txt: no table; give a file whose name ends in one of \.tsv, \.csv"):
        read_table(Path("a.txt"), "a", Skips("a.txt"))


def test_quoted_line_breaks_count_as_lines(tmp_path):
    path = write(tmp_path / "t.csv", 'A , b\n"1\n2",x\n\n3,"y"\n')
    assert rows_of(path, "a") == [("line 3", {"a": "1\n2", "b": "x"}), ("line 5", {"a": "3", "b": "y"})]


def test_cells_of_tsv_are_quoted_only_if_all_names_are(tmp_path):
    assert rows_of(write(tmp_path / "t.tsv", 'a\tb\n"x"\ty"z\n'), "a") == [("line 2", {"a": '"x"', "b": 'y"z'})]
    path = write(tmp_path / "r.tsv", '\n"a"\t"b"\n"x\n\ny"\t"z"\n\n1\t2\n')
    assert rows_of(path, "a") == [("line 5", {"a": "x\n\ny", "b": "z"}), ("line 7", {"a": "1", "b": "2"})]


@pytest.mark.parametrize("content", ['"x\ny",b\n1,2\n', '"a","x\ny","x\ny"\n'])
def test_an_error_is_one_line_whatever_the_columns_are_called(tmp_path, content):
    assert "\n" not in str(error_of(write(tmp_path / "t.csv", content)))
    assert "\\ud800" in str(error_of(write(tmp_path / "t.jsonl", '{"\\ud800": 1}')))


def test_columns_without_a_name_may_occur_twice(tmp_path):
    assert rows_of(write(tmp_path / "t.csv", "a,,\n1,,\n"), "a") == [("line 2", {"a": "1", "": ""})]


def test_json_rows_without_the_column_are_left_out_by_line(tmp_path):
    path = write(tmp_path / "t.jsonl", '{"version": 1}\n{"A": [1]}\n\n[2]\n{"a": null, "b": true}\n')
    skips = Skips("t.jsonl")
    assert [tuple(row) for row in read_table(path, "a", skips)] == [
        ("line 2", {"a": [1]}),
        ("line 5", {"a": None, "b": True}),
    ]
    assert skips.messages() == (
        "t.jsonl: no column 'a', row left out (1: line 1)",
        "t.jsonl: no JSON object, row left out (1: line 4)",
    )


EMPTY = "the file is empty; give a table with a column '{0}'"
EQUAL = "two columns have the same name ({0}, x, x); rename one"
MISSING = "no column '{0}' among: file, kind; rename the column of the {0}"
UNCLOSED = "line 3: a damaged row (unexpected end of data); close the quotes, or save as TSV without quotes"
MISTAKES = {
    "an empty TSV file": (".tsv", "", EMPTY),
    "an empty CSV file": (".csv", "\n\n", EMPTY),
    "an empty JSON lines file": (".jsonl", " \n", EMPTY),
    "an empty Parquet file": (".parquet", "", EMPTY),
    "a missing column": (".csv", "file,Kind\na,b\n", MISSING),
    "a missing column in JSON lines": (".jsonl", '{{"file": 1, "Kind": 2}}\n', MISSING),
    "two equal columns": (".tsv", "{0}\tx\tX\na\tb\tc\n", EQUAL),
    "two equal columns in JSON lines": (".jsonl", '{{"{0}": "a", "x": 1, "X": 2}}\n', EQUAL),
    "an unclosed quote": (".csv", '{0},x\na,b\n"c,d\ne,f\n', UNCLOSED),
    "a damaged Parquet file": (".parquet", "PAR1 nothing at all PAR1", "no whole Parquet file ("),
    "a gzip stream cut off": (".csv.gz", "{0},x\na,b\n", "the gzip stream is cut off or damaged after line "),
}


@pytest.mark.parametrize("column", USERS)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_same_mistake_is_the_same_error_for_pictures_and_for_sequences(tmp_path, mistake, column):
    ending, content, message = MISTAKES[mistake]
    if ending == ".parquet":
        pytest.importorskip("pyarrow")
    raw = content.format(column).encode()
    path = write(tmp_path / f"t{ending}", gzip.compress(raw)[:-8] if ending == ".csv.gz" else raw)
    with pytest.raises(DataError) as caught:
        USERS[column](path)
    assert str(caught.value).startswith(f"{path}: {message.format(column)}")
    assert caught.value.exit_status == 1


@pytest.mark.parametrize("column", USERS)
def test_parquet_without_pyarrow_names_the_extra_for_pictures_and_for_sequences(tmp_path, monkeypatch, column):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = write(tmp_path / "t.parquet", b"PAR1")
    with pytest.raises(UsageError) as caught:
        USERS[column](path)
    assert str(caught.value) == f"{path}: Parquet needs pyarrow; pip install 'trine[parquet]'"
    assert caught.value.exit_status == 2


def test_a_row_with_another_number_of_cells_is_left_out_for_pictures_and_for_sequences(tmp_path, make_picture):
    make_picture(tmp_path / "a.png")
    text = "{0},label\na.png,1\nb.png\na.png,0,x\na.png,0\n"
    message = "another number of cells than the header, row left out (2: line 3, line 4)"
    manifest = PictureManifest(write(tmp_path / "pictures.csv", text.format("path"))).read(tmp_path)
    assert manifest.skipped == [f"unreadable: pictures.csv: {message}"]
    assert [entry.name for entry in manifest.entries] == ["a.png", "a.png"]
    table = open_sequences(write(tmp_path / "sequences.csv", text.format("events")))
    assert table.skipped == (f"sequences.csv: {message}",)
    assert len(table) == 2


@pytest.mark.parametrize("column", USERS)
def test_a_table_with_more_bad_rows_than_good_ones_is_refused(tmp_path, column):
    path = write(tmp_path / "t.csv", f"{column},label\na,0\nb\nc\n")
    with pytest.raises(DataError, match=r"t\.csv: 1 (picture|sequence) could be read and 2 not \(t\.csv: "):
        USERS[column](path)


@pytest.mark.parametrize("task", ["classify", "detect", "generate"])
def test_a_path_that_does_not_exist_exits_with_1_in_every_task(trine, tmp_path, task):
    printed = trine(task, "fit", tmp_path / "nothing.csv", "--out", tmp_path / "run")
    assert printed.status == 1
    assert "nothing.csv: no such file or folder, nor a named set of " in printed.err
    assert not (tmp_path / "run").exists()
