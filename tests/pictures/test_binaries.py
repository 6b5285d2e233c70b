import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from trine.errors import DataError, UnsafeDataError
from trine.pictures.binaries import CIFAR_ROW, CifarFolder, IdxFolder, idx_kind, parse_idx, read_idx_bytes
from trine.pictures.picture_set import open_pictures

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C}


def idx(array: np.ndarray) -> bytes:
    head = bytes([0, 0, CODES[array.dtype.str[1:]], array.ndim])
    return head + np.array(array.shape, ">u4").tobytes() + array.astype(array.dtype.newbyteorder(">")).tobytes()


def idx_folder(path: Path, n: int = 12, packed: bool = False) -> Path:
    rng = np.random.default_rng(0)
    path.mkdir(parents=True, exist_ok=True)
    for split, count in (("train", n), ("t10k", 4)):
        images = idx(rng.integers(0, 256, (count, 9, 10), dtype=np.uint8))
        labels = idx(np.arange(count, dtype=np.uint8) % 3)
        for name, data in ((f"{split}-images-idx3-ubyte", images), (f"{split}-labels-idx1-ubyte", labels)):
            (path / f"{name}.gz" if packed else path / name).write_bytes(gzip.compress(data) if packed else data)
    return path


@given(npst.arrays(st.sampled_from([np.uint8, np.int8, np.int16, np.int32]), npst.array_shapes(max_dims=4, max_side=5)))
def test_any_idx_array_is_read_back(array):
    assert np.array_equal(parse_idx(idx(array), "x"), array)


@given(st.binary(max_size=40))
def test_any_bytes_are_an_idx_array_or_a_data_error(data):
    try:
        parse_idx(data, "x")
    except DataError:
        return
    assert data[:2] == b"\0\0"


@given(npst.arrays(np.uint8, npst.array_shapes(max_dims=3, max_side=5)), st.integers(1, 20))
def test_missing_and_left_over_bytes_are_errors(array, n):
    data = idx(array)
    with pytest.raises(DataError, match=r"truncated|not an IDX"):
        parse_idx(data[:-n], "x")
    with pytest.raises(DataError, match="after its end"):
        parse_idx(data + bytes(n), "x")


def test_a_header_that_promises_terabytes_is_refused_before_reading(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(bytes([0, 0, 8, 3]) + b"\xff" * 12)
    with pytest.raises(UnsafeDataError, match="the limit is 4 GiB"):
        read_idx_bytes(path)


def test_a_packed_file_is_unpacked_up_to_the_size_in_its_header(tmp_path):
    path = tmp_path / "train-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(idx(np.zeros(4, np.uint8)) + bytes(10**8)))
    assert len(read_idx_bytes(path)) == 8 + 4 + 1


@pytest.mark.parametrize("packed", [False, True])
def test_an_idx_folder_is_a_picture_set(tmp_path, packed):
    pictures = open_pictures(idx_folder(tmp_path / "set", packed=packed), cut=False)
    assert {split: part.images.shape for split, part in pictures.splits.items()} == {
        "train": (12, 9, 10, 1),
        "test": (4, 9, 10, 1),
    }
    assert pictures.classes == ("0", "1", "2")


def test_an_idx_folder_without_labels_is_unlabelled(tmp_path):
    folder = idx_folder(tmp_path / "set")
    for path in folder.glob("*labels*"):
        path.unlink()
    assert open_pictures(folder).splits["train"].labels is None


def test_a_number_of_labels_other_than_that_of_pictures_is_refused(tmp_path):
    folder = idx_folder(tmp_path / "set")
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(5, np.uint8)))
    with pytest.raises(DataError, match="5 labels for 12 pictures"):
        open_pictures(folder)


def test_the_error_for_a_truncated_packed_file_names_it(tmp_path):
    folder = idx_folder(tmp_path / "set", packed=True)
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz: cannot be read"):
        open_pictures(folder)


def test_a_file_with_another_checksum_is_refused(tmp_path):
    folder = idx_folder(tmp_path / "set")
    with pytest.raises(DataError, match="is not the official file"):
        IdxFolder(folder, md5={"train-images-idx3-ubyte": "0" * 32}).read(tmp_path)


def cifar_folder(path: Path, rows: int = 5) -> Path:
    rng = np.random.default_rng(0)
    path.mkdir()
    for name in ("data_batch_1.bin", "test_batch.bin"):
        data = rng.integers(0, 256, (rows, CIFAR_ROW), dtype=np.uint8)
        data[:, 0] %= 10
        data.tofile(path / name)
    return path


def test_a_cifar_folder_is_a_picture_set(tmp_path):
    folder = cifar_folder(tmp_path / "set")
    pictures = open_pictures(folder, cut=False)
    raw = np.fromfile(folder / "data_batch_1.bin", np.uint8).reshape(5, CIFAR_ROW)
    assert pictures.splits["train"].labels.tolist() == raw[:, 0].tolist()
    assert np.array_equal(pictures.splits["train"].images[2, :, :, 1].ravel(), raw[2, 1 + 1024 : 1 + 2048])
    assert pictures.classes[3] == "cat"
    assert pictures.splits["test"].names[4] == "test_batch.bin#4"


@pytest.mark.parametrize("keep", [0, 3000, CIFAR_ROW + 1])
def test_a_cifar_file_of_broken_length_is_refused(tmp_path, keep):
    folder = cifar_folder(tmp_path / "set")
    (folder / "test_batch.bin").write_bytes((folder / "test_batch.bin").read_bytes()[:keep])
    with pytest.raises(DataError, match=r"test_batch\.bin: .* no whole number of rows"):
        open_pictures(folder)


def test_a_cifar_file_whose_checksum_is_known_may_not_be_missing_or_altered(tmp_path):
    folder = cifar_folder(tmp_path / "set")
    good = hashlib.md5((folder / "data_batch_1.bin").read_bytes()).hexdigest()
    with pytest.raises(DataError, match=r"data_batch_2\.bin: is missing"):
        list(CifarFolder(folder, md5={"data_batch_1.bin": good, "data_batch_2.bin": ""}).read(tmp_path).blocks)
    with pytest.raises(DataError, match="is not the official file"):
        list(CifarFolder(folder, md5={"data_batch_1.bin": "0" * 32}).read(tmp_path).blocks)


@pytest.mark.parametrize(
    "names",
    [
        ("emnist-letters-train-images-idx3-ubyte", "emnist-letters-train-labels-idx1-ubyte"),
        ("pictures", "answers"),
        ("x_train.bin", "y_train.bin"),
        ("train-images-idx3-ubyte.gz.unpacked", "train-labels"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_are_known_by_their_content(tmp_path, names, packed):
    pixels = bytes(range(3 * 9 * 9 % 256)) + bytes(3 * 9 * 9 - 3 * 9 * 9 % 256)
    contents = (
        b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (3, 9, 9)) + pixels,
        b"\0\0\x08\x01\0\0\0\3\2\0\2",
    )
    for name, content in zip(names, contents, strict=True):
        (tmp_path / name).write_bytes(gzip.compress(content) if packed else content)
    opened = open_pictures(tmp_path, cut=False)
    assert opened.classes == ("0", "1", "2")
    assert opened.splits["train"].labels.tolist() == [2, 0, 2]
    assert opened.splits["train"].images.shape == (3, 9, 9, 1)


def test_two_idx_files_for_one_split_are_refused_by_name(tmp_path):
    content = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (1, 9, 9)) + bytes(81)
    for name in ("letters-train-images", "digits-train-images"):
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match="both hold images of train"):
        open_pictures(tmp_path)


def test_one_idx_file_is_refused_with_what_to_give(tmp_path):
    (tmp_path / "a").write_bytes(b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (1, 9, 9)) + bytes(81))
    with pytest.raises(DataError, match="is one IDX file; give the folder"):
        open_pictures(tmp_path / "a")


@given(st.binary(max_size=40))
def test_any_bytes_are_an_idx_file_or_not(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("idx") / "a"
    path.write_bytes(content)
    assert idx_kind(path) in (None, "images", "labels")
