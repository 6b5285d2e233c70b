"""What `trine detect` prints about logs and findings: for people on a terminal, one line per finding elsewhere."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from trine.cli import output
from trine.datasets.lines import printable
from trine.plurals import quantity, verb

if TYPE_CHECKING:
    from trine.detect.findings import Explanation, Finding, FindingEvent, FindingGroup
    from trine.detect.scored import Scored
    from trine.logs.check import EventKind, LogCheck

KINDS = 30
"""Number of kinds of events that a check lists; --json has all."""
PER_GROUP = 3
"""Number of findings of one source that are shown on a terminal."""
PER_FINDING = 3
"""Number of events of one finding that are shown on a terminal."""


def print_findings(scored: "Scored") -> None:
    """The findings: groups with their lines on a terminal, else one tab-separated line per finding."""
    if sys.stdout.isatty():
        for group in scored.groups:
            print("\n".join(_group_lines(group)))
    else:
        for finding in scored.findings:
            print("\t".join(_cells(finding)))
    rate = f"{100 * scored.share:.3g} % of normal sessions may be"
    of = quantity(scored.sessions, "session")
    output.note(f"{scored.flagged:,} of {of} {verb(scored.flagged, 'is', 'are')} flagged ({rate})")


def _cells(finding: "Finding") -> Iterator[str]:
    yield one_line(finding.name)
    yield f"p={finding.p_value:.4g}"
    yield f"ALERT ({finding.loudest})" if finding.flagged else "-"
    yield quantity(finding.length, "event")
    yield finding.first_time or "-"
    yield one_line(finding.source) or "-"
    for event in finding.events[:1]:
        yield one_line(event.place())
        yield "never seen" if event.never_seen else "seen"
        yield one_line(event.text or event.event)


def _group_lines(group: "FindingGroup") -> Iterator[str]:
    count = len(group.findings)
    source = one_line(group.source or group.findings[0].name)
    yield f"{source}  ({quantity(count, 'session')}, p = {group.p_value:.4g})"
    for finding in group.findings[:PER_GROUP]:
        alert = f"ALERT ({finding.loudest})" if finding.flagged else "not flagged"
        times = _span(finding)
        never = f", {finding.never_seen:,} never seen" if finding.never_seen else ""
        events = f"{quantity(finding.length, 'event')}{never}{times}"
        yield f"  {one_line(finding.name)}  p = {finding.p_value:.4g}  {alert}  {events}"
        for event in finding.events[:PER_FINDING]:
            yield from _event_lines(event)
    if count > PER_GROUP:
        yield f"  and {count - PER_GROUP:,} more of this source (all with --json)"


def _span(finding: "Finding") -> str:
    if not finding.first_time:
        return ""
    last = "" if finding.last_time == finding.first_time else f" to {finding.last_time}"
    return f"  {finding.first_time}{last}"


def _event_lines(event: "FindingEvent") -> Iterator[str]:
    mark = "never seen" if event.never_seen else f"{event.surprisal:.1f} nats"
    times = f", {event.count:,} times" if event.count > 1 else ""
    yield f"    {one_line(event.place())}  {mark}{times}: {one_line(event.event, 100)}"
    if event.text:
        yield f"      {one_line(event.text, 160)}"
    if not event.never_seen and event.likeliest(2):
        yield f"      expected: {one_line(event.likeliest(2))}"


def print_explanation(explanation: "Explanation") -> None:
    """The reasons of one finding, and a table of its most important events."""
    alert = "ALERT" if explanation.flagged else "not flagged"
    name = one_line(explanation.name)
    print(f"{name}: p = {explanation.p_value:.2g}, {alert}; {explanation.loudest}: {explanation.says}")
    if explanation.nearest_normal:
        print(f"nearest normal sequence: {one_line(explanation.nearest_normal)}")
    rows = [
        (
            one_line(event.place()),
            event.time or "",
            "never seen" if event.never_seen else f"{event.surprisal:.2f}",
            one_line(event.text or event.event, 160),
            one_line(event.likeliest(3)),
        )
        for event in explanation.most_important
    ]
    columns = ("place", "time", "surprisal, nats", "event", "expected instead")
    output.print_table("the events that count", columns, rows)


def print_check(checked: "LogCheck") -> None:
    """How a log would be read."""
    for line in (*checked.remarks, *(checked.why if len(checked.why) > 1 else ())):  # a single one is a remark too
        print(one_line(line))
    span = _times(checked)
    counts = f"{quantity(checked.entities, 'entity')}, {quantity(checked.sessions, 'session')}"
    print(f"{counts}, the longest with {quantity(checked.longest, 'event')}{span}")
    if checked.attributes:
        print(f"attributes (--set attributes=…): {', '.join(checked.attributes)}")
    _print_kinds(quantity(len(checked.kinds), "kind of events", "kinds of events"), checked.kinds)
    if checked.unparsed:
        _print_kinds("lines of another format, events of their own", checked.unparsed)


def _times(checked: "LogCheck") -> str:
    from trine.detect.findings import time_text

    if checked.first_time is None or checked.last_time is None:
        return "; no times"
    return f"; {time_text(checked.first_time)} to {time_text(checked.last_time)}"


def _print_kinds(title: str, kinds: "tuple[EventKind, ...]") -> None:
    rows = [
        (f"{kind.count:,}", one_line(kind.event, 100), one_line(kind.place()), one_line(kind.text, 120))
        for kind in kinds[:KINDS]
    ]
    output.print_table(title, ("count", "event", "first line", "text"), rows)
    if len(kinds) > KINDS:
        output.note(f"and {quantity(len(kinds) - KINDS, 'more kind')} (all with --json)")


def one_line(text: str, most: int = 400) -> str:
    """A text of a log as one printable line: control characters cannot reach the terminal."""
    line = printable(text[: most + 1])
    return line if len(line) <= most else line[: most - 1] + "…"
