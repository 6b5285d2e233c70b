"""The base of all recipes: the settings of one training, validated, frozen and saved with the run."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trine import files
from trine.errors import RecipeError, nearest

Effort = Literal["quick", "good", "best"]
WRITTEN = frozenset({"effort", "seed", "epochs", "batch_size", "checkpoint_seconds"})
"""Settings that every recipe has which a run or a bundle holds: it has all of its version."""


@dataclass(frozen=True)
class Between:
    """Values of a setting that a search tries: numbers in a range."""

    low: float
    high: float
    log: bool = False
    """Whether equal ratios are equally likely, instead of equal differences."""
    where: tuple[str, ...] = ()
    """Networks that the setting is for; none: all."""

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}{', by ratio' if self.log else ''}"


@dataclass(frozen=True)
class Among:
    """Values of a setting that a search tries: one of some."""

    choices: tuple[str | int | float, ...]
    where: tuple[str, ...] = ()
    """Networks that the setting is for; none: all."""

    def __str__(self) -> str:
        return ", ".join(map(str, self.choices))


class Recipe(BaseModel):
    """The settings that the training loop reads; each task adds its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    presets: ClassVar[dict[str, dict[str, Any]]] = {"quick": {}, "good": {}, "best": {}}
    former: ClassVar[dict[str, Any]] = {}
    """Settings that earlier versions did not have, and the values that describe what they did."""

    effort: Effort = "quick"
    """The preset that the other settings follow."""
    seed: int = Field(0, ge=0, le=2**31 - 1)
    """Seed of all random choices: validation split, initial weights, order, augmentation."""
    epochs: float = Field(10.0, gt=0, le=10_000)
    """Length of the training, in passes over the train split."""
    batch_size: int = Field(500, ge=1, le=65_536)
    """Samples per step, over all processes together."""
    schedule: Literal["triangular", "cosine", "constant"] = "triangular"
    """Learning-rate schedule after the warm-up."""
    warmup: float = Field(0.2, ge=0, lt=1)
    """Share of the training in which the learning rate rises linearly."""
    final_rate: float = Field(0.0, ge=0, le=1)
    """Final learning rate, as a share of the peak."""
    gradient_clip: float = Field(0.0, ge=0)
    """Largest norm of the gradient; 0 for no limit."""
    ema_decay: float = Field(0.0, ge=0, lt=1)
    """Decay per step of the weights' exponential moving average; 0 turns it off."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of the network; auto chooses bfloat16 where the hardware supports it."""
    validations: int = Field(8, ge=0, le=1_000)
    """Number of validations during the training."""
    checkpoint_seconds: float = Field(60.0, ge=0)
    """Seconds between checkpoints; 0 saves after every step."""

    @classmethod
    def preset(cls, effort: str = "quick", **settings: Any) -> Self:
        """The preset of an effort, with some settings changed. Raises `RecipeError`."""
        if effort not in cls.presets:
            raise RecipeError(f"effort {effort!r} is not known: choose one of {', '.join(cls.presets)}")
        return cls.checked({"effort": effort, **cls.presets[effort], **settings})

    @classmethod
    def checked(cls, settings: dict[str, Any]) -> Self:
        """A recipe from plain values. Raises `RecipeError` that names the first wrong setting."""
        try:
            return cls.model_validate(settings)
        except ValidationError as problem:
            raise RecipeError(cls._explain(problem)) from None

    @classmethod
    def stored(cls, settings: dict[str, Any]) -> Self:
        """The recipe that a run or a bundle holds, of this version or an earlier one. Raises `RecipeError`."""
        return cls.checked({**(cls.former if settings.keys() >= WRITTEN else {}), **settings})

    def resumed(self, started: dict[str, Any]) -> Self:
        """This recipe, to go on with a run that `started` with that recipe.

        Settings that `started` lacks, as an earlier version had none, become what that version did, unless they were
        changed by hand.
        """
        lacking = self.former.keys() - started.keys() - self.by_hand
        return self.changed(**{name: self.former[name] for name in lacking}) if lacking else self

    def changed(self, **settings: Any) -> Self:
        """A copy with some settings changed, validated again."""
        return self.checked({**self.model_dump(), **settings})

    @property
    def by_hand(self) -> set[str]:
        """The settings that differ from the preset."""
        preset, fields = self.presets[self.effort], type(self).model_fields
        return {name for name in fields if getattr(self, name) != preset.get(name, fields[name].default)} - {"effort"}

    @classmethod
    def searched(cls) -> dict[str, Between | Among]:
        """What a search tries for each setting that is declared with it."""
        found = {
            name: next((each for each in field.metadata if isinstance(each, Between | Among)), None)
            for name, field in cls.model_fields.items()
        }
        return {name: values for name, values in found.items() if values is not None}

    def search_space(self, fixed: Collection[str]) -> dict[str, Between | Among]:
        """What a search from this recipe tries: settings of its network that are not `fixed`."""
        network = getattr(self, "network", "")
        return {
            name: values
            for name, values in self.searched().items()
            if name not in fixed and (not values.where or network in values.where)
        }

    @classmethod
    def read(cls, path: Path) -> Self:
        """The recipe in a JSON file. Raises `RecipeError`."""
        try:
            settings = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as problem:
            raise RecipeError(f"{path}: not a readable recipe ({problem}): give the recipe.json of a run") from None
        if not isinstance(settings, dict):
            raise RecipeError(f"{path}: not a recipe: its JSON must be an object of settings")
        try:
            return cls.stored(settings)
        except RecipeError as problem:
            raise RecipeError(f"{path}: {problem}") from None

    def save(self, path: Path) -> None:
        """Write the recipe as JSON for `read`."""
        files.write_json(path, self.model_dump(mode="json"))

    @classmethod
    def _explain(cls, problem: ValidationError) -> str:
        first = problem.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "recipe"
        if first["type"] == "extra_forbidden":
            hint = nearest(name, cls.model_fields) or f": settings are {', '.join(sorted(cls.model_fields))}"
            return f"setting {name!r} is not known{hint}"
        message = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
        return f"setting {name}={first['input']!r} is out of its range: {message}"


def parse_settings(pairs: list[str]) -> dict[str, Any]:
    """Settings from `name=value` texts; a value is read as JSON if it is valid JSON. Raises `RecipeError`."""
    settings: dict[str, Any] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise RecipeError(f"--set {pair!r}: write it as name=value")
        try:
            settings[name.strip().replace("-", "_")] = json.loads(value)
        except ValueError:
            settings[name.strip().replace("-", "_")] = value
    return settings
