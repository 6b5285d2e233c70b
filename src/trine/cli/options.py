"""The options that the three `fit` commands share."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from trine.cli.completion import complete_data
from trine.errors import UsageError
from trine.recipe import Recipe, parse_settings

Data = Annotated[str, Parameter(completer=complete_data, help="A named set or a path; see `trine data list`.")]
Model = Annotated[Path, Parameter(help="A folder that `fit` wrote: a run, or its bundle.")]
Split = Annotated[str | None, Parameter(help="The split to measure on. [default: test, else what was held out]")]
DataDir = Annotated[Path | None, Parameter(help="Folder of the named data sets. [default: TRINE_DATA, else the cache]")]
Flag = Annotated[bool, Parameter(negative=(), show_default=False)]
Json = Annotated[bool, Parameter(negative=(), show_default=False, help="Print JSON.")]


@Parameter(name="*")
@dataclass
class FitOptions:
    """How to train."""

    effort: Literal["quick", "good", "best"] | None = None
    "The preset: how much to spend. [default: quick]"
    minutes: float | None = None
    "Fit the whole training into so many minutes on this machine."
    out: Path | None = None
    "The run's folder. [default: runs/TASK-DATA]"
    seed: int | None = None
    "Seed of every random choice. [default: 0]"
    set_: Annotated[list[str], Parameter(name="--set", negative=(), show_default=False)] = field(default_factory=list)
    "Change a setting of the recipe: name=value; can be repeated."
    recipe: Path | None = None
    "Repeat the training of this recipe.json."
    resume: Flag = False
    "Go on with a run that was stopped or killed."
    test: bool = True
    "Measure the test split once at the end; --no-test leaves it unread."
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    "Where to train."
    data_dir: Path | None = None
    "Folder of the named data sets. [default: TRINE_DATA, else the cache]"
    json: Flag = False
    "Print the result as one JSON document."

    def chosen(self, recipe_type: type[Recipe], **settings: Any) -> Any:
        """The recipe that these options ask for; later ones win: preset or file, command's own options, --set."""
        own = {"seed": self.seed, **settings}
        changes = {name: value for name, value in own.items() if value is not None} | parse_settings(self.set_)
        if self.recipe is None:
            return recipe_type.preset(**{"effort": self.effort or "quick", **changes})
        if self.effort is not None:
            raise UsageError(f"--effort {self.effort} and --recipe {self.recipe}: the recipe has its own, give one")
        return recipe_type.read(self.recipe).changed(**changes)

    def training(self) -> dict[str, Any]:
        """Keyword arguments of an estimator's `fit`."""
        from trine.progress import reporter

        names = ("minutes", "out", "resume", "device", "data_dir", "test")
        return {**{name: getattr(self, name) for name in names}, "report": reporter()}
