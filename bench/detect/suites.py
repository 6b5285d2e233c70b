"""All attack suites, one after the other: logs of our own, with attackers in one of them. Cost: 10 minutes or so each.

A suite writes a folder, always the same for a seed:

- `normal.log`: normal activity, what the detector is fitted on.
- `day.log`: more normal activity, with attackers in it.
- `truth.json`: name, kind, entity, first and last time of each attack, and the numbers of its own lines in `day.log`.

`trine detect fit` and `trine detect score` then run as a user runs them; what they report is compared with the truth.
Attackers share no code with what detects them: the module of a suite imports nothing of Trine but this one.

    class Shop(Suite):                      # bench/detect/suite_web.py
        name, entity = "web", "address"

        def generate(self, normal: Log, day: Log, draw: random.Random) -> None:
            normal.add(time, line)
            attack = day.attack("sql injection", entity="203.0.113.9")
            day.add(time, line, attack)

    SUITE = Shop()
    CLAIMS = [*claims("web", "Access log of a shop")]

    if __name__ == "__main__":
        main(SUITE, __doc__)
"""

import argparse
import json
import random
import shutil
from abc import ABC, abstractmethod
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from bench.support import record
from bench.support.claim import Cells, Claim, mean
from trine.measures.shares import share_interval

TARGET = 0.01
"""Share of normal sessions that may be flagged."""
SLACK = 1.0
"""Seconds by which the times of a finding and of an attack may miss each other: some logs have whole seconds."""
SUITES = ("auditd", "sshd", "web", "kubernetes", "cloudtrail")


@dataclass(eq=False)
class Attack:
    """One attack. Its times and lines follow from the records that are added to the log in its name."""

    name: str
    kind: str
    entity: str
    """What the attack's session belongs to, as the format of the log names it."""
    first: float = float("inf")
    last: float = float("-inf")
    lines: list[int] = field(default_factory=list)


class Log:
    """Collects records in any order, and writes them in the order of their times."""

    def __init__(self) -> None:
        self._records: list[tuple[float, str, Attack | None]] = []
        self.attacks: list[Attack] = []

    def attack(self, kind: str, entity: str) -> Attack:
        """A new attack of this kind."""
        number = 1 + sum(other.kind == kind for other in self.attacks)
        attack = Attack(f"{kind} {number}", kind, entity)
        self.attacks.append(attack)
        return attack

    def add(self, time: float, text: str, attack: Attack | None = None) -> None:
        """Add one record: a line, or several that belong together, joined by line breaks.

        Time is in seconds since 1970. `attack`: the record is one that a person who looks into the attack should be
        shown. What an attacker does as everybody does, such as logging out, is added without: it counts neither as a
        line nor for the times of the attack.
        """
        self._records.append((time, text, attack))

    def write(self, path: Path) -> int:
        """Write the log, fill in the attacks, and return the number of lines."""
        number = 0
        with path.open("w", encoding="utf-8") as out:
            for time, text, attack in sorted(self._records, key=lambda each: each[0]):
                out.write(f"{text}\n")
                count = 1 + text.count("\n")
                if attack:
                    attack.lines += range(number + 1, number + 1 + count)
                    attack.first, attack.last = min(attack.first, time), max(attack.last, time)
                number += count
        return number


class Suite(ABC):
    """Generates logs with attacks whose truth is known."""

    name: ClassVar[str]
    entity: ClassVar[str | None] = None
    """What a session belongs to; None: the default of the log's format."""
    fit_words: ClassVar[tuple[str, ...]] = ()
    """Further words for `trine detect fit`, such as `--format`."""

    @abstractmethod
    def generate(self, normal: Log, day: Log, draw: random.Random) -> None:
        """Fill both logs."""

    def write(self, folder: Path, seed: int = 0) -> list[Attack]:
        """Write `normal.log`, `day.log` and `truth.json` to this folder."""
        normal, day = Log(), Log()
        self.generate(normal, day, random.Random(f"{self.name} {seed}"))
        folder.mkdir(parents=True, exist_ok=True)
        sizes = {"normal_lines": normal.write(folder / "normal.log"), "day_lines": day.write(folder / "day.log")}
        document = {"suite": self.name, "seed": seed, **sizes, "attacks": [asdict(attack) for attack in day.attacks]}
        (folder / "truth.json").write_text(json.dumps(document, indent=1))
        return day.attacks


def measure(suite: Suite, seed: int, words: tuple[str, ...] = ()) -> dict[str, Any]:
    """Fit on `normal.log`, score `day.log`, and compare the findings with the truth."""
    folder = record.RUNS / f"suite-{suite.name}-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    attacks = suite.write(folder / "data", seed)
    entity = ("--entity", suite.entity) if suite.entity else ()
    fit = ("--false-alarms", TARGET, "--seed", seed, "--out", folder / "run", *suite.fit_words, *words)
    _, fitting = record.trine("detect", "fit", folder / "data" / "normal.log", *entity, *fit)
    scored, scoring = record.trine("detect", "score", folder / "run", folder / "data" / "day.log")
    return {**compare(scored, attacks), "fit_seconds": fitting, "score_seconds": scoring}


def compare(scored: dict[str, Any], attacks: list[Attack]) -> dict[str, Any]:
    """Figures of one scored log: attacks found, realised false alarms, lines of the attack among the first shown."""
    findings: list[dict[str, Any]] = scored["findings"]
    touching = {id(attack): [each for each in findings if touches(each, attack)] for attack in attacks}
    flagged = {key: [each for each in those if each["flagged"]] for key, those in touching.items()}
    places = [first_place(flagged[id(attack)], attack) for attack in attacks if flagged[id(attack)]]
    of_attacks = {id(each) for those in touching.values() for each in those}
    unlisted = sum(not those for those in touching.values())
    normal = scored["sessions"] - len(of_attacks) - unlisted
    alarms = sum(each["flagged"] and id(each) not in of_attacks for each in findings)
    kinds: dict[str, list[bool]] = defaultdict(list)
    for attack in attacks:
        kinds[attack.kind].append(bool(flagged[id(attack)]))
    return {
        "attacks": len(attacks),
        "kinds": len(kinds),
        "recall": len(places) / len(attacks),
        "kinds_found": sum(any(found) for found in kinds.values()),
        "per_kind": {kind: f"{sum(found)} of {len(found)}" for kind, found in kinds.items()},
        "first_line": sum(place == 0 for place in places) / max(1, len(places)),
        "first_three": sum(place < 3 for place in places) / max(1, len(places)),
        "fpr_target": TARGET,
        "fpr_realised": alarms / max(1, normal),
        "fpr_interval": share_interval(alarms, normal) if normal > 0 else (0.0, 1.0),
        "false_alarms": alarms,
        "normal": normal,
        "missed": [attack.name for attack in attacks if not flagged[id(attack)]],
        "reading": {name: scored["reading"][name] for name in ("lines", "events", "unparsed", "left_out")},
    }


def touches(finding: dict[str, Any], attack: Attack) -> bool:
    """Whether the finding's session is one of the attack: it shows a line of the attack, or has its entity and time."""
    if not {event.get("line") for event in finding["events"]}.isdisjoint(attack.lines):
        return True
    if finding["entity"] != attack.entity:
        return False
    first, last = moment(finding["first_time"]), moment(finding["last_time"])
    if first is None or last is None:
        return True
    return first <= attack.last + SLACK and last >= attack.first - SLACK


def moment(time: float | str | None) -> float | None:
    """Seconds since 1970 of a time in a JSON document: a number or an ISO time."""
    return datetime.fromisoformat(time).timestamp() if isinstance(time, str) else time


def first_place(findings: list[dict[str, Any]], attack: Attack) -> float:
    """Best place, from 0, of one of the attack's own lines in the explanation of one of these findings."""
    own = set(attack.lines)
    places = [
        place for finding in findings for place, event in enumerate(finding["events"]) if event.get("line") in own
    ]
    return min(places, default=float("inf"))


def claims(name: str, what: str) -> list[Claim]:
    """The lines of the results tables for the suite of this name; `what` names its log for readers."""
    file = f"detect-suite-{name}"
    note = "The log and its attackers come with Trine (bench/detect): nothing of the detector was used to write them."
    return [
        Claim(
            f"{what}, own suite: attacks found; realised false alarms at a target of 1 %",
            file,
            lambda f: Cells(f"{100 * mean(f['recall']):.1f} %; {100 * mean(f['fpr_realised']):.2f} %"),
            note,
        ),
        Claim(
            f"{what}, own suite: the attack's own line is first, among the first three",
            file,
            lambda f: Cells(f"{100 * mean(f['first_line']):.0f} %; {100 * mean(f['first_three']):.0f} %"),
        ),
    ]


def run(suite: Suite, seeds: int, words: tuple[str, ...] = ()) -> None:
    """Measure with several seeds, each with logs of its own, and keep the figures."""
    measured = [measure(suite, seed, words) for seed in range(seeds)]
    spread = ("recall", "first_line", "first_three", "fpr_realised", "fit_seconds", "score_seconds")
    figures = {name: record.spread([each[name] for each in measured]) for name in spread}
    alone = [{name: value for name, value in each.items() if name not in spread} for each in measured]
    inside = sum(each["fpr_interval"][0] <= TARGET <= each["fpr_interval"][1] for each in measured)
    command = " ".join(("python -m", f"bench.detect.suite_{suite.name}", *words))
    record.keep(f"detect-suite-{suite.name}", command, {**figures, "seeds": seeds, "inside": inside, "logs": alone})


def main(suite: Suite, documentation: str | None) -> None:
    """The command line of a suite; options that it does not know go to `trine detect fit`."""
    parser = argparse.ArgumentParser(description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only-generate", type=Path, metavar="DIR", help="write the logs of one seed, measure nothing")
    parser.add_argument("--seed", type=int, default=0, help="the seed of --only-generate")
    parser.add_argument("--seeds", type=int, default=1, help="number of seeds to measure")
    options, words = parser.parse_known_args()
    if options.only_generate:
        attacks = suite.write(options.only_generate, options.seed)
        print(f"{options.only_generate}: {len(attacks)} attacks of {len({each.kind for each in attacks})} kinds")
    else:
        run(suite, options.seeds, tuple(words))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=SUITES, help="names of suites")
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    for name in options.names:
        run(import_module(f"bench.detect.suite_{name}").SUITE, options.seeds)
