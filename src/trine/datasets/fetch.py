"""Download a named set from its official address: checked against its checksum, resumed after a break.

The one place of the package that opens a connection, and only for a set that was asked for by name.
"""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from trine.datasets.archives import unpack
from trine.datasets.cache import disk_errors
from trine.datasets.catalogue import NamedSet, data_folder, is_present, location
from trine.errors import DataError
from trine.progress import counted

CHUNK = 2**18
SECONDS = 30


def fetch(named: NamedSet, data_dir: Path | None = None, *, progress: bool = True) -> Path | None:
    """Bring a set to its place, and say where that is (None: inside an installed package).

    Raises DataError when there is no address, no connection, a wrong checksum or no room.
    """
    place = location(named, data_dir)
    if place is None or is_present(named, data_dir):
        return place
    if not named.downloads:
        raise DataError(
            f"{named.name}: has no address to download from: put it at {place} ({named.cite}), "
            "or name the folder that holds it with --data-dir or TRINE_DATA"
        )
    folder = data_folder(data_dir)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for url, md5 in named.downloads.items():
            _settle(_download(url, md5, folder, progress), place)
    return place


def _settle(file: Path, place: Path) -> None:
    """Move a file to its place; of an archive, what the folder of that name in it holds."""
    if ".tar" not in file.name:
        place.mkdir(exist_ok=True)
        file.replace(place / file.name)
        return
    with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
        unpack(file, Path(scratch) / "unpacked")
        shutil.rmtree(place, ignore_errors=True)
        (Path(scratch) / "unpacked" / place.name).rename(place)
    file.unlink()


def _download(url: str, md5: str, folder: Path, progress: bool) -> Path:
    import pooch
    from requests import RequestException

    name = url.rpartition("/")[2]
    partial = folder / f"{name}.partial"
    pooch.get_logger().setLevel("WARNING")
    try:
        found = pooch.retrieve(url, f"md5:{md5}", fname=name, path=folder, downloader=_resuming(partial, progress))
    except RequestException as error:
        raise DataError(
            f"{url}: cannot be fetched ({type(error).__name__}): try again; what came so far is kept"
        ) from None
    except ValueError:
        raise DataError(f"{url}: what came is not the official file (md5 differs): try again later") from None
    return Path(found)


def _resuming(partial: Path, progress: bool) -> Callable[[str, str, object], None]:
    """A downloader for pooch that goes on from what an earlier try left behind."""

    def download(url: str, output: str, _: object) -> None:
        import requests

        have = partial.stat().st_size if partial.exists() else 0
        with requests.get(
            url, headers={"Range": f"bytes={have}-"} if have else {}, stream=True, timeout=SECONDS
        ) as reply:
            if reply.status_code != requests.codes.range_not_satisfiable:  # which means: nothing is left to fetch
                reply.raise_for_status()
                _receive(reply, partial, have if reply.status_code == requests.codes.partial_content else 0, progress)
        shutil.move(partial, output)

    return download


def _receive(reply, partial: Path, have: int, progress: bool) -> None:  # type: ignore[no-untyped-def]
    total = have + int(reply.headers.get("Content-Length") or 0)
    with (
        counted(f"Fetching {partial.stem}", total, progress) as advance,
        partial.open("ab" if have else "wb") as file,
    ):
        advance(have)
        for chunk in reply.iter_content(CHUNK):
            file.write(chunk)
            advance(len(chunk))
