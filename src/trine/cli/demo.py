"""trine demo: every task on data that comes with the package, in a few minutes."""

from pathlib import Path

from trine.cli import output


def demo(*, out: Path = Path("demo")) -> None:
    """Classify digits, find attacks on a web service, make new digits; then write a page with the results.

    trine demo

    It takes a few minutes. A second run continues where the first one stopped.

    Parameters
    ----------
    out
        Folder for the three runs and report.html.
    """
    from trine.demo.course import run
    from trine.progress import reporter

    report = run(out, reporter)
    output.note("done: open the report in a browser")
    print(report)
