"""trine generate: pictures -> latent space -> new pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from cyclopts import App, Parameter
from jaxtyping import UInt8

from trine import files
from trine.cli import output
from trine.cli.heavy import HeavyParts
from trine.cli.options import Data, DataDir, FitOptions, Flag, Json, Model, Split
from trine.errors import DataError, UsageError
from trine.generate.recipe import GenerateRecipe
from trine.pictures.decode import read_picture

if TYPE_CHECKING:
    from trine.generate.generator import Generator

app = App(name="generate", help="Make new pictures like those it was shown, with a variational autoencoder.")

Count = Annotated[int, Parameter(name=("-n", "--count"), help="How many pictures.")]
Label = Annotated[str | None, Parameter(help="A class that it learned with --label. [default: any]")]
Prior = Annotated[
    Literal["normal", "mixture", "flow"] | None,
    Parameter(help="What the latent vector is sampled from. [default: the recipe's]"),
]
Paths = Annotated[str, Parameter(help="Files, folders, globs.")]
Seed = Annotated[int, Parameter(help="The same seed, the same pictures.")]
Steps = Annotated[int, Parameter(help="Pictures on the way, both ends included.")]
Out = Annotated[Path, Parameter(help="The file to write.")]
Pictures = UInt8[np.ndarray, "n height width channels"]


@app.command
def fit(
    data: Data,
    *,
    network: Literal["plain", "deep"] | None = None,
    likelihood: Literal["gaussian", "logistic", "bernoulli"] | None = None,
    label: Flag = False,
    options: FitOptions | None = None,
) -> None:
    """Train on DATA: a named set, a folder of pictures with or without class folders, a manifest, an archive of them.

    trine generate fit fashion-mnist --minutes 10

    Parameters
    ----------
    network
        plain: one latent vector, the textbook's; deep: further latent maps. [default: plain]
    likelihood
        How pixels are explained; bernoulli is for black and white. [default: gaussian]
    label
        Learn each class on its own too, so that `sample --label` can ask for it.
    """
    from trine.generate.generator import Generator

    options = options or FitOptions()
    recipe = options.chosen(GenerateRecipe, network=network, likelihood=likelihood, label=label or None)
    output.print_fitted(Generator(recipe=recipe).fit(data, **options.training()), options.json)


@app.command
def evaluate(
    model: Model,
    data: Data,
    *,
    split: Split = None,
    heavy: HeavyParts | None = None,
    out: Path | None = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Measure MODEL on DATA's test split, else its validation split, else all of it: nats, bits a dimension, KL.

    trine generate evaluate runs/generate-mnist mnist --frechet --memorisation --out judged

    What takes minutes is measured where it is asked for.

    Parameters
    ----------
    out
        Folder for the pictures that go with the figures. [default: none are kept]
    """
    from trine.generate.generator import Generator

    loaded = Generator.load(model)
    opened = loaded.open(data, data_dir)
    evaluation = loaded.evaluation(opened, split)
    if heavy:
        evaluation = heavy.added_to(evaluation, loaded, opened)
    if out:
        for name, content in evaluation.pictures.items():
            files.write_bytes(out / name, content)
    output.print_result(loaded.stated(evaluation), json)


@app.command
def sample(
    model: Model,
    *,
    n: Count = 64,
    label: Label = None,
    temperature: float = 1.0,
    pixel_noise: float = 0.0,
    seed: Seed = 0,
    prior: Prior = None,
    out: Out = Path("sample.png"),
) -> None:
    """Make -n new pictures: a grid in --out FILE.png, one array in FILE.npy, or single files in a folder.

    trine generate sample runs/generate-mnist -n 64 --seed 1 --out grid.png

    Parameters
    ----------
    temperature
        0 gives the most typical picture, 1 the variety that was learned.
    pixel_noise
        0 gives the expected picture, 1 one drawn with all the noise of pixels that the model has found.
    """
    from trine.generate.generator import Generator
    from trine.generate.sheet import write_pictures

    loaded = Generator.load(model)
    stream = loaded.sample_stream(
        n, label=label, temperature=temperature, pixel_noise=pixel_noise, seed=seed, prior=prior
    )
    print(write_pictures(stream, n, out))


@app.command
def reconstruct(model: Model, *paths: Paths, out: Out = Path("reconstructed.png")) -> int:
    """Send pictures through the latent space and back: the originals above, what comes back below."""
    from trine.generate.generator import Generator
    from trine.generate.sheet import pairs_png

    loaded = Generator.load(model)
    _, images, failed = _read(loaded, paths)
    _write(out, pairs_png(images, loaded.reconstruct(images)))
    return int(failed)


@app.command
def score(model: Model, *paths: Paths, json: Json = False) -> int:
    """Say how unlike its training pictures a picture is: the error of its reconstruction. --json prints JSON lines."""
    from trine.generate.generator import Generator

    loaded = Generator.load(model)
    named, images, failed = _read(loaded, paths)
    for path, value in zip(named, loaded.anomaly(images).tolist(), strict=True):
        if json:
            output.print_json_line({"path": path, "anomaly": value})
        else:
            print(f"{path}\t{value:.6f}")
    return int(failed)


@app.command
def interpolate(
    model: Model,
    *ends: str,
    steps: Steps = 10,
    rows: int = 1,
    seed: Seed = 0,
    label: Label = None,
    prior: Prior = None,
    out: Out = Path("interpolated.png"),
) -> None:
    """Go from one picture to another through the latent space: two of yours, or new ones; a .png strip or a .gif.

    trine generate interpolate runs/generate-mnist --rows 4 --out walk.gif

    Parameters
    ----------
    ends
        Two pictures; without, new ones.
    rows
        Strips between new pictures, of the seeds that follow --seed.
    """
    from trine.generate.explore import between, between_samples
    from trine.generate.generator import Generator
    from trine.generate.sheet import gif, grid_png

    if rows < 1:
        raise UsageError(f"{rows} rows: give 1 or more")
    if ends and (rows > 1 or label or prior):
        raise UsageError("--rows, --label and --prior are for new pictures: leave out these, or the two pictures")
    loaded = Generator.load(model)
    if ends:
        strips = between(loaded, _read_all(loaded, ends), steps)[None]
    else:
        strips = np.stack([between_samples(loaded, steps, seed + row, label, prior) for row in range(rows)])
    _write(out, gif(strips) if out.suffix.lower() == ".gif" else grid_png(strips.reshape(-1, *strips.shape[2:]), steps))


@app.command
def traverse(
    model: Model,
    path: str | None = None,
    *,
    directions: int = 8,
    steps: Steps = 9,
    seed: Seed = 0,
    out: Out = Path("traversed.png"),
) -> None:
    """Change one latent number at a time, those with the largest KL divergence.

    Parameters
    ----------
    path
        The picture to begin with; without, a new one.
    directions
        How many of them.
    """
    from trine.generate.explore import traverse as along
    from trine.generate.generator import Generator
    from trine.generate.sheet import grid_png

    loaded = Generator.load(model)
    start = _read_all(loaded, (path,)) if path else None
    units, images = along(loaded, start, directions, steps, seed)
    _write(out, grid_png(images, columns=steps))
    for unit in units:
        output.note(f"row: latent number {unit}, {loaded.information[unit]:.2f} nats")


@app.command(name="map")
def draw(
    model: Model, data: Data, *, split: Split = None, data_dir: DataDir = None, out: Out = Path("map.png")
) -> None:
    """Draw where the pictures of DATA lie in the latent space, in two dimensions, coloured by label."""
    from trine.generate.explore import draw_map
    from trine.generate.generator import Generator

    loaded = Generator.load(model)
    _write(out, draw_map(loaded, loaded.open(data, data_dir), split))


def _read(model: "Generator", words: Sequence[str]) -> tuple[list[str], Pictures, bool]:
    """The pictures that words name, at the model's size, and whether some could not be read, which is said."""
    from trine.pictures.paths import find_pictures

    read, failed = [], False
    for path in find_pictures(words):
        try:
            read.append((str(path), read_picture(path, (model.size, model.size), model.channels)))
        except DataError as problem:
            output.note(f"trine: {problem}")
            failed = True
    if not read:
        raise DataError("none of the pictures could be read")
    names, images = zip(*read, strict=True)
    return list(names), np.stack(images), failed


def _read_all(model: "Generator", words: Sequence[str]) -> Pictures:
    """The pictures that words name. Raises `DataError` when one cannot be read."""
    _, images, failed = _read(model, words)
    if failed:
        raise DataError("a picture could not be read: give others")
    return images


def _write(out: Path, content: bytes) -> None:
    files.write_bytes(out, content)
    print(out)
