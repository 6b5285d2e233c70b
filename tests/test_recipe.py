import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.errors import RecipeError
from trine.recipe import Recipe, parse_settings

SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "seed": st.integers(0, 2**31 - 1),
        "epochs": st.floats(0.01, 10_000),
        "batch_size": st.integers(1, 65_536),
        "schedule": st.sampled_from(["triangular", "cosine", "constant"]),
        "warmup": st.floats(0, 0.99),
        "ema_decay": st.floats(0, 0.9999),
        "precision": st.sampled_from(["auto", "float32", "bfloat16"]),
    },
)


@given(settings=SETTINGS)
def test_a_recipe_is_read_back_as_it_was_saved(tmp_path_factory, settings):
    path = tmp_path_factory.mktemp("recipes") / "recipe.json"
    recipe = Recipe.preset("good", **settings)
    recipe.save(path)
    assert Recipe.read(path) == recipe


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"epoch": 3}, "setting 'epoch' is not known: did you mean 'epochs'?"),
        ({"zzz": 3}, "setting 'zzz' is not known: settings are batch_size, "),
        ({"epochs": 0}, "setting epochs=0 is out of its range: should be greater than 0"),
        ({"epochs": float("nan")}, "setting epochs=nan is out of its range"),
        ({"gradient_clip": float("inf")}, "setting gradient_clip=inf is out of its range"),
        ({"batch_size": 1.5}, "setting batch_size=1.5 is out of its range: should be a valid integer"),
        ({"seed": -1}, "setting seed=-1 is out of its range: should be greater than or equal to 0"),
        ({"warmup": 1}, "setting warmup=1 is out of its range: should be less than 1"),
        ({"schedule": "linear"}, "setting schedule='linear' is out of its range: should be 'triangular', 'cosine' or"),
        ({"ema_decay": "much"}, "setting ema_decay='much' is out of its range: should be a valid number"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_right(settings, said):
    with pytest.raises(RecipeError) as problem:
        Recipe.preset(**settings)
    assert str(problem.value).startswith(said)
    assert "\n" not in str(problem.value)
    assert problem.value.exit_status == 2


def test_an_effort_that_is_not_known_is_refused():
    with pytest.raises(RecipeError, match="effort 'utmost' is not known: choose one of quick, good, best"):
        Recipe.preset("utmost")


def test_a_recipe_cannot_be_changed_but_a_changed_copy_can_be_had():
    recipe = Recipe()
    with pytest.raises(ValueError, match="frozen"):
        recipe.seed = 3
    assert recipe.changed(seed=3).seed == 3
    with pytest.raises(RecipeError):
        recipe.changed(seed=-3)


@pytest.mark.parametrize("content", ["", "{", "[1]", "3", '{"epoch": 1}', b"\xff\xfe", '{"epochs": -1}'])
def test_a_file_that_is_no_recipe_is_refused_by_name(tmp_path, content):
    path = tmp_path / "recipe.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RecipeError, match=r"recipe\.json"):
        Recipe.read(path)


def test_a_recipe_that_is_not_there_or_a_folder_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "nothing.json"):
        with pytest.raises(RecipeError, match="not a readable recipe"):
            Recipe.read(path)


def test_settings_are_json_where_they_can_be():
    words = ["epochs=2.5", "widths=[1,2]", "schedule=cosine", "batch-size=7", "name=a=b", "picture_size=null"]
    assert parse_settings(words) == {
        "epochs": 2.5,
        "widths": [1, 2],
        "schedule": "cosine",
        "batch_size": 7,
        "name": "a=b",
        "picture_size": None,
    }


@pytest.mark.parametrize("word", ["epochs", "=3", ""])
def test_a_setting_without_name_or_value_is_refused(word):
    with pytest.raises(RecipeError, match="write it as name=value"):
        parse_settings([word])


@given(settings=st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.integers() | st.booleans()))
def test_what_is_written_as_json_is_parsed_as_it_was(settings):
    assert parse_settings([f"{name}={json.dumps(value)}" for name, value in settings.items()]) == settings
