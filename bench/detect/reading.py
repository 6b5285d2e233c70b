"""Reading logs: lines per second of every format on one core, peak memory on large logs. Cost: 40 minutes, 3 GB disk.

usage: python -m bench.detect.reading [speed | memory]    (both, by default)

- Speed: `trine detect check`, which reads a log, mines its templates and divides it into sessions, pinned to one core;
  processor seconds, less those of the same command on a single line. An access log and an sshd log are generated; all
  other formats are the corpus of tests/logs, repeated.
- drain3 and Trine's miner mine the messages of the same sshd log in memory, without reading and parsing. drain3 is
  installed into a separate environment.
- Memory: peak of the processes that check, fit and score ten million lines, 100,000 entities, and one entity with a
  million events among ordinary ones. The detector has only members that count.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from bench.detect.templates import drain3_python
from bench.support import record
from bench.support.claim import Cells, Claim, times

CORPUS = record.ROOT / "tests" / "logs" / "corpus"
START = datetime(2024, 5, 1, tzinfo=UTC).timestamp()
MEMBERS = "counts,unseen"
"""Members of the detector that are fitted in seconds."""
TURNS = 3
DOCUMENTS = {"json_array.json", "cloudtrail.json"}
"""Logs of the corpus that are one JSON document, and cannot be repeated line by line."""
WORDS = {
    "csv_comma": ("--event", "action", "--entity", "user", "--time", "time"),
    "csv_semicolon": ("--event", "Aktion", "--entity", "Benutzer", "--time", "Zeit"),
    "csv_tab": ("--event", "event", "--entity", "host", "--time", "timestamp"),
}
"""Options of the formats that name nothing by themselves."""
MINE = """
lines = open(sys.argv[1], encoding="utf-8").read().splitlines()
start = time.process_time()
for line in lines:
    add(line)
print(len(lines) / (time.process_time() - start))
"""
MINERS = {
    "trine": "import sys, time; from trine.logs.templates import TemplateMiner; add = TemplateMiner().add",
    "drain3": "import sys, time; from drain3 import TemplateMiner; add = TemplateMiner().add_log_message",
}
CLAIMS = [
    Claim(
        "reading and mining an access log, an sshd log: lines per second on one core",
        "logs-reading",
        lambda f: Cells(f"{f['lines_per_second']['access log']:,}; {f['lines_per_second']['sshd log']:,}"),
    ),
    Claim(
        "mining the messages of the sshd log: lines per second on one core; peer: drain3",
        "logs-reading",
        lambda f: Cells(f"{f['mining']['trine']:,}", f"{f['mining']['drain3']:,}", times(f["times_drain3"], 1)),
    ),
    Claim(
        "reading, the slowest format: lines per second on one core",
        "logs-reading",
        lambda f: Cells(f"{f['slowest']['lines_per_second']:,} ({f['slowest']['format']})"),
    ),
    Claim(
        "largest memory of check, fit and score on 10 million lines; 100,000 entities; one entity of a million events",
        "logs-memory",
        lambda f: Cells("; ".join(f"{max(of.values()):.0f} MiB" for of in f["peak_mib"].values())),
    ),
]


# --- large logs


def access_log(lines: int, addresses: int = 20_000, active: int = 300, per_second: int = 40) -> Iterator[str]:
    """Blocks of an access log. `active` visitors take turns; every three seconds one leaves and the next comes."""
    draw = random.Random(0)
    tails = [tail(draw) for _ in range(20_000)]
    pool = [f"{10 + number // 62500}.{number // 250 % 250}.{number % 250}.7 - - " for number in range(addresses)]
    for second in range(-(-lines // per_second)):
        now = datetime.fromtimestamp(START + second, UTC).strftime("[%d/%b/%Y:%H:%M:%S +0000] ")
        first = second // 3
        who = [pool[(first + offset) % addresses] for offset in draw.choices(range(active), k=per_second)]
        what = draw.choices(tails, k=per_second)
        count = min(per_second, lines - second * per_second)
        yield "".join([f"{a}{now}{b}" for a, b in zip(who[:count], what, strict=False)])


def one_entity(lines: int) -> Iterator[str]:
    """Blocks of an access log: a hundred thousand lines of many visitors, then so many of one."""
    yield from access_log(100_000)
    for block in access_log(lines, addresses=1, active=1):
        yield block.replace("10.0.0.7 ", "198.51.100.7 ")


def tail(draw: random.Random) -> str:
    """What follows the time of a request: few pages are asked for often, many seldom."""
    page = draw.choice(("/", "/cart", "/login", "/search?q=wool+scarf", f"/products/item-{draw.randint(1, 5000)}"))
    agent = f"Mozilla/5.0 (X11; Linux x86_64; rv:{draw.randint(115, 126)}.0) Gecko/20100101 Firefox/125.0"
    status = draw.choices((200, 302, 304, 404), (90, 4, 4, 2))[0]
    return f'"GET {page} HTTP/1.1" {status} {draw.randint(100, 90000)} "https://shop.example/" "{agent}"\n'


def sshd_log(lines: int) -> Iterator[str]:
    """Blocks of a log of sshd, ten lines per second."""
    draw = random.Random(0)
    users, hosts = [f"user{number}" for number in range(200)], [f"192.0.2.{number}" for number in range(1, 255)]
    for second in range(-(-lines // 10)):
        now = datetime.fromtimestamp(START + second, UTC)
        head = f"{now:%b} {now.day:2} {now:%H:%M:%S} web1 sshd"
        block = []
        for _ in range(min(10, lines - second * 10)):
            user, host, port = draw.choice(users), draw.choice(hosts), draw.randint(1024, 65535)
            text = (
                f"Failed password for {user} from {host} port {port} ssh2",
                f"Accepted publickey for {user} from {host} port {port} ssh2: RSA SHA256:{port:x}",
                f"pam_unix(sshd:session): session opened for user {user} by (uid=0)",
                f"Received disconnect from {host} port {port}:11: disconnected by user",
                f"Invalid user {user} from {host} port {port}",
            )[port % 5]
            block.append(f"{head}[{1000 + second % 30000}]: {text}\n")
        yield "".join(block)


def repeated(name: str, lines: int) -> Iterator[str]:
    """Lines of a log of the corpus again and again, without those of other formats and without those that end a log.

    A header of comments is repeated too: it may change in the midst of the log.
    """
    path = CORPUS / name
    rows = [json.loads(row) for row in (path.parent / f"{path.stem}.truth.jsonl").read_text("utf-8").splitlines()]
    kinds = {row["line"]: row["kind"] for row in rows}
    events = [number for number, kind in kinds.items() if kind == "event"]
    head, body, kind = "", "", ""
    for number, line in enumerate(path.open(encoding="utf-8", newline="\n"), 1):
        kind = kind if kinds[number] == "continued" else kinds[number]
        if number < events[0]:
            head += line
        elif kind == "event" or (kind == "header" and number < events[-1]):
            body += line
    if head.startswith("#"):
        head, body = "", head + body
    yield head
    yield from (body for _ in range(-(-lines // body.count("\n"))))


def write(path: Path, blocks: Iterable[str]) -> int:
    """Number of lines written."""
    with path.open("w", encoding="utf-8") as out:
        return sum(block.count("\n") for block in blocks if out.write(block))


# --- measuring


@dataclass(frozen=True, slots=True)
class Measured:
    seconds: float
    """Processor seconds."""
    peak_mib: float


def run(*words: object, core: bool = False) -> Measured:
    """Run a `trine` command in a process of its own, on one core if wanted."""
    pin = ["taskset", "-c", "0"] if core and shutil.which("taskset") else []
    command = [*pin, sys.executable, "-m", "trine", *map(str, words), "--json"]
    environment = record.with_source() | ({"OMP_NUM_THREADS": "1"} if core else {})
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit status {process.returncode}")
    return Measured(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def lines_per_second(folder: Path, blocks: Iterable[str], words: tuple[str, ...] = (), turns: int = 1) -> int:
    """Of `trine detect check`, less what the command takes for the first lines."""
    path, short = folder / "speed.log", folder / "short.log"
    lines = write(path, blocks)
    with path.open(encoding="utf-8") as file:
        few = write(short, islice(file, 20))
    starts, seconds = [], []
    for _ in range(turns):
        starts += [run("detect", "check", short, *words, core=True).seconds for _ in range(2)]
        seconds.append(run("detect", "check", path, *words, core=True).seconds)
    path.unlink()
    return round((lines - few) / (median(seconds) - min(starts)))


def speeds(folder: Path, lines: int) -> dict[str, int]:
    """Lines per second of every format, the fastest first."""
    rates = {
        "access log": lines_per_second(folder, access_log(2_000_000), turns=TURNS),
        "sshd log": lines_per_second(folder, sshd_log(1_000_000), turns=TURNS),
    }
    for path in sorted(CORPUS.glob("*")):
        if path.is_file() and not path.name.endswith(".truth.jsonl") and path.name not in DOCUMENTS:
            rates[path.stem] = lines_per_second(folder, repeated(path.name, lines), WORDS.get(path.stem, ()))
            print(f"{path.stem:24} {rates[path.stem]:>10,} lines/s", file=sys.stderr, flush=True)
    return dict(sorted(rates.items(), key=lambda each: -each[1]))


def mining(folder: Path) -> dict[str, int]:
    """Messages of the sshd log per second that each miner mines; they take turns."""
    path = folder / "messages.log"
    write(path, ("".join(line.partition("]: ")[2] for line in block.splitlines(True)) for block in sshd_log(200_000)))
    pin = ["taskset", "-c", "0"] if shutil.which("taskset") else []
    pythons = {"trine": sys.executable, "drain3": drain3_python()}
    rates: dict[str, list[float]] = {miner: [] for miner in MINERS}
    for _ in range(TURNS):
        for miner, make in MINERS.items():
            command = [*pin, pythons[miner], "-c", make + MINE, str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=record.with_source())
            rates[miner].append(float(done.stdout))
    path.unlink()
    return {miner: round(median(turns)) for miner, turns in rates.items()}


def memory(folder: Path, blocks: Iterable[str]) -> dict[str, float]:
    """Peak MiB of the processes that check, fit and score a log."""
    path, fitted = folder / "memory.log", folder / "run"
    lines = write(path, blocks)
    commands: dict[str, tuple[object, ...]] = {
        "check": ("check", path),
        "fit": ("fit", path, "--entity", "address", "--members", MEMBERS, "--out", fitted),
        "score": ("score", fitted, path),
    }
    peaks = {name: run("detect", *words).peak_mib for name, words in commands.items()}
    path.unlink()
    shutil.rmtree(fitted)
    print(f"{lines:,} lines: {peaks}", file=sys.stderr, flush=True)
    return peaks


LOGS: dict[str, Callable[[], Iterator[str]]] = {
    "10 million lines": lambda: access_log(10_000_000),
    "100,000 entities": lambda: access_log(2_000_000, addresses=100_000, active=100_000),
    "one entity": lambda: one_entity(1_000_000),
}


def measure_speed(folder: Path, lines: int) -> dict[str, Any]:
    rates, mined = speeds(folder, lines), mining(folder)
    slowest = min(rates, key=lambda name: rates[name])
    return {
        "lines_per_second": rates,
        "slowest": {"format": slowest, "lines_per_second": rates[slowest]},
        "mining": mined,
        "times_drain3": mined["trine"] / mined["drain3"],
    }


def measure_memory(folder: Path) -> dict[str, Any]:
    return {"peak_mib": {name: memory(folder, blocks()) for name, blocks in LOGS.items()}}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=["speed", "memory"], choices=["speed", "memory"])
    parser.add_argument("--lines", type=int, default=100_000, help="lines of each log that repeats the corpus")
    options = parser.parse_args()
    for part in options.parts:
        folder = record.RUNS / f"logs-{part}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if part == "speed":
            command = f"python -m bench.detect.reading speed --lines {options.lines}"
            record.keep("logs-reading", command, measure_speed(folder, options.lines))
        else:
            record.keep("logs-memory", "python -m bench.detect.reading memory", measure_memory(folder))
