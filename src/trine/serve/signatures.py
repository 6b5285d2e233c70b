"""What each model takes and gives as tensors, and the task that computes it.

classify   NAME           pictures -> probabilities, typicality, abstain, label
detect     NAME           events, their entities' states -> surprisals, states after them
generate   NAME           latents -> pictures
           NAME.encoder   pictures -> mean and variance of their latents
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trine.classify.predictor import Predictor
from trine.detect.scorer import Scorer
from trine.errors import DataError
from trine.generate.arguments import label_index
from trine.pictures.decode import CHANNEL_COUNTS, as_channels, resize
from trine.pictures.reading import Reading
from trine.sequences.vocabulary import EVENT
from trine.serve.batching import Task
from trine.serve.latents import Latents, latents_of
from trine.serve.models import Loaded
from trine.serve.refusals import Refusal
from trine.serve.settings import Limits
from trine.serve.tensors import Port

ENCODER = ".encoder"
"""What the name of a generator's second signature ends in."""
COLUMN = "column/"
"""What the name of an input of another column than the events begins with."""
LABEL = Port("label", "BYTES", (1,), optional=True)
"""The class of a generator's pictures."""
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Signature:
    """One thing that a model does, in tensors."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    task: Callable[[Arrays], Task]
    """From inputs to the task whose answer are the outputs. Raises `Refusal`; heavy where pictures are resized."""


def signature(loaded: Loaded, limits: Limits, encoder: bool = False) -> Signature:
    """What a model takes and gives. Raises `Refusal` (404) for an encoder of what has none."""
    task = loaded.manifest.task
    if encoder and task != "generate":
        raise Refusal(404, f"a model for {task} has no encoder")
    if task == "classify":
        return _classify(loaded, limits)
    if task == "detect":
        return _detect(loaded, limits)
    return _encoder(loaded, limits) if encoder else _decoder(loaded, limits)


def _classify(loaded: Loaded, limits: Limits) -> Signature:
    model: Predictor = loaded.model
    classes = len(model.classes)

    def task(inputs: Arrays) -> Task:
        pictures = _pictures(inputs["pictures"], (model.size, model.size), model.channels, limits, model.reading)
        return answers_task(loaded, pictures)

    return Signature(
        (Port("pictures", "UINT8", (-1, -1, -1, -1)),),
        (
            Port("probabilities", "FP32", (-1, classes)),
            Port("typicality", "FP32", (-1,)),
            Port("abstain", "BOOL", (-1,)),
            Port("label", "BYTES", (-1,)),
        ),
        task,
    )


def answers_task(loaded: Loaded, pictures: np.ndarray) -> Task:
    """The answers to pictures at the model's size, computed with those of other requests."""
    model: Predictor = loaded.model
    names = np.array([name.encode("utf-8", "surrogateescape") for name in model.classes], object)

    def compute(values: Sequence[np.ndarray]) -> list[Arrays]:
        probabilities, typicality = model.answers(np.concatenate(values) if len(values) > 1 else values[0])
        best = probabilities.argmax(1)
        whole = {
            "probabilities": probabilities.astype(np.float32),
            "typicality": typicality.astype(np.float32),
            "abstain": (probabilities.max(1) < model.threshold) | (typicality < model.unlike),
            "label": names[best],
        }
        ends = np.cumsum([len(value) for value in values])[:-1]
        parts = {name: np.split(array, ends) for name, array in whole.items()}
        return [{name: part[i] for name, part in parts.items()} for i in range(len(values))]

    return Task(compute, pictures, len(pictures), (id(loaded), "answers"))


def _detect(loaded: Loaded, limits: Limits) -> Signature:
    model: Scorer = loaded.model
    columns = tuple(name for name in model.vocabulary.values if name != EVENT)

    def task(inputs: Arrays) -> Task:
        events = _texts(inputs["events"])
        _within(len(events), limits.batch, "events")
        given = {name.removeprefix(COLUMN): _texts(values) for name, values in inputs.items() if name != "events"}
        if odd := [name for name, values in given.items() if len(values) != len(events)]:
            raise Refusal(400, f"input {odd[0]}: {len(given[odd[0]])} values, and {len(events)} events")
        states = [_state(text) for text in given.pop("states", [""] * len(events))]
        attributes = {name: given.get(name, [""] * len(events)) for name in columns}
        return Task(compute, (events, states, attributes), len(events), (id(loaded), "step"))

    def compute(values: Sequence[tuple[list[str], list[bytes | None], dict[str, list[str]]]]) -> list[Arrays]:
        events = [event for each, _, _ in values for event in each]
        states = [state for _, each, _ in values for state in each]
        attributes = {name: [word for _, _, each in values for word in each[name]] for name in columns}
        after, nats = model.step(states, events, **attributes)
        ends = np.cumsum([len(each) for each, _, _ in values])[:-1]
        packed = np.empty(len(after), object)
        packed[:] = [base64.b64encode(state) for state in after]
        parts = np.split(np.array(nats, np.float32), ends), np.split(packed, ends)
        return [{"surprisals": nats, "states_after": states} for nats, states in zip(*parts, strict=True)]

    return Signature(
        (
            Port("events", "BYTES", (-1,)),
            Port("states", "BYTES", (-1,), optional=True),
            *(Port(COLUMN + name, "BYTES", (-1,), optional=True) for name in columns),
        ),
        (Port("surprisals", "FP32", (-1,)), Port("states_after", "BYTES", (-1,))),
        task,
    )


def _decoder(loaded: Loaded, limits: Limits) -> Signature:
    latents = latents_of(loaded)

    def task(inputs: Arrays) -> Task:
        given = [inputs[name] for i in range(len(latents.shapes)) if (name := f"latent.{i}") in inputs]
        if len(given) != sum(name.startswith("latent.") for name in inputs) or f"latent.{len(given) - 1}" not in inputs:
            raise Refusal(400, "latents: give the first groups, without gaps")
        if len({len(values) for values in given}) > 1:
            raise Refusal(400, "latents: give as many of every group")
        return decode_task(loaded, latents, given, _label(inputs), limits)

    return Signature(
        (
            *(Port(f"latent.{i}", "FP32", (-1, *shape), i > 0) for i, shape in enumerate(latents.shapes)),
            LABEL,
        ),
        (Port("pictures", "UINT8", (-1, *latents.size, latents.channels)),),
        task,
    )


def decode_task(
    loaded: Loaded, latents: Latents, given: Sequence[np.ndarray], label: str | None, limits: Limits
) -> Task:
    """The pictures of latents, computed with those of other requests. Raises `Refusal`, `UsageError`."""
    count = len(given[0])
    _within(count, limits.batch, "latents")
    if not all(np.isfinite(values).all() for values in given):
        raise Refusal(400, "latents: a value is not finite")
    label_index(label, latents.classes)

    def compute(values: Sequence[Sequence[np.ndarray]]) -> list[Arrays]:
        joined = [np.concatenate([each[i] for each in values]) for i in range(len(given))]
        pictures = latents.decode(joined, label)
        ends = np.cumsum([len(each[0]) for each in values])[:-1]
        return [{"pictures": part} for part in np.split(pictures, ends)]

    return Task(compute, given, count, (id(loaded), "decode", len(given), label))


def _encoder(loaded: Loaded, limits: Limits) -> Signature:
    latents = latents_of(loaded)

    def task(inputs: Arrays) -> Task:
        label = _label(inputs)
        label_index(label, latents.classes)
        pictures = _pictures(inputs["pictures"], latents.size, latents.channels, limits, latents.reading)

        def compute() -> Arrays:
            posterior = latents.encode(pictures, label)
            means = {f"mean.{i}": mean for i, mean in enumerate(posterior.mean)}
            return means | {f"variance.{i}": variance for i, variance in enumerate(posterior.variance)}

        return Task.alone(compute, len(pictures))

    shapes = list(enumerate(latents.shapes))
    outputs = (Port(f"{kind}.{i}", "FP32", (-1, *shape)) for kind in ("mean", "variance") for i, shape in shapes)
    return Signature((Port("pictures", "UINT8", (-1, -1, -1, -1)), LABEL), tuple(outputs), task)


def _label(inputs: Arrays) -> str | None:
    """The class that a request names."""
    return _texts(inputs[LABEL.name])[0] if LABEL.name in inputs else None


def _pictures(images: np.ndarray, size: tuple[int, int], channels: int, limits: Limits, reading: Reading) -> np.ndarray:
    """Pictures at a model's size. Raises `Refusal` for what are none."""
    count, height, width, given = images.shape
    _within(count, limits.batch, "pictures")
    if given not in CHANNEL_COUNTS or not height * width:
        raise Refusal(400, f"pictures of shape {[height, width, given]}: give height, width, and 1, 3 or 4 channels")
    if height * width > limits.pixels:
        raise Refusal(413, f"pictures of {width}×{height}: the limit is {limits.pixels:,} pixels")
    try:
        return as_channels(resize(images, size, reading), channels)
    except DataError as problem:
        raise Refusal.of(problem) from None


def _within(count: int, limit: int, what: str) -> None:
    if not count:
        raise Refusal(400, f"no {what}: give at least one")
    if count > limit:
        raise Refusal(413, f"{count} {what} in one request: the limit is {limit}")


def _texts(array: np.ndarray) -> list[str]:
    try:
        return [text.decode("utf-8") for text in array.ravel().tolist()]
    except UnicodeDecodeError:
        raise Refusal(400, "a text is not UTF-8") from None


def _state(text: str) -> bytes | None:
    """A state from its base64; none from an empty text."""
    if not text:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refusal(400, "states: a state is no base64 text that an earlier answer gave") from None


def metadata(name: str, loaded: Loaded, described: Signature) -> dict[str, Any]:
    """The metadata of a model, as the protocol has them."""
    return {
        "name": name,
        "versions": [loaded.version],
        "platform": f"trine_{loaded.engine}",
        "inputs": [port.as_json() for port in described.inputs],
        "outputs": [port.as_json() for port in described.outputs],
    }
