import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.recipe import Recipe
from trine.train.schedules import SCHEDULES, Clock, rate_factor

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


@given(
    total=st.integers(1, 500),
    refits=st.dictionaries(st.integers(0, 300), st.integers(-5, 1000), max_size=6),
)
def test_progress_never_goes_back_whatever_the_refits_and_ends_at_one(total, refits):
    clock, seen = Clock(total), [0.0]
    while not clock.done:
        if clock.step in refits:
            clock.refit(refits.pop(clock.step))
        assert clock.progress >= seen[-1] - 1e-12
        assert clock.progress < 1
        seen.append(clock.progress)
        clock.step += 1
        if clock.step > 2000:
            break
    assert abs(clock.progress - 1) < 1e-9


@given(total=st.integers(2, 500), step=st.integers(1, 499), new=st.integers(1, 1000))
def test_a_refit_leaves_the_progress_where_it_is(total, step, new):
    clock = Clock(total, step=min(step, total - 1))
    before = clock.progress
    clock.refit(new)
    assert clock.progress == before
    assert not clock.done
