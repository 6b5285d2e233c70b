"""How records with the same fields are read: a preset, with the paths at which such records can hold something."""

from collections.abc import Mapping

from trine.log_formats.json_fields import Parts, Record, first_text, may_stand, parts_of, value_at
from trine.log_formats.json_presets import Part, Preset
from trine.log_formats.log_event import FormatSettings

Alternatives = tuple[Parts, ...]
"""Paths of which the first that is not empty counts."""


class Plan:
    """A preset with its paths divided, as records of one set of fields need it."""

    __slots__ = (
        *("agent", "arguments", "attributes", "entities", "nested", "parts", "preset", "program", "referer", "text"),
        "time",
    )

    def __init__(self, preset: Preset, settings: FormatSettings, record: Record) -> None:
        self.preset = preset
        keys = tuple(record)
        self.nested = any("." in path for paths in preset.fits for path in paths)
        self.parts = () if callable(preset.event) else tuple((part, _paths(part.path, keys)) for part in preset.event)
        self.text, self.program, self.agent = (
            _paths(preset.text, keys),
            _paths(preset.program, keys),
            _paths(preset.agent, keys),
        )
        self.time = (parts_of(settings.time),) if settings.time else _paths(preset.time, keys)
        self.entities = _named(preset.entities, keys)
        self.attributes = _named(preset.attributes, keys)
        self.arguments = _named(preset.arguments, keys)
        self.referer = dict(self.arguments).get("referer", ())


def _paths(text: str, keys: tuple[str, ...]) -> Alternatives:
    """The paths of a text where something can stand in a record with these keys."""
    paths = (path for path in text.split("|") if path and may_stand(keys, path))
    return tuple((path,) if path in keys else parts_of(path) for path in paths)


def _named(paths: Mapping[str, str], keys: tuple[str, ...]) -> tuple[tuple[str, Alternatives], ...]:
    found = ((name, _paths(text, keys)) for name, text in paths.items())
    return tuple((name, some) for name, some in found if some)


def may_fit(preset: Preset, record: Record) -> bool:
    """Whether a record has the fields of a preset, as far as all records with the same own fields have them."""
    return any(all(path in record or path.partition(".")[0] in record for path in paths) for paths in preset.fits)


def fits(preset: Preset, record: Record) -> bool:
    """Whether a record has the fields of a preset."""
    return any(all(value_at(record, path) is not None for path in paths) for paths in preset.fits)


def joined(parts: tuple[tuple[Part, Alternatives], ...], record: Record) -> tuple[str, ...]:
    """The parts of an event; none if the first that has to be there is missing."""
    texts: list[str] = []
    for part, paths in parts:
        text = first_text(record, paths)
        if text and part.change:
            text = part.change(text)
        if text:
            texts.append(f"{part.before}{text}" if texts else text)
        elif not part.optional:
            return ()
    return tuple(texts)
