"""Options of a search for better settings."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter, validators

from trine.cli import output
from trine.cli.options import Cluster, Flag, RecipeOptions

if TYPE_CHECKING:
    from trine.model import Model

SHOWN = 10
"""Trials in the table; all are in the JSON and in trials.json."""


@Parameter(name="*")
@dataclass
class TuneOptions(RecipeOptions):
    """Options of a search."""

    trials: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 20
    "Number of trainings; those of earlier calls with the same --out count."
    minutes: float | None = None
    "Length of the whole search in minutes. [default: until all trials are done]"
    out: Path | None = None
    "Folder of the search. The same command goes on where it was stopped. [default: runs/tune-TASK-DATA]"
    workers: Annotated[int | None, Parameter(validator=validators.Number(gte=1))] = None
    "Trials at the same time. [default: 1; on a cluster one per GPU, without GPUs one per machine]"
    cluster: Cluster = None
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    "Device to train on."
    data_dir: Path | None = None
    "Folder of the named data sets. [default: TRINE_DATA, else the cache]"
    json: Flag = False
    "Print all trials as one JSON document."

    def run(self, model: "Model[Any]", data: "str | list[str]") -> None:
        """Search, print the trials, and say how the winner is trained."""
        from trine.cluster.search import tune
        from trine.progress import reporter

        names = ("trials", "minutes", "out", "workers", "cluster", "device", "data_dir")
        found = tune(model, data, **{name: getattr(self, name) for name in names}, report=reporter())
        if self.json:
            output.print_json(found.as_json())
        else:
            rows = [
                (trial.name, trial.state, _shown(trial.score), f"{trial.seconds:.0f}", _settings(trial.settings))
                for trial in found.trials[:SHOWN]
            ]
            columns = ("trial", "state", "validation, lower is better", "seconds", "settings")
            output.print_table("trials", columns, rows)
        words = data if isinstance(data, str) else " ".join(data)
        output.note(f"train the winner: trine {model.task} fit {words} --recipe {found.best}")


def _shown(score: float | None) -> str:
    return "" if score is None else f"{score:.5g}"


def _settings(settings: dict[str, Any]) -> str:
    texts = {name: f"{value:.3g}" if isinstance(value, float) else str(value) for name, value in settings.items()}
    return " ".join(f"{name}={text}" for name, text in texts.items()) or "the recipe's own"
