"""Findings as alerts of the Elastic Common Schema (ECS)."""

from datetime import UTC, datetime
from typing import Any, Final

from trine.live.circumstances import Circumstances, severity, title
from trine.live.finding import LiveFinding
from trine.live.ocsf import is_address

VERSION: Final = "8.17.0"
_SEVERITIES: Final = {"low": 21, "medium": 47, "high": 73}
"""Elastic's own numbers for these words."""


def ecs(finding: LiveFinding, circumstances: Circumstances) -> dict[str, Any]:
    """The finding as a document with `event.kind: alert`. What ECS has no field for stands below `trine`."""
    now = circumstances.clock()
    event: dict[str, Any] = {
        "kind": "alert",
        "category": ["intrusion_detection"],
        "type": ["info"],
        "module": "trine",
        "dataset": "trine.finding",
        "id": f"{finding.id}-{finding.revision}",
        "action": "finding-closed" if finding.status == "closed" else "finding-open",
        "severity": _SEVERITIES[severity(finding)],
        "created": _time(now),
    }
    if finding.first_time is not None:
        event["start"] = _time(finding.first_time)
    if finding.last_time is not None:
        event["end"] = _time(finding.last_time)
    if finding.lines:
        event["original"] = finding.lines[0].text
    document: dict[str, Any] = {
        "@timestamp": _time(now if finding.last_time is None else finding.last_time),
        "ecs": {"version": VERSION},
        "event": event,
        "message": f"{title(finding)}: p = {finding.p_value:.2g}",
        "rule": {"id": finding.model, "name": "Trine detector", "category": "anomaly"},
        "observer": {"vendor": "Trine", "product": "Trine", "version": circumstances.version},
        "trine": {"finding": finding.as_json()},
    }
    source = finding.source or finding.entity
    if is_address(source):
        document["source"] = {"ip": source, "address": source}
        document["related"] = {"ip": [source]}
    if finding.lines:
        document["log"] = {"file": {"path": finding.lines[0].file}}
    techniques = circumstances.techniques_of(finding)
    if techniques:
        document["threat"] = {"framework": "MITRE ATT&CK", "technique": {"id": techniques}}
    return document


def _time(seconds: float) -> str:
    """As ISO 8601 in UTC; the beginning of 1970 for times that no calendar has."""
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        moment = datetime.fromtimestamp(0, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
