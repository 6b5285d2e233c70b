import torch

from trine.classify.feature_table import FEATURE_BYTES, FeatureTable, most_views

ORDER = torch.tensor([3, 1, 0, 2, 4])


def features(chosen: torch.Tensor, epoch: int) -> torch.Tensor:
    """A row names its picture and its view."""
    return torch.stack([chosen.float(), torch.full((len(chosen),), float(epoch))], 1)


def computed(rows: int, most: int = 3) -> FeatureTable:
    return FeatureTable.computed(ORDER, 2, most, features, lambda done: done < rows)


def test_all_views_of_all_pictures_where_there_is_time() -> None:
    table = computed(10**6)
    assert (len(table), table.rows) == (5, 15)
    for epoch in range(6):
        picked = table.pick(torch.arange(5), epoch)
        assert torch.equal(picked[:, 0], ORDER.float())
        assert (picked[:, 1] == epoch % 3).all()


def test_a_view_that_was_cut_short_is_filled_up_from_another() -> None:
    table = computed(7)
    assert (len(table), table.rows) == (5, 7)
    picked = table.pick(torch.tensor([0, 4, 1]), 1)
    assert picked[:, 0].tolist() == [3.0, 4.0, 1.0]
    assert picked[:, 1].tolist() == [1.0, 0.0, 1.0]


def test_as_many_pictures_as_there_is_time_for_and_at_least_some() -> None:
    assert (len(computed(3)), computed(3).rows) == (4, 4)
    assert (len(computed(0)), computed(0).rows) == (2, 2)
    assert computed(3).pick(torch.tensor([3]), 5).tolist() == [[2.0, 0.0]]


def test_views_are_limited_by_the_memory_of_their_features() -> None:
    assert most_views(300, 1280, 24) == 24
    assert most_views(50_000, 1280, 24) == FEATURE_BYTES // (4 * 1280 * 50_000)
    assert most_views(10**9, 1280, 24) == 1
