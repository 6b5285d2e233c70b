from pathlib import Path

import numpy as np
import pytest
import torch

from tests.texts import written
from trine.errors import DataError, UsageError
from trine.generate.directions import Directions
from trine.generate.explore import (
    LEGEND,
    apart,
    between,
    between_samples,
    draw_map,
    draw_traversal,
    slerp,
    traverse,
)
from trine.generate.generator import Generator
from trine.pictures.picture_set import PictureSet, PictureSplit, open_pictures

from .conftest import dots, write_dots


@pytest.mark.parametrize("shape", [(1, 50), (1, 4, 6, 6)])
def test_the_arc_includes_its_ends_keeps_their_norm_and_turns_by_equal_angles(shape: tuple[int, ...]) -> None:
    start, end = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0)).unbind()
    points = slerp(start, end, 7)
    torch.testing.assert_close(points[:1], start)
    torch.testing.assert_close(points[-1:], end)
    norms = points.flatten(1).norm(dim=1)
    assert float(norms.min()) >= 0.999 * min(float(start.norm()), float(end.norm()))
    turns = torch.nn.functional.cosine_similarity(points[:-1].flatten(1), points[1:].flatten(1))
    assert float(turns.max() - turns.min()) < 1e-3


@pytest.mark.parametrize("end", [[1.0, 0.0], [2.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
def test_ends_on_a_line_through_the_centre_are_joined_by_that_line(end: list[float]) -> None:
    points = slerp(torch.tensor([[1.0, 0.0]]), torch.tensor([end]), 5)
    assert points.isfinite().all()
    torch.testing.assert_close(points[-1], torch.tensor(end))


@pytest.mark.parametrize("name", ["fitted", "deep"])
def test_an_interpolation_between_two_pictures_begins_and_ends_with_their_reconstructions(
    name: str, request: pytest.FixtureRequest
) -> None:
    model: Generator = request.getfixturevalue(name)
    ends = dots(2, seed=3)
    strip = between(model, ends, steps=5)
    assert strip.shape == (5, 12, 12, 1)
    expected = model.reconstruct(ends).astype(int)
    assert abs(strip[[0, -1]].astype(int) - expected).max() <= 3


def test_an_interpolation_between_new_pictures_begins_with_a_sampled_one(deep: Generator) -> None:
    strip = between_samples(deep, steps=4, seed=5)
    assert abs(strip[0].astype(int) - deep.sample(1, seed=5)[0].astype(int)).max() <= 3
    assert np.array_equal(strip, between_samples(deep, steps=4, seed=5))


def test_an_unknown_prior_and_an_unknown_label_are_refused(deep: Generator) -> None:
    with pytest.raises(
        UsageError, match="prior 'flaw' is not known: choose normal, mixture, flow: did you mean 'flow'"
    ):
        between_samples(deep, prior="flaw")
    with pytest.raises(UsageError, match="label 'left' is not known"):
        between_samples(deep, label="left")


def test_a_traversal_moves_a_picture_along_the_directions_in_which_pictures_differ_most(fitted: Generator) -> None:
    picture = dots(1, seed=3)
    found = traverse(fitted, picture, directions=3, steps=5)
    assert found.rows.shape == (3, 5, 12, 12, 1)
    assert found.values.tolist() == [-2.5, -1.25, 0, 1.25, 2.5]
    shares = fitted.directions.shares.tolist()
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) <= 1 + 1e-5
    latent = fitted.encode(picture).mean[0][0].numpy()
    step = fitted.directions.steps[0]
    moved = latent + (np.float32(1.25) - np.float32(found.own[0])) * step
    expected = fitted.decode([torch.from_numpy(moved)[None]])[0]
    assert np.array_equal(found.rows[0, 3], expected)


def test_a_direction_of_real_pictures_moves_a_picture_more_than_a_single_number(fitted: Generator) -> None:
    def moved(model: Generator) -> float:
        rows = traverse(model, dots(1, seed=3), directions=1, steps=2).rows.astype(float)
        return float(np.abs(rows[0, 0] - rows[0, 1]).mean())

    former = fitted.replaced(directions=Directions.of({"information": fitted.information.numpy()}))
    assert moved(fitted) > moved(former) > 0


def test_a_model_of_a_former_version_is_traversed_by_its_numbers_of_most_information(fitted: Generator) -> None:
    former = fitted.replaced(directions=Directions.of({"information": fitted.information.numpy()}))
    found = traverse(former, directions=99, steps=2)
    best = fitted.information.argsort(descending=True).tolist()
    assert [name.split()[:2] for name in found.names] == [["number", str(unit)] for unit in best]
    assert draw_traversal(former, steps=2)[1].startswith(b"\x89PNG")


def test_directions_are_the_principal_components_of_the_latents() -> None:
    draw = np.random.default_rng(0).standard_normal((400, 3)) * [3.0, 1.0, 0.1] + 5
    found = Directions.fitted(draw)
    assert np.abs(found.steps).argmax(1).tolist() == [0, 1, 2]
    assert np.linalg.norm(found.steps, axis=1).tolist() == pytest.approx([3, 1, 0.1], rel=0.15)
    assert found.at(found.centre + 2 * found.steps[1]).tolist() == pytest.approx([0, 2, 0], abs=1e-3)


@pytest.mark.parametrize("steps", [1, 0, 1001])
def test_fewer_than_two_steps_and_more_than_a_thousand_are_refused(fitted: Generator, steps: int) -> None:
    for walk in (
        lambda: between(fitted, dots(2), steps),
        lambda: between_samples(fitted, steps),
        lambda: traverse(fitted, steps=steps),
    ):
        with pytest.raises(UsageError, match="give 2 to 1000"):
            walk()


def test_an_interpolation_has_two_ends_and_a_traversal_one_start(fitted: Generator) -> None:
    for count in (1, 3):
        with pytest.raises(UsageError, match=f"{count} pictures? to interpolate between: give two"):
            between(fitted, dots(count))
    with pytest.raises(UsageError, match="2 pictures to start from: give one"):
        traverse(fitted, dots(2))


def test_a_map_is_drawn_with_and_without_labels(fitted: Generator, folder: Path, tmp_path: Path) -> None:
    flat = write_dots(tmp_path / "flat", dots(4))
    for data in (folder, flat):
        assert draw_map(fitted, open_pictures(data), most=30).startswith(b"\x89PNG")
    with pytest.raises(DataError, match="has no split 'test'"):
        draw_map(fitted, open_pictures(folder), split="test")


def test_a_traversal_names_each_row_and_the_value_of_each_column(fitted: Generator) -> None:
    with written() as texts:
        found, sheet = draw_traversal(fitted, dots(1, seed=3), directions=4, steps=5)
    assert sheet.startswith(b"\x89PNG")
    texts.check()
    rows = [text for text in texts.texts if text.startswith("direction")]
    assert rows == found.names
    title = "one direction of the latent space at a time, in standard deviations; framed: the picture's own value"
    assert title in texts.texts
    shares = fitted.directions.shares[:4].tolist()
    assert rows == [f"direction {row}\n{100 * share:.0f} % of variance" for row, share in enumerate(shares, 1)]
    assert [text for text in texts.texts if text[0] in "−0+"] == ["−2.5", "−1.2", "0", "+1.2", "+2.5"]
    assert "picture" in texts.texts
    assert len(texts.figure.axes[0].patches) == 4, "a frame per row"


def test_without_a_picture_a_new_one_is_traversed_and_called_so(fitted: Generator) -> None:
    for steps in (2, 60):
        with written() as texts:
            draw_traversal(fitted, directions=2, steps=steps)
        texts.check()
        assert "new" in texts.texts


@pytest.mark.parametrize("count", [2, 12, 60])
def test_a_map_shows_points_a_legend_and_pictures_that_do_not_overlap(count: int, fitted: Generator) -> None:
    classes = tuple(f"species of insect, number {index}" for index in range(count))
    images = dots(240, seed=2)
    split = PictureSplit(images, np.arange(240) % count, [f"{i}.png" for i in range(240)], np.arange(240))
    with written() as texts:
        draw_map(fitted, PictureSet("insects", "0" * 64, classes, {"test": split}, ()))
    texts.check()
    axes = texts.figure.axes[0]
    places = np.array([image.get_extent() for image in axes.images])
    assert len(places) >= 4
    for index, (left, right, bottom, top) in enumerate(places):
        lefts, rights, bottoms, tops = np.delete(places, index, 0).T
        assert ((lefts >= right) | (rights <= left) | (bottoms >= top) | (tops <= bottom)).all()
    named = len([text for text in texts.texts if text.startswith("specie")])
    assert named == min(count, LEGEND)
    looks = {(tuple(c.get_facecolor()[0]), c.get_paths()[0].vertices.tobytes()) for c in axes.collections}
    assert len(looks) == min(count, 50)
    assert (f"classes, and {count - LEGEND} more" in texts.texts) == (count > LEGEND)


def test_squares_at_points_that_are_apart_do_not_overlap() -> None:
    points = np.random.default_rng(0).random((300, 2))
    chosen = points[apart(points, 0.2)]
    distances = np.abs(chosen[:, None] - chosen).max(2) + np.eye(len(chosen))
    assert distances.min() > 0.2
    assert np.abs(points[:, None] - chosen).max(2).min(1).max() <= 0.2, "every point is near a chosen one"
