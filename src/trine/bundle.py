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
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from trine import files
from trine.errors import BundleError, UsageError

FORMAT = 1
MANIFEST = "trine.json"
WEIGHTS = "model.safetensors"
CARD = "README.md"


class BundleManifest(BaseModel):
    """The content of trine.json."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

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
    export: dict[str, Any] | None = None
    """The model's ONNX graphs: what each takes and gives, and its proof; None for a model that is not exported."""
    files: dict[str, str] = {}
    """sha256 of every other file in the folder."""
    checksum: str = ""
    """sha256 of this document without this field."""

    def sealed(self, file_sums: dict[str, str]) -> "BundleManifest":
        """This manifest with the other files' checksums and its own."""
        body = {**self.document(), "files": file_sums}
        return BundleManifest(**body, checksum=files.digest(body))

    def document(self) -> dict[str, Any]:
        """The content of trine.json without its checksum; versions before there were exports read one without any."""
        absent = {"checksum"} if self.export else {"checksum", "export"}
        return self.model_dump(mode="json", exclude=absent)

    def written(self) -> str:
        """The text of trine.json."""
        return json.dumps({**self.document(), "checksum": self.checksum}, indent=2, ensure_ascii=False) + "\n"


def save(
    folder: Path,
    manifest: BundleManifest,
    tensors: dict[str, Tensor],
    card: str,
    pictures: dict[str, bytes] | None = None,
) -> BundleManifest:
    """Write the bundle atomically; an earlier bundle is replaced. Raises `BundleError`."""
    _refuse_others(folder)
    with files.writing(folder, BundleError) as part:
        part.mkdir()
        (part / WEIGHTS).write_bytes(files.tensor_bytes(tensors))
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
    earlier = {graph["file"] for graph in (manifest.export or {}).get("graphs", {}).values()}
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
        sealed = manifest.model_copy(update={"export": export}).sealed(sums)
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
    raise BundleError(f"{folder}: not a model: it has no {MANIFEST}")


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
        manifest = BundleManifest(**document)
    except ValidationError as problem:
        raise BundleError(f"{path}: not a model of this format ({problem.errors()[0]['msg']})") from None
    if task is not None and manifest.task != task:
        raise BundleError(f"{folder}: a model for {manifest.task}, not for {task}: use `trine {manifest.task}`")
    return manifest


def read(model: str | Path, task: str | None = None) -> tuple[BundleManifest, dict[str, Tensor]]:
    """Manifest and tensors of a bundle or run folder, every file verified. Raises `BundleError`."""
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
        return manifest, load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as problem:
        raise BundleError(f"{folder / WEIGHTS}: not readable ({problem}): copy the model again") from None


def joined(parts: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """All tensors of named parts, under `part.name`; `part` takes one part out again."""
    return {f"{prefix}.{name}": value for prefix, values in parts.items() for name, value in values.items()}


def part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors under `prefix.`, with the prefix removed."""
    return {name.removeprefix(f"{prefix}."): value for name, value in tensors.items() if name.startswith(f"{prefix}.")}
