"""The members of the ensemble: the network's score of a sequence, and scores that detect what the network misses.

A member gives each sequence one number; a higher one is stranger. All members learn from normal sequences only.

- Means and shares per event (`network`, `ngrams`, `either`, `counts`, `unseen`, `attributes`) say how strange a
  sequence is on the whole.
- Sums (`excess`, `pairs`, `rare`, `size`, `attribute_excess`) grow with the evidence. They are logarithms, so that the
  exponential tail of their p-values is a power law of the sum: sums of normal sequences differ by factors.
"""

from collections.abc import Mapping

from trine.detect.counting_members import (
    LengthGivenCounts,
    NearestCounts,
    RareEvents,
    Size,
    UnseenPairCount,
    UnseenPairs,
)
from trine.detect.member import Member, Source
from trine.detect.surprisal_members import (
    AttributeExcess,
    AttributeSurprisal,
    EitherSurprisal,
    ExcessSurprisal,
    NetworkSurprisal,
    NGramExcess,
    NGramSurprisal,
)

MEMBERS: dict[str, type[Member]] = {
    member.name: member
    for member in (
        NetworkSurprisal,
        NearestCounts,
        LengthGivenCounts,
        NGramSurprisal,
        EitherSurprisal,
        UnseenPairs,
        ExcessSurprisal,
        NGramExcess,
        UnseenPairCount,
        RareEvents,
        Size,
        AttributeSurprisal,
        AttributeExcess,
    )
}

FORMER_MEMBERS = {"lstm": "network"}
"""Names of members in recipes of version 0.1.0, and their present names."""
WITHOUT_NETWORK: Mapping[str, str] = {"network": "ngrams", "either": "ngrams", "excess": "ngram_excess"}
"""The member that takes another's place where the network is not used."""


def sources(members: tuple[str, ...]) -> frozenset[Source]:
    """The models whose surprisal these members read."""
    return frozenset[Source]().union(*(MEMBERS[name].reads for name in members))


def without_network(members: tuple[str, ...]) -> tuple[str, ...]:
    """The members, those that read the network replaced by those that read the n-grams in the same way."""
    return tuple(dict.fromkeys(WITHOUT_NETWORK.get(name, name) for name in members))
