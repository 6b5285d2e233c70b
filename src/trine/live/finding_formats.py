"""The formats in which findings are sent. A format is a function; `FORMATS` has them all.

json   the finding as Trine has it, one line
text   one readable line
ocsf   Detection Finding of the Open Cybersecurity Schema Framework 1.8
ecs    an alert in the Elastic Common Schema
cef    ArcSight's Common Event Format, also the content of syslog messages
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from trine.datasets.lines import encodable, printable
from trine.detect.findings import time_text
from trine.live.cef import cef
from trine.live.circumstances import Circumstances
from trine.live.ecs import ecs
from trine.live.finding import LiveFinding
from trine.live.ocsf import ocsf
from trine.plurals import quantity

_SHOWN: Final = 160
"""Characters of a line's text in a readable line."""


def _plain(finding: LiveFinding, circumstances: Circumstances) -> dict[str, Any]:
    document = finding.as_json()
    techniques = circumstances.techniques_of(finding)
    return document | {"techniques": techniques} if techniques else document


def _text(finding: LiveFinding, circumstances: Circumstances) -> str:
    return printable("  ".join(_words(finding, circumstances)))


def _words(finding: LiveFinding, circumstances: Circumstances) -> Iterator[str]:
    yield {"open": "ALERT", "closed": "closed"}[finding.status]
    yield finding.entity if finding.source in ("", finding.entity) else f"{finding.entity} ({finding.source})"
    yield f"p={finding.p_value:.2g}" + (f" ({finding.loudest})" if finding.loudest else "")
    yield quantity(finding.events, "event")
    times = [text for time in (finding.first_time, finding.last_time) if time is not None and (text := time_text(time))]
    if times:
        yield " to ".join(dict.fromkeys(times))
    techniques = circumstances.techniques_of(finding)
    if techniques:
        yield ",".join(techniques)
    for line in finding.lines[:1]:
        text = line.text if len(line.text) <= _SHOWN else line.text[: _SHOWN - 1] + "…"
        yield f"{line.file}:{line.line}: {text}"
    yield finding.id[:12]


def _line(document: Callable[[LiveFinding, Circumstances], dict[str, Any]]) -> "Formatted":
    """The documents of a format as one line of JSON each."""

    def formatted(finding: LiveFinding, circumstances: Circumstances) -> str:
        return encodable(json.dumps(document(finding, circumstances), ensure_ascii=False))

    return formatted


Formatted = Callable[[LiveFinding, Circumstances], str]
"""Makes a line of a finding, without line break."""

FORMATS: Final[Mapping[str, Formatted]] = {
    "json": _line(_plain),
    "text": _text,
    "ocsf": _line(ocsf),
    "ecs": _line(ecs),
    "cef": cef,
}
