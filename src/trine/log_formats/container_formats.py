"""Output of containers: Docker's json-file, CRI, `kubectl logs --prefix`, docker compose.

Each line wraps a line of the program in the container: its event is that of a payload (JSON, CEF), a web request, what
a log of an application says, or the template of the text. Lines that the runtime has divided are joined again.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import ClassVar

from trine.log_formats.app_formats import AppLog
from trine.log_formats.escapes import without_escapes
from trine.log_formats.log_event import Entity, Format, FormatSettings, Line, LogEvent, known
from trine.log_formats.text_formats import payload, text_event
from trine.log_formats.web_formats import Access

MAX_JOINED = 1 << 20
"""Characters after which a divided line is complete in any case: memory is bounded."""


class ContainerFormat(Format):
    """The base of the formats of containers: `_unwrapped` takes the line apart, and the text is parsed."""

    def __init__(self, settings: FormatSettings | None = None) -> None:
        super().__init__(settings)
        self._inner = AppLog(settings)  # with a clock of its own: its times are not those of the runtime
        self._access = Access(settings)

    def _unwrapped(self, text: str, time: str | None, entities: dict[str, str], attributes: dict[str, str]) -> LogEvent:
        """The event of the text in a line; what the line says of time and container comes before what the text says."""
        text = without_escapes(text)
        event = payload(text) or self._access.parse(text) or self._inner.parse(text)
        if not isinstance(event, LogEvent):
            event = text_event(text, None)
        seconds = self.clock.seconds(time) if time else None
        return LogEvent(
            event.event,
            event.mined,
            event.time if seconds is None else seconds,
            {**event.entities, **entities},
            {**event.attributes, **attributes},
        )


class Docker(ContainerFormat):
    """Docker's json-file: `{"log":"text\\n","stream":"stdout","time":"2024-05-01T10:00:00Z"}`."""

    name: ClassVar[str] = "docker"

    def __init__(self, settings: FormatSettings | None = None) -> None:
        super().__init__(settings)
        self.joiner = DockerJoiner()

    def parse(self, text: str) -> LogEvent | None:
        """The event is that of the text; `attrs` and the stream are attributes."""
        fields = _docker_fields(text)
        if fields is None:
            return None
        tags = fields.get("attrs")
        labels = {str(key): str(value) for key, value in tags.items()} if isinstance(tags, dict) else {}
        process = labels.get("tag") or labels.get("com.docker.compose.service")
        attributes = known(stream=str(fields.get("stream") or ""))
        time = fields.get("time")
        said = str(fields["log"]).rstrip("\r\n")
        return self._unwrapped(said, time if isinstance(time, str) else None, known(process=process), attributes)


def _docker_fields(text: str) -> dict[str, object] | None:
    if not text.startswith("{") or '"log"' not in text or ('"time"' not in text and '"stream"' not in text):
        return None
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_docker = isinstance(fields.get("log"), str) and fields.keys() <= {"log", "stream", "time", "attrs"}
    return fields if is_docker else None


class Cri(ContainerFormat):
    """Logs of Kubernetes' runtimes: `2024-05-01T10:00:00.1Z stdout F text`."""

    name: ClassVar[str] = "cri"
    _head = re.compile(
        r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+\-]\d\d:\d\d)) (?P<stream>stdout|stderr) "
        r"(?P<tags>[FP](?::\S*)?)(?: |\Z)"
    )

    def __init__(self, settings: FormatSettings | None = None) -> None:
        super().__init__(settings)
        self.joiner = CriJoiner()

    def parse(self, text: str) -> LogEvent | None:
        """The event is that of the text; the stream is an attribute."""
        head = self._head.match(text)
        if head is None:
            return None
        return self._unwrapped(text[head.end() :], head["time"], {}, {"stream": head["stream"]})


class Kubectl(ContainerFormat):
    """Output of `kubectl logs --prefix`: `[pod/web-1/nginx] text`; also with its times."""

    name: ClassVar[str] = "kubectl"
    continues: ClassVar[bool] = True
    default_entity: ClassVar[Entity | None] = "process"
    _head = re.compile(
        r"\[pod/(?P<pod>[\w.\-]++)/(?P<container>[\w.\-]++)\] ?"
        r"(?:(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(?:Z|[+\-]\d\d:\d\d))(?: |\Z))?"
    )

    def parse(self, text: str) -> LogEvent | None:
        """The event is that of the text; the host is the pod, the process pod and container."""
        head = self._head.match(text)
        if head is None:
            return None
        who = {"host": head["pod"], "process": f"{head['pod']}/{head['container']}"}
        return self._unwrapped(text[head.end() :], head["time"], who, {"container": head["container"]})


class Compose(ContainerFormat):
    """Output of docker compose: `web-1  | text`; also with its times."""

    name: ClassVar[str] = "compose"
    continues: ClassVar[bool] = True
    default_entity: ClassVar[Entity | None] = "process"
    _head = re.compile(
        r"(?P<container>[A-Za-z0-9][\w.\-]{0,100}+) *+\|(?: |\Z)"
        r"(?:(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z)(?: |\Z))?"
    )
    _number = re.compile(r"[_\-]\d+\Z")

    def parse(self, text: str) -> LogEvent | None:
        """The event is that of the text; the process is the container, and its service an attribute."""
        head = self._head.match(text)
        if head is None:
            return None
        service = self._number.sub("", head["container"])
        who = {"process": head["container"]}
        return self._unwrapped(text[head.end() :], head["time"], who, {"service": service})


class _PartsJoiner:
    """Joins the parts of divided lines, per file and stream: the base of the joiners."""

    def __init__(self) -> None:
        self._parts: dict[tuple[int, str], list[Line]] = {}
        self._sizes: dict[tuple[int, str], int] = {}

    def feed(self, line: Line) -> Iterable[Line]:
        """The record that the line completes; a part gives none yet."""
        stream, is_part = self._part(line.text)
        key = line.source, stream
        if not is_part and key not in self._parts:
            return (line,)
        self._parts.setdefault(key, []).append(line)
        self._sizes[key] = self._sizes.get(key, 0) + len(line.text)
        return () if is_part and self._sizes[key] <= MAX_JOINED else (self._joined(key),)

    def finish(self) -> Iterator[Line]:
        """The lines whose last part is missing, in the order of their first parts."""
        for key in sorted(self._parts, key=lambda key: (key[0], self._parts[key][0].number)):
            yield self._joined(key)

    def _joined(self, key: tuple[int, str]) -> Line:
        parts = self._parts.pop(key)
        self._sizes.pop(key)
        first = parts[0]
        return first._replace(text=self._text([part.text for part in parts])) if len(parts) > 1 else first

    def _part(self, text: str) -> tuple[str, bool]:
        """The stream of a line, and whether the line goes on."""
        raise NotImplementedError

    def _text(self, texts: list[str]) -> str:
        """One line of the format with the texts of all parts."""
        raise NotImplementedError


class CriJoiner(_PartsJoiner):
    """Joins the lines tagged `P` with the line tagged `F` after them."""

    def _part(self, text: str) -> tuple[str, bool]:
        head = Cri._head.match(text)
        return (head["stream"], head["tags"].startswith("P")) if head else ("", False)

    def _text(self, texts: list[str]) -> str:
        heads = [(text, Cri._head.match(text)) for text in texts]
        first = heads[0][1]
        said = "".join(text[head.end() :] for text, head in heads if head)
        return f"{first['time']} {first['stream']} F {said}" if first else said


class DockerJoiner(_PartsJoiner):
    """Joins lines of 16 KiB whose `log` has no line break at its end: Docker divides longer lines so."""

    def _part(self, text: str) -> tuple[str, bool]:
        if len(text) < _DOCKER_PART // 4:  # a character has at most four bytes
            return _STREAM_OF['"stderr"' in text], False
        fields = _docker_fields(text)
        if fields is None:
            return "", False
        said = str(fields["log"])
        is_part = not said.endswith("\n") and len(said.encode(errors="replace")) > _DOCKER_PART - 8
        return str(fields.get("stream")), is_part

    def _text(self, texts: list[str]) -> str:
        fields = [fields for text in texts if (fields := _docker_fields(text))]
        return json.dumps({**fields[0], "log": "".join(str(part["log"]) for part in fields)})


_DOCKER_PART = 1 << 14
"""Bytes of a part: Docker's buffer of 16 KiB, filled up to a whole character."""

_STREAM_OF = ("stdout", "stderr")
