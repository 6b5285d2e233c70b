"""trine generate: pictures -> latent space -> new pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from cyclopts import App, Parameter

from trine import files
from trine.cli import output
from trine.cli.bulk import BulkOptions
from trine.cli.given_pictures import check_ending, open_set, read_all, read_given, write_and_tell
from trine.cli.heavy import HeavyParts
from trine.cli.latents import check, encode, like
from trine.cli.options import Count, Data, DataDir, FitOptions, Flag, Json, Model, Out, Split, Start
from trine.cli.tune import TuneOptions
from trine.errors import UsageError
from trine.generate.recipe import GenerateRecipe
from trine.generate.strangeness import check_false_alarms
from trine.plurals import quantity

if TYPE_CHECKING:
    from trine.generate.generator import Generator

app = App(name="generate", help="Make new pictures like the training pictures, with a variational autoencoder.")
for command in (encode, like, check):
    app.command(command)

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
OwnSeed = Annotated[int | None, Parameter(help="Seed of the random numbers of new pictures. [default: 0]")]
Steps = Annotated[int, Parameter(help="Pictures per row, both ends included.")]


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
    network: Literal["plain", "map", "deep"] | None = None,
    label: Flag = False,
    options: TuneOptions | None = None,
) -> None:
    """Search for better settings on DATA: trainings that are compared by their validations, never by a test split.

    trine generate tune drawings/ --trials 20 --minutes 60

    Parameters
    ----------
    network
        plain, map or deep, as in fit. The flow that samples is no part of a trial. [default: plain]
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
    opened = open_set(loaded, data, data_dir)
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
        From 1 to 10, with --label: 2 gives pictures that are more typical of the class, and vary less.
    """
    chosen: dict[str, Any] = {"label": label, "temperature": temperature, "pixel_noise": pixel_noise}
    chosen |= {"guidance": guidance, "prior": prior}
    if bulk and bulk.wanted(out=out):
        return _sample_in_bulk(model, n, seed, chosen, bulk, json)
    from trine.generate.generator import Generator
    from trine.sheet import write_pictures

    stream = Generator.load(model).sample_stream(n, seed=seed, **chosen)
    written = write_pictures(stream, n, out or Path("sample.png"))
    if json:
        output.print_json({"written": str(written), "pictures": n})
    else:
        print(written)
    return 0


def _sample_in_bulk(model: Path, n: int, seed: int, chosen: dict[str, Any], bulk: BulkOptions, json: bool) -> int:
    from trine import bundle
    from trine.cluster.inputs import sample_blocks
    from trine.cluster.jobs import Sample
    from trine.generate.arguments import check_sample, label_index

    check_sample(n, chosen["temperature"], seed)
    label_index(chosen["label"], bundle.read_manifest(bundle.locate(model), "generate").content["classes"])
    usual = {"label": None, "pixel_noise": 0.0, "guidance": 1.0, "prior": None}
    given = {name: value for name, value in chosen.items() if name not in usual or value != usual[name]}
    return bulk.run(Sample(model, seed, given), sample_blocks(n), json)


@app.command
def reconstruct(model: Model, *paths: Paths, label: KnownLabel = None, out: Out = Path("reconstructed.png")) -> int:
    """Encode pictures and decode them again: a sheet of originals, each above its reconstruction."""
    from trine.generate.generator import Generator
    from trine.sheet import pairs_png

    check_ending(out, ".png")
    loaded = Generator.load(model)
    names, images, failed = read_given(loaded, paths)
    write_and_tell(out, pairs_png(images, loaded.reconstruct(images, _labels(loaded, names, label))))
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
    names, images, failed = read_given(loaded, paths)
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
def interpolate(
    model: Model,
    *ends: str,
    steps: Steps = 10,
    rows: int = 1,
    seed: OwnSeed = None,
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
    if ends and (rows > 1 or prior or seed is not None):
        raise UsageError("--rows, --prior and --seed are for new pictures: leave out these, or the two pictures")
    check_ending(out, ".png", ".gif")
    loaded = Generator.load(model)
    if ends:
        names, images = read_all(loaded, ends)
        strips = between(loaded, images, steps, _labels(loaded, names, label))[None]
    else:
        strips = np.stack([between_samples(loaded, steps, (seed or 0) + row, label, prior) for row in range(rows)])
    write_and_tell(
        out, gif(strips) if out.suffix.lower() == ".gif" else grid_png(strips.reshape(-1, *strips.shape[2:]), steps)
    )


@app.command
def traverse(
    model: Model,
    path: str | None = None,
    *,
    directions: int = 8,
    steps: Steps = 9,
    seed: OwnSeed = None,
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

    check_ending(out, ".png")
    if path and seed is not None:
        raise UsageError("--seed is for a new picture: leave it out, or the picture")
    loaded = Generator.load(model)
    names, start = read_all(loaded, (path,)) if path else ([], None)
    known = _labels(loaded, names, label) if path else [label]
    found, sheet = draw_traversal(loaded, start, directions, steps, seed or 0, known[0] if known else None)
    write_and_tell(out, sheet)
    if len(found.names) < directions:
        output.note(f"the model has {quantity(len(found.names), 'direction')}, not {directions:,}")
    for name in found.names:
        output.note(f"row: {' '.join(name.split())}")


@app.command(name="map")
def draw(
    model: Model, data: Data, *, split: Split = None, data_dir: DataDir = None, out: Out = Path("map.png")
) -> None:
    """Draw a map of DATA: latent vectors in two dimensions, coloured by label, with some of the pictures."""
    from trine.generate.explore import draw_map
    from trine.generate.generator import Generator

    check_ending(out, ".png")
    loaded = Generator.load(model)
    write_and_tell(out, draw_map(loaded, open_set(loaded, data, data_dir), split))


def _labels(model: "Generator", names: Sequence[str], label: str | None) -> list[str | None]:
    """The class of each picture: `label`, else its folder's name if that is a class of the model, else unknown."""
    folders = [Path(name).parent.name for name in names]
    return [label or (folder if folder in model.classes else None) for folder in folders]
