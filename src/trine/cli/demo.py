"""trine demo: each job on real data that comes with the package, in a few minutes."""

from pathlib import Path

from trine.cli import output


def demo(*, out: Path = Path("demo")) -> None:
    """Classify digits, find the breach of a web service, make new digits: a few minutes, then a page to read.

    trine demo

    Run again, it goes on where it was.

    Parameters
    ----------
    out
        Folder for the three runs and report.html.
    """
    from trine.demo.course import run
    from trine.progress import reporter

    written = run(out, reporter)
    output.note("done: open the report in a browser")
    print(written)
