from typing import Any

import pytest
import torch

from trine.classify.label_evidence import LabelEvidence
from trine.classify.sampler import Sampler
from trine.device import Device

CPU = Device("cpu", bfloat16=False)


def sampler(count: int = 40, batch_size: int = 10, **settings: Any) -> Sampler:
    return Sampler(count, batch_size, seed=0, device=CPU, **settings)


def epoch(chosen: Sampler, steps: int, progress: float = 1.0) -> list[int]:
    return torch.cat([chosen.next(progress)[1] for _ in range(steps)]).tolist()


def test_every_epoch_shows_each_picture_once_in_another_order() -> None:
    chosen = sampler()
    first, second = epoch(chosen, 4), epoch(chosen, 4)
    assert sorted(first) == sorted(second) == list(range(40))
    assert first != second


def test_what_does_not_fill_a_batch_waits_for_the_next_epoch() -> None:
    chosen = sampler(count=25)
    assert [chosen.next(0.0)[0] for _ in range(5)] == [0, 0, 1, 1, 2]


def test_later_epochs_show_the_pictures_that_were_hardest() -> None:
    chosen = sampler(hard_share=0.5, hard_from=0.5)
    assert len(set(epoch(chosen, 4, progress=0.4))) == 40
    chosen.learn(torch.arange(40), torch.arange(40.0))
    shown = epoch(chosen, 2, progress=0.6)
    assert sorted(shown) == list(range(20, 40))
    assert shown != sorted(shown)


def test_a_picture_that_was_left_out_comes_back_when_the_others_are_easier() -> None:
    chosen = sampler(hard_share=0.5, hard_from=0.0)
    epoch(chosen, 2)
    chosen.learn(torch.arange(40), 1 + torch.arange(40.0))
    shown = torch.tensor(epoch(chosen, 2))
    chosen.learn(shown, torch.zeros(20))
    assert sorted(epoch(chosen, 2)) == list(range(20))


def test_pictures_never_seen_come_first() -> None:
    chosen = sampler(hard_share=0.5, hard_from=0.0)
    chosen.next(0.0)
    chosen.learn(torch.arange(20), torch.full((20,), 9.0))
    chosen.next(0.0)
    assert sorted(epoch(chosen, 2)) == list(range(20, 40))


def test_an_epoch_has_a_batch_at_least() -> None:
    assert len(epoch(sampler(hard_share=0.01, hard_from=0.0), 1)) == 10


def test_the_state_gives_the_same_batches_to_another_process() -> None:
    one, other = sampler(hard_share=0.5, hard_from=0.0), sampler(hard_share=0.5, hard_from=0.0)
    for step in range(5):
        one.learn(one.next(0.5)[1], torch.arange(10.0) * step)
    other.load_state({name: value.clone() for name, value in one.state().items()})
    for _ in range(6):
        ours, theirs = one.next(0.5), other.next(0.5)
        assert ours[0] == theirs[0]
        assert torch.equal(ours[1], theirs[1])


def test_processes_take_shares_of_the_same_batch() -> None:
    shares = [Sampler(40, 10, 0, Device("cpu", False, rank, 2)).next(0.0)[1] for rank in (0, 1)]
    assert sorted(torch.cat(shares).tolist()) == sorted(sampler().next(0.0)[1].tolist())


def told(wrong: int) -> LabelEvidence:
    """Evidence of 40 sure answers, so many of them other than the label."""
    evidence = LabelEvidence(40, CPU)
    labels = (torch.arange(40) < wrong).long()
    evidence.learn(torch.arange(40), torch.tensor([[9.0, 0.0]]).repeat(40, 1), labels)
    return evidence


@pytest.mark.parametrize(("wrong", "trusting", "shown"), [(40, False, 40), (0, False, 20), (40, True, 20)])
def test_all_pictures_are_shown_where_labels_are_noisy_unless_they_are_trusted(
    wrong: int, trusting: bool, shown: int
) -> None:
    chosen = sampler(hard_share=0.5, hard_from=0.5, evidence=told(wrong), trusting=trusting)
    epoch(chosen, 4, progress=0.4)
    chosen.learn(torch.arange(40), torch.arange(40.0))
    assert len(set(epoch(chosen, shown // 10, progress=0.6))) == shown
    assert chosen.next(0.7)[0] == 2


def test_what_was_found_about_the_labels_is_kept_in_the_state() -> None:
    one = sampler(hard_share=0.5, hard_from=0.0, evidence=told(40))
    one.next(0.5)
    other = sampler(hard_share=0.5, hard_from=0.0)
    other.load_state(one.state())
    assert one.noisy
    assert other.noisy
    former = {**one.state(), "place": torch.tensor([0, 10])}
    other.load_state(former)
    assert other.noisy is None


def test_an_epoch_can_show_as_many_pictures_of_each_class() -> None:
    labels = (torch.arange(40) < 4).long()
    shown = epoch(sampler(hard_share=0.5, hard_from=0.0, evenly=labels), 4)
    assert labels[shown].sum() == 20
