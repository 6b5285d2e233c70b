"""A trained model on disk: a folder of safetensors and JSON with a checksum for every file, and no pickle.

trine.json            task, recipe, what the model needs besides its weights, figures, versions, sha256 of other files
model.safetensors     the weights
README.md             the model card
*.png                 pictures of its evaluation
*.onnx                the model as graphs, where it was exported
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar, get_origin, get_type_hints

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as safetensors_bytes

from trine import files
from trine.errors import BundleError, UsageError

FORMAT = 1
MANIFEST = "trine.json"
WEIGHTS = "model.safetensors"
CARD = "README.md"


Arrays = Mapping[str, np.ndarray]
"""The weights, and what else a model has in arrays, by name."""
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class BundleManifest:
    """The content of trine.json."""

    format: int = FORMAT
    """Version of this layout."""
    task: str
    """classify, detect or generate."""
    recipe: dict[str, Any]
    """All settings of the training."""
    content: dict[str, Any]
    """What the model needs besides its weights: class names or vocabulary, thresholds, calibration."""
    data: dict[str, Any]
    """Name and fingerprint of the training data."""
    figures: dict[str, Any]
    """Result of the evaluation, as in result.json."""
    versions: dict[str, str]
    """Versions of the libraries used in the training."""
    export: dict[str, Any] = field(default_factory=dict)
    """The model's ONNX graphs: what each takes and gives, and its proof; empty for a model that is not exported."""
    files: dict[str, str] = field(default_factory=dict)
    """sha256 of every other file in the folder."""
    checksum: str = ""
    """sha256 of this document without this field."""

    def sealed(self, file_sums: dict[str, str]) -> "BundleManifest":
        """This manifest with the other files' checksums and its own."""
        whole = replace(self, files=file_sums)
        return replace(whole, checksum=files.digest(whole._unsealed()))

    def as_json(self) -> dict[str, Any]:
        """The document, with the checksum at its end."""
        return {**self._unsealed(), "checksum": self.checksum}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "BundleManifest":
        """The manifest that `as_json` gave. Raises `ValueError` that names the first wrong field."""
        types = get_type_hints(cls)
        for name, value in document.items():
            if name not in types:
                raise ValueError(f"{name} is not known")
            if not isinstance(value, get_origin(types[name]) or types[name]):
                raise ValueError(f"{name} is no {(get_origin(types[name]) or types[name]).__name__}")
        for each in fields(cls):
            if each.name not in document and each.default is MISSING and each.default_factory is MISSING:
                raise ValueError(f"{each.name} is missing")
        return cls(**document)

    def _unsealed(self) -> dict[str, Any]:
        """The document without its checksum; versions before there were exports read one without any."""
        absent = {"checksum"} if self.export else {"checksum", "export"}
        return {name: value for name, value in asdict(self).items() if name not in absent}

    def written(self) -> str:
        """The text of trine.json."""
        return json.dumps(self.as_json(), indent=2, ensure_ascii=False) + "\n"


def save(
    folder: Path,
    manifest: BundleManifest,
    arrays: Arrays,
    card: str,
    pictures: dict[str, bytes] | None = None,
) -> BundleManifest:
    """Write the bundle atomically; an earlier bundle is replaced. Raises `BundleError`."""
    _refuse_others(folder)
    with files.writing(folder, BundleError) as part:
        part.mkdir()
        in_order = {name: np.asarray(value, order="C") for name, value in arrays.items()}  # else stored transposed
        (part / WEIGHTS).write_bytes(safetensors_bytes(in_order))
        (part / CARD).write_text(card, encoding="utf-8")
        for name, content in (pictures or {}).items():
            (part / name).write_bytes(content)
        sealed = manifest.sealed({path.name: files.sha256(path) for path in sorted(part.iterdir())})
        (part / MANIFEST).write_text(sealed.written(), encoding="utf-8")
    return sealed


def extend(folder: Path, out: Path, further: Mapping[str, bytes], export: dict[str, Any]) -> BundleManifest:
    """Write a bundle at `out`, or in its own place, with the files of an export. Raises `BundleError`.

    Files of an earlier export are left out.
    """
    manifest = read_manifest(folder)
    earlier = {graph["file"] for graph in manifest.export.get("graphs", {}).values()}
    kept = [name for name in manifest.files if name not in earlier]
    _refuse_others(out)
    with files.writing(out, BundleError) as part:
        part.mkdir()
        for name in kept:
            shutil.copyfile(folder / name, part / name)
        for name, content in further.items():
            (part / name).write_bytes(content)
        sums = {path.name: files.sha256(path) for path in sorted(part.iterdir())}
        if changed := [name for name in kept if sums[name] != manifest.files[name]]:
            raise BundleError(
                f"{folder / changed[0]}: altered or truncated (its checksum differs): copy the model again"
            )
        sealed = replace(manifest, export=export).sealed(sums)
        (part / MANIFEST).write_text(sealed.written(), encoding="utf-8")
    return sealed


def _refuse_others(folder: Path) -> None:
    """Raise `BundleError` for a folder that holds something else than a model."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise BundleError(f"{folder}: is neither empty nor a model, and is left unchanged: choose another folder")


def locate(model: str | Path) -> Path:
    """The bundle's folder, given a bundle or a run folder. Raises `BundleError`, `UsageError` for what is no path."""
    if not isinstance(model, str | Path) or not str(model).strip():
        raise UsageError(f"{model!r:.80} is no path of a model: give a bundle or a run folder")
    folder = Path(model)
    for candidate in (folder, folder / "bundle"):
        if (candidate / MANIFEST).is_file():
            return candidate
    if not folder.exists():
        raise BundleError(f"{folder}: no such model: give a bundle or a run folder")
    if (folder / "recipe.json").is_file():
        raise BundleError(f"{folder}: the run has no bundle yet: finish its training with --resume")
    raise BundleError(f"{folder}: not a model: it has no {MANIFEST}: give a bundle or a run folder")


def read_manifest(folder: Path, task: str | None = None) -> BundleManifest:
    """The verified manifest of a bundle; `task` is the expected task. Raises `BundleError`."""
    path = folder / MANIFEST
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        newer = document["format"] > FORMAT
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise BundleError(f"{path}: damaged, not readable as JSON ({problem}): copy the model again") from None
    if newer:
        raise BundleError(
            f"{path}: format {document['format']} is newer than this Trine reads ({FORMAT}): upgrade Trine"
        )
    if document.pop("checksum", None) != files.digest(document):
        raise BundleError(f"{path}: altered since it was saved (its checksum differs): copy the model again")
    try:
        manifest = BundleManifest.from_json(document)
    except ValueError as problem:
        raise BundleError(f"{path}: not a model of this format ({problem})") from None
    if task is not None and manifest.task != task:
        raise BundleError(f"{folder}: a model for {manifest.task}, not for {task}: use `trine {manifest.task}`")
    return manifest


def read(
    model: str | Path, task: str | None = None, prefixes: tuple[str, ...] = ("",)
) -> tuple[BundleManifest, dict[str, np.ndarray]]:
    """Manifest and arrays of a bundle or run folder, every file verified. Raises `BundleError`.

    prefixes   beginnings of the names of the arrays that are wanted; by default all are
    """
    folder = locate(model)
    manifest = read_manifest(folder, task)
    for name, expected in manifest.files.items():
        if not (folder / name).is_file():
            raise BundleError(f"{folder / name}: missing: copy the model again")
        if files.sha256(folder / name) != expected:
            raise BundleError(f"{folder / name}: altered or truncated (its checksum differs): copy the model again")
    if WEIGHTS not in manifest.files:
        raise BundleError(f"{folder}: the model has no {WEIGHTS}: copy the model again")
    try:
        with safe_open(folder / WEIGHTS, framework="numpy") as weights:
            names = weights.keys()
            return manifest, {name: weights.get_tensor(name) for name in names if name.startswith(prefixes)}
    except (OSError, SafetensorError, TypeError) as problem:
        raise BundleError(f"{folder / WEIGHTS}: not readable ({problem}): copy the model again") from None


def joined(parts: Mapping[str, Mapping[str, T]]) -> dict[str, T]:
    """All values of named parts, under `part.name`; `part` takes one part out again."""
    return {f"{prefix}.{name}": value for prefix, values in parts.items() for name, value in values.items()}


def part(values: Mapping[str, T], prefix: str) -> dict[str, T]:
    """The values under `prefix.`, with the prefix removed."""
    return {name.removeprefix(f"{prefix}."): value for name, value in values.items() if name.startswith(f"{prefix}.")}
