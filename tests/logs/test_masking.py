import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.logs.masking import VALUE, has_words, is_word, mask, text_of, tokens_of

letters = st.characters(codec="utf-8", exclude_characters="\0")


@pytest.mark.parametrize(
    ("line", "template"),
    [
        ("Invalid user test9 from 52.80.34.196", "Invalid user <*> from <*>"),
        ("took 93.0 KB of 5 ms", "took <*> of <*>"),
        ("connection from 1.2.3.4 () at Sun Jul 3 10:05:25 2005", "connection from <*> at <*>"),
        ("logname= uid=0 tty=ssh", "logname=<*> uid=<*> tty=ssh"),
        ('"GET /latest/meta-data/?a=b HTTP/1.1" status: 200', '" GET <*> " status: <*>'),
        ("onExtend:1514038530000 14 0 4", "onExtend:<*>"),
        ("lifetime <1 sec", "lifetime <*>"),
        ("mask ffffffff", "mask <*>"),
        ("Deck of cards", "Deck of cards"),
    ],
)
def test_values_are_masked(line: str, template: str) -> None:
    assert text_of(tokens_of(mask(line))) == template


@given(line=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=80))
def test_no_ascii_digit_survives_the_mask(line: str) -> None:
    masked = mask(line)
    assert not any("0" <= letter <= "9" for letter in masked)
    assert mask(masked).count(VALUE) <= masked.count(VALUE)


@given(line=st.text(letters, max_size=80))
def test_tokens_are_all_of_a_masked_line_but_its_blanks(line: str) -> None:
    masked = mask(line)
    assert "".join(tokens_of(masked)) == masked.replace(" ", "")


def test_neighbouring_values_become_one_value() -> None:
    assert mask("peers 10.0.0.1, 10.0.0.2 10.0.0.3 left") == mask("peers 10.0.0.1 left") == f"peers {VALUE} left"


def test_words_are_told_from_values_and_punctuation_marks() -> None:
    tokens = tokens_of(mask("user=root id=7"))
    assert tokens == ("user", "=", "root", "id", "=", VALUE)
    assert [is_word(token) for token in tokens] == [True, False, True, True, False, True]
    assert has_words(tokens, 3)
    assert not has_words(tokens, 4)
