"""Pictures found by their latents."""

from pathlib import Path

import numpy as np
import pytest
import torch

from trine.errors import UsageError
from trine.generate.generator import Generator
from trine.generate.search import LatentTable, nearly_equal, unusual

from .conftest import dots, write_dots


def table_of(means: torch.Tensor, deviation: float = 0.1, classes: list[str] | None = None) -> LatentTable:
    names = [f"{index}.png" for index in range(len(means))]
    return LatentTable(names, classes, means, torch.full_like(means, deviation))


def test_the_nearest_come_first_with_their_distances() -> None:
    distances, indices = table_of(torch.tensor([[3.0, 4.0], [0.0, 1.0], [6.0, 8.0]])).nearest(torch.zeros(1, 2), 2)
    assert indices.tolist() == [[1, 0]]
    torch.testing.assert_close(distances, torch.tensor([[1.0, 5.0]]))


def test_pictures_nearer_than_the_posteriors_are_wide_are_nearly_equal_and_named_once() -> None:
    far = 10 * torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    means = torch.cat([far, far[3:4] + 0.05, far[7:8]])
    found = nearly_equal(table_of(means), torch.ones(4))
    assert [(pair.first, pair.second) for pair in found] == [("7.png", "21.png"), ("3.png", "20.png")]
    assert found[0].distance == 0 < found[1].distance < 1


def test_units_without_information_do_not_part_two_pictures() -> None:
    means = torch.tensor([[0.0, 9.0], [0.0, -9.0], [50.0, 0.0]])
    assert len(nearly_equal(table_of(means), torch.tensor([1.0, 0.0]))) == 1
    assert not nearly_equal(table_of(means), torch.tensor([1.0, 1.0]))


def test_a_picture_far_from_all_others_is_the_most_unusual_even_with_copies_of_it() -> None:
    near = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    means = torch.cat([near, torch.full((2, 3), 20.0)])
    assert {found.name for found in unusual(table_of(means), 2)} == {"50.png", "51.png"}
    assert all(found.times > 5 for found in unusual(table_of(means), 2))


@pytest.mark.parametrize("ending", [".npz", ".parquet"])
def test_written_latents_are_those_of_encode_with_the_names_and_classes_of_the_files(
    fitted: Generator, tmp_path: Path, ending: str
) -> None:
    images = dots(6, seed=4)
    folder = write_dots(tmp_path / "new", images, ("left", "right"))
    table = LatentTable.of(fitted, fitted.open(folder))
    path = tmp_path / f"latents{ending}"
    table.write(path)
    if ending == ".npz":
        with np.load(path) as arrays:
            columns = {name: arrays[name] for name in arrays.files}
    else:
        read = pytest.importorskip("pyarrow.parquet").read_table(path).to_pydict()
        columns = {name: np.array(values) for name, values in read.items()}
    assert set(columns) == {"path", "class", "latent", "deviation"}
    expected = fitted.encode(images)
    for name, label, latent, deviation in zip(*(columns[each] for each in table_columns()), strict=True):
        number = int(Path(name).stem)
        assert Path(name).parent.name == label == ("left", "right")[number % 2]
        np.testing.assert_allclose(latent, expected.mean[0][number], atol=1e-5)
        np.testing.assert_allclose(deviation**2, expected.variance[0][number], rtol=1e-3)


def table_columns() -> tuple[str, ...]:
    return ("path", "class", "latent", "deviation")


def test_another_ending_is_refused(fitted: Generator, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"npz or \.parquet"):
        table_of(torch.zeros(2, 2)).write(tmp_path / "latents.txt")


@pytest.mark.parametrize("name", ["fitted", "mapped"])
def test_a_copy_among_pictures_is_the_nearest_pair(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    model: Generator = request.getfixturevalue(name)
    images = dots(40, seed=5)
    folder = write_dots(tmp_path / "new", np.concatenate([images, images[11:12]]))
    found = nearly_equal(LatentTable.of(model, model.open(folder)), model.information)
    assert {Path(found[0].first).stem, Path(found[0].second).stem} == {"11", "40"}
    assert found[0].distance == pytest.approx(0, abs=1e-6)
