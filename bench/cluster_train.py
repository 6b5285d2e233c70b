"""Trainings on a Ray cluster beside torchrun, with workers that are killed, and errors. Cost on two cores: 30 minutes.

usage: python -m bench.cluster_train [speed | kills | errors]    (all, by default)

- Speed: two workers of one core, and two processes of torchrun with one thread each, train the same recipe; starts of
  both alternate. The sha256 of every tensor is compared.
- Kills: `kill -9` of one worker at three random moments of one training; nobody does anything about it. The peers are
  uninterrupted trainings of three seeds.
- Errors: Ray is not installed, no cluster answers, the data do not exist: what is said, and what is left on disk.

The cluster is started on this machine, by the command itself (`--cluster auto`).
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from bench.same_weights import compared, digests
from bench.support import record
from bench.support.claim import Cells, Claim, Figures, times

TURNS, SEEDS, KILLS = 3, 3, 3
WORKER = "ray::RayTrainWorker"
"""How Ray names the processes that train."""
PATIENCE = 900.0
"""Seconds that a training may take."""
SETTINGS = {"network": "fast", "widths": [16, 32], "precision": "float32", "checkpoint_seconds": 1}
RAY = ("--cluster", "auto", "--workers", "2")
CLAIMS = [
    Claim(
        "two Ray workers of one core, digits: tensors identical to those of two torchrun processes; steps per second",
        "cluster-train-speed",
        lambda f: Cells(
            f"{f['identical']} of {f['tensors']}; {f['ray']['steps_per_second']:.1f}",
            f"{f['torchrun']['steps_per_second']:.1f}",
            times(f["ratio"]),
        ),
        "Median of alternating trainings. The time before the first step and after the last is in the file, as "
        "`around_seconds`: it includes starting and ending Ray.",
    ),
    Claim(
        "a worker killed (`kill -9`) at random moments of a training: accuracy; peer: uninterrupted, mean of seeds",
        "cluster-train-kills",
        lambda f: Cells(
            f"{100 * f['accuracy']:.2f} %",
            f"{100 * f['uninterrupted']['mean']:.2f} ± {100 * f['uninterrupted']['sd']:.2f} %",
            f"{f['kills']} kills",
        ),
        "The training goes on from its last checkpoint without a manual step.",
    ),
]


def words(data: str, steps: int, folder: Path, seed: int = 0) -> list[str]:
    settings = record.set_to(**{name: json.dumps(value).strip('"') for name, value in SETTINGS.items()})
    length = ["--set", "epochs=0.01", "--set", f"least_steps={steps}", "--seed", str(seed), "--device", "cpu"]
    return ["classify", "fit", data, *settings, *length, "--out", str(folder)]


def environment() -> dict[str, str]:
    """Ray's workers have the priority of torchrun's: by itself, Ray starts them with niceness 15."""
    return {**record.with_source(), "OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0"}


def trained(program: list[str], line: list[str], folder: Path) -> dict[str, float]:
    """Rate of a training, and the time of its command beside the training."""
    shutil.rmtree(folder, ignore_errors=True)
    begin = time.perf_counter()
    command = [sys.executable, *program, *line, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment(), timeout=PATIENCE, check=True)
    seconds = time.perf_counter() - begin
    compute = json.loads(done.stdout)["compute"]
    return {
        "steps_per_second": compute["steps"] / compute["train_seconds"],
        "train_seconds": compute["train_seconds"],
        "around_seconds": seconds - compute["train_seconds"],
    }


def speed(data: str, steps: int, turns: int) -> dict[str, Any]:
    folders = {name: record.RUNS / "cluster-train" / name for name in ("ray", "torchrun")}
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "trine"]
    rows: dict[str, list[dict[str, float]]] = {"ray": [], "torchrun": []}
    for _ in range(turns):
        rows["torchrun"].append(trained(torchrun, words(data, steps, folders["torchrun"]), folders["torchrun"]))
        line = [*words(data, steps, folders["ray"]), *RAY]
        rows["ray"].append(trained(["-m", "trine"], line, folders["ray"]))
    same = compared(digests(folders["ray"]), digests(folders["torchrun"]))
    medians = {
        name: {figure: median(row[figure] for row in of) for figure in of[0]} | {"turns": of}
        for name, of in rows.items()
    }
    return {
        "data": data,
        "steps": steps,
        "identical": len(same["identical"]),
        "tensors": sum(map(len, same.values())),
        **medians,
        "ratio": medians["ray"]["steps_per_second"] / medians["torchrun"]["steps_per_second"],
        "start_overhead_seconds": medians["ray"]["around_seconds"] - medians["torchrun"]["around_seconds"],
    }


def kills(data: str, steps: int, count: int, seeds: int) -> dict[str, Any]:
    root = record.RUNS / "cluster-train"
    alone = []
    for seed in range(seeds):
        folder = root / f"whole-{seed}"
        shutil.rmtree(folder, ignore_errors=True)
        alone.append(record.trine(*words(data, steps, folder, seed))[0])
    whole = [result["metrics"]["accuracy"] for result in alone]
    killed = killed_training(data, steps, count, root / "killed")
    spread = record.spread(whole)
    return {
        "data": data,
        "steps": killed["result"]["compute"]["steps"],
        "kills": len(killed["at_steps"]),
        "at_steps": killed["at_steps"],
        "seconds_to_go_on": killed["seconds_to_go_on"],
        "accuracy": killed["result"]["metrics"]["accuracy"],
        "uninterrupted": spread,
        "uninterrupted_steps": alone[0]["compute"]["steps"],
        "exit_status": killed["status"],
    }


def killed_training(data: str, steps: int, count: int, folder: Path) -> dict[str, Any]:
    """A training whose workers are killed one after another at random moments of it."""
    shutil.rmtree(folder, ignore_errors=True)
    draw = random.Random(0)
    moments = sorted(draw.sample(range(steps // 10, 9 * steps // 10), count))
    line = [sys.executable, "-m", "trine", *words(data, steps, folder), *RAY, "--json"]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, env=environment(), text=True)
    at, waits = [], []
    end = time.monotonic() + PATIENCE
    for moment in moments:
        while reached(folder) < moment and process.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        victims = workers_below(process.pid)
        if not victims:
            break
        at.append(reached(folder))
        os.kill(draw.choice(victims), signal.SIGKILL)
        begin, before = time.monotonic(), reached(folder)
        while before == reached(folder) and process.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        waits.append(time.monotonic() - begin)
    out, _ = process.communicate(timeout=PATIENCE)
    return {"result": json.loads(out), "at_steps": at, "seconds_to_go_on": waits, "status": process.returncode}


def reached(folder: Path) -> int:
    """Last step in the metrics of a run."""
    try:
        last = (folder / "metrics.jsonl").read_text().splitlines()[-1]
        return int(json.loads(last)["step"])
    except (OSError, IndexError, ValueError, KeyError):
        return 0


def workers_below(driver: int) -> list[int]:
    """Process ids of the training workers that descend from a process."""
    parents = {}
    named = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            pid, parent = int(path.name), int((path / "stat").read_text().rpartition(")")[2].split()[1])
            line = (path / "cmdline").read_bytes().decode(errors="replace")
        except (OSError, IndexError):
            continue
        parents[pid] = parent
        named += [pid] if line.startswith(WORKER) else []

    def descends(pid: int) -> bool:
        while pid in parents:
            pid = parents[pid]
            if pid == driver:
                return True
        return False

    return [pid for pid in named if descends(pid)]


BLOCKED = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "ray":
            raise ModuleNotFoundError("No module named 'ray'", name="ray")
sys.meta_path.insert(0, Absent())
sys.argv = ["trine", *sys.argv[1:]]
from trine.__main__ import main
main()
"""


def errors() -> dict[str, Any]:
    """What is said, the exit status, and the files that are left, for each thing that can be wrong."""
    root = record.RUNS / "cluster-train" / "errors"
    cases = {
        "ray is not installed": (["-c", BLOCKED], "digits28", ("--cluster", "auto")),
        "no cluster answers": (["-m", "trine"], "digits28", ("--cluster", "127.0.0.1:9")),
        "no address": (["-m", "trine"], "digits28", ("--cluster", "somewhere")),
        "the data do not exist": (["-m", "trine"], "/nowhere/photos", ("--cluster", "auto")),
    }
    found = {}
    for name, (program, data, more) in cases.items():
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        line = [sys.executable, *program, *words(data, 10, root / "runs" / "run"), *more]
        done = subprocess.run(line, capture_output=True, text=True, env=environment(), cwd=root, check=False)
        found[name] = {
            "exit_status": done.returncode,
            "lines": done.stderr.splitlines(),
            "files_left": sorted(str(path.relative_to(root)) for path in root.rglob("*")),
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=("speed", "kills", "errors", []), default=[])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--small", action="store_true", help="a try of everything: nothing is kept")
    options = parser.parse_args()
    parts = options.parts or ["speed", "kills", "errors"]
    turns, seeds, count = (1, 1, 1) if options.small else (TURNS, SEEDS, KILLS)
    steps = 300 if options.small else options.steps
    measured = {
        "speed": lambda: speed(options.data, steps, turns),
        "kills": lambda: kills(options.data, 3 * steps, count, seeds),
        "errors": errors,
    }
    for part in parts:
        figures: Figures = measured[part]()
        if options.small:
            print(json.dumps(figures, indent=2))
        else:
            command = f"python -m bench.cluster_train {part} --data {options.data} --steps {options.steps}"
            record.keep(f"cluster-train-{part}", command, figures)


if __name__ == "__main__":
    main()
