"""The registry of log formats, and the guess which one a log has.

`FORMATS` goes from the most specific format to `plain`, which accepts any line: a new format is a class derived from
`Format`, listed here.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice

from trine.errors import UsageError, nearest
from trine.log_formats.app_formats import AppLog
from trine.log_formats.audit import Audit
from trine.log_formats.cef_formats import Cef
from trine.log_formats.container_formats import Compose, Cri, Docker, Kubectl
from trine.log_formats.json_formats import PRESET_FORMATS, Json, json_payload
from trine.log_formats.log_event import ENTITIES, HEADER, Format, FormatSettings, Line
from trine.log_formats.logfmt import Logfmt
from trine.log_formats.proxy_formats import S3, Elb, Squid
from trine.log_formats.service_formats import Cluster, Dmesg, MysqlSlow, Samba
from trine.log_formats.strace import Strace
from trine.log_formats.syslog_formats import Syslog, Syslog5424, SyslogIso
from trine.log_formats.table_formats import Csv, W3c, Zeek
from trine.log_formats.text_formats import PAYLOADS, Pattern, Plain, is_continuation
from trine.log_formats.web_formats import Access, WebError
from trine.log_formats.windows_formats import Windows

PAYLOADS.append(json_payload)

_FORMATS: tuple[type[Format], ...] = (
    Audit,
    Strace,
    Zeek,
    W3c,
    Windows,
    Docker,
    *PRESET_FORMATS.values(),
    Json,
    Cri,
    Cef,
    Squid,
    Elb,
    S3,
    Access,
    WebError,
    Syslog5424,
    SyslogIso,
    Syslog,
    Cluster,
    Dmesg,
    Samba,
    MysqlSlow,
    Kubectl,
    Compose,
    Csv,
    Logfmt,
    AppLog,
    Plain,
)

FORMATS: dict[str, type[Format]] = {kind.name: kind for kind in _FORMATS}
"""All formats by name, from the most specific to the most general one."""

LEAST_SHARE = 0.2
"""Smallest share of lines that a guessed format must explain; with less, the log is read as `plain`."""

CERTAIN = 0.98
"""Share of lines from which on no further format is tried."""

MOST_RECORDS = 1000
"""Records that a format is guessed from: one line can hold any number."""

MOST_OTHERS = 200
"""Lines at the beginning of a log that can be of another format: a program can begin with a page of text."""

MUCH_MORE = 0.75
"""A specific format is preferred to a general one unless it explains less than this share of what that explains: odd
lines, which anybody can write into a log, must not decide how all others are read."""


@dataclass(frozen=True, slots=True)
class Guess:
    """The format that a log seems to have."""

    name: str
    share: float
    """Share of the lines that have it."""
    second: str | None = None
    """The format that fits next best."""
    second_share: float = 0.0
    options: str = ""
    """Options that name fields, because of which formats without fields were not tried."""

    def why(self) -> str:
        """The guess in words: `web fits 99 % of the lines (next: syslog, 1 %)`."""
        text = f"{self.name} fits {100 * self.share:.3g} % of the first lines"
        text += f" (next: {self.second}, {100 * self.second_share:.2g} %)" if self.second else ""
        if self.options and self.share < CERTAIN:
            text += f"; only formats with fields were tried, for {self.options}"
        return text


def guess_format(
    lines: Sequence[Line], settings: FormatSettings | None = None, among: Collection[str] | None = None
) -> Guess:
    """The format that explains most of the lines; `plain` where no other explains a fifth of them.

    Formats that cannot apply the settings are not considered. Raises `UsageError` if none can, and says which fields
    the lines do have.
    """
    shares: dict[str, float] = {}
    options = ""
    for name, kind in FORMATS.items():
        if name == Plain.name or (among is not None and name not in among):
            continue
        try:
            candidate = kind(settings)
        except UsageError:
            options = ", ".join(_options_of_fields(settings or FormatSettings()))
            continue
        shares[name] = _share(candidate, lines)
        if shares[name] >= CERTAIN:
            break
    best = max(shares.values(), default=0.0)
    if best < LEAST_SHARE:
        return Guess(next(iter(shares)) if among is not None and shares else Plain.name, 1.0)
    chosen = next(name for name, share in shares.items() if share >= MUCH_MORE * best)
    second = max((name for name in shares if name != chosen and shares[name] > 0), key=shares.__getitem__, default=None)
    return Guess(chosen, shares[chosen], second, shares[second] if second else 0.0, options)


def _options_of_fields(settings: FormatSettings) -> list[str]:
    """The options that name fields."""
    options = {"--event": ",".join(settings.event), "--time": settings.time, "--entity": settings.entity}
    return [f"{option} {value}" for option, value in options.items() if value and value not in ENTITIES]


def _share(candidate: Format, lines: Sequence[Line]) -> float:
    """Share of the lines with content that are part of an event of this format; headers count for nothing.

    A log of nothing but headers is of a format whose headers no other has.
    """
    candidate.begin("", [line.text for line in lines])
    fits = others = headers = 0
    continues = False
    for record in islice(candidate.records(lines), MOST_RECORDS):
        if not record.text.strip():
            continue
        count = record.text.count("\n") + 1
        event = candidate.parse(record.text)
        if event is HEADER:
            headers += 1
        elif event is not None:
            fits, continues = fits + count, True
        elif not (continues and is_continuation(record.text)):
            others += count
            if others > MOST_OTHERS and not (fits or headers):
                return 0.0
    if not fits and headers and candidate.sure_header:
        fits = headers
    return fits / max(1, fits + others)


def format_named(name: str, settings: FormatSettings | None = None) -> Format:
    """A new instance of a format. Raises `UsageError` for an unknown name and for settings that it cannot apply."""
    if name not in FORMATS:
        raise UsageError(
            f"format {name!r}: choose one of {', '.join(FORMATS)}, or give a pattern{nearest(name, FORMATS)}"
        )
    return FORMATS[name](settings)


def format_of(
    lines: Sequence[Line],
    name: str | None = None,
    pattern: str | None = None,
    settings: FormatSettings | None = None,
) -> tuple[Format, Guess | None]:
    """The format of the name or of the pattern; without both, the format that the lines seem to have, and the guess.

    Several names, joined by commas, limit the guess to these formats.
    """
    if pattern:
        return Pattern(pattern, settings), None
    names = name.split(",") if name else []
    if len(names) == 1:
        return format_named(names[0], settings), None
    for each in names:
        format_named(each, settings)
    guess = guess_format(lines, settings, names or None)
    if guess.name == Plain.name and not names:
        _require_no_fields(lines, settings or FormatSettings())
    return format_named(guess.name, settings), guess


def _require_no_fields(lines: Sequence[Line], settings: FormatSettings) -> None:
    """Raise `UsageError` where lines that no format explains have fields, or settings name fields that they lack."""
    given = _options_of_fields(settings)
    looks = guess_format(lines, FormatSettings(time_format=settings.time_format)) if given else Guess(Plain.name, 1.0)
    kind = Json if looks.name == Plain.name and _are_objects(lines) else FORMATS[looks.name]
    fields = _fields(kind(), lines) if kind.has_fields else ()
    known = f"; their fields are {', '.join(fields[:20])}" if fields else ", whose lines have no named fields"
    if given:
        raise UsageError(f"{', '.join(given)}: no line has such a field; the lines look like {kind.name}{known}")
    if kind is Json and fields:
        raise UsageError(
            f"JSON objects in which nothing names the event{known}: name it with --event, or --format plain"
        )


def _are_objects(lines: Sequence[Line]) -> bool:
    texts = [line.text.lstrip() for line in lines if line.text.strip()]
    return bool(texts) and sum(text.startswith("{") for text in texts) > len(texts) / 2


def _fields(candidate: Format, lines: Sequence[Line]) -> tuple[str, ...]:
    """Names of the fields that records of this format have in these lines."""
    for record in candidate.records(lines):
        candidate.parse(record.text)
    return candidate.fields()
