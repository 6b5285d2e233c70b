"""The options that commands share."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter, validators

from trine.cli import output
from trine.cli.completion import complete_data
from trine.errors import UsageError
from trine.recipe import Recipe, parse_settings

if TYPE_CHECKING:
    from trine.model import Model as TrainedModel

Data = Annotated[str, Parameter(completer=complete_data, help="A named set (see `trine data list`) or a path.")]
Logs = Annotated[
    list[str],
    Parameter(
        completer=complete_data,
        negative=(),
        help="A named set (see `trine data list`), a path, or several logs: files, folders, patterns, - for stdin.",
    ),
]
Model = Annotated[Path, Parameter(help="A folder that `fit` wrote: a run or its bundle.")]
Start = Annotated[
    Path | None,
    Parameter(name="--from", help="A trained model to go on from, with more or new pictures. [default: none]"),
]
Split = Annotated[
    str | None,
    Parameter(
        help="The split to measure on, or all. [default: test, else the held-out part of the training data, else all]"
    ),
]
AnySplit = Annotated[str | None, Parameter(help="The split to take. [default: all]")]
Count = Annotated[int, Parameter(name=("-n", "--count"), help="Number of pictures.")]
Out = Annotated[Path, Parameter(help="The file to write.")]
DataDir = Annotated[Path | None, Parameter(help="Folder of the named data sets. [default: TRINE_DATA, else the cache]")]
Flag = Annotated[bool, Parameter(negative=(), show_default=False)]
Cluster = Annotated[
    str | None,
    Parameter(
        help="Work on a Ray cluster: HOST:PORT of its head; auto: one that runs here, else one is started. "
        "[default: this process alone]"
    ),
]
Json = Annotated[bool, Parameter(negative=(), show_default=False, help="Print JSON.")]


@Parameter(name="*")
@dataclass
class RecipeOptions:
    """Options that make a recipe."""

    effort: Literal["quick", "good", "best"] | None = None
    "The preset: a larger effort trains longer. [default: quick]"
    seed: int | None = None
    "Seed of every random choice. [default: 0]"
    set_: Annotated[list[str], Parameter(name="--set", negative=(), show_default=False)] = field(default_factory=list)
    "Change a setting of the recipe: name=value. Can be repeated."
    recipe: Path | None = None
    "Train with the settings of this recipe.json."

    def chosen(self, recipe_type: type[Recipe], **settings: Any) -> Any:
        """The recipe of these options. Later ones override earlier ones: preset or file, options of the task, --set."""
        own = {"seed": self.seed, **settings}
        changes = {name: value for name, value in own.items() if value is not None} | parse_settings(self.set_)
        if self.recipe is None:
            return recipe_type.preset(**{"effort": self.effort or "quick", **changes})
        if self.effort is not None:
            raise UsageError(f"--effort {self.effort} and --recipe {self.recipe}: the recipe has its own, give one")
        return recipe_type.read(self.recipe).changed(**changes)


@Parameter(name="*")
@dataclass
class FitOptions(RecipeOptions):
    """Options of a training."""

    minutes: float | None = None
    "Length of the whole training in minutes, on this machine. [default: the recipe decides]"
    out: Path | None = None
    "Folder of the run. [default: runs/TASK-DATA; runs/TASK-DATA-2 if there is one, and so on]"
    resume: Flag = False
    "Continue a run that was stopped or killed: the last one, or that in --out."
    overwrite: Flag = False
    "Replace a run: the last one, or that in --out."
    test: bool = True
    "Measure on the test split once, at the end; --no-test does not use it."
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    "Device to train on."
    data_dir: Path | None = None
    "Folder of the named data sets. [default: TRINE_DATA, else the cache]"
    cluster: Cluster = None
    workers: Annotated[int | None, Parameter(validator=validators.Number(gte=1))] = None
    "Processes on the cluster. [default: one per GPU; without GPUs, one per machine]"
    json: Flag = False
    "Print the result as one JSON document."

    def fit(self, model: "TrainedModel[Any]", data: "str | list[str]", start: Path | None = None) -> None:
        """Train in this process, or on the cluster that was named, and print the result."""
        if self.cluster is None:
            if self.workers is not None:
                raise UsageError("--workers: processes on a cluster: give --cluster auto too, or start with torchrun")
            output.print_fitted(model.fit(data, start=start, **self.training()), self.json)
            return
        from trine.cluster.training import fit_on_cluster

        trained = fit_on_cluster(
            model, data, start=start, cluster=self.cluster, workers=self.workers, **self.training()
        )
        output.print_fitted(trained, self.json)

    def training(self) -> dict[str, Any]:
        """Keyword arguments of `Model.fit`."""
        from trine.progress import reporter

        names = ("minutes", "out", "resume", "overwrite", "device", "data_dir", "test")
        return {**{name: getattr(self, name) for name in names}, "report": reporter()}
