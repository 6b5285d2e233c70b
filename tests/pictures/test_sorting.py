import pytest

from trine.errors import RunError
from trine.pictures.sorting import SortedCopies, folder_name


def test_nothing_is_overwritten_and_equal_files_are_not_copied_again(tmp_path):
    for name, content in (("a/1.png", b"one"), ("b/1.png", b"two"), ("c/1.png", b"one")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(content)
    copies = SortedCopies(tmp_path / "out")
    placed = [copies.add(tmp_path / name / "1.png", f"{name}/1.png", "cat") for name in "abc"]
    assert [path.name for path in placed] == ["1.png", "1-2.png", "1.png"]
    assert sorted((p.name, p.read_bytes()) for p in (tmp_path / "out" / "cat").iterdir()) == [
        ("1-2.png", b"two"),
        ("1.png", b"one"),
    ]
    copies.add(tmp_path / "a" / "1.png", "a/1.png", None)
    assert (tmp_path / "out" / "unsure" / "1.png").read_bytes() == b"one"
    assert copies.summary() == f"sorted into {tmp_path / 'out'}: cat 3, unsure 1; 1 were there already"


def test_a_file_in_the_folder_s_place_is_one_line(tmp_path):
    (tmp_path / "1.png").write_bytes(b"one")
    (tmp_path / "out").write_text("here")
    with pytest.raises(RunError, match="a file has the name of a needed folder"):
        SortedCopies(tmp_path / "out").add(tmp_path / "1.png", "1.png", "cat")


def test_names_of_classes_become_names_of_folders():
    names = {
        "T-shirt/top": "T-shirt-top",
        "..": "-.",
        "unsure": "unsure-",
        "": "-",
        "a\0b": "a-b",
        "K\u00e4fer": "K\u00e4fer",
    }
    assert {label: folder_name(label) for label in names} == names
