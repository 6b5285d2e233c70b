"""trine generate: pictures -> latent space -> new pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from cyclopts import App, Parameter
from jaxtyping import UInt8

from trine import files
from trine.cli import output
from trine.cli.bulk import BulkOptions
from trine.cli.heavy import HeavyParts
from trine.cli.options import Data, DataDir, FitOptions, Flag, Json, Model, Split, Start
from trine.cli.tune import TuneOptions
from trine.errors import DataError, UsageError
from trine.generate.recipe import GenerateRecipe
from trine.generate.strangeness import check_false_alarms
from trine.pictures.decode import read_picture
from trine.plurals import quantity

if TYPE_CHECKING:
    from trine.generate.generator import Generator

app = App(name="generate", help="Make new pictures like the training pictures, with a variational autoencoder.")

Count = Annotated[int, Parameter(name=("-n", "--count"), help="Number of pictures.")]
Label = Annotated[str | None, Parameter(help="A class, for a model trained with --label. [default: any]")]
KnownLabel = Annotated[
    str | None,
    Parameter(help="The pictures' class, for a model trained with --label. [default: the folder's name if it is one]"),
]
Prior = Annotated[
    Literal["normal", "mixture", "flow"] | None,
    Parameter(help="Distribution of the latent vectors. [default: the recipe's]"),
]
FalseAlarms = Annotated[
    float | None,
    Parameter(help="Share of pictures like the training's that may be called anomalous, such as 0.01. [default: none]"),
]
Paths = Annotated[str, Parameter(help="Files, folders or globs.")]
Seed = Annotated[int, Parameter(help="Seed of the random numbers: the same seed gives the same pictures.")]
AnySplit = Annotated[str | None, Parameter(help="The split to take. [default: all]")]
Steps = Annotated[int, Parameter(help="Pictures per row, both ends included.")]
Out = Annotated[Path, Parameter(help="The file to write.")]
Pictures = UInt8[np.ndarray, "n height width channels"]


@app.command
def fit(
    data: Data,
    *,
    network: Literal["plain", "map", "deep"] | None = None,
    likelihood: Literal["gaussian", "logistic", "bernoulli"] | None = None,
    label: Flag = False,
    label_from: str | None = None,
    start: Start = None,
    options: FitOptions | None = None,
) -> None:
    """Train on DATA: a named set, a folder of pictures with or without class folders, a manifest or an archive of them.

    trine generate fit fashion-mnist --minutes 10

    Parameters
    ----------
    network
        plain: one latent vector, the textbook's VAE; map: one latent map; deep: a vector and maps. [default: plain]
    likelihood
        Distribution of the pixels; bernoulli is for black and white pictures. [default: gaussian]
    label
        Learn the labels, so that `sample --label` can make pictures of one class.
    label_from
        Regular expression with one group, the class, searched in the path of each picture: '([a-z]+)[^/]*$'.
        [default: classes are folders]
    """
    from trine.generate.generator import Generator

    options = options or FitOptions()
    own = {"network": network, "likelihood": likelihood, "label": label or None, "label_from": label_from}
    recipe = options.chosen(GenerateRecipe, **own)
    options.fit(Generator(recipe=recipe), data, start)


@app.command
def tune(
    data: Data,
    *,
    network: Literal["plain", "deep"] | None = None,
    label: Flag = False,
    options: TuneOptions | None = None,
) -> None:
    """Search for better settings on DATA: trainings that are compared by their validations, never by a test split.

    trine generate tune drawings/ --trials 20 --minutes 60

    Parameters
    ----------
    network
        As in fit. [default: plain]
    label
        Learn the labels.
    """
    from trine.generate.generator import Generator

    options = options or TuneOptions()
    options.run(Generator(recipe=options.chosen(GenerateRecipe, network=network, label=label or None)), data)


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
    """Measure MODEL on the test split of DATA, else all of it: nats, bits per dimension, KL.

    trine generate evaluate runs/generate-mnist mnist --frechet --memorisation --out figures

    Of the data of the training it is the held-out part. What takes minutes has an option.

    Parameters
    ----------
    out
        Folder for samples, reconstructions and charts. [default: they are not written]
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
    guidance: float = 1.0,
    seed: Seed = 0,
    prior: Prior = None,
    out: Annotated[Path | None, Parameter(help="The file to write. [default: sample.png]")] = None,
    bulk: BulkOptions | None = None,
    json: Json = False,
) -> int:
    """Make -n new pictures: a grid in --out FILE.png, one array in FILE.npy, or single files in a folder.

    trine generate sample runs/generate-mnist -n 64 --seed 1 --out grid.png

    Parameters
    ----------
    temperature
        0 gives the most typical picture, 1 the learned distribution.
    pixel_noise
        0 gives the expected picture, 1 a picture with all the pixel noise of the likelihood.
    guidance
        With --label: more than 1, such as 2, gives pictures that are more typical of the class, and vary less.
    """
    from trine.generate.generator import Generator
    from trine.sheet import write_pictures

    if bulk and bulk.wanted(out=out):
        from trine.cluster.inputs import sample_blocks
        from trine.cluster.jobs import Sample
        from trine.generate.arguments import check_sample

        check_sample(n, temperature, seed)
        chosen = {"label": label, "temperature": temperature, "pixel_noise": pixel_noise or None, "prior": prior}
        given = {name: value for name, value in chosen.items() if value is not None}
        return bulk.run(Sample(model, seed, given), sample_blocks(n), json)
    loaded = Generator.load(model)
    stream = loaded.sample_stream(
        n,
        label=label,
        temperature=temperature,
        pixel_noise=pixel_noise,
        guidance=guidance,
        seed=seed,
        prior=prior,
    )
    print(write_pictures(stream, n, out or Path("sample.png")))
    return 0


@app.command
def reconstruct(model: Model, *paths: Paths, label: KnownLabel = None, out: Out = Path("reconstructed.png")) -> int:
    """Encode pictures and decode them again: a sheet of originals, each above its reconstruction."""
    from trine.generate.generator import Generator
    from trine.sheet import pairs_png

    _check_ending(out, ".png")
    loaded = Generator.load(model)
    names, images, failed = _read(loaded, paths)
    _write(out, pairs_png(images, loaded.reconstruct(images, _labels(loaded, names, label))))
    return int(failed)


@app.command
def score(
    model: Model, *paths: Paths, label: KnownLabel = None, false_alarms: FalseAlarms = None, json: Json = False
) -> int:
    """Print how unlike the training pictures each picture is: its reconstruction error beside held-out pictures'.

    Columns: path; error; percentage of held-out pictures with a smaller error; p-value, the share of held-out pictures
    that are at least as strange, in either direction; with --false-alarms "anomalous" or "usual". --json prints JSON
    lines.
    """
    from trine.generate.generator import Generator

    loaded = Generator.load(model)
    if false_alarms is not None:
        check_false_alarms(false_alarms, len(loaded.errors))
    names, images, failed = _read(loaded, paths)
    for path, found in zip(names, loaded.score(images, _labels(loaded, names, label)), strict=True):
        known = found.percentile is not None and found.p_value is not None
        row = {"path": path, "anomaly": found.error, "percentile": found.percentile, "p_value": found.p_value}
        if false_alarms is not None:
            row["anomalous"] = found.rarer_than(false_alarms)
        if json:
            output.print_json_line(row)
            continue
        cells = [path, f"{found.error:.6f}", *([f"{found.percentile:.1f}", f"{found.p_value:.4f}"] if known else [])]
        print(*cells, *(["anomalous" if row["anomalous"] else "usual"] if "anomalous" in row else []), sep="\t")
    return int(failed)


@app.command
def encode(
    model: Model, data: Data, *, split: AnySplit = None, out: Out = Path("latents.npz"), data_dir: DataDir = None
) -> None:
    """Write the latents of DATA, all of it or one --split: a table .parquet or arrays .npz, for search and clustering.

    trine generate encode runs/generate-photos photos --out latents.parquet

    Columns: path; class, if DATA has classes; latent and deviation, the mean and the standard deviation of each number.
    """
    from trine.generate.generator import Generator
    from trine.generate.search import ENDINGS, LatentTable

    _check_ending(out, *ENDINGS)
    loaded = Generator.load(model)
    table = LatentTable.of(loaded, loaded.open(data, data_dir), split)
    table.write(out)
    print(out)
    output.note(f"{quantity(len(table), 'picture')}, {quantity(table.means.shape[1], 'number')} each")


@app.command
def like(
    model: Model,
    path: str,
    data: Data,
    *,
    n: Count = 10,
    split: AnySplit = None,
    data_dir: DataDir = None,
    out: Path | None = None,
    json: Json = False,
) -> None:
    """Find the pictures of DATA that are most like the picture PATH, by their latents, the nearest first.

    trine generate like runs/generate-photos photo.jpg photos -n 20 --out like.png

    Columns: distance; path; class, if DATA has classes. --json prints JSON lines.

    Parameters
    ----------
    path
        A picture file.
    out
        A sheet to write: the picture, then those that are like it. [default: none]
    """
    from trine.generate.generator import Generator
    from trine.generate.search import LatentTable
    from trine.pictures.decode import as_channels
    from trine.sheet import grid_png

    if n < 1:
        raise UsageError(f"{quantity(n, 'picture')}: ask for one or more")
    if out:
        _check_ending(out, ".png")
    loaded = Generator.load(model)
    _, images = _read_all(loaded, (path,))
    if len(images) > 1:
        raise UsageError(f"{path}: {len(images)} pictures: give one")
    opened = loaded.open(data, data_dir)
    table = LatentTable.of(loaded, opened, split)
    distances, indices = table.nearest(loaded.codec.encode_top(images)[0], n)
    chosen = indices[0].tolist()
    for distance, index in zip(distances[0].tolist(), chosen, strict=True):
        found = {"distance": distance, "path": table.names[index]}
        found |= {"class": table.classes[index]} if table.classes else {}
        if json:
            output.print_json_line(found)
        else:
            print(f"{distance:.3f}", *list(found.values())[1:], sep="\t")
    if out:
        pictures = opened.chosen_split(split or "all")[1].images[chosen]
        _write(out, grid_png(np.concatenate([images, as_channels(pictures, loaded.channels)])))


@app.command
def check(
    model: Model, data: Data, *, n: Count = 10, split: AnySplit = None, data_dir: DataDir = None, json: Json = False
) -> None:
    """Find pictures of DATA that are nearly equal, and the -n most unusual ones, by their latents.

    trine generate check runs/generate-photos photos

    Columns: "equal", distance (0 for equal pictures, below 1), both paths; "unusual", how many times as far its
    neighbours are as those of the median picture, its path. --json prints JSON lines.
    """
    from trine.generate.generator import Generator
    from trine.generate.search import LatentTable, nearly_equal, unusual

    loaded = Generator.load(model)
    table = LatentTable.of(loaded, loaded.open(data, data_dir), split)
    for pair in nearly_equal(table, loaded.information):
        if json:
            output.print_json_line({"equal": [pair.first, pair.second], "distance": pair.distance})
        else:
            print("equal", f"{pair.distance:.3f}", pair.first, pair.second, sep="\t")
    for found in unusual(table, n):
        if json:
            output.print_json_line({"unusual": found.name, "times": found.times})
        else:
            print("unusual", f"{found.times:.2f}", found.name, sep="\t")


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
    """Interpolate between two pictures in the latent space: yours, or new ones; a .png strip or a .gif animation.

    trine generate interpolate runs/generate-mnist --rows 4 --out walk.gif

    Parameters
    ----------
    ends
        Two picture files; without, new pictures.
    rows
        Number of strips between new pictures; each takes the next seed.
    """
    from trine.generate.explore import between, between_samples
    from trine.generate.generator import Generator
    from trine.sheet import gif, grid_png

    if rows < 1:
        raise UsageError(f"{quantity(rows, 'row')}: give 1 or more")
    if ends and (rows > 1 or prior):
        raise UsageError("--rows and --prior are for new pictures: leave out these, or the two pictures")
    _check_ending(out, ".png", ".gif")
    loaded = Generator.load(model)
    if ends:
        names, images = _read_all(loaded, ends)
        strips = between(loaded, images, steps, _labels(loaded, names, label))[None]
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
    label: KnownLabel = None,
    out: Out = Path("traversed.png"),
) -> None:
    """Move a picture along the directions of the latent space in which the training's pictures differ most.

    One row per direction, a principal component of real pictures' latents. A column is a value along it, in standard
    deviations. The values nearest to the picture's own have a frame.

    Parameters
    ----------
    path
        The picture to start from; without, a new one.
    directions
        Number of directions.
    """
    from trine.generate.explore import draw_traversal
    from trine.generate.generator import Generator

    _check_ending(out, ".png")
    loaded = Generator.load(model)
    names, start = _read_all(loaded, (path,)) if path else ([], None)
    known = _labels(loaded, names, label) if path else [label]
    found, sheet = draw_traversal(loaded, start, directions, steps, seed, known[0] if known else None)
    _write(out, sheet)
    for name in found.names:
        output.note(f"row: {' '.join(name.split())}")


@app.command(name="map")
def draw(
    model: Model, data: Data, *, split: Split = None, data_dir: DataDir = None, out: Out = Path("map.png")
) -> None:
    """Draw a map of DATA: latent vectors in two dimensions, coloured by label, with some of the pictures."""
    from trine.generate.explore import draw_map
    from trine.generate.generator import Generator

    _check_ending(out, ".png")
    loaded = Generator.load(model)
    _write(out, draw_map(loaded, loaded.open(data, data_dir), split))


def _read(model: "Generator", words: Sequence[str]) -> tuple[list[str], Pictures, bool]:
    """The pictures that `words` name, with their paths, at the model's size; and whether any could not be read.

    Each unreadable one is named on stderr. Raises `DataError` when none can be read.
    """
    from trine.pictures.paths import found_pictures

    pictures = []
    with found_pictures(words) as found:
        failed = output.print_passed_over(found)
        for path, name in zip(found.paths, found.names, strict=True):
            try:
                pixels = read_picture(path, (model.size, model.size), model.channels, name, model.reading)
            except DataError as problem:
                output.note(f"trine: {problem}")
                failed = True
            else:
                pictures.append((name, pixels))
    if not pictures:
        raise DataError("none of the pictures could be read")
    names, images = zip(*pictures, strict=True)
    return list(names), np.stack(images), failed


def _read_all(model: "Generator", words: Sequence[str]) -> tuple[list[str], Pictures]:
    """The pictures that `words` name, with their paths. Raises `DataError` when any cannot be read."""
    names, images, failed = _read(model, words)
    if failed:
        raise DataError("a picture could not be read: give others")
    return names, images


def _labels(model: "Generator", names: Sequence[str], label: str | None) -> list[str | None]:
    """The class of each picture: `label`, else its folder's name if that is a class of the model, else unknown."""
    folders = [Path(name).parent.name for name in names]
    return [label or (folder if folder in model.classes else None) for folder in folders]


def _check_ending(out: Path, *endings: str) -> None:
    if out.suffix.lower() not in endings:
        raise UsageError(f"--out {out}: this picture is written as {' or '.join(endings)}: give such a name")


def _write(out: Path, content: bytes) -> None:
    files.write_bytes(out, content)
    print(out)
