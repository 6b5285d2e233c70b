"""Findings as Detection Findings of the Open Cybersecurity Schema Framework (OCSF) 1.8.0, class 2004."""

from ipaddress import ip_address
from pathlib import PurePath
from typing import Any, Final

from trine.live.circumstances import Circumstances, milliseconds, severity, title
from trine.live.finding import FindingLine, LiveFinding

VERSION: Final = "1.8.0"
CLASS: Final = 2004
CREATE, UPDATE, CLOSE = 1, 2, 3
_ACTIVITIES: Final = {CREATE: "Create", UPDATE: "Update", CLOSE: "Close"}
_NEW, _IN_PROGRESS, _RESOLVED = (1, "New"), (2, "In Progress"), (4, "Resolved")
_SEVERITIES: Final = {"low": (2, "Low"), "medium": (3, "Medium"), "high": (4, "High")}
_LEARNING: Final = 4
"""Type of an analytic: Learning (ML/DL)."""
_ADDRESS, _OTHER = (2, "IP Address"), (99, "Other")
_REGULAR_FILE: Final = 1
_TITLE, _LINES = "Trine", 10
"""Product, and the largest number of lines that are sent as evidence."""


def ocsf(finding: LiveFinding, circumstances: Circumstances) -> dict[str, Any]:
    """The finding as an event of OCSF. Times are milliseconds since 1970."""
    activity = CLOSE if finding.status == "closed" else CREATE if finding.revision == 1 else UPDATE
    status, status_name = {CREATE: _NEW, UPDATE: _IN_PROGRESS, CLOSE: _RESOLVED}[activity]
    severity_id, severity_name = _SEVERITIES[severity(finding)]
    now = circumstances.clock()
    document: dict[str, Any] = {
        "activity_id": activity,
        "activity_name": _ACTIVITIES[activity],
        "category_uid": CLASS // 1000,
        "category_name": "Findings",
        "class_uid": CLASS,
        "class_name": "Detection Finding",
        "type_uid": CLASS * 100 + activity,
        "type_name": f"Detection Finding: {_ACTIVITIES[activity]}",
        "time": milliseconds(now if finding.last_time is None else finding.last_time),
        "severity_id": severity_id,
        "severity": severity_name,
        "status_id": status,
        "status": status_name,
        "is_alert": True,
        "count": finding.events,
        "message": f"{title(finding)}: p = {finding.p_value:.2g}",
        "metadata": {
            "version": VERSION,
            "uid": f"{finding.id}-{finding.revision}",
            "correlation_uid": finding.id,
            "product": {"name": _TITLE, "vendor_name": _TITLE, "version": circumstances.version},
            "processed_time": milliseconds(now),
        },
        "finding_info": _info(finding, circumstances),
        "anomaly_analyses": [_analysis(finding)],
        "observables": _observables(finding),
        "evidences": [_evidence(line) for line in finding.lines[:_LINES]],
        "unmapped": {"p_value": finding.p_value, "members": finding.members or {}, "source": finding.source},
    }
    if finding.first_time is not None:
        document["start_time"] = milliseconds(finding.first_time)
    if finding.last_time is not None:
        document["end_time"] = milliseconds(finding.last_time)
    return document


def _info(finding: LiveFinding, circumstances: Circumstances) -> dict[str, Any]:
    info: dict[str, Any] = {
        "uid": finding.id,
        "title": title(finding),
        "types": ["Anomaly"],
        "analytic": {
            "uid": finding.model,
            "name": f"{_TITLE} detector",
            "type_id": _LEARNING,
            "type": "Learning (ML/DL)",
            "version": circumstances.version,
        },
    }
    if finding.first_time is not None:
        info["first_seen_time"] = milliseconds(finding.first_time)
    if finding.last_time is not None:
        info["last_seen_time"] = milliseconds(finding.last_time)
    techniques = circumstances.techniques_of(finding)
    if techniques:
        info["attacks"] = [_attack(technique) for technique in techniques]
    return info


def _attack(technique: str) -> dict[str, Any]:
    main, dot, _ = technique.partition(".")
    attack: dict[str, Any] = {"technique": {"uid": main}}
    return attack | {"sub_technique": {"uid": technique}} if dot else attack


def _analysis(finding: LiveFinding) -> dict[str, Any]:
    """What was unusual: the sequence of events as a whole by each member, and the events that count."""
    members = (finding.members or {"p-value": finding.p_value}).items()
    anomalies: list[dict[str, Any]] = [
        {
            "observation_parameter": f"p-value of {name}" if finding.members else name,
            "observation_type": "Sequence Analysis",
            "observations": [{"value": f"{p_value:.6g}"}],
        }
        for name, p_value in members
    ]
    anomalies += [
        {
            "observation_parameter": "surprisal of an event, in nats",
            "observation_type": "Sequence Analysis",
            "observed_pattern": line.event,
            "observations": [{"value": f"{line.surprisal:.6g}"}],
        }
        for line in finding.lines[:_LINES]
    ]
    analysis: dict[str, Any] = {
        "analysis_targets": [{"name": finding.entity, "type": "Entity"}],
        "anomalies": anomalies,
    }
    baselines = [
        {
            "observation_parameter": f"events expected in place of {line.event!r}",
            "observations": [{"value": f"{word} ({100 * p:.0f} %)"} for word, p in line.expected],
        }
        for line in finding.lines[:_LINES]
        if line.expected
    ]
    return analysis | {"baselines": baselines} if baselines else analysis


def _observables(finding: LiveFinding) -> list[dict[str, Any]]:
    values = dict.fromkeys(value for value in (finding.entity, finding.source) if value)
    return [
        {"name": "entity" if value == finding.entity else "source", "value": value, "type_id": kind, "type": kind_name}
        for value in values
        for kind, kind_name in [_ADDRESS if is_address(value) else _OTHER]
    ]


def is_address(text: str) -> bool:
    """Whether a text is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _evidence(line: FindingLine) -> dict[str, Any]:
    return {
        "data": {"line": line.line, "text": line.text, "event": line.event, "surprisal": line.surprisal},
        "file": {"name": PurePath(line.file).name or line.file or "-", "path": line.file, "type_id": _REGULAR_FILE},
    }
