"""Findings to send and to store."""

from dataclasses import replace

from trine.live.finding import FindingLine, LiveFinding, finding_id


def finding(entity: str = "203.0.113.9", event: int = 1, **changes: object) -> LiveFinding:
    """An open finding about an address that tried passwords."""
    text = "Failed password for root from 203.0.113.9 port 4711 ssh2 | a=b \\ \x1b[31m ünï"
    made = LiveFinding(
        id=finding_id("model", entity, event),
        model="model",
        entity=entity,
        source=entity,
        p_value=0.0004,
        first_time=1_777_629_600.25,
        last_time=1_777_629_660.5,
        events=41,
        status="open",
        lines=(
            FindingLine("/var/log/auth.log", 7, 1_777_629_600.25, text, "Failed password", 9.5, (("session", 0.8),)),
            FindingLine("/var/log/auth.log", 9, None, "second", "accepted", 3.25),
        ),
        members={"network": 0.0004, "counts": 0.2},
    )
    return replace(made, **changes)
