import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trine.errors import UsageError
from trine.train import budget as budget_module
from trine.train.budget import Budget, Forecast, Pace, probe
from trine.train.schedules import Clock
from trine.train.step import StepCost


class Watch:
    """Time that goes on only when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    perf_counter = monotonic


@pytest.fixture
def watch(monkeypatch):
    watch = Watch()
    monkeypatch.setattr(budget_module, "time", watch)
    return watch


@pytest.mark.parametrize("minutes", [0, -1, math.nan, math.inf, 1e9])
def test_a_time_that_is_none_is_wrong_use(minutes):
    with pytest.raises(UsageError, match="give a time above 0 and up to 30 days, such as --minutes 10") as problem:
        Budget(minutes)
    assert problem.value.exit_status == 2


def run(watch, budget, clock, step_seconds):
    """Steps that take the time `step_seconds` says, until the clock is done."""
    pace, seen = Pace(budget, clock), []
    while not clock.done:
        watch.now += step_seconds(clock)
        seen.append(clock.progress)
        clock.step += 1
        pace.keep()
    assert seen == sorted(seen)
    return budget.elapsed


@settings(max_examples=20)
@given(guess=st.floats(0.4, 2.5), drift=st.floats(-0.5, 1.0), seconds=st.floats(1.0, 4.0))
def test_a_training_ends_at_its_time_though_the_probe_was_wrong_and_the_pace_drifts(guess, drift, seconds):
    watch = Watch()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(budget_module, "time", watch)
        budget = Budget(10, reserve=30.0)
        clock = Clock(max(1, int(budget.left / (seconds * guess))))
        ended = run(watch, budget, clock, lambda clock: seconds * (1 + drift * clock.progress))
    assert ended == pytest.approx(570, rel=0.05)


def test_a_machine_that_becomes_half_as_fast_on_the_way_still_keeps_the_time(watch):
    budget, clock = Budget(10), Clock(600)
    assert run(watch, budget, clock, lambda clock: 1.0 if clock.progress < 0.5 else 2.0) == pytest.approx(600, rel=0.06)


def test_a_resumed_budget_has_less_left(watch):
    budget = Budget(10)
    budget.spent, budget.reserve = 400.0, 20.0
    watch.now += 30
    assert budget.elapsed == 430
    assert budget.left == 150


def test_a_budget_that_is_used_up_ends_soon(watch):
    budget, clock = Budget(1), Clock(160)
    assert run(watch, budget, clock, lambda clock: 20.0) < 20 * 20


def test_the_probe_takes_the_median_after_a_warm_up(watch):
    times = iter([50.0, 1.0, 9.0, 2.0, 1.0, 1.0, 8.0, 9.0])

    def step():
        watch.now += next(times)

    assert probe(step, 1000.0) == 2.0


def test_the_probe_stops_at_its_time_but_has_two_steps(watch):
    calls = []

    def step():
        calls.append(1)
        watch.now += 100

    assert probe(step, 1.0) == 100
    assert len(calls) == 3


def test_a_forecast_says_steps_compute_and_minutes():
    forecast = Forecast(1500, step_seconds=0.5, step_flops=1e11, minutes=12.5)
    assert str(forecast) == "1,500 steps, 0.15 PFLOP, 12.5 min at 200 GFLOP/s"


def test_a_training_with_a_budget_forecasts_first_and_ends_near_its_time(training):
    budget = Budget(0.05)
    timed = training(budget=budget, checkpoint_seconds=60, validations=2)
    timed.fit()
    assert timed.reporter.lines[0].startswith("forecast: ")
    assert timed.reporter.steps[-1][0] == timed.clock.total
    assert 1.5 < budget.elapsed < 12, "3 s, and much patience with a busy machine"


def test_the_probe_leaves_no_trace_in_the_weights(training):
    probed, plain = training("a", budget=Budget(0.02)), training("b")
    before = {name: value.clone() for name, value in plain.stepper.network.state_dict().items()}
    probed._plan()
    assert probed.cost.samples == 0
    assert not probed.stepper.optimisers.state()
    assert all((value == before[name]).all() for name, value in probed.stepper.network.state_dict().items())
    assert all((value == before[name]).all() for name, value in probed.stepper.average.state().items())


def test_a_resumed_training_keeps_the_time_already_spent(training):
    part = training(budget=Budget(0.1))
    part.budget.spent = 5.0
    part.stop.made = True
    with pytest.raises(Exception, match="stopped at step 1"):
        part.fit()
    resumed = training(budget=Budget(0.1))
    resumed._begin(resume=True)
    assert resumed.budget.spent >= 5.0
    assert resumed.budget.reserve == part.budget.reserve > 0


def test_a_budget_for_too_few_steps_says_what_it_would_take(training, monkeypatch):
    short = training(budget=Budget(0.05), steps=4_000)
    monkeypatch.setattr(short.stepper, "measure", lambda seconds: StepCost(1.0, 1e9))
    short._plan()
    (warning,) = [line for line in short.reporter.lines if line.startswith("warning")]
    assert "--minutes 0.05 leaves time for 1 training steps" in warning or "leaves time for 2" in warning
    assert "50 steps need --minutes" in warning
    assert "the recipe's 4,000 steps 67" in warning or "the recipe's 4,000 steps 68" in warning


def test_a_recipe_of_few_steps_is_no_reason_for_a_warning(training, monkeypatch):
    short = training(budget=Budget(1), steps=10)
    monkeypatch.setattr(short.stepper, "measure", lambda seconds: StepCost(1.0, 1e9))
    short._plan()
    assert not any(line.startswith("warning") for line in short.reporter.lines)
