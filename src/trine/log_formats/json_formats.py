"""JSON logs: any records with named fields, and one format per preset (`json_presets.py`)."""

from typing import ClassVar

from trine.log_formats.json_fields import Json as JsonValue
from trine.log_formats.json_fields import decoded
from trine.log_formats.json_presets import PRESETS, Preset
from trine.log_formats.json_records import JsonJoiner
from trine.log_formats.log_event import HEADER, Entity, FormatSettings, Header, LogEvent
from trine.log_formats.record_reader import Plans, RecordFormat, RecordReader
from trine.log_formats.times import Clock

_BRACKETS = frozenset(("[", "]", "[]", "{", "}", "],", "]}", "]}}", ","))
_NO_SETTINGS = FormatSettings()
_PLANS: Plans = ({}, {})
"""How records in lines of other formats are read; it depends on nothing but the names of their fields."""


class Json(RecordFormat):
    """JSON objects: one per line or over several, in an array, or in an object that only holds them.

    The event is what the settings name; without settings, what the preset of the system names that writes such records;
    else what the names of the fields mean.
    """

    name: ClassVar[str] = "json"
    presets: ClassVar[tuple[Preset, ...]] = tuple(PRESETS.values())
    guesses: ClassVar[bool] = True
    """Whether records of no preset are read."""

    def __init__(self, settings: FormatSettings | None = None) -> None:
        super().__init__(settings)
        self._records = JsonJoiner()
        self.joiner = self._records
        self._reader = RecordReader(self.settings, self.clock, self.presets, guess=self.guesses)

    def parse(self, text: str) -> LogEvent | Header | None:
        """The event of an object; a header for brackets alone; None for what is no object, or names no event."""
        last, value = self._records.last
        if text is not last:
            value = decoded(text) if text.lstrip()[:1] == "{" else None
        if not isinstance(value, dict):
            return HEADER if text.strip() in _BRACKETS else None
        event = self._reader.read(_unpacked(value))
        if event is None and len(value) == 1 and next(iter(value.values())) == []:
            return HEADER
        return event


def _unpacked(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """The document of a record of Elasticsearch; any other record as it is."""
    source = value.get("_source")
    return source if isinstance(source, dict) else value


def _format_of(name: str, preset: Preset) -> type[Json]:
    class PresetJson(Json):
        default_entity: ClassVar[Entity | None] = preset.default_entity
        presets: ClassVar[tuple[Preset, ...]] = (preset,)
        guesses: ClassVar[bool] = False

    PresetJson.name = name
    PresetJson.__name__ = PresetJson.__qualname__ = name.title().replace("-", "")
    PresetJson.__doc__ = preset.about
    return PresetJson


PRESET_FORMATS: dict[str, type[Json]] = {
    name: _format_of(name, preset) for name, preset in PRESETS.items() if name != "windows"
}
"""A format for each preset: a record that has not its fields is of another format."""


def json_payload(text: str, clock: Clock | None = None) -> LogEvent | None:
    """The event of an object in a line of another format, such as syslog; None if it is none, or names no event.

    `clock` reads the times of the log; without it, each time is read alone.
    """
    value = decoded(text) if text.lstrip()[:1] == "{" else None
    if not isinstance(value, dict):
        return None
    reader = RecordReader(_NO_SETTINGS, clock or Clock(), Json.presets, stages=False, plans=_PLANS)
    event = reader.read(value)
    return event if isinstance(event, LogEvent) else None
