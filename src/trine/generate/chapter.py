"""What a run's report says of a generator: new pictures, reconstructions, the map of its latent space, copies."""

from collections.abc import Mapping
from typing import Any

from trine.drawing import attempted
from trine.generate.evaluation import nearest_png
from trine.generate.explore import draw_map
from trine.generate.generator import Generator
from trine.measures.memorisation import check_memorisation
from trine.page.chapter import Chapter, Figure, Picture, Table, percent, training_time
from trine.pictures.batches import mirrors
from trine.pictures.decode import as_channels
from trine.pictures.picture_set import PictureSet

MAPPED = 400
"""Pictures on the map."""
CHECKED, COMPARED = 100, 10_000
"""Generated pictures that are checked for being copies, and training pictures that they are compared with."""


def chapter(model: Generator, opened: PictureSet, pictures: Mapping[str, bytes]) -> Chapter:
    """The chapter of a trained generator; `pictures` are those of its run, by file name."""
    assert model.result
    data, latents = model.result.data, model.network.vae.top.latent
    own = attempted({"map": lambda: draw_map(model, opened, data.split, MAPPED)})
    return Chapter(
        name="generate",
        title="What it learned",
        lead=f"A variational autoencoder learned to encode each of {model.data['splits']['train']:,} pictures in "
        f"{latents:,} latent numbers, and to draw it again from them. New numbers give new pictures. The figures are "
        f"for {data.n:,} pictures of the {data.split} split.",
        figures=[*figures(model.result.metrics), training_time(model.result.compute)],
        parts=[
            *_captioned(pictures, "samples.png", "New pictures, drawn from random latent numbers."),
            *_captioned(pictures, "reconstructions.png", "Pictures, and below each its reconstruction."),
            *_captioned(
                own, "map", "A map of the latent space: pictures that it finds similar are close together.", small=False
            ),
            *_copies(model, opened, data.split),
            *_captioned(
                pictures, "latents.png", "Held-out pictures, reconstructed in the course of the training.", small=False
            ),
            *_captioned(pictures, "kl.png", "How much information each latent number carries.", small=False),
            *_captioned(pictures, "curves.png", "The bound falls during the training.", small=False),
        ],
        next=[
            f"trine generate sample {model.run} -n 100 --seed 7 --out new.png",
            f"trine generate interpolate {model.run} --rows 8 --out walk.gif",
        ],
    )


def figures(metrics: Mapping[str, Any]) -> list[Figure]:
    """The headline: the bound, the information in the latents, how many of them carry any."""
    bound, kl = f"{metrics['elbo_nats']:.0f} nats", f"{metrics['kl_nats']:.1f} nats"
    return [
        Figure("bound", bound, "upper bound of −ln p per picture; lower is better"),
        Figure("KL divergence", kl, "per picture: the information in its latent numbers"),
        Figure("active", f"{metrics['active_units']} of {metrics['units']}", "latent numbers that carry information"),
    ]


def _copies(model: Generator, opened: PictureSet, split: str) -> list[Picture | Table]:
    """The generated pictures that are most like training pictures, if there are others to compare with."""
    if split == "train" or len(opened.splits[split]) < 2:
        return []
    known, others = (as_channels(opened.splits[name].images[:COMPARED], model.channels) for name in ("train", split))
    generated = model.sample(CHECKED, seed=1)
    found = check_memorisation(generated, known, others, mirrors(model.recipe.flip, model.channels))
    figures = found.metrics()
    verdict = "it makes copies of training pictures" if figures["memorised"] else "no sign of copies"
    compared = f"{len(generated):,} new pictures were compared with {len(known):,} training pictures: {verdict}, "
    caption = (
        f"{compared}{percent(figures['copied'], 0)} are closer to one than real pictures are. The most suspicious, "
        "their nearest training pictures, and their nearest held-out pictures."
    )
    drawn = attempted({"copies": lambda: nearest_png(found, generated, known, others)})
    return [*_captioned(drawn, "copies", caption)]


def _captioned(pictures: Mapping[str, bytes], name: str, caption: str, small: bool = True) -> list[Picture]:
    return [Picture(pictures[name], caption, small=small)] if name in pictures else []
