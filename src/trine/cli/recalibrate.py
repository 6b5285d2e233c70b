"""trine detect recalibrate: p-values from other normal data, without a training."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trine.cli import output
from trine.cli.options import DataDir, Flag, Json, Logs, Model
from trine.plurals import quantity

if TYPE_CHECKING:
    from trine.detect.recalibration import Judged, Rate, Recalibration


def recalibrate(
    model: Model,
    data: Logs,
    *,
    store: Path | None = None,
    out: Path | None = None,
    overwrite: Flag = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Calibrate MODEL anew on the normal sequences of DATA, without training its networks: members and p-values.

    trine detect recalibrate runs/sshd /var/log/auth.log --store /var/lib/trine/sshd.db

    Give logs from after the training, or exactly those of the training. Models of earlier versions become fit for
    `trine detect watch`. A tenth of the sequences is kept apart, to measure the false alarms before and after.

    Parameters
    ----------
    store
        The file of `trine detect watch --store`: sessions with a finding are left out, unless it was judged benign, or
        has no verdict while all verdicts on its entity are benign.
    out
        Folder of the new model. [default: the folder of MODEL, with -recalibrated at its end]
    overwrite
        Replace the model in --out; without --out, MODEL itself.
    """
    from trine.bundle import locate, read_manifest
    from trine.detect.detector import Detector
    from trine.detect.recalibration import recalibrated

    target = _target(model, out, overwrite)
    had_graphs = bool(read_manifest(locate(model)).export)
    judged = _judged(store) if store else []
    sources = data[0] if len(data) == 1 else data
    new = recalibrated(Detector.load(model), sources, data_dir, judged=judged, note=output.note)
    for line in new.remarks:
        output.note(line)
    new.detector.save(target)
    if json:
        output.print_json(_document(new, target))
    else:
        output.print_table("recalibrated", ("", "before", "after"), _rows(new))
    if had_graphs:
        output.note(f"the graphs were of the earlier calibration: trine export {target}")
    output.note(f"model: {target}")


def _target(model: Path, out: Path | None, overwrite: bool) -> Path:
    """Where the new model goes. Raises `UsageError` where another one would be lost."""
    from trine.bundle import locate
    from trine.errors import UsageError

    located = locate(model)
    named = model.resolve()
    target = out or (located if overwrite else named.with_name(f"{named.name}-recalibrated"))
    if not overwrite and target.exists() and any(target.iterdir()):
        raise UsageError(f"{target}: is there already: give another --out, or replace it with --overwrite")
    return target


def _judged(store: Path) -> "list[Judged]":
    """The findings of a store with their verdicts."""
    from trine.detect.recalibration import Judged
    from trine.live.store import Store

    with closing(Store.look(store)) as opened:
        verdicts = opened.feedback()
        return [
            Judged(each.entity, each.first_time, each.last_time, verdicts.get(each.id)) for each in opened.findings()
        ]


def _rows(new: "Recalibration") -> list[tuple[str, str, str]]:
    rows = [
        ("calibrated on", "", quantity(new.sequences, "normal sequence")),
        ("left out", "", quantity(new.left_out, "sequence")),
        ("false alarms, target", (target := f"{100 * new.detector.share:g} %"), target),
    ]
    if new.before is None or new.after is None:
        return [*rows, ("false alarms, measured", "", "not measured: fewer than 200 sequences")]
    measured = f"of {quantity(new.tested, 'sequence')} kept apart"
    return [
        *rows,
        (f"false alarms, {measured}", _rate(new.before.whole), _rate(new.after.whole)),
        ("the same, watched as they go on", _rate(new.before.going), _rate(new.after.going)),
    ]


def _rate(rate: "Rate | None") -> str:
    if rate is None:
        return "not possible"
    return f"{100 * rate.share:.2f} % ({100 * rate.interval[0]:.2f} to {100 * rate.interval[1]:.2f})"


def _document(new: "Recalibration", target: Path) -> dict[str, Any]:
    return {
        "model": str(target),
        "sequences": new.sequences,
        "left_out": new.left_out,
        "tested": new.tested,
        "target": new.detector.share,
        "before": new.before and new.before.as_json(),
        "after": new.after and new.after.as_json(),
        "remarks": list(new.remarks),
    }
