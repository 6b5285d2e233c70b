import json
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trine import files
from trine.errors import BundleError, RunError

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=8,
)


def leftovers(folder):
    return [path for path in folder.rglob("*") if path.name.endswith((".part", ".old"))]


@given(content=JSON)
def test_json_is_read_back_and_its_digest_does_not_depend_on_key_order(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("json") / "document.json"
    files.write_json(path, content)
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found == content
    assert files.digest(found) == files.digest(content)
    assert files.digest(dict(reversed({"a": content, "b": 1}.items()))) == files.digest({"a": content, "b": 1})


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError), files.writing(path) as part:
        part.write_text(f"{1 / 0}")
    assert path.read_text() == "before"
    assert not leftovers(tmp_path)


def test_folders_are_made_on_the_way(tmp_path):
    files.write_bytes(tmp_path / "a" / "b" / "c", b"x")
    assert (tmp_path / "a/b/c").read_bytes() == b"x"


def test_a_folder_takes_another_one_s_place_as_a_whole(tmp_path):
    folder = tmp_path / "model"
    for names in (("a", "b"), ("b", "c")):
        with files.writing(folder) as part:
            part.mkdir()
            for name in names:
                (part / name).write_text(name)
        assert sorted(path.name for path in folder.iterdir()) == list(names)
    assert not leftovers(tmp_path)


@pytest.mark.parametrize("exchange", [True, False])
def test_a_folder_is_replaced_also_where_two_names_cannot_be_swapped_at_once(tmp_path, monkeypatch, exchange):
    if not exchange:
        monkeypatch.setattr(files, "_exchange", lambda *_: False)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "old").touch()
    with files.writing(folder) as part:
        part.mkdir()
        (part / "new").touch()
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert not leftovers(tmp_path)


def test_a_full_disk_is_said_in_one_line_and_harms_nothing(small_disk):
    disk = small_disk("32k")
    files.write_bytes(disk / "kept", b"before")
    with (
        pytest.raises(BundleError, match=r"cannot write .*kept: the disk is full: free some space") as problem,
        files.writing(disk / "kept", BundleError) as part,
    ):
        part.write_bytes(bytes(2**20))
    assert "\n" not in str(problem.value)
    assert (disk / "kept").read_bytes() == b"before"
    assert not leftovers(disk)


def test_a_file_in_a_folder_s_place_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="a file has the name of a needed folder"):
        files.write_bytes(tmp_path / "file" / "below", b"")


def test_leftovers_are_swept_and_nothing_else(tmp_path):
    (tmp_path / ".bundle.12.part").mkdir()
    (tmp_path / ".bundle.12.part" / "x").touch()
    for name in (".result.json.7.part", "own.part", ".hidden"):
        (tmp_path / name).touch()
    files.sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", "own.part"]


@given(value=st.floats(), digits=st.integers(3, 12))
@example(value=sys.float_info.max, digits=3)
def test_rounding_keeps_the_digits_and_only_what_json_can_hold(value, digits):
    found = files.rounded({"a": [value, (1, "x", True)]}, digits)
    json.dumps(found, allow_nan=False)
    number = found["a"][0]
    assert number is None or number == pytest.approx(value, rel=10 ** (1 - digits), abs=1e-300)
