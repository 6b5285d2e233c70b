import torch

from trine.device import Device
from trine.recipe import Recipe
from trine.train.step import Asked, Stepper


def test_a_step_is_measured_without_a_run_and_leaves_no_trace(training, tmp_path):
    objective = training().objective
    stepper = Stepper(objective, Device("cpu", bfloat16=False))
    before = stepper.snapshot()
    cost = stepper.measure(0.05)
    after = stepper.snapshot()
    assert cost.seconds > 0
    assert cost.flops > 0
    assert list(tmp_path.iterdir()) == []
    assert all(torch.equal(before.tensors[name], value) for name, value in after.tensors.items())
    assert after.state["clock"] == before.state["clock"]
    assert not stepper.optimisers.state()


def test_a_step_returns_its_loss_operations_and_samples(training):
    stepper = training().stepper
    first, again = stepper.take(0), stepper.take(0)
    assert first.samples == again.samples == 16
    assert first.flops == again.flops > 0
    assert again.loss < first.loss
    assert first.asked == Asked(stop=False, save=False)


def test_a_step_tells_what_the_process_asks(training):
    for asked in (Asked(), Asked(stop=True), Asked(save=True)):
        assert training().stepper.take(0, lambda asked=asked: asked).asked == asked


def test_a_step_without_a_finite_loss_changes_no_weight(training):
    stepper = training(spoil=lambda *_: True).stepper
    before = {name: value.clone() for name, value in stepper.network.state_dict().items()}
    assert stepper.take(0).loss != stepper.take(0).loss, "nan is not equal to itself"
    assert all(torch.equal(before[name], value) for name, value in stepper.network.state_dict().items())


def test_restoring_takes_the_weights_the_momenta_and_the_clock_back(training):
    stepper = training().stepper
    stepper.take(0)
    saved = stepper.snapshot(note="kept")
    expected = stepper.take(1).loss
    for step in range(2, 5):
        stepper.take(step)
    stepper.restore(saved)
    assert stepper.take(1).loss == expected
    assert saved.state["note"] == "kept"


def test_without_an_average_the_network_itself_is_returned(training):
    stepper = training(ema_decay=0.0).stepper
    assert stepper.final_network is stepper.network
    assert Recipe().ema_decay == 0.0
