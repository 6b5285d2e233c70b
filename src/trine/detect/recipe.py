"""Every setting of a detector, and its presets."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from trine.recipe import Recipe


class DetectRecipe(Recipe):
    """Settings of one training of a detector."""

    cell: Literal["lstm", "gru", "rnn"] = "lstm"
    """The recurrent layer: long short-term memory, gated recurrent unit, or a plain tanh layer."""
    embedding: int = Field(128, ge=4, le=2_048)
    """Width of an event's embedding."""
    hidden: int = Field(128, ge=4, le=4_096)
    """Width of the recurrent layers."""
    layers: int = Field(1, ge=1, le=3)
    """Recurrent layers."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Share of embedding and output units that is silenced, for a stream and step."""
    steps: int = Field(16, ge=2, le=4_096)
    """Events through which gradients flow back; the state is carried on beyond them."""
    recurrent_rate: float = Field(0.03, gt=0)
    """Muon's peak learning rate, for the matrices of the recurrent layers."""
    learning_rate: float = Field(5e-3, gt=0)
    """AdamW's peak learning rate, for all other weights."""
    weight_decay: float = Field(0.01, ge=0)
    """AdamW's weight decay."""
    rare_masked: float = Field(0.01, ge=0, lt=1)
    """Share of training events that is read as unknown, rare ones first: what is never seen gets a learned place."""
    attributes: tuple[str, ...] = ()
    """Further columns of the table that the network reads and predicts; `time` is the gap between events."""

    log_format: str | None = None
    """How a raw log is written, by name; none: guessed from its first thousand lines."""
    log_pattern: str | None = None
    """A regular expression with named groups for the lines of a raw log: event, time, host, user, process, ..."""
    entity: str | None = None
    """What a session of a raw log belongs to: host, user, process, address or session; none: the format's own."""
    gap_seconds: float = Field(1800.0, gt=0)
    """A pause of an entity that ends its session, in seconds."""

    folds: int = Field(4, ge=1, le=20)
    """Networks, each trained without one part of the normal sequences, which it is then calibrated on: so that every
    normal sequence both teaches and calibrates. 1: one network and one held-out part."""
    calibration_share: float = Field(0.3, gt=0, lt=0.9)
    """Share of the normal sequences held out when there is one fold."""
    members: tuple[Literal["lstm", "counts", "length", "ngrams", "either", "unseen"], ...] = Field(
        ("either", "counts", "unseen"), min_length=1
    )
    """The scores that are fused: the surprisal of the network (`lstm`, whatever its cell), of counted n-grams, the
    larger of the two (`either`), the distance to the nearest normal event counts, the length given those, and the share
    of pairs of events that were never seen."""
    false_alarms: float = Field(0.01, gt=0, lt=1)
    """Share of normal sequences that may be flagged."""
    alerts_per_day: float | None = Field(None, gt=0)
    """Alerts on normal activity a day, instead; needs times."""

    epochs: float = Field(20.0, gt=0, le=10_000)
    least_steps: int = Field(300, ge=1)
    """Steps that even a small set is trained for."""
    batch_size: int = Field(128, ge=1, le=65_536)
    """Streams of events read side by side."""
    schedule: Literal["triangular", "cosine", "constant"] = "cosine"
    warmup: float = Field(0.05, ge=0, lt=1)
    gradient_clip: float = Field(1.0, ge=0)

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        # On ADFA-LD and two cores: two minutes, 0.02 PFLOP.
        "quick": {},
        # Four minutes, 0.05 PFLOP; on ADFA-LD hardly better.
        "good": {"hidden": 256, "dropout": 0.3},
        # Twice the passes of good; not measured.
        "best": {"hidden": 256, "dropout": 0.3, "epochs": 40.0},
    }
