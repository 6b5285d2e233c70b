"""A demo of a hundredth of the size, and its report in a real browser: at two widths, light and dark."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from trine.demo import course
from trine.demo.course import run
from trine.progress import Silent
from trine.tasks import TASKS

pytestmark = pytest.mark.long

ROOT = Path(__file__).parent.parent.parent
SMALL = {
    "classify": {"widths": (8, 16), "depth": 1, "least_steps": 20, "epochs": 0.1},
    "detect": {"hidden": 8, "embedding": 8, "folds": 1, "least_steps": 60, "epochs": 0.3},
    "generate": {
        "widths": (8, 16),
        "latent": 8,
        "least_steps": 20,
        "epochs": 0.1,
        "flow_steps": 20,
        "sharpen_steps": 0,
    },
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The folder that a small demo wrote."""
    out = tmp_path_factory.mktemp("newcomer") / "demo"
    assert run(out, Silent, SMALL) == out / "report.html"
    return out


@pytest.fixture(scope="module")
def report(demo) -> str:
    return (demo / "report.html").read_text(encoding="utf-8")


@pytest.mark.long
def test_every_task_leaves_a_model_and_a_section_of_the_report(demo, report):
    for name in TASKS:
        assert (demo / name / "bundle" / "trine.json").is_file()
        assert f'<section id="{name}">' in report
        assert f"trine {name} fit" in report


def test_a_second_run_keeps_the_complete_trainings(demo, report, monkeypatch, heard):
    monkeypatch.setattr(course, "TASKS", {"classify": TASKS["classify"]})
    before = (demo / "classify" / "result.json").stat().st_mtime_ns
    run(demo, lambda: heard, SMALL)
    (demo / "report.html").write_text(report, encoding="utf-8")
    assert heard.notes[-1] == f"{demo / 'classify'}: this run is complete already"
    assert (demo / "classify" / "result.json").stat().st_mtime_ns == before


def test_the_session_of_readme_works(demo, trine, monkeypatch):
    monkeypatch.chdir(demo.parent)
    text = (
        (ROOT / "README.md")
        .read_text(encoding="utf-8")
        .partition("<!-- session")[2]
        .partition("<!-- end of session")[0]
    )
    commands = re.findall(r"```sh\ntrine (.*)\n```", text)
    assert len(commands) >= 3
    for line in commands:
        assert trine(*line.split()).status == 0, line


def test_a_breach_is_shown_event_by_event(report):
    assert "expected instead" in report
    assert report.count("--share:") > 10
    assert "nats" in report


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_report_loads_nothing_else_and_fits_every_width(browser, demo, width, scheme):
    messages, requests = [], []
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab.on("console", lambda message: messages.append(message.text))
    tab.on("pageerror", lambda problem: messages.append(str(problem)))
    tab.on("request", lambda request: requests.append(request.url))
    address = (demo / "report.html").as_uri()
    tab.goto(address)
    assert messages == []
    assert [url for url in requests if not url.startswith("data:")] == [address]
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    ink, paper = tab.evaluate("(s => [s.color, s.backgroundColor])(getComputedStyle(document.body))")
    assert (brightness(ink) > brightness(paper)) == (scheme == "dark")
    tab.close()


def brightness(colour: str) -> int:
    return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))


class Assets(HTMLParser):
    """The addresses that a page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.addresses += [value for name, value in attrs if name in ("src", "href") and value]


def test_nothing_in_the_report_points_outside(report):
    assets = Assets()
    assets.feed(report)
    assert len(assets.addresses) > 10
    assert all(address.startswith(("data:", "#")) for address in assets.addresses)
    assert "<script" not in report
    assert "url(" not in report
    assert "@import" not in report


def test_where_cifar10_is_present_its_command_is_shown_with_a_forecast(demo, monkeypatch):
    from trine import Classifier
    from trine.demo import classify

    model = Classifier.load(demo / "classify")
    monkeypatch.setattr(classify, "is_present", lambda named: named.name == "cifar10")
    (line,) = [line for line in classify.chapter(model, demo / "classify").next if "cifar10" in line]
    assert line.startswith("trine classify fit cifar10 --effort quick")
    assert "minutes here" in line
    assert "test accuracy" in line
    assert str(Path("demo")) not in line
