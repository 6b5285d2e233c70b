import pytest
import torch

from trine import Classifier, machine
from trine.train import threads
from trine.train.threads import FALLEN, LEAST_SECONDS, ThreadChoice


@pytest.fixture(autouse=True)
def same_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def now():
    return [100.0]


def choices(monkeypatch, *counts):
    """The numbers of threads that measurements in turn find faster; the list of those made."""
    made, rest = [], iter(counts)
    monkeypatch.setattr(machine, "faster_threads", lambda: made.append(next(rest)) or made[-1])
    return made


def test_the_number_of_threads_is_chosen_at_the_start_and_when_the_pace_falls(monkeypatch, now):
    made = choices(monkeypatch, 2, 1)
    choice = ThreadChoice(lambda: now[0], 600.0)
    assert torch.get_num_threads() == 2
    for _ in range(20):
        now[0] += 0.5
        choice.check(0.5)
    now[0] += 5
    choice.check(FALLEN * 0.5 + 0.1)
    assert torch.get_num_threads() == 1
    assert made == [2, 1]


def test_it_is_measured_again_now_and_then_when_the_pace_stays(monkeypatch, now):
    made = choices(monkeypatch, *[1] * 20)
    choice = ThreadChoice(lambda: now[0], 60.0)
    for _ in range(600):
        now[0] += 0.1
        choice.check(0.1)
    assert threads.CHECKED - 1 <= len(made) <= threads.CHECKED + 2


def test_a_pace_that_stays_low_is_not_measured_all_the_time(monkeypatch, now):
    made = choices(monkeypatch, *[1] * 20)
    choice = ThreadChoice(lambda: now[0], 6_000.0)
    choice.check(0.1)
    for _ in range(100):
        now[0] += 0.1
        choice.check(1.0)
    assert len(made) <= 2 + 10 / LEAST_SECONDS


def test_a_crowded_machine_is_named_where_there_is_no_budget_to_choose_threads_by(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(machine, "threads", lambda: 2)
    model = {"network": "fast", "widths": (8, 8), "epochs": 0.01, "least_steps": 2}
    for gain, expected in ((0.2, True), (1.4, False)):
        monkeypatch.setattr(machine, "gain_of_threads", lambda gain=gain: gain)
        Classifier(**model).fit("digits", out=tmp_path / str(gain), device="cpu", test=False)
        assert ("with OMP_NUM_THREADS=1, or with --minutes, this training" in capsys.readouterr().err) == expected


def test_the_measurement_leaves_the_number_of_threads_alone_and_takes_a_moment():
    torch.set_num_threads(1)
    assert machine.faster_threads() in (1, machine.most_threads())
    assert torch.get_num_threads() == 1
