from hypothesis import given
from hypothesis import strategies as st

from trine.train.memory import PIXELS, at_once

sides = st.integers(1, 20_000)


@given(sides, sides)
def test_pictures_judged_together_have_a_bounded_number_of_pixels_and_are_at_least_one(height, width):
    count = at_once(height, width)
    assert count >= 1
    assert count == 1 or count * height * width <= PIXELS
