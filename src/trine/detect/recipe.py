"""Every setting of a detector, and its presets."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from trine.detect.cells import CellName
from trine.recipe import Among, Between, Recipe

MemberName = Literal[
    "network",
    "counts",
    "length",
    "ngrams",
    "either",
    "unseen",
    "excess",
    "ngram_excess",
    "pairs",
    "rare",
    "size",
    "attributes",
    "attribute_excess",
]
"""Names of the members in `trine.detect.members`, which takes longer to import."""
DEFAULT_MEMBERS: tuple[MemberName, ...] = ("either", "counts", "unseen", "excess", "pairs", "rare", "size")
COUNTING_MEMBERS: tuple[MemberName, ...] = ("ngrams", "counts", "unseen", "ngram_excess", "pairs", "rare", "size")
COUNTING = "counting"
"""Name that stands for the default members without a network."""
ATTRIBUTE_MEMBERS: tuple[MemberName, ...] = ("attributes", "attribute_excess")


class DetectRecipe(Recipe):
    """Settings of one training of a detector."""

    cell: Annotated[CellName, Among(("lstm", "gru"))] = "lstm"
    """Recurrent layer: long short-term memory (lstm), gated recurrent unit (gru), or a plain tanh layer (rnn)."""
    embedding: int = Field(128, ge=4, le=2_048)
    """Width of the event embedding."""
    hidden: Annotated[int, Among((64, 128, 256))] = Field(128, ge=4, le=4_096)
    """Width of the recurrent layers."""
    layers: int = Field(1, ge=1, le=3)
    """Number of recurrent layers."""
    dropout: Annotated[float, Between(0.0, 0.4)] = Field(0.1, ge=0, lt=1)
    """Dropout rate of embedding and output units; one mask per stream and step."""
    steps: int = Field(16, ge=2, le=4_096)
    """Number of events through which gradients flow back; the recurrent state is carried on to the next piece."""
    recurrent_rate: Annotated[float, Between(0.01, 0.1, log=True)] = Field(0.03, gt=0)
    """Muon's peak learning rate for the matrices of the recurrent layers."""
    learning_rate: Annotated[float, Between(1e-3, 2e-2, log=True)] = Field(5e-3, gt=0)
    """AdamW's peak learning rate for all other weights."""
    weight_decay: Annotated[float, Between(1e-3, 0.1, log=True)] = Field(0.01, ge=0)
    """AdamW's weight decay."""
    rare_masked: float = Field(0.01, ge=0, lt=1)
    """Share of training events replaced by the unknown event, rare ones most often: this trains its embedding."""
    attributes: tuple[str, ...] = ()
    """Further columns that the network reads and predicts: attributes of the data, the time since the previous event
    (`time`), the hour of the day and the day of the week in UTC (`hour`, `weekday`), the session's `entity`. Their
    surprisal becomes part of the score."""

    log_format: str | None = None
    """Format of a raw log; without one, it is guessed from the first thousand lines."""
    log_pattern: str | None = None
    """Regular expression for the lines of a raw log, with named groups: event, time, host, user, process, ..."""
    log_event: tuple[str, ...] = ()
    """Fields or columns of a raw log that name the event, such as `verb,objectRef.resource`."""
    log_time: str | None = None
    """Field or column of a raw log that holds the time."""
    time_format: str | None = None
    """Form of the times of a raw log, as for `strptime`: `%d.%m.%Y %H:%M:%S`."""
    entity: str | None = None
    """What a session of a raw log belongs to: host, user, process, address, session, or a field or column of the log;
    the format has a default."""
    gap_seconds: float = Field(1800.0, gt=0)
    """Time without an event of an entity after which its next event begins a new session, in seconds."""

    window_seconds: float | None = Field(None, gt=0)
    """Length of the time window that a session of a raw log is, in seconds, for logs that have no sessions."""
    window_events: int | None = Field(None, ge=2)
    """Largest number of events of a session of a raw log."""

    folds: int = Field(4, ge=1, le=20)
    """Number of networks. Each is trained without one part of the normal sequences and calibrated on that part: every
    normal sequence is used for both. 1: one network and one held-out part."""
    calibration_share: float = Field(0.3, gt=0, lt=0.9)
    """Share of the normal sequences that is held out when there is one fold."""
    members: tuple[MemberName, ...] = Field(DEFAULT_MEMBERS, min_length=1)
    """Scores that are fused. Per event: the surprisal of the network
    (`network`) or of n-grams (`ngrams`), the larger of the two (`either`), the distance to the nearest normal event
    counts (`counts`), the length given those counts (`length`), the share of pairs of events that no normal sequence
    has (`unseen`). Sums, which grow with the evidence: surprisal beyond the ordinary (`excess`, of n-grams alone
    `ngram_excess`), unseen pairs (`pairs`), rare and unseen events (`rare`), all events (`size`). Of the attributes:
    `attributes` per event, `attribute_excess` as a sum; both are added where attributes are asked for. `counting`
    stands for the default without a network: none is trained, and a fit takes seconds."""
    false_alarms: float = Field(0.01, gt=0, lt=1)
    """Share of normal sequences that may be flagged."""
    alerts_per_day: float | None = Field(None, gt=0)
    """Alerts on normal activity per day, instead of `false_alarms`; needs event times."""

    epochs: float = Field(20.0, gt=0, le=10_000)
    least_steps: int = Field(300, ge=1)
    """Smallest number of steps, also for a small set."""
    batch_size: int = Field(128, ge=1, le=65_536)
    """Number of parallel streams of events."""
    schedule: Literal["triangular", "cosine", "constant"] = "cosine"
    warmup: float = Field(0.05, ge=0, lt=1)
    gradient_clip: float = Field(1.0, ge=0)

    @property
    def all_members(self) -> tuple[str, ...]:
        """The members, with those of the attributes where attributes are asked for."""
        return tuple(dict.fromkeys((*self.members, *(ATTRIBUTE_MEMBERS if self.attributes else ()))))

    @field_validator("members", mode="before")
    @classmethod
    def _present_names(cls, members: Any) -> Any:
        """Members by their present names: recipes of 0.1.0 call the network `lstm`, whatever its cell."""
        if not isinstance(members, list | tuple):
            return members
        if list(members) == [COUNTING]:
            return COUNTING_MEMBERS
        from trine.detect.members import FORMER_MEMBERS

        return [FORMER_MEMBERS.get(name, name) if isinstance(name, str) else name for name in members]

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        # On ADFA-LD and two cores: two minutes, 0.02 PFLOP.
        "quick": {},
        # Four minutes, 0.05 PFLOP; on ADFA-LD hardly better than quick.
        "good": {"hidden": 256, "dropout": 0.3},
        # Twice the epochs of good; not measured.
        "best": {"hidden": 256, "dropout": 0.3, "epochs": 40.0},
    }
