import sys

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
