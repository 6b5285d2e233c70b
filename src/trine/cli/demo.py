"""trine demo: each job on real data that comes with the package, in a few minutes."""

import time
from pathlib import Path

from trine.cli import output
from trine.train.progress import reporter


def demo(*, out: Path = Path("demo")) -> None:
    """Classify digits, detect breaches of a small web service, write new digits; figures and pictures lie in --out."""
    begin = time.monotonic()
    _classify(out / "classify")
    _detect(out / "detect")
    _generate(out / "generate")
    output.note(f"done in {time.monotonic() - begin:.0f} s; look at the pictures in {out}, then try your own data:")
    output.note("  trine classify fit FOLDER --minutes 10")
    output.note("  trine detect fit TABLE-OR-LOG --false-alarms 0.01")
    output.note("  trine generate fit FOLDER --minutes 10")


def _classify(out: Path) -> None:
    from trine.classify.classifier import Classifier

    output.note("classify: 5,000 handwritten digits (digits28)")
    model = Classifier().fit("digits28", out=out, resume=(out / "recipe.json").exists(), report=reporter())
    if model.result:
        output.print_result(model.result, as_json=False)


def _detect(out: Path) -> None:
    from trine.detect.detector import Detector

    output.note("detect: system calls of a web service, in ordinary use and misused (hostlab)")
    model = Detector().fit("hostlab", out=out, resume=(out / "recipe.json").exists(), report=reporter())
    if model.result:
        output.print_result(model.result, as_json=False)


def _generate(out: Path) -> None:
    from trine.generate.generator import Generator

    output.note("generate: new handwritten digits, like those 5,000 (digits28)")
    model = Generator().fit("digits28", out=out, resume=(out / "recipe.json").exists(), report=reporter())
    if model.result:
        output.print_result(model.result, as_json=False)
        output.note(f"new digits: {out / 'samples.png'}")
