"""Names in figures: short, different for different names, and of letters that can be drawn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine import labels
from trine.labels import is_drawn, label, shortened, width

NAMES = st.lists(st.text(max_size=40), min_size=1, max_size=12)
ALIKE = st.lists(st.sampled_from(["#1", "#2", "#2 a", "a", "a ", "\u200ba", "猫", "狗 a", "x" * 30, "x" * 31]))


@pytest.fixture(autouse=True, scope="module")
def only_the_font_of_matplotlib(tmp_path_factory):
    """As on a machine without other fonts."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(labels, "FALLBACKS", ())
        labels._fonts.cache_clear()
        yield
    labels._fonts.cache_clear()


@given(NAMES | ALIKE)
def test_different_names_are_different_short_and_drawable(names: list[str]) -> None:
    texts = labels.labels(names, 12)
    assert len(set(zip(names, texts, strict=True))) >= len(set(texts)) >= len(set(names))
    for text in texts:
        assert text.strip()
        assert width(text) <= 12
        assert all(map(is_drawn, text.replace(" ", "")))


@given(st.text(max_size=60), st.integers(3, 30))
def test_a_shortened_text_has_its_width_and_keeps_its_ends(text: str, longest: int) -> None:
    short = shortened(text, longest)
    assert width(short) <= max(longest, 0)
    if short != text:
        head, tail = short.split("…", 1) if text.count("…") == 0 else ("", "")
        assert text.startswith(head)
        assert text.endswith(tail)


def test_names_of_the_same_beginning_keep_different_ends() -> None:
    first, second = labels.labels(["a very long name of the first kind", "a very long name of the second kind"])
    assert first.startswith("a very")
    assert first != second


def test_names_without_a_glyph_are_their_numbers_and_keep_the_rest() -> None:
    assert labels.labels(["ant", "猫", "猫 cat", "bee"]) == ["ant", "#2", "#3 cat", "bee"]


def test_a_pictogram_without_a_glyph_is_its_name() -> None:
    assert labels.labels(["🧬"]) == ["dna double helix"]


def test_names_that_look_alike_get_their_numbers() -> None:
    assert labels.labels(["cat", "cat\u200b", "dog"]) == ["#1 cat", "#2 cat", "dog"]


def test_letters_of_a_line_without_a_glyph_are_their_codes() -> None:
    assert label("open 猫.txt\n", 40) == "open \\u732b.txt"
