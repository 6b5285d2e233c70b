"""From records with named fields to events: of JSON objects, and of the rows of tables.

- The settings come first, then the preset of the system that writes such records, then what the names of the fields
  mean.
- Records with the same fields are read in the same way, which is worked out once.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import ClassVar

from trine.annotations import override
from trine.log_formats.actors import who
from trine.log_formats.escapes import without_escapes
from trine.log_formats.field_names import guessed
from trine.log_formats.json_fields import Record, decoded, first_text, names_of, text_at, text_of, value_at, value_of
from trine.log_formats.json_presets import Preset
from trine.log_formats.log_event import ENTITIES, HEADER, Format, FormatSettings, Header, LogEvent
from trine.log_formats.mined_values import FreeText
from trine.log_formats.record_plan import Plan, fits, joined, may_fit
from trine.log_formats.request_marks import request_marks
from trine.log_formats.times import Clock
from trine.log_formats.values import agent_class, marks
from trine.log_formats.web_formats import named_parts, request_parts

_MOST_SHAPES = 1000
"""Sets of fields that are remembered."""
_LONGEST_SHAPE = 20_000
"""Characters in all names of a set of fields that is remembered."""
_MOST_EARLY = 100
"""Records in a row that begin a request and do not end one, before they count as events."""
_TIME_OF_DAY = re.compile(r"T?\d{1,2}:\d\d")
_PORT = re.compile(r"^(?:\[([0-9A-Fa-f:.]++)\](?::\d++)?|([0-9.]++):\d{1,5})$")

Shape = tuple[str, ...]
"""The names of the fields of a record."""

Plans = tuple[dict[Shape, list[Plan]], dict[tuple[Shape | None, ...], Plan | None]]
"""How records are read: by presets, and by the names of their fields and those one level below."""


class RecordReader:
    """Reads the records of one log.

    settings  which fields are the event, the entity and the time
    clock     reads the times
    presets   tried in their order, if the record has their fields
    guess     whether records of no preset are read by the names of their fields
    stages    whether records that only begin a request are headers; if not, they are events too
    plans     how records are read, by their fields: shared by readers of the same settings and presets
    """

    def __init__(
        self,
        settings: FormatSettings,
        clock: Clock,
        presets: Iterable[Preset] = (),
        *,
        guess: bool = True,
        stages: bool = True,
        plans: Plans | None = None,
    ) -> None:
        self.settings, self.clock = settings, clock
        self._presets, self._guess = tuple(presets), guess
        self._plans, self._guesses = plans or ({}, {})
        self._counts: Counter[Shape] = Counter()
        self._names: dict[Shape, list[str]] = {}
        self._free_text: dict[str, FreeText] = {}
        self._early = 0 if stages else _MOST_EARLY
        self._own = settings.entity
        self._wanted = dict.fromkeys(name for name in (*settings.event, settings.time) if name)
        """Fields of the settings that no record has had."""

    def read(self, record: Record, depth: int = 0) -> LogEvent | Header | None:
        """The event of a record; None if no field names one."""
        shape = tuple(record)
        plans = self._plans.get(shape)
        if plans is None:
            plans = self._plan(shape, record)
        if shape in self._names:
            self._counts[shape] += 1
        if self._wanted:
            self._wanted = {name: None for name in self._wanted if value_at(record, name) is None}
        for plan in plans:
            event = self._event(plan, record, depth)
            if event is not None:
                return event
        guess = self._guess_of(shape, record) if self._guess else None
        return self._event(guess, record, depth) if guess else None

    def missing_fields(self) -> tuple[str, ...]:
        """Fields that the settings name for the event or the time and that no record so far has had."""
        return tuple(self._wanted)

    def fields(self) -> tuple[str, ...]:
        """Dotted names of the fields that the records so far have, the most frequent first."""
        fields: Counter[str] = Counter()
        for shape, names in self._names.items():
            fields.update(dict.fromkeys(names, self._counts[shape]))
        return tuple(name for name, _ in fields.most_common())

    def _plan(self, shape: Shape, record: Record) -> list[Plan]:
        """The presets that can read the records with such fields."""
        plans = [Plan(preset, self.settings, record) for preset in self._presets if may_fit(preset, record)]
        if len(self._plans) >= _MOST_SHAPES:
            self._plans.clear()
            self._counts.clear()
            self._names.clear()
        if sum(map(len, shape)) <= _LONGEST_SHAPE:
            self._plans[shape] = plans
            self._names[shape] = names_of(record)
        return plans

    def _guess_of(self, shape: Shape, record: Record) -> Plan | None:
        """How records with such fields are read by their names, those one level below too."""
        inner = (shape, *(tuple(value) if type(value) is dict else None for value in record.values()))
        if inner in self._guesses:
            return self._guesses[inner]
        preset = guessed(record, has_event=bool(self.settings.event))
        plan = Plan(preset, self.settings, record) if preset else None
        if len(self._guesses) >= _MOST_SHAPES:
            self._guesses.clear()
        if sum(len(name) for names in inner if names for name in names) <= _LONGEST_SHAPE:
            self._guesses[inner] = plan
        return plan

    def _event(self, plan: Plan, record: Record, depth: int) -> LogEvent | Header | None:
        preset = plan.preset
        if plan.nested and not fits(preset, record):
            return None
        if preset.read is not None:
            return self._own_settings(plan, record, preset.read(record, self.clock))
        if preset.stage is not None and self._is_early(preset.stage, record):
            return HEADER
        named = self._name(plan, record)
        if named is None:
            return self._text(plan, record, depth)
        name, mined = named
        if (plan.agent or plan.referer) and not mined and not self.settings.event:
            name = _with_marks(name, first_text(record, plan.agent), first_text(record, plan.referer))
        return LogEvent(
            name, mined, self._time(plan, record), self._entities(plan, record), self._attributes(plan, record)
        )

    def _own_settings(self, plan: Plan, record: Record, event: LogEvent | None) -> LogEvent | None:
        """The event as the settings want it."""
        settings = self.settings
        if settings.event:
            name = self._settings_event(record)
            event = event and name and event._replace(event=name[0], mined=name[1])
        if event and settings.time:
            event = event._replace(time=self._time(plan, record))
        if event and self._own and (own := self._own_entity(record)):
            event = event._replace(entities={**event.entities, self._own: own})
        return event

    def _name(self, plan: Plan, record: Record) -> tuple[str | tuple[str, ...], bool] | None:
        """The event and whether it is free text; None if the record names none."""
        preset = plan.preset
        if self.settings.event:
            return self._settings_event(record)
        if preset.web is not None and (web := _web(preset.web, record)):
            return web, False
        if callable(preset.event):
            parts = preset.event(record)
            return (parts, False) if parts else None
        if not plan.parts:
            return None
        if preset.may_be_text:
            value = first_text(record, plan.parts[0][1])
            return (value, self._mined(plan.parts[0][0].path, value)) if value else None
        parts = joined(plan.parts, record)
        return (parts[0] if len(parts) == 1 else parts, False) if parts else None

    def _settings_event(self, record: Record) -> tuple[str | tuple[str, ...], bool] | None:
        paths = self.settings.event
        values = [text_at(record, path) for path in paths]
        if not any(values):
            return None
        if len(values) == 1:
            return values[0], self._mined(paths[0], values[0])
        return (values[0] or "-", *(f" {value or '-'}" for value in values[1:])), False

    def _mined(self, path: str, value: str) -> bool:
        if path not in self._free_text and len(self._free_text) < _MOST_SHAPES:
            self._free_text[path] = FreeText()
        return self._free_text[path].mined(value) if path in self._free_text else " " in value

    def _text(self, plan: Plan, record: Record, depth: int) -> LogEvent | Header | None:
        """The event of a record that has free text, or another record in its text."""
        preset = plan.preset
        if self.settings.event or not (preset.text or (preset.event == () and preset.web is None)):
            return None
        text = _said(plan, record)
        entities, time = self._entities(plan, record), self._time(plan, record)
        if depth == 0 and text[:1] == "{" and isinstance(inner := decoded(text), dict):
            event = self.read(inner, depth + 1)
            if isinstance(event, LogEvent):
                own = time if event.time is None else event.time
                return event._replace(time=own, entities={**entities, **event.entities})
        program = first_text(record, plan.program)
        if program:
            pid = first_text(record, (("_PID",), ("SYSLOG_PID",)))
            entities["process"] = f"{program}[{pid}]" if pid else program
        user, address = who(text)
        if user and ("user" not in entities or program):
            entities["user"] = user
        if address:
            entities.setdefault("address", address)
        event_text = f"{program}: {text or 'null'}" if program else text or "empty"
        return LogEvent(event_text, bool(text), time, entities, self._attributes(plan, record))

    def _time(self, plan: Plan, record: Record) -> float | None:
        text = first_text(record, plan.time)
        if plan.preset.day and (not text or _TIME_OF_DAY.match(text)):
            text = f"{text_at(record, plan.preset.day)} {text}".strip()
        return self.clock.seconds(text) if text else None

    def _entities(self, plan: Plan, record: Record) -> dict[str, str]:
        entities = {}
        for kind, paths in plan.entities:
            text = first_text(record, paths)
            if text and text != "-":
                if kind == "address" and (port := _PORT.match(text)):
                    text = port[1] or port[2]
                entities[kind] = text
        if self._own and (own := self._own_entity(record)):
            entities[self._own] = own
        return entities

    def _own_entity(self, record: Record) -> str:
        """The field of exactly the name that the settings give the entity, before what a kind of this name means."""
        own = self._own or ""
        if own in ENTITIES and isinstance(value_at(record, own), dict | list):
            return ""
        text = text_at(record, own)
        if own == "address" and (port := _PORT.match(text)):
            text = port[1] or port[2]
        return "" if own in ENTITIES and text == "-" else text

    def _attributes(self, plan: Plan, record: Record) -> Mapping[str, str]:
        attributes = {}
        for name, paths in plan.attributes:
            if text := first_text(record, paths):
                attributes[name] = text
        for name, paths in plan.arguments:
            value = next((found for parts in paths if (found := value_of(record, parts)) is not None), None)
            if value is not None and (
                unusual := marks(" ".join(_leaves(value)) if isinstance(value, dict) else text_of(value))
            ):
                attributes[name] = unusual
        if plan.agent and (agent := first_text(record, plan.agent)):
            attributes["agent"] = agent_class(agent)
        return attributes

    def _is_early(self, stage: tuple[str, frozenset[str]], record: Record) -> bool:
        """Whether a record only begins a request that another record ends, judged by those before it."""
        name = text_at(record, stage[0])
        if not name or name in stage[1]:
            self._early = 0
            return False
        self._early += 1
        return self._early <= _MOST_EARLY


class RecordFormat(Format):
    """A format whose records have named fields, which its `_reader` reads."""

    has_fields: ClassVar[bool] = True
    _reader: RecordReader

    @override
    def missing_fields(self) -> tuple[str, ...]:
        return self._reader.missing_fields()

    @override
    def fields(self) -> tuple[str, ...]:
        """Dotted names of the fields that the records so far have, the most frequent first."""
        return self._reader.fields()


def _web(web: tuple[str, str, str], record: Record) -> tuple[str, ...] | None:
    method, target, status = (text_at(record, path) if path else "" for path in web)
    if not target or not (method or not web[0]):
        return None
    return named_parts(method, target, status) if method else request_parts(target, status or "-")


def _with_marks(name: str | tuple[str, ...], agent: str, referer: str) -> str | tuple[str, ...]:
    """The name of an event with what is unusual about the user agent and the referer."""
    unusual = tuple(request_marks(agent=agent, referer=referer))
    if not unusual:
        return name
    return (name, *unusual) if isinstance(name, str) else (*name, *unusual)


def _said(plan: Plan, record: Record) -> str:
    """The free text of a record: the first one that is not empty, else what the first object says."""
    values = [value_of(record, parts) for parts in plan.text]
    text = next((found for value in values if (found := _free_text(value))), "")
    if not text:
        text = next((" ".join(_leaves(value)) for value in values if isinstance(value, dict)), "")
    return without_escapes(text)


def _free_text(value: object) -> str:
    """A value as text; also a list of bytes, as journald writes text that is not UTF-8, and a list of texts."""
    if not isinstance(value, list):
        return text_of(value)
    numbers = [item for item in value if isinstance(item, str) and item.isdecimal() and len(item) < 4]
    if value and len(numbers) == len(value) and max(map(int, numbers)) < 256:
        return bytes(map(int, numbers)).decode(errors="backslashreplace")
    return " ".join(text_of(item) for item in value)


def _leaves(value: object, most: int = 50) -> list[str]:
    """The plain values in an object, in their order."""
    leaves: list[str] = []
    waiting = [value]
    while waiting and len(leaves) < most:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting.extend(reversed(list(item.values())[:most]))
        elif isinstance(item, list):
            waiting.extend(reversed(item[:most]))
        else:
            leaves.append(text_of(item)[:500])
    return leaves
