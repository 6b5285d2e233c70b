"""What lies in folders and is no data: files and folders of operating systems and programs, and runs of ours."""

import os
from pathlib import Path

LITTER = frozenset(
    {"@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "$recycle.bin", "recycler", "lost+found"}
    | {"system volume information", "thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "__pycache__", "icon\r"}
)
"""Names, in lower case, that NAS devices, Windows, macOS, Linux and Python leave in folders."""


def is_litter(name: str) -> bool:
    """Whether a file or folder is hidden, or was left by a system: `.DS_Store`, `._cat.jpg`, `@eaDir`, `Thumbs.db`."""
    return name.startswith(".") or name.lower() in LITTER


def is_run(folder: str | Path) -> bool:
    """Whether a folder is a run or a bundle of Trine: its pictures are charts."""
    return os.path.isfile(os.path.join(folder, "trine.json")) or all(  # noqa: PTH113, PTH118  (called per folder)
        os.path.isfile(os.path.join(folder, name))  # noqa: PTH113, PTH118
        for name in ("recipe.json", "metrics.jsonl")
    )
