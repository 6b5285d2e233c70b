import pytest

from trine.plurals import quantity, verb


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (0, "event", "0 events"),
        (1, "event", "1 event"),
        (2_000, "event", "2,000 events"),
        (1, "entity", "1 entity"),
        (3, "entity", "3 entities"),
        (2, "day", "2 days"),
        (2, "class", "2 classes"),
        (2, "copy", "2 copies"),
        (2, "batch", "2 batches"),
    ],
)
def test_a_noun_follows_its_number(count: int, noun: str, text: str) -> None:
    assert quantity(count, noun) == text


def test_a_plural_of_its_own_and_the_form_of_a_verb_can_be_given() -> None:
    assert quantity(2, "kind of events", "kinds of events") == "2 kinds of events"
    assert (verb(1, "is", "are"), verb(0, "is", "are"), verb(2, "is", "are")) == ("is", "are", "are")
