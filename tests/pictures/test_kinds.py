import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, features

from trine.pictures import formats
from trine.pictures.kinds import begins_like_a_picture, is_picture_file
from trine.pictures.litter import is_litter, is_run
from trine.pictures.picture_set import open_pictures

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)


def red(size: tuple[int, int] = (16, 16)) -> Image.Image:
    return Image.new("RGB", size, (200, 30, 30))


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.jpe", "JPEG"),
        ("a.JFIF", "JPEG"),
        ("a.webp", "WEBP"),
        ("a.avif", "AVIF"),
        ("a.jp2", "JPEG2000"),
        ("a.tga", "TGA"),
        ("a.qoi", "QOI"),
        ("a.ico", "ICO"),
        ("a.pcx", "PCX"),
        ("without a suffix", "JPEG"),
        ("n02085620_10074", "PNG"),
        ("wrong.txt", "PNG"),
        ("wrong.png", "JPEG"),
        ("photo.jpg_large", "JPEG"),
        ("no suffix gif", "GIF"),
        ("no suffix webp", "WEBP"),
        ("no suffix bmp", "BMP"),
        ("no suffix tif", "TIFF"),
    ],
)
def test_what_pillow_reads_is_read_whatever_its_name(tmp_path, name, form):
    if form == "AVIF" and not features.check("avif"):
        pytest.skip("Pillow reads AVIF from 11.3 on")
    for label in ("cat", "dog"):
        (tmp_path / "set" / label).mkdir(parents=True)
        for i in range(2):
            red().save(tmp_path / "set" / label / f"{i}{name}", form)
    opened = open_pictures(tmp_path / "set", cut=False)
    assert opened.classes == ("cat", "dog")
    assert opened.skipped == ()
    assert abs(int(opened.splits["train"].images[0, 8, 8, 0]) - 200) <= 6


def test_a_class_of_heic_pictures_is_named_with_what_to_install(make_folder, monkeypatch):
    monkeypatch.setattr(formats, "_has_heif", lambda: False)
    root = make_folder({"cat": 2, "dog": 2})
    for name in ("IMG_0001.HEIC", "IMG_0002.HEIC", "IMG_0003"):
        (root / "horse").mkdir(exist_ok=True)
        (root / "horse" / name).write_bytes(HEIC)
    opened = open_pictures(root, cut=False)
    assert opened.classes == ("cat", "dog")
    assert len(opened.skipped) == 3
    assert all("pip install 'pillow-heif" in line for line in opened.skipped)
    assert "no picture can be read of: horse (3 files)" in opened.remarks


def test_other_files_are_named_and_counted_by_kind(make_folder):
    root = make_folder({"cat": 2, "dog": 2})
    for i in range(4):
        (root / "cat" / f"{i}.xml").write_text("<a/>")
    (root / "dog" / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    (root / "dog" / "raw.CR2").write_bytes(b"II*\0\x10\0\0\0CR\2\0")
    assert open_pictures(root, cut=False).remarks == (
        "passed over, camera raw, convert it to JPEG: 1 .cr2 (dog/raw.CR2)",
        "passed over, no picture: 1 .mp4 (dog/film.mp4)",
        "passed over, no picture: 4 .xml (cat/0.xml, cat/1.xml, cat/2.xml)",
    )


@pytest.mark.parametrize(
    "folder", ["@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found", "__MACOSX", ".ipynb_checkpoints"]
)
def test_litter_is_no_class(make_folder, folder):
    root = make_folder({"cat": 2, "dog": 2, folder: 1, f"cat/{folder}": 1})
    opened = open_pictures(root, cut=False)
    assert opened.classes == ("cat", "dog")
    assert len(opened.splits["train"]) == 4


def test_a_folder_of_runs_is_no_class(make_folder):
    root = make_folder({"cat": 2, "dog": 2, "runs/classify-photos": 1, "model": 1})
    for name in ("recipe.json", "metrics.jsonl"):
        (root / "runs" / "classify-photos" / name).write_text("{}")
    (root / "model" / "trine.json").write_text("{}")
    opened = open_pictures(root, cut=False)
    assert opened.classes == ("cat", "dog")
    assert "passed over, a run of Trine and no class: model/, runs/classify-photos/" in opened.remarks


def test_class_names_that_look_the_same_are_one_class_and_said(make_folder):
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    opened = open_pictures(
        make_folder({f"train/{composed}": 1, f"train/{decomposed}": 1, "train/bar": 1, "test/bar ": 1})
    )
    assert opened.classes == ("bar", composed)
    assert sum(line.startswith("one class, ") for line in opened.remarks) == 2


def test_empty_class_folders_are_named(make_folder):
    root = make_folder({"cat": 2, "dog": 2})
    (root / "horse").mkdir()
    assert "no class, as no picture is in it: horse/" in open_pictures(root, cut=False).remarks


@given(st.binary(max_size=64))
def test_any_first_bytes_are_a_picture_or_not(tmp_path_factory, head):
    path = tmp_path_factory.mktemp("head") / "a"
    path.write_bytes(head)
    assert begins_like_a_picture(path) in (True, False)
    assert not is_picture_file(path, "a.nef")


def test_names_of_systems_are_litter():
    assert all(map(is_litter, ("Thumbs.db", ".DS_Store", "._a.jpg", "desktop.ini", "@eaDir")))
    assert not any(map(is_litter, ("cat", "eaDir", "a.jpg")))


def test_a_folder_of_pictures_is_no_run(make_folder):
    assert not is_run(make_folder({"cat": 1}))
