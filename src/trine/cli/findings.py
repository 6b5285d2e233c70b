"""trine detect findings, feedback: what a detector at work has found, and what it was."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter, validators

from trine.cli import output
from trine.cli.log_output import one_line
from trine.cli.options import Json
from trine.plurals import quantity

if TYPE_CHECKING:
    from trine.live.finding import LiveFinding

StorePath = Annotated[Path, Parameter(help="The file that `trine detect watch --store` names.")]


def findings(
    store: StorePath,
    finding: str | None = None,
    *,
    status: Literal["open", "closed"] | None = None,
    entity: str | None = None,
    source: str | None = None,
    since: datetime | None = None,
    verdict: Literal["benign", "breach", "none"] | None = None,
    most: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 50,
    json: Json = False,
) -> None:
    """List the findings in STORE, the latest first, or show one with its lines. The service can go on meanwhile.

    trine detect findings /var/lib/trine/store.db --status open --since 2026-05-01

    Parameters
    ----------
    finding
        Id of a finding, or its beginning: it is shown with its lines.
    status
        Only findings that are going on, or that have ended.
    entity
        Only findings of this entity.
    source
        Only findings of this source.
    since
        Only findings with an event at this time or later, as the log has it; UTC unless it names a zone.
    verdict
        Only findings with this feedback; none: with no feedback.
    most
        Largest number of findings to list.
    """
    from trine.live.store import Store

    opened = Store.look(store)
    try:
        verdicts = opened.feedback()
        if finding is not None:
            _show(opened.finding(finding), verdicts, json)
            return
        after = None if since is None else (since if since.tzinfo else since.replace(tzinfo=UTC)).timestamp()
        listed = [
            each
            for each in opened.findings(status=status, entity=entity, source=source, since=after)
            if verdict in (None, verdicts.get(each.id, "none"))
        ]
        realised = opened.realised()
    finally:
        opened.close()
    if json:
        output.print_json([each.as_json() | {"feedback": verdicts.get(each.id)} for each in listed[:most]])
    else:
        columns = ("finding", "status", "entity", "p", "events", "last event", "feedback", "line")
        rows = [_row(each, verdicts.get(each.id, "")) for each in listed[:most]]
        output.print_table(quantity(len(listed), "finding"), columns, rows)
    if len(listed) > most:
        output.note(f"and {quantity(len(listed) - most, 'earlier finding')} (--most)")
    if realised is not None:
        output.note(realised.line())


def feedback(store: StorePath, finding: str, verdict: Literal["benign", "breach"]) -> None:
    """Say what a finding was. A benign one is used at the next `trine detect recalibrate`.

    trine detect feedback /var/lib/trine/store.db 3f2a benign

    Parameters
    ----------
    finding
        Id of the finding, or its beginning.
    verdict
        benign: normal after all; breach: what the detector is for.
    """
    from trine.live.store import Store

    opened = Store.look(store)
    try:
        meant = opened.finding(finding)
        opened.give_feedback(meant.id, verdict)
    finally:
        opened.close()
    output.note(f"{meant.id[:12]} ({one_line(meant.entity)}): {verdict}")


def _row(finding: "LiveFinding", verdict: str) -> tuple[str, ...]:
    first = f"{finding.lines[0].file}:{finding.lines[0].line} {finding.lines[0].text}" if finding.lines else ""
    return (
        finding.id[:12],
        finding.status,
        one_line(finding.entity, 60),
        f"{finding.p_value:.2g}",
        f"{finding.events:,}",
        _time(finding.last_time),
        verdict,
        one_line(first, 100),
    )


def _show(finding: "LiveFinding", verdicts: dict[str, "Literal['benign', 'breach']"], as_json: bool) -> None:
    verdict = verdicts.get(finding.id)
    if as_json:
        output.print_json(finding.as_json() | {"feedback": verdict})
        return
    rows = [
        ("finding", finding.id),
        ("status", finding.status),
        ("entity", one_line(finding.entity)),
        ("source", one_line(finding.source)),
        ("p-value", f"{finding.p_value:.3g}"),
        *((f"p-value of {name}", f"{p:.3g}") for name, p in (finding.members or {}).items()),
        ("events", f"{finding.events:,}"),
        ("first event", _time(finding.first_time)),
        ("last event", _time(finding.last_time)),
        ("feedback", verdict or "none"),
    ]
    output.print_table("finding", ("", "value"), rows)
    lines = [
        (
            one_line(f"{line.file}:{line.line}"),
            _time(line.time),
            f"{line.surprisal:.1f}",
            one_line(line.text, 160),
            one_line(", ".join(f"{word} {100 * p:.0f} %" for word, p in line.expected)),
        )
        for line in finding.lines
    ]
    output.print_table("the lines that count", ("place", "time", "surprisal, nats", "text", "expected instead"), lines)


def _time(seconds: float | None) -> str:
    from trine.detect.findings import time_text

    return "" if seconds is None else time_text(seconds) or ""
