"""Findings in ArcSight's Common Event Format (CEF)."""

from typing import Final

from trine.datasets.lines import printable
from trine.live.circumstances import Circumstances, milliseconds, severity, title
from trine.live.finding import LiveFinding
from trine.live.ocsf import is_address

_SEVERITIES: Final = {"low": 3, "medium": 6, "high": 8}
_MOST: Final = 1000
"""Characters of a value: collectors cut longer messages."""


def cef(finding: LiveFinding, circumstances: Circumstances) -> str:
    """The finding as one line of CEF."""
    head = ("Trine", "Trine", circumstances.version, f"finding-{finding.status}", title(finding))
    who = "src" if is_address(finding.source) and ":" not in finding.source else "suser"  # `src` takes IPv4 only
    fields: dict[str, object] = {
        "externalId": finding.id,
        "cat": "anomaly",
        "cnt": finding.events,
        who: finding.source or finding.entity,
        "cs1Label": "entity",
        "cs1": finding.entity,
        "cs2Label": "model",
        "cs2": finding.model,
        "cfp1Label": "p-value",
        "cfp1": f"{finding.p_value:.6g}",
        "cn1Label": "revision",
        "cn1": finding.revision,
        "outcome": finding.status,
    }
    if finding.first_time is not None:
        fields["start"] = milliseconds(finding.first_time)
    if finding.last_time is not None:
        fields["end"] = milliseconds(finding.last_time)
    techniques = circumstances.techniques_of(finding)
    if techniques:
        fields |= {"cs3Label": "technique", "cs3": ",".join(techniques)}
    for line in finding.lines[:1]:
        fields |= {"filePath": line.file, "cn2Label": "line", "cn2": line.line, "msg": line.text}
    extension = " ".join(f"{key}={_value(value)}" for key, value in fields.items())
    return "|".join(["CEF:0", *(_header(part) for part in head), str(_SEVERITIES[severity(finding)]), extension])


def _header(text: str) -> str:
    return printable(text[:_MOST]).replace("\\", "\\\\").replace("|", "\\|")


def _value(value: object) -> str:
    """Line breaks are escaped, other control characters become blanks."""
    lines = str(value)[:_MOST].replace("\\", "\\\\").replace("=", "\\=").replace("\r\n", "\n").split("\n")
    return "\\n".join(printable(line) for line in lines)
