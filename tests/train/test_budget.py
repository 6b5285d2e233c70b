import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trine.errors import InterruptedTraining, UsageError
from trine.progress import Figures
from trine.train import budget as budget_module
from trine.train.budget import (
    CLOSING_SHARE,
    DRAWING,
    DRAWING_SECONDS,
    DRAWING_SHARE,
    MEASURING,
    VALIDATING_SHARE,
    Budget,
    Forecast,
    Pace,
    probe,
)
from trine.train.schedules import Clock


class Watch:
    """Time that goes on only when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    perf_counter = monotonic

    def budget(self, minutes, **given):
        return Budget(minutes, now=self.monotonic, processor=self.monotonic, drawn=False, **given)


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


# ---- the pace


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
@given(guess=st.integers(1, 100_000), drift=st.floats(-0.5, 1.0), seconds=st.floats(0.2, 4.0))
def test_a_training_ends_at_its_time_whatever_its_recipe_was_and_though_the_pace_drifts(guess, drift, seconds):
    watch = Watch()
    budget, clock = watch.budget(10), Clock(guess)
    ended = run(watch, budget, clock, lambda clock: seconds * (1 + drift * clock.progress))
    assert ended == pytest.approx(600, rel=0.02) or guess == 1


def test_a_slow_first_minute_costs_no_more_than_itself():
    slow, quick = Watch(), Watch()
    steps = {}
    for watch, first in ((slow, 20.0), (quick, 0.2)):
        budget, clock = watch.budget(10), Clock(300)
        ended = run(watch, budget, clock, lambda clock, b=budget, f=first: f if b.elapsed < 60 else 0.2)
        assert ended == pytest.approx(600, rel=0.01)
        steps[first] = clock.step
    assert steps[20.0] == pytest.approx(0.9 * steps[0.2], rel=0.02)


def test_the_learning_rate_falls_with_the_time_when_the_machine_becomes_slower(watch):
    budget, clock, at = watch.budget(10), Clock(600), {}

    def seconds(clock):
        at[round(budget.elapsed)] = clock.progress
        return 1.0 if budget.elapsed < 300 else 5.0

    run(watch, budget, clock, seconds)
    assert at[300] == pytest.approx(0.5, abs=0.01)
    late = min((time for time in at if time >= 450), key=lambda time: time)
    assert at[late] == pytest.approx(late / 600, abs=0.1)


def test_a_machine_that_becomes_ten_times_as_slow_at_the_end_is_over_by_less_than_5_per_cent(watch):
    budget, clock = watch.budget(1), Clock(600)
    assert run(watch, budget, clock, lambda clock: 0.1 if budget.elapsed < 54 else 1.0) == pytest.approx(60, rel=0.05)


def test_a_resumed_budget_has_less_left(watch):
    budget = watch.budget(10)
    budget.spent, budget.kept_back = 400.0, {DRAWING: 15.0, MEASURING: 5.0}
    watch.now += 30
    assert budget.elapsed == 430
    assert budget.left == 150


def test_a_budget_that_is_used_up_ends_after_a_step(watch):
    budget, clock = watch.budget(1), Clock(160)
    watch.now += 61
    assert run(watch, budget, clock, lambda clock: 20.0) < 61 + 45


def test_time_is_accounted_by_kind_of_work(watch):
    budget = watch.budget(1)
    for kind, seconds in (("training", 30), (MEASURING, 10), ("training", 5)):
        with budget.spending(kind):
            watch.now += seconds
    watch.now += 5
    stated = budget.statement()
    assert stated["asked_minutes"] == 1
    assert stated["used_minutes"] == pytest.approx(50 / 60)
    assert stated["training_share"] == pytest.approx(0.7)
    assert stated["measuring_share"] == pytest.approx(0.2)


def test_more_time_is_kept_for_pictures_where_other_processes_take_the_cores(watch):
    busy = [0.0]
    budget = Budget(2, now=watch.monotonic, processor=lambda: busy[0])
    assert budget.kept_back[DRAWING] == DRAWING_SECONDS
    watch.now, busy[0] = watch.now + 30, 10.0
    budget.keep_for_drawing()
    assert budget.kept_back[DRAWING] == 3 * DRAWING_SECONDS
    watch.now += 300
    budget.keep_for_drawing()
    assert budget.kept_back[DRAWING] == DRAWING_SHARE * 120


def test_a_stage_has_its_own_seconds(watch):
    stage = watch.budget(10).stage(30.0)
    watch.now += 10
    assert stage.left == 20


# ---- probe and forecast


def test_the_probe_takes_the_shortest_time_after_two_warm_ups(watch):
    times = iter([50.0, 20.0, 9.0, 2.0, 3.0, 4.0, 1.0])

    def step():
        watch.now += next(times)

    assert probe(step, 1000.0) == 2.0


def test_the_probe_stops_at_its_time_but_has_two_steps(watch):
    calls = []

    def step():
        calls.append(1)
        watch.now += 100 - len(calls)

    assert probe(step, 1.0) == 98
    assert len(calls) == 2


def test_a_forecast_says_steps_compute_minutes_and_their_parts():
    forecast = Forecast(1500, step_seconds=0.5, step_flops=1e11, minutes=12.5)
    assert str(forecast) == "1,500 steps, 0.15 PFLOP, 12.5 min at 200 GFLOP/s"
    parts = {"training": 630.0, "measuring": 65.0, "pictures": 5.0}
    forecast = Forecast(1500, step_seconds=0.5, step_flops=1e11, minutes=12.5, parts=parts)
    assert str(forecast).endswith(" at 200 GFLOP/s (training 10:30, measuring 1:05, pictures 0:05)")


# ---- trainings with a budget


def timed_training(training, watch, minutes, step_seconds, steps=300, validation_seconds=0.0, **settings):
    """A training whose steps and validations take the time that they are told, on a clock of their own."""
    made = training(budget=watch.budget(minutes), steps=steps, checkpoint_seconds=1e9, **settings)
    take, validate = made.stepper.take, made.objective.validate

    def timed_take(*given, **named):
        watch.now += step_seconds(made.budget.elapsed)
        return take(*given, **named)

    def timed_validate(network):
        watch.now += validation_seconds * made.checks.looked_at
        return validate(network)

    made.stepper.take, made.objective.validate = timed_take, timed_validate
    return made


@pytest.fixture
def loop_watch(watch, monkeypatch):
    from trine.train import loop

    monkeypatch.setattr(loop, "time", watch)
    return watch


LOADS = (lambda now: 0.5, lambda now: 2.0 if 20 < now < 40 else 0.2, lambda now: 0.2 + now / 60)


@pytest.mark.parametrize("load", LOADS)
def test_a_training_keeps_its_budget_at_any_load(training, loop_watch, load):
    timed = timed_training(training, loop_watch, 1.5, load, validation_seconds=0.5)
    timed.fit()
    assert timed.budget.elapsed == pytest.approx(90, rel=0.05)
    assert timed.budget.statement()["training_share"] > 0.9


def test_long_validations_look_at_fewer_samples_and_leave_the_time_to_the_training(training, loop_watch):
    timed = timed_training(training, loop_watch, 2, lambda now: 0.5, validation_seconds=30.0)
    shares = []
    timed.objective.validation_samples = 2_000.0
    timed.objective.look_at = lambda share: shares.append(share) or share
    timed.fit()
    assert shares[-1] < 0.2
    assert timed.budget.used[MEASURING] <= 1.6 * VALIDATING_SHARE * 120
    assert timed.checks.count >= 4
    assert timed.budget.kept_back[MEASURING] == CLOSING_SHARE * 120
    assert timed.budget.elapsed == pytest.approx(108, rel=0.05)


@pytest.mark.parametrize("count", [1, 4, 8])
def test_there_are_as_many_validations_as_planned_although_the_plan_changes(training, loop_watch, count):
    timed = timed_training(
        training, loop_watch, 1, lambda now: 0.5 if int(now) % 7 else 1.5, steps=5_000, validations=count
    )
    timed.fit()
    validations = [entry["progress"] for entry in timed.run.history() if "validation" in entry]
    assert len(validations) == count
    assert validations == sorted(validations)
    assert validations[-1] == 1.0


def test_the_forecast_never_rests_on_a_cold_first_step(training, loop_watch):
    timed = timed_training(training, loop_watch, 2, lambda now: 20.0 if now < 20 else 0.5)
    timed.fit()
    (forecast,) = [line for line in timed.reporter.lines if line.startswith("forecast: ")]
    assert 180 <= int(forecast.split()[1]) <= 210, forecast
    assert "training 1:" in forecast


def test_a_budget_for_too_few_steps_says_what_it_would_take_also_in_json(training, loop_watch):
    short = timed_training(training, loop_watch, 0.2, lambda now: 1.0, steps=4_000)
    short.fit()
    (warning,) = [line for line in short.reporter.lines if line.startswith("warning")]
    assert "--minutes 0.2 leaves time for 1" in warning
    assert "50 steps need --minutes" in warning
    assert "the recipe's 4,000 steps 67" in warning or "the recipe's 4,000 steps 68" in warning
    assert short.budget.statement()["advice"] in warning


def test_a_budget_for_one_or_two_steps_is_said_too(training, loop_watch):
    """The training ends before there are enough steps to plan from."""
    short = timed_training(training, loop_watch, 0.2, lambda now: 8.0, steps=4_000)
    short.fit()
    assert short.clock.step <= 2
    (warning,) = [line for line in short.reporter.lines if line.startswith("warning")]
    assert f"leaves time for {short.clock.step} training step" in warning
    assert short.budget.statement()["advice"] in warning


def test_fewer_steps_than_were_planned_are_said_at_the_end(training, loop_watch):
    """The steps become ten times as long after the plan."""
    slow = timed_training(training, loop_watch, 2, lambda now: 1.0 if now < 8 else 10.0, steps=4_000)
    slow.fit()
    assert slow.clock.step < 50
    (warning,) = [line for line in slow.reporter.lines if line.startswith("warning")]
    assert f"leaves time for {slow.clock.step} training steps" in warning
    assert slow.budget.statement()["advice"] in warning


def test_a_recipe_of_few_steps_is_no_reason_for_a_warning(training, loop_watch):
    short = timed_training(training, loop_watch, 1, lambda now: 5.0, steps=8)
    short.fit()
    assert not any(line.startswith("warning") for line in short.reporter.lines)


def test_a_killed_training_is_resumed_with_the_number_of_steps_that_was_planned(training, loop_watch):
    part = timed_training(training, loop_watch, 2, lambda now: 0.5)
    batch = part.objective.batch

    def stopping(step):
        part.stop.made = part.stop.made or step >= 20
        return batch(step)

    part.objective.batch = stopping
    with pytest.raises(InterruptedTraining):
        part.fit()
    resumed = timed_training(training, loop_watch, 2, lambda now: 5.0)
    resumed.fit(resume=True)
    assert resumed.clock.step == part.clock.total
    assert resumed.budget.spent == pytest.approx(10.5, abs=0.6)
    assert resumed.budget.used["training"] > part.budget.used["training"]


# ---- the best validation


class Course:
    """Validation losses in turn, as a course of overfitting has them."""

    def __init__(self, losses):
        self.losses = iter(losses)

    def __call__(self, network) -> Figures:
        return {"loss": next(self.losses)}


def test_the_weights_of_the_best_validation_win(training):
    made = training(steps=40, validations=4, ema_decay=0.0)
    made.objective.validate = Course([3.0, 1.0, 2.0, 1.5])
    seen = {}
    record = made.run.record
    made.run.record = lambda entry: (
        record(entry),
        seen.update({entry["step"]: made.final_network[0].weight.clone()}) if "validation" in entry else None,
    )
    made.fit()
    assert (made.final_network[0].weight == seen[20]).all()
    assert made.figures == {"loss": 1.0}
    assert "the weights of step 20 are kept: loss 1 on validation, after the last step 1.5" in made.reporter.lines


def test_a_last_validation_within_the_noise_keeps_the_last_weights(training):
    made = training(steps=40, validations=4)
    made.objective.validate = Course([3.0, 1.0, 2.0, 1.0005])
    made.fit()
    assert not [line for line in made.reporter.lines if "are kept" in line]
    assert made.figures == {"loss": 1.0005}


def test_a_training_that_only_gets_worse_stops_and_says_so(training):
    made = training(steps=80, validations=8)
    made.objective.patience = 3
    made.objective.validate = Course([50.0, 40.0, 41.0, 42.0, 43.0, 99.0, 99.0, 99.0])
    made.fit()
    assert made.clock.step == 50
    assert any(
        "stopped at step 50: the last 3 validations were worse than that of step 20" in line
        for line in made.reporter.lines
    )
    assert made.figures == {"loss": 40.0}


def test_bad_validations_while_the_training_loss_is_no_better_are_no_reason_to_stop(training):
    made = training(steps=80, validations=8)
    made.objective.patience = 3
    made.objective.validate = Course([5e-9, 4e-9, 1.0, 1.0, 1.0, 1.0, 1.0, 3e-9])
    made.fit()
    assert made.clock.step == 80


def test_the_best_weights_survive_a_kill(training):
    losses = [3.0, 1.0, 2.0, 1.5]
    straight = training("straight", steps=40, validations=4)
    straight.objective.validate = Course(losses)
    straight.fit()
    part = training(steps=40, validations=4)
    part.objective.validate, batch = Course(losses), part.objective.batch

    def stopping(step):
        part.stop.made = part.stop.made or step >= 25
        return batch(step)

    part.objective.batch = stopping
    with pytest.raises(InterruptedTraining):
        part.fit()
    resumed = training(steps=40, validations=4)
    resumed.objective.validate = Course(losses[2:])
    resumed.fit(resume=True)
    for mine, theirs in zip(resumed.final_network.parameters(), straight.final_network.parameters(), strict=True):
        assert (mine == theirs).all()


def test_a_validation_that_explodes_is_a_divergence(training):
    made = training(steps=40, validations=4)
    made.objective.validate = Course([math.inf, 3.0, 2.0, 1.0, 0.5])
    made.fit()
    assert made.restarts == 1
    assert made.stepper.optimisers.rate == 0.5
    assert any("the validation loss explodes at step 10: back to step" in line for line in made.reporter.lines)
    assert all(json.dumps(entry) for entry in made.run.history())
