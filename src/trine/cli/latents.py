"""trine generate encode, like, check: pictures found by their latents."""

from pathlib import Path

import numpy as np

from trine.cli import output
from trine.cli.given_pictures import check_ending, open_set, read_all, write_and_tell
from trine.cli.options import AnySplit, Count, Data, DataDir, Json, Model, Out
from trine.errors import UsageError
from trine.plurals import quantity


def encode(
    model: Model, data: Data, *, split: AnySplit = None, out: Out = Path("latents.npz"), data_dir: DataDir = None
) -> None:
    """Write the latents of DATA, all of it or one --split: a table .parquet or arrays .npz, for search and clustering.

    trine generate encode runs/generate-photos photos --out latents.parquet

    Columns: path; class, if DATA has classes; latent and deviation, the mean and the standard deviation of each number.
    """
    from trine.generate.generator import Generator
    from trine.generate.search import ENDINGS, LatentTable

    check_ending(out, *ENDINGS)
    loaded = Generator.load(model)
    table = LatentTable.of(loaded, open_set(loaded, data, data_dir), split)
    table.write(out)
    print(out)
    output.note(f"{quantity(len(table), 'picture')}, {quantity(table.means.shape[1], 'number')} each")


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
        check_ending(out, ".png")
    loaded = Generator.load(model)
    _, images = read_all(loaded, (path,))
    if len(images) > 1:
        raise UsageError(f"{path}: {len(images)} pictures: give one")
    opened = open_set(loaded, data, data_dir)
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
        write_and_tell(out, grid_png(np.concatenate([images, as_channels(pictures, loaded.channels)])))


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

    if n < 0:
        raise UsageError(f"-n {n}: give the number of unusual pictures to show, or 0 for none")
    loaded = Generator.load(model)
    table = LatentTable.of(loaded, open_set(loaded, data, data_dir), split)
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
