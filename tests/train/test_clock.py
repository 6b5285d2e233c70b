from hypothesis import given
from hypothesis import strategies as st

from trine.train.clock import Clock


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
