from pathlib import Path

import numpy as np
import pytest
import torch

from trine.errors import DataError, UsageError
from trine.generate.explore import between, between_samples, draw_map, slerp, traverse
from trine.generate.generator import Generator
from trine.pictures.picture_set import open_pictures

from .conftest import dots, write_dots


@pytest.mark.parametrize("shape", [(1, 50), (1, 4, 6, 6)])
def test_the_arc_starts_and_ends_at_its_ends_and_stays_as_far_out_as_they_are(shape: tuple[int, ...]) -> None:
    start, end = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0)).unbind()
    way = slerp(start, end, 7)
    torch.testing.assert_close(way[:1], start)
    torch.testing.assert_close(way[-1:], end)
    norms = way.flatten(1).norm(dim=1)
    assert float(norms.min()) >= 0.999 * min(float(start.norm()), float(end.norm()))
    turns = torch.nn.functional.cosine_similarity(way[:-1].flatten(1), way[1:].flatten(1))
    assert float(turns.max() - turns.min()) < 1e-3


@pytest.mark.parametrize("end", [[1.0, 0.0], [2.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
def test_ends_on_one_line_are_joined_by_it(end: list[float]) -> None:
    way = slerp(torch.tensor([[1.0, 0.0]]), torch.tensor([end]), 5)
    assert way.isfinite().all()
    torch.testing.assert_close(way[-1], torch.tensor(end))


@pytest.mark.parametrize("name", ["fitted", "deep"])
def test_the_way_between_two_pictures_begins_and_ends_with_their_reconstructions(
    name: str, request: pytest.FixtureRequest
) -> None:
    model: Generator = request.getfixturevalue(name)
    ends = dots(2, seed=3)
    strip = between(model, ends, steps=5)
    assert strip.shape == (5, 12, 12, 1)
    expected = model.reconstruct(ends).astype(int)
    assert abs(strip[[0, -1]].astype(int) - expected).max() <= 3


def test_the_way_between_new_pictures_begins_with_one_that_sampling_gives(deep: Generator) -> None:
    strip = between_samples(deep, steps=4, seed=5)
    assert abs(strip[0].astype(int) - deep.sample(1, seed=5)[0].astype(int)).max() <= 3
    assert np.array_equal(strip, between_samples(deep, steps=4, seed=5))


def test_directions_are_those_that_say_most_and_each_row_changes_one(fitted: Generator) -> None:
    units, images = traverse(fitted, dots(1, seed=3), directions=3, steps=5)
    assert len(units) == len(set(units)) == 3
    assert images.shape == (15, 12, 12, 1)
    said = fitted.information
    assert [float(said[unit]) for unit in units] == sorted(said.tolist(), reverse=True)[:3]
    spread = images.reshape(3, 5, -1).astype(float).std(1).mean(1)
    assert spread[0] > 0


def test_more_directions_than_latents_are_all_of_them(fitted: Generator) -> None:
    assert len(traverse(fitted, directions=99, steps=2)[0]) == 6


@pytest.mark.parametrize("steps", [1, 0, 1001])
def test_a_way_has_a_beginning_and_an_end(fitted: Generator, steps: int) -> None:
    for walk in (lambda: between(fitted, dots(2), steps), lambda: traverse(fitted, steps=steps)):
        with pytest.raises(UsageError, match="give 2 to 1000"):
            walk()


def test_a_map_is_drawn_with_and_without_labels(fitted: Generator, folder: Path, tmp_path: Path) -> None:
    flat = write_dots(tmp_path / "flat", dots(4))
    for place in (folder, flat):
        assert draw_map(fitted, open_pictures(place), most=30).startswith(b"\x89PNG")
    with pytest.raises(DataError, match="has no split 'test'"):
        draw_map(fitted, open_pictures(folder), split="test")
