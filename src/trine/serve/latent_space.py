"""The latent space of a generator as a person sees it: directions that matter, and a map of new pictures.

Both take many pictures. They are computed a few at a time, so that other requests of the model come in between, and are
kept for the next request.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from fastapi import Request

from trine.generate.directions import Directions
from trine.generate.noise import BLOCK
from trine.serve.batching import Task
from trine.serve.latents import Latents, latents_of
from trine.serve.models import Loaded, ServedModel
from trine.serve.refusals import Refusal
from trine.serve.service import Service

STARTS = 8
"""New pictures that are moved along each direction to see how far it moves pictures."""
MAPS_AT_ONCE = 2
"""Maps that are drawn at the same time; more requests are told to come back."""
KEPT_MAPS = 4
"""Maps that are kept per model, the last that were asked for."""


@dataclass(frozen=True, eq=False)
class LatentSpace:
    """What a generator knows of its latent space without looking at pictures."""

    latents: Latents

    @cached_property
    def is_principal(self) -> bool:
        """Whether the model keeps principal directions; one of a former version has single numbers only."""
        return len(self.latents.model.directions.steps) > 0

    @cached_property
    def information(self) -> np.ndarray:
        """Mean KL divergence of each number of the latent vector, in nats."""
        return np.asarray(self.latents.model.information)

    @cached_property
    def directions(self) -> Directions:
        """The principal directions, or single numbers in their place."""
        if self.is_principal:
            own: Directions = self.latents.model.directions
            return own
        return Directions.along_numbers(self.information)

    def named(self, index: int) -> dict[str, Any]:
        """A direction in JSON, without how far it moves pictures."""
        if self.is_principal:
            return {"name": f"direction {index + 1}", "share": float(self.directions.shares[index]), "nats": None}
        unit = int(self.directions.steps[index].argmax())
        return {"name": f"number {unit}", "share": None, "nats": float(self.information[unit])}

    def units(self) -> list[dict[str, Any]]:
        """The numbers of the latent vector, the most informative first."""
        order = np.argsort(-self.information, kind="stable")
        return [{"unit": int(unit), "nats": float(self.information[unit])} for unit in order]

    def moved(self, starts: np.ndarray, index: int) -> float:
        """Root mean square change of the pixels from one deviation below to one above, in parts of the full range."""
        step, own = self.directions.steps[index], self.directions.at(starts)[:, index, None]
        both = np.concatenate([starts + (place - own) * step for place in (-1, 1)]).astype(np.float32)
        pictures = self.latents.decode([both.reshape(-1, *self.latents.shapes[0])], None)
        below, above = np.split(pictures.astype(np.float64) / 255, 2)
        return float(np.sqrt(np.square(above - below).mean((1, 2, 3))).mean())


@dataclass(frozen=True, eq=False)
class Drawn:
    """New pictures with the means of their latent vectors."""

    labels: list[str | None]
    pictures: np.ndarray
    means: np.ndarray


class LatentSpaces:
    """The latent spaces of all generators of a service, with what was computed of them."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._directions: WeakKeyDictionary[Loaded, list[dict[str, Any]]] = WeakKeyDictionary()
        self._maps: WeakKeyDictionary[Loaded, OrderedDict[tuple[int, int], Drawn]] = WeakKeyDictionary()
        self._drawing = 0

    async def directions(self, served: ServedModel, loaded: Loaded, request: Request) -> list[dict[str, Any]]:
        """The directions that matter, each with how far it moves pictures. Raises `Refusal`, `ClientGone`."""
        if loaded not in self._directions:
            space = LatentSpace(latents_of(loaded))
            starts: list[np.ndarray] = []
            moves: list[float] = []

            def start() -> None:
                found = space.latents.encode(loaded.model.sample(STARTS)).mean[0]
                starts.append(found.reshape(STARTS, -1))

            def move(index: int) -> None:
                moves.append(space.moved(starts[0], index))

            count = len(space.directions.steps)
            tasks = [Task.alone(start, STARTS), *(Task.alone(partial(move, i), 2 * STARTS) for i in range(count))]
            await self._service.in_turn(served, tasks, request)
            self._directions[loaded] = [{**space.named(i), "moves": moves[i]} for i in range(count)]
        return self._directions[loaded]

    async def drawn(self, served: ServedModel, loaded: Loaded, n: int, seed: int, request: Request) -> Drawn:
        """New pictures for a map. Raises `Refusal` (429) where others draw maps already; `ClientGone`."""
        key, kept = (n, seed), self._maps.setdefault(loaded, OrderedDict())
        if key not in kept:
            if self._drawing >= MAPS_AT_ONCE:
                raise Refusal.busy(1)
            self._drawing += 1
            try:
                kept[key] = await self._draw(served, loaded, n, seed, request)
            finally:
                self._drawing -= 1
        found = kept[key]
        kept.move_to_end(key)
        while len(kept) > KEPT_MAPS:
            kept.popitem(last=False)
        return found

    async def _draw(self, served: ServedModel, loaded: Loaded, n: int, seed: int, request: Request) -> Drawn:
        latents = latents_of(loaded)
        pictures: list[np.ndarray] = []
        means: list[np.ndarray] = []

        def draw(blocks: Iterator[np.ndarray]) -> None:
            pictures.append(next(blocks))
            means.append(latents.encode(pictures[-1]).mean[0].reshape(len(pictures[-1]), -1))

        counts = _counts(latents.classes, n)
        tasks = [
            Task.alone(partial(draw, blocks), rows)
            for label, count in counts
            for blocks, rows in in_blocks(count, partial(loaded.model.sample_stream, label=label, seed=seed))
        ]
        await self._service.in_turn(served, tasks, request)
        labels = [label for label, count in counts for _ in range(count)]
        return Drawn(labels, np.concatenate(pictures), np.concatenate(means))


def in_blocks(n: int, stream: Callable[[int], Iterator[np.ndarray]]) -> Iterator[tuple[Iterator[np.ndarray], int]]:
    """For each block of `n` new pictures: what gives it next, and its size."""
    blocks = stream(n)
    for start in range(0, n, BLOCK):
        yield blocks, min(BLOCK, n - start)


def _counts(classes: Sequence[str], n: int) -> list[tuple[str | None, int]]:
    """How many pictures of each class: about as many of each; of a model without labels, all of any."""
    if not classes:
        return [(None, n)]
    each, more = divmod(n, len(classes))
    counts = [(name, each + (index < more)) for index, name in enumerate(classes)]
    return [(name, count) for name, count in counts if count]
