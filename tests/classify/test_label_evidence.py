import torch

from trine.classify.label_evidence import LabelEvidence, contradicted
from trine.device import Device

CPU = Device("cpu", bfloat16=False)


def shown(wrong: float, count: int = 1_000, sure: float = 6.0, seed: int = 0) -> LabelEvidence:
    """Evidence of a network that answers class 0, more or less surely; this share of the labels is class 1."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.stack([sure * torch.rand(count, generator=generator), torch.zeros(count)], 1)
    labels = (torch.rand(count, generator=generator) < wrong).long()
    evidence = LabelEvidence(count, CPU)
    evidence.learn(torch.arange(count), logits, labels)
    evidence.gather()
    return evidence


def test_labels_are_noisy_where_the_surest_answers_are_often_contradicted():
    assert shown(wrong=0.2).noisy()
    assert not shown(wrong=0.01).noisy()


def test_a_weak_network_that_errs_where_it_is_unsure_does_not_make_labels_noisy():
    answers = torch.linspace(0.1, 0.9, 100)
    assert contradicted(torch.where(answers < 0.5, -answers, answers)) == 0.0


def test_nothing_shown_is_nothing_contradicted():
    assert not LabelEvidence(5, CPU).noisy()
    assert LabelEvidence(5, CPU).mean_margins.tolist() == [0.0] * 5


def test_the_mean_margin_is_that_of_all_showings():
    evidence = LabelEvidence(3, CPU)
    for logits in ([[3.0, 0.0, 1.0]], [[0.0, 5.0, 0.0]]):
        evidence.learn(torch.tensor([1]), torch.tensor(logits), torch.tensor([0]))
        evidence.gather()
    assert evidence.mean_margins.tolist() == [0.0, (2.0 - 5.0) / 2, 0.0]
    assert evidence.answers[1] < -0.9


def test_margins_do_not_depend_on_when_they_are_gathered():
    often, once = LabelEvidence(3, CPU), LabelEvidence(3, CPU)
    draw = torch.Generator().manual_seed(0)
    for _ in range(200):
        logits = 30 * torch.randn(3, 4, generator=draw) ** 3
        for evidence in (often, once):
            evidence.learn(torch.arange(3), logits, torch.tensor([0, 1, 2]))
        often.gather()
    once.gather()
    assert torch.equal(often.margins, once.margins)


def test_a_resumed_training_has_the_same_evidence():
    evidence, other = shown(wrong=0.3), LabelEvidence(1_000, CPU)
    evidence.learn(torch.tensor([4]), torch.tensor([[1.0, 0.0]]), torch.tensor([1]))
    other.load_state({name: value.clone() for name, value in evidence.state().items()})
    for each in (evidence, other):
        each.gather()
    assert torch.equal(evidence.mean_margins, other.mean_margins)
    assert torch.equal(evidence.answers, other.answers)


def test_a_checkpoint_of_an_earlier_version_has_no_evidence():
    evidence = LabelEvidence(4, CPU)
    evidence.load_state({})
    assert not evidence.shown.any()
