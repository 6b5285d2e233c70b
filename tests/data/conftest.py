import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MakePicture = Callable[..., Path]
MakeFolder = Callable[..., Path]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("TRINE_CACHE", str(cache))
    return cache


@pytest.fixture
def make_picture() -> MakePicture:
    """A file of noise, the same for the same name."""

    def make(path: Path, size: tuple[int, int] = (12, 12), mode: str = "RGB") -> Path:
        rng = np.random.default_rng(zlib.crc32(path.name.encode()))
        levels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(levels).convert(mode).save(path)
        return path

    return make


@pytest.fixture
def make_folder(tmp_path: Path, make_picture: MakePicture) -> MakeFolder:
    """A folder of class folders: `make_folder({"cat": 4, "test/dog": 2})`."""

    def make(counts: dict[str, int], name: str = "photos", **picture: object) -> Path:
        for folder, count in counts.items():
            for i in range(count):
                make_picture(tmp_path / name / folder / f"{folder.replace('/', '-')}{i}.png", **picture)
        return tmp_path / name

    return make
