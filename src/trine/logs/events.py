"""Names the events of a log: free text by its template, parts by their places, names as they are."""

import json

from trine.errors import DataError
from trine.log_formats.log_event import LogEvent
from trine.logs.places import Places
from trine.logs.templates import OTHER, TemplateMiner

NEW = "(new)"
"""Name of further new events, when `_MAX_NAMES` different new ones have occurred."""

_PLACES, _NAMES, _NEW = 1 << 40, 2 << 40, 3 << 40
"""The first code of an event that is given as parts, of a name, of a new event; templates have their ids as codes."""

_MAX_NAMES = 100_000
"""Number of names that are learned, and of new events that are told apart."""

_MAX_NAME = 200
"""Characters of a name."""

_FORMAT = 1
"""Version of the JSON of `to_json`."""


class EventNames:
    """Gives each event of a log a code, and each code a name, the same for all events of one kind.

    events = EventNames()
    codes = [events.code(event) for event in log]
    events.settle()
    names = [events.name(code) for code in codes]

    learn   whether new templates, values and names are learned. If not, an event that was not learned is named by its
            own text, with `<*>` for what is surely a value; where no more could be learned, it is `<*>`
    """

    def __init__(self, learn: bool = True) -> None:
        self.learn = learn
        self.templates = TemplateMiner()
        self.places = Places()
        self._names: dict[str, int] = {}
        self._new: dict[str, int] = {}
        self._texts: list[str] = []
        """The names of `_names`, in the order of their codes."""
        self._new_texts = [NEW]

    def code(self, event: LogEvent) -> int:
        """A number from 0 to 2⁶³ − 1. Codes that differ can get the same name, once more has been learned."""
        name = event.event
        if isinstance(name, tuple):
            return _PLACES + self.places.add(name) if self.learn else self._code_of_parts(name)
        return self._code_of_text(name) if event.mined else self._code_of_name(name)

    def settle(self) -> None:
        """Decide, after the last event of the training, what is a value: names are final from here on."""
        if self.learn:
            self.places.settle()

    def name(self, code: int) -> str:
        """The name of the events of a code."""
        if code >= _NEW:
            return self._new_texts[code - _NEW]
        if code >= _NAMES:
            return self._texts[code - _NAMES]
        return self.places.name(code - _PLACES) if code >= _PLACES else self.templates.text(code)

    def restored(self, name: str) -> int:
        """A code of an event that `name` named in an earlier call."""
        code = self._new.get(name)
        if code is None:
            code = self._new[name] = _NEW + len(self._new_texts)
            self._new_texts.append(name)
        return code

    def _code_of_text(self, text: str) -> int:
        if self.learn:
            return self.templates.add(text)
        id_ = self.templates.match(text)
        return id_ if id_ != OTHER or self.templates.full else self._code_of_new(self.templates.text_of_new(text))

    def _code_of_parts(self, parts: tuple[str, ...]) -> int:
        """The code of an event when nothing is learned."""
        id_ = self.places.match(parts)
        known = id_ != OTHER or self.places.full
        return _PLACES + id_ if known else self._code_of_new(self.places.generalised(parts))

    def _code_of_name(self, name: str) -> int:
        name = _short(name)
        code = self._names.get(name)
        if code is not None:
            return code
        if len(self._names) >= _MAX_NAMES:
            return OTHER
        if not self.learn:
            return self._code_of_new(name)
        code = self._names[name] = _NAMES + len(self._texts)
        self._texts.append(name)
        return code

    def _code_of_new(self, name: str) -> int:
        name = _short(name)
        return _NEW if len(self._new) >= _MAX_NAMES and name not in self._new else self.restored(name)

    def to_json(self) -> str:
        """Everything learned, as JSON. New events are not."""
        state = {
            "events": _FORMAT,
            "templates": json.loads(self.templates.to_json()),
            "places": json.loads(self.places.to_json()),
            "names": self._texts,
        }
        return json.dumps(state)

    @classmethod
    def from_json(cls, text: str) -> "EventNames":
        """What `EventNames.to_json` or, in a bundle of trine 0.1, `TemplateMiner.to_json` wrote; it learns nothing.

        Raises `DataError` if the text is neither.
        """
        names = cls(learn=False)
        try:
            state = json.loads(text)
            if "events" not in state:
                names.templates = TemplateMiner.from_json(text)
                return names
            if state["events"] != _FORMAT:
                raise DataError(f"events: format {state['events']!r} is not {_FORMAT}; install a newer trine")
            names.templates = TemplateMiner.from_json(json.dumps(state["templates"]))
            names.places = Places.from_json(json.dumps(state["places"]))
            names._texts = [str(name) for name in state["names"]]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DataError(f"events: not the state of event names ({error!r:.100}); fit again") from None
        names._names = {name: _NAMES + i for i, name in enumerate(names._texts)}
        return names


def _short(name: str) -> str:
    return name if len(name) <= _MAX_NAME else name[: _MAX_NAME - 1] + "…"
