import numpy as np
import pytest
import torch

from trine.detect.network import FoldNets
from trine.detect.objective import DetectObjective, EncodedFold
from trine.detect.recipe import DetectRecipe
from trine.device import Device
from trine.sequences.vocabulary import BEGIN, UNKNOWN, EncodedTable


@pytest.fixture
def make_objective(make_net):
    def make(folds=2, cell="lstm", **settings):
        recipe = DetectRecipe(**{"steps": 8, "batch_size": 3, "rare_masked": 0.0, **settings})
        draw = np.random.default_rng(0)
        tables = [
            EncodedTable({"event": draw.integers(2, 12, 15 * 11)}, np.arange(0, 15 * 11 + 1, 11)) for _ in range(folds)
        ]
        nets = FoldNets([make_net(cell=cell, layers=2, dropout=0.0, seed=i) for i in range(folds)])
        return DetectObjective(nets, recipe, [EncodedFold(t, t) for t in tables], Device("cpu", bfloat16=False))

    return make


def test_a_small_set_is_trained_for_the_least_steps(make_objective):
    assert make_objective(epochs=0.1, least_steps=77).steps() == 77
    long = make_objective(epochs=50, least_steps=1)
    assert long.steps() == 50 * long.epoch_steps


def test_a_batch_depends_on_its_step_only(make_objective):
    forward, backward = make_objective(), make_objective()
    steps = range(3 * forward.epoch_steps)
    in_order = {step: forward.batch(step) for step in steps}
    reverse = {step: backward.batch(step) for step in reversed(steps)}
    for step in steps:
        for piece, other in zip(in_order[step], reverse[step], strict=True):
            assert torch.equal(piece["event"], other["event"])


def test_the_pieces_of_an_epoch_predict_each_event_of_the_streams_once(make_objective):
    objective = make_objective(folds=1)
    pieces = [objective.batch(step)[0]["event"] for step in range(objective.epoch_steps)]
    whole = objective.streams[0].piece(0, 0, objective.length)["event"]
    assert torch.equal(torch.cat([pieces[0][:, :1], *[piece[:, 1:] for piece in pieces]], 1), whole)
    assert sum(objective.samples([{"event": piece}]) for piece in pieces) == whole[:, 1:].numel()


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_pieces_with_the_carried_state_have_the_loss_of_the_whole_stream(make_objective, cell):
    objective = make_objective(cell=cell)
    total, count = 0.0, 0
    for step in range(objective.epoch_steps):
        batch = objective.batch(step)
        width = batch[0]["event"].shape[1] - 1
        total += objective.loss(objective.network, batch, 0.0).item() * width
        count += width
    whole = []
    for net, streams in zip(objective.network, objective.streams, strict=True):
        events = streams.piece(0, 0, objective.length)["event"]
        logits = net({"event": events[:, :-1]})[0]["event"]
        whole.append(torch.nn.functional.cross_entropy(logits.flatten(0, 1), events[:, 1:].flatten()).item())
    assert total / count == pytest.approx(np.mean(whole), abs=1e-5)


def test_every_weight_is_in_one_group_and_muon_has_the_recurrent_matrices(make_objective):
    objective = make_objective()
    muon, adamw = objective.parameter_groups()
    assert (muon.optimiser, len(muon.parameters)) == ("muon", 2 * 2 * 2), "folds, layers, input and hidden"
    assert {*map(id, muon.parameters), *map(id, adamw.parameters)} == set(map(id, objective.network.parameters()))
    assert all(value.dim() == 2 for value in muon.parameters)


def test_a_new_epoch_starts_without_a_state(make_objective):
    objective = make_objective()
    objective.loss(objective.network, objective.batch(0), 0.0)
    assert all(state is not None for state in objective.carried)
    objective.batch(objective.epoch_steps)
    assert objective.carried == [None, None]
    assert objective.state() == {}


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_state_between_two_pieces_is_saved_and_loaded(make_objective, cell):
    objective, again = make_objective(cell=cell), make_objective(cell=cell)
    objective.loss(objective.network, objective.batch(0), 0.0)
    again.load_state({name: value.clone() for name, value in objective.state().items()})
    losses = [each.loss(each.network, each.batch(1), 0.0).item() for each in (objective, again)]
    assert losses[0] == losses[1]
    again.load_state({})
    assert again.carried == [None, None]


def test_no_gradient_flows_into_the_previous_piece(make_objective):
    objective = make_objective()
    for step in range(2):
        objective.loss(objective.network, objective.batch(step), 0.0).backward()
    assert all(not value.requires_grad for state in objective.carried for value in state)


def test_rare_events_are_read_as_unknown_more_often(make_objective):
    objective = make_objective(folds=1, rare_masked=0.1)
    rates = objective.masked[0]["event"]
    codes = objective.folds[0].train.columns["event"]
    counts = np.bincount(codes, minlength=len(rates))
    order = np.argsort(counts[2:]) + 2
    assert (np.diff(rates[order].numpy()) <= 0).all()
    assert float((rates * torch.from_numpy(counts)).sum()) == pytest.approx(0.1 * len(codes), rel=0.01)
    assert rates[BEGIN] == 0, "a start token is never replaced"
    torch.manual_seed(0)
    masked = objective._with_unknown({"event": torch.full((1, 10_000), int(order[0]))}, {"event": rates})["event"]
    assert float((masked == UNKNOWN).float().mean()) == pytest.approx(float(rates[order[0]]), abs=0.02)


def test_validation_is_the_surprisal_of_held_out_sequences(make_objective):
    objective = make_objective()
    figures = objective.validate(objective.network)
    assert figures["loss"] == pytest.approx(figures["surprisal"], abs=1e-5), "all sequences have the same length"
    assert 1 < figures["loss"] < 5


def test_without_a_network_there_is_nothing_to_train():
    objective = DetectObjective(FoldNets([]), DetectRecipe(), [], Device("cpu", bfloat16=False))
    assert objective.steps() == 0
