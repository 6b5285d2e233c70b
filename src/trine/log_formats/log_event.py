"""`LogEvent`, the content of one record of a log, and `Format`, the base of all log formats."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Literal, NamedTuple, Protocol, get_args, runtime_checkable

from trine.errors import UsageError
from trine.log_formats.times import Clock

Entity = Literal["host", "user", "process", "address", "session"]
"""The kinds of entity that every format can name. `session` is an id that the log itself gives to a session."""

ENTITIES: tuple[Entity, ...] = get_args(Entity)

Fields = Mapping[str, str]

NOTHING: Fields = MappingProxyType({})


class LogEvent(NamedTuple):
    """The content of one record. A named tuple, because a busy log has a hundred thousand per second."""

    event: str | tuple[str, ...]
    """Name of the event; free text if `mined`; or parts that are joined to a name once it is known which of them take
    many values (`places.py`), such as `("GET ", "/blog", "/may", ".html", " 200")`."""
    mined: bool = False
    """Whether `event` is free text, whose template has to be mined."""
    time: float | None = None
    """Seconds since 1970; None if unknown."""
    entities: Fields = NOTHING
    """What the event belongs to, by kind: one of `ENTITIES`, or a field that the settings name as the entity."""
    attributes: Fields = NOTHING
    """Further values by name, each one of few: `values.py` makes classes of numbers and texts."""


class Header(NamedTuple):
    """A line that belongs to a format but holds no event: the names of columns, a comment, a closing bracket."""


HEADER = Header()


class Line(NamedTuple):
    """One line of a log, or several that a joiner made one."""

    source: int
    """Index of the file in the log."""
    number: int
    """Number of the line in its file, from 1; of the first line of several."""
    text: str
    """Without the line break."""


@runtime_checkable
class Joiner(Protocol):
    """Makes records of lines, where the records of a format can take several lines; one instance reads one log.

    A line without content, such as a blank or a bracket, is a record too: what is not given back as the beginning of a
    record belongs to the record before.
    """

    def feed(self, line: Line) -> Iterable[Line]:
        """The records that this line completes, in their order; a record has the position of its first line."""

    def finish(self) -> Iterable[Line]:
        """The records that are incomplete at the end of the log."""


@dataclass(frozen=True, slots=True)
class FormatSettings:
    """What a user can say about the lines of a log. A format that cannot apply a setting raises `UsageError`."""

    event: tuple[str, ...] = ()
    """Fields or columns that name the event, joined by a blank; nested fields as dotted paths."""
    entity: str | None = None
    """A kind of entity, or a field or column; None: the format's own."""
    time: str | None = None
    """Field or column of the time."""
    time_format: str | None = None
    """Form of the times, as for `datetime.strptime`."""


class Format(ABC):
    """Parses the records of one log, in their order; one instance reads one log.

    Raises `UsageError` for settings that the format cannot apply.
    """

    name: ClassVar[str]
    default_entity: ClassVar[Entity | None] = None
    """What a session belongs to, if the settings say nothing; None: the log is one session."""
    has_fields: ClassVar[bool] = False
    """Whether records have fields or columns that the settings can name: event, entity, time."""
    sure_header: ClassVar[bool] = False
    """Whether no other format has such headers: a log of nothing but headers is of this format."""
    continues: ClassVar[bool] = False
    """Whether a record of free text can go on in lines of its own, such as those of a stack trace. In a log of any
    other format, a line without the format never belongs to the one before."""
    joiner: Joiner | None = None
    """Makes records of lines; None: every line is a record."""

    def __init__(self, settings: FormatSettings | None = None) -> None:
        self.settings = settings or FormatSettings()
        self.entity: str | None = self.settings.entity or self.default_entity
        self.clock = Clock(self.settings.time_format)
        if not self.has_fields:
            self._refuse_fields()

    def begin(self, name: str, head: Sequence[str]) -> None:
        """The next lines come from the file of this name, and begin with `head`: called before they are parsed."""

    @classmethod
    def entity_of_file(cls, name: str, head: Sequence[str]) -> str:
        """The entity that the name of a file gives its lines, which begin with `head`; "" if the name gives none."""
        return ""

    def records(self, lines: Iterable[Line]) -> Iterator[Line]:
        """The records of all lines of a log, the incomplete ones at its end too."""
        if self.joiner is None:
            yield from lines
            return
        for line in lines:
            yield from self.joiner.feed(line)
        yield from self.joiner.finish()

    def fields(self) -> tuple[str, ...]:
        """Names of the fields that the records so far have, if records have named fields."""
        return ()

    def missing_fields(self) -> tuple[str, ...]:
        """Fields that the settings name for the event or the time and that no record so far has had."""
        return ()

    @abstractmethod
    def parse(self, text: str) -> LogEvent | Header | None:
        """The event of a record; None if the record has another format."""

    def _refuse_fields(self) -> None:
        for option, given in (("--event", " ".join(self.settings.event)), ("--time", self.settings.time)):
            if given:
                raise UsageError(
                    f"{option} {given}: the lines of the format {self.name} have no named fields; leave it out"
                )
        if self.entity is not None and self.entity not in ENTITIES:
            kinds = ", ".join(ENTITIES)
            raise UsageError(f"--entity {self.entity}: a line of the format {self.name} can name one of {kinds}")


def known(**values: str | None) -> dict[str, str]:
    """The values that are neither None nor empty."""
    return {name: value for name, value in values.items() if value}
