"""What formats say beside the finding itself: version, present time, techniques that the user assigned, severity."""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from trine.errors import DataError
from trine.live.finding import LiveFinding

Severity = Literal["low", "medium", "high"]

_TECHNIQUE = re.compile(r"T\d{4}(\.\d{3})?")


@dataclass(frozen=True)
class Circumstances:
    """What all findings of one process have in common."""

    version: str = field(default_factory=lambda: version("trine"))
    techniques: Mapping[str, str] = field(default_factory=dict)
    """Technique of MITRE ATT&CK by a pattern for names of events, as the user gave them. A detector finds what is
    unusual; it does not know by itself what technique that is."""
    clock: Callable[[], float] = time.time

    def techniques_of(self, finding: LiveFinding) -> list[str]:
        """The techniques that the user assigned to events of this finding."""
        events = [line.event for line in finding.lines]
        matching = [of for pattern, of in self.techniques.items() if any(fnmatchcase(each, pattern) for each in events)]
        return sorted(set(matching))


def read_techniques(path: Path) -> dict[str, str]:
    """A JSON file such as `{"Failed password *": "T1110.001"}`. Raises `DataError`."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise DataError(f"{path}: cannot be read as JSON ({problem}); give an object of pattern: technique") from None
    if not isinstance(content, dict):
        raise DataError(f'{path}: no object; write {{"pattern of events": "T1110"}}')
    for pattern, technique in content.items():
        if not isinstance(technique, str) or not _TECHNIQUE.fullmatch(technique):
            raise DataError(f"{path}: {pattern!r}: {technique!r} is no technique; write it as T1110 or T1110.001")
    return content


def severity(finding: LiveFinding) -> Severity:
    """By the p-value alone: at most one normal session in 1,000 as strange is high, one in 100 medium.

    How much harm was done is not in a p-value.
    """
    return "high" if finding.p_value <= 1e-3 else "medium" if finding.p_value <= 1e-2 else "low"


def title(finding: LiveFinding) -> str:
    """A short name for people."""
    return f"Unusual activity of {finding.entity}"


def milliseconds(seconds: float) -> int:
    """A time as whole milliseconds since 1970."""
    return round(seconds * 1000)
