from hypothesis import given
from hypothesis import strategies as st

from trine.cli.chart import framed, plot, resampled, sparkline

numbers = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200)


def test_a_falling_loss_falls_from_left_to_right():
    assert sparkline([8, 6, 4, 2, 1], width=5) == "█▆▄▂▁"


def test_the_largest_value_fills_the_column_and_the_least_is_still_seen():
    top, *_, bottom = plot([0, 1, 2, 3], width=4, height=4)
    assert top == "   █"
    assert bottom == "▁███"


@given(values=numbers, width=st.integers(1, 80), height=st.integers(1, 9))
def test_a_chart_has_its_size_whatever_is_drawn(values, width, height):
    lines = plot(values, width, height)
    assert len(lines) == height
    assert {len(line) for line in lines} <= set(range(1, width + 1))
    assert len({len(line) for line in lines}) == 1


@given(values=numbers)
def test_few_values_are_drawn_as_they_are(values):
    assert resampled(values, 200) == values


def test_a_frame_names_the_ends_and_the_range():
    title, *rows = framed("loss", [2.5, 1.0, 0.5])
    assert title == "loss: 2.5 → 0.5"
    assert rows[0].startswith("2.5 │")
    assert rows[-1].startswith("0.5 │")
