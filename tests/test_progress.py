import sys
import time

from trine import progress
from trine.progress import Bar, Lines, Silent, describe, reporter


def test_figures_become_a_line_for_people():
    figures = {"loss": 1.23456, "accuracy": 0.81, "pictures/s": 1234.4, "GFLOP/s": 210.2, "left": 190.0}
    assert describe(figures) == "loss 1.235  accuracy 0.81  1,234 pictures/s  210 GFLOP/s  3:10 left"


def test_without_a_terminal_it_is_plain_lines_on_stderr(capfd):
    lines = reporter()
    assert isinstance(lines, Lines)
    for step in range(1, 101):
        lines.advance(step, 100, {"loss": 1.0})
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["step 1/100  loss 1", "step 100/100  loss 1"]


def test_on_a_terminal_it_is_a_bar_that_leaves_stdout_alone(monkeypatch, capfd):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    bar = reporter()
    assert isinstance(bar, Bar)
    bar.note("forecast: [not a style]")
    bar.advance(1, 4, {"loss": 2.0})
    bar.note("resuming at step 1")
    bar.advance(4, 4, {"loss": 1.0})
    bar.close()
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "forecast: [not a style]" in captured.err
    assert "loss 1" in captured.err


def test_processes_that_do_not_lead_say_nothing(capfd):
    silent = reporter(leads=False)
    assert isinstance(silent, Silent)
    assert isinstance(silent, progress.Reporter)
    silent.note("x")
    silent.advance(1, 1, {})
    silent.close()
    assert capfd.readouterr() == ("", "")


def test_work_that_says_nothing_is_named_again_and_again(monkeypatch, capfd):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.2)
    lines = Lines()
    with lines.working("measuring"):
        time.sleep(1.2)
    said = capfd.readouterr().err.splitlines()
    assert 2 <= len(said) <= 6
    assert all(line.startswith("measuring: ") and line.endswith(" s so far") for line in said)


def test_work_that_speaks_for_itself_is_left_alone(capfd):
    lines = Lines()
    with lines.working("training"):
        lines.note("step 1")
        time.sleep(0.6)
    assert capfd.readouterr().err == "step 1\n"


def test_a_bar_shows_work_that_says_nothing(monkeypatch, capfd):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    bar = reporter()
    with bar.working("measuring"):
        bar.advance(1, 2, {"loss": 1.0})
    bar.advance(2, 2, {"loss": 1.0})
    bar.close()
    assert "measuring" in capfd.readouterr().err
