"""Downloads a named set from its official address, checks its checksum, and resumes after an interruption.

No other module of the package opens a connection, and this one only for a set that the user named.
"""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from trine.datasets.archives import unpack
from trine.datasets.cache import disk_errors
from trine.datasets.catalogue import NamedSet, data_folder, is_present, location
from trine.errors import DataError
from trine.extras import installed
from trine.progress import counted

CHUNK = 2**18
"""Bytes received at once: the step of the progress bar."""

SECONDS = 30
"""Longest wait for an answer of the server, in seconds."""


def fetch(named: NamedSet, data_dir: Path | None = None, *, progress: bool = True) -> Path | None:
    """Download a set unless it is present. Returns its path; None for a set inside an installed package.

    Raises `DataError` if the set has no address, or for no connection, a wrong checksum or a full disk.
    """
    path = location(named, data_dir)
    if path is None or is_present(named, data_dir):
        return path
    if not named.downloads:
        raise DataError(
            f"{named.name}: has no address to download from: put it at {path} ({named.cite}), "
            "or name the folder that contains it with --data-dir or TRINE_DATA"
        )
    folder = data_folder(data_dir)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for url, md5 in named.downloads.items():
            _install(_download(url, md5, folder, progress), path)
    return path


def _install(file: Path, path: Path) -> None:
    """Move a downloaded file into the folder `path`; of an archive, the folder in it that has the same name."""
    if ".tar" not in file.name:
        path.mkdir(exist_ok=True)
        file.replace(path / file.name)
        return
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        unpack(file, Path(scratch) / "unpacked")
        shutil.rmtree(path, ignore_errors=True)
        (Path(scratch) / "unpacked" / path.name).rename(path)
    file.unlink()


def _download(url: str, md5: str, folder: Path, progress: bool) -> Path:
    with installed():
        import pooch
        from requests import RequestException

    name = url.rpartition("/")[2]
    partial = folder / f"{name}.partial"
    pooch.get_logger().setLevel("WARNING")
    try:
        file = pooch.retrieve(url, f"md5:{md5}", fname=name, path=folder, downloader=_resuming(partial, progress))
    except RequestException as error:
        raise DataError(
            f"{url}: cannot be fetched ({type(error).__name__}): try again; the download continues where it stopped"
        ) from None
    except ValueError:
        raise DataError(f"{url}: the downloaded file is not the official file (md5 differs): try again later") from None
    return Path(file)


def _resuming(partial: Path, progress: bool) -> Callable[[str, str, object], None]:
    """A downloader for pooch that continues the partial file of an earlier attempt."""

    def download(url: str, output: str, _: object) -> None:
        import requests

        have = partial.stat().st_size if partial.exists() else 0
        with requests.get(
            url, headers={"Range": f"bytes={have}-"} if have else {}, stream=True, timeout=SECONDS
        ) as reply:
            if reply.status_code != requests.codes.range_not_satisfiable:  # it is if the partial file is complete
                reply.raise_for_status()
                _receive(reply, partial, have if reply.status_code == requests.codes.partial_content else 0, progress)
        shutil.move(partial, output)

    return download


def _receive(reply, partial: Path, have: int, progress: bool) -> None:  # type: ignore[no-untyped-def]
    """Append the content of a reply to the partial file, which has `have` bytes."""
    total = have + int(reply.headers.get("Content-Length") or 0)
    with (
        counted(f"Fetching {partial.stem}", total, progress) as advance,
        partial.open("ab" if have else "wb") as file,
    ):
        advance(have)
        for chunk in reply.iter_content(CHUNK):
            file.write(chunk)
            advance(len(chunk))
