import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.recipe import Recipe
from trine.train.schedules import SCHEDULES, rate_factor

SHARES = st.floats(0, 1)


@given(name=st.sampled_from(sorted(SCHEDULES)), warmup=st.floats(0, 0.99), final=SHARES, progress=SHARES)
def test_the_factor_stays_between_zero_and_one(name, warmup, final, progress):
    assert 0 <= rate_factor(Recipe(schedule=name, warmup=warmup, final_rate=final), progress) <= 1


@given(name=st.sampled_from(sorted(SCHEDULES)), warmup=st.floats(0.01, 0.9), a=SHARES, b=SHARES)
def test_it_rises_through_the_warm_up_and_never_after(name, warmup, a, b):
    recipe, (early, late) = Recipe(schedule=name, warmup=warmup), sorted((a, b))
    first, second = rate_factor(recipe, early), rate_factor(recipe, late)
    if late < warmup:
        assert first <= second
    if early >= warmup:
        assert first >= second - 1e-12


@pytest.mark.parametrize(
    ("name", "middle", "end"), [("triangular", 0.55, 0.1), ("cosine", 0.55, 0.1), ("constant", 1, 1)]
)
def test_each_schedule_has_its_shape(name, middle, end):
    recipe = Recipe(schedule=name, warmup=0.2, final_rate=0.1)
    assert rate_factor(recipe, 0.2) == pytest.approx(1)
    assert rate_factor(recipe, 0.6) == pytest.approx(middle)
    assert rate_factor(recipe, 1.0) == pytest.approx(end)


def test_cosine_is_above_the_line_before_the_middle_and_below_it_after():
    cosine, line = (Recipe(schedule=name, warmup=0) for name in ("cosine", "triangular"))
    assert rate_factor(cosine, 0.25) > rate_factor(line, 0.25)
    assert rate_factor(cosine, 0.75) < rate_factor(line, 0.75)


def test_without_a_warm_up_it_starts_at_the_peak():
    assert rate_factor(Recipe(warmup=0), 0.0) == 1
