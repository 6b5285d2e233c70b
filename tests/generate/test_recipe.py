import pytest

from trine.errors import RecipeError
from trine.generate.recipe import GenerateRecipe


def test_more_effort_is_more_training() -> None:
    quick, good, best = (GenerateRecipe.preset(effort) for effort in ("quick", "good", "best"))
    assert quick.epochs < good.epochs < best.epochs


@pytest.mark.parametrize(
    "settings",
    [
        {"latent": 0},
        {"likelihood": "poisson"},
        {"network": "wide"},
        {"prior": "guess"},
        {"picture_size": 7},
        {"picture_size": 300},
        {"beta": -1},
        {"free_bits": -0.1},
        {"label_dropped": 1.0},
        {"widths": []},
    ],
)
def test_settings_out_of_range_are_refused_by_name(settings: dict) -> None:
    with pytest.raises(RecipeError, match=next(iter(settings))):
        GenerateRecipe.preset("quick", **settings)


def test_colour_pictures_have_more_latent_units_than_grey_ones_unless_their_number_is_set() -> None:
    sizes = [
        GenerateRecipe.preset("quick", **settings).latents(channels)
        for settings in ({}, {"latent": 9})
        for channels in (1, 3)
    ]
    assert sizes == [64, 128, 9, 9]


def test_the_flow_is_four_times_as_wide_as_the_latent_vector_and_at_least_256_units() -> None:
    assert [GenerateRecipe().flow_units(latents) for latents in (8, 64, 128)] == [256, 256, 512]
    assert GenerateRecipe(flow_width=40).flow_units(128) == 40
