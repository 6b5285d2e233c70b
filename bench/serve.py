"""A service under load, beside the model alone, and at twice its capacity. Cost: 4 minutes, after bench.export."""

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from bench.support import record
from bench.support.claim import Cells, Claim, Figures
from bench.support.http_load import Answers, closed_loop, open_loop
from trine import runtime

MODEL = "classify"
CONNECTIONS, MOST_CONNECTIONS = 64, 1_024
BATCH = 64
"""Pictures of the model's own batches: those that the service computes together."""
ROUNDS = 3
"""Times that the model's own rate and the service's are measured, in turn."""
SINGLE = 300
"""Requests on an idle service."""


def throughput(figures: Figures) -> Cells:
    return Cells(
        f"{figures['throughput']['service']:,.0f}/s",
        f"{figures['throughput']['model']:,.0f}/s",
        f"{100 * figures['throughput']['share']:.0f} %",
    )


def latency(figures: Figures) -> Cells:
    single = figures["single"]
    return Cells(
        f"{single['service_ms']['p99']:.1f} ms", f"{single['model_ms']['p99']:.1f} ms", f"+{single['over_ms']:.1f} ms"
    )


def overload(figures: Figures) -> Cells:
    twice = figures["twice"]
    return Cells(f"{twice['answered']:,} answered, {twice['busy']:,} told to wait, {twice['errors']} errors")


CLAIMS = [
    Claim(
        f"Pictures of 32×32 over HTTP, one a request, {CONNECTIONS} connections; peer: the model, {BATCH} together",
        "serve",
        throughput,
        "Service, model and client share the machine; the client's share of the processor time is in the file.",
    ),
    Claim("99th percentile of one picture on an idle service; peer: the model alone", "serve", latency),
    Claim("A minute at twice the capacity", "serve", overload, "Told to wait: status 429 with Retry-After."),
]


@contextmanager
def service(threads: int | None) -> Iterator[int]:
    """A service of the model in a process of its own; its port."""
    line = [sys.executable, "-m", "trine", "serve", f"{MODEL}={record.RUNS / 'export-classify'}", "--port", "0"]
    line += ["--threads", str(threads)] if threads else []
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True, env=record.with_source()) as process:
        assert process.stderr is not None
        for said in process.stderr:
            if found := re.search(r"serving at http://127\.0\.0\.1:(\d+)/", said):
                break
        else:
            sys.exit("the service does not start")
        drained = subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)  # its log
        try:
            yield int(found[1])
        finally:
            process.terminate()
            process.wait(30)
            drained.wait(10)


def request(picture: np.ndarray) -> bytes:
    """The bytes of a request for an inference, with the picture as a binary tensor."""
    content = picture.tobytes()
    tensor = {"name": "pictures", "datatype": "UINT8", "shape": [1, *picture.shape]}
    tensor["parameters"] = {"binary_data_size": len(content)}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    lines = (
        f"POST /v2/models/{MODEL}/infer HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/octet-stream",
        f"Inference-Header-Content-Length: {len(head)}",
        f"Content-Length: {len(head) + len(content)}",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + head + content


def own_rate(model: Any, images: np.ndarray, seconds: float) -> float:
    """Pictures per second of the model alone, in batches."""
    model.answers(images)
    begin, count = time.perf_counter(), 0
    while (passed := time.perf_counter() - begin) < seconds:
        model.answers(images)
        count += len(images)
    return count / passed


def single_times(model: Any, image: np.ndarray, count: int) -> list[float]:
    """Milliseconds of the model alone for one picture."""
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        model.answers(image[None])
        times.append(1000 * (time.perf_counter() - begin))
    return times


def quantiles(milliseconds: list[float]) -> dict[str, float]:
    return {"p50": statistics.median(milliseconds), "p99": float(np.quantile(milliseconds, 0.99))}


def per_second(answers: Answers, seconds: float) -> float:
    if set(answers.statuses) != {200}:
        sys.exit(f"answers that are not 200: {dict(answers.statuses)}")
    return answers.statuses[200] / seconds


def measured(threads: int | None, seconds: float, overload_seconds: float) -> dict[str, Any]:
    model: Any = runtime.load(record.RUNS / "export-classify", threads=threads)
    images = np.random.default_rng(0).integers(0, 256, (BATCH, model.size, model.size, model.channels), np.uint8)
    body, rounds, shares, client = request(images[0]), list[dict[str, float]](), list[float](), 0.0
    with service(threads) as port:
        asyncio.run(closed_loop(port, body, CONNECTIONS, 2.0))
        for _ in range(ROUNDS):
            alone, used = own_rate(model, images, seconds), time.process_time()
            answers = asyncio.run(closed_loop(port, body, CONNECTIONS, seconds))
            client += (time.process_time() - used) / seconds / ROUNDS
            served = per_second(answers, seconds)
            rounds.append({"model": alone, "service": served, **quantiles([1000 * each for each in answers.seconds])})
            shares.append(served / alone)
        idle = asyncio.run(
            closed_loop(port, body, 1, SINGLE * statistics.median(single_times(model, images[0], 20)) / 500)
        )
        one = quantiles([1000 * each for each in idle.seconds])
        own = quantiles(single_times(model, images[0], SINGLE))
        rate = 2 * statistics.median(each["service"] for each in rounds)
        twice, skipped = asyncio.run(open_loop(port, body, rate, overload_seconds, MOST_CONNECTIONS))
    best = rounds[int(np.argsort(shares)[len(shares) // 2])]
    errors = {str(status): count for status, count in twice.statuses.items() if status not in (200, 429)}
    return {
        "threads": threads or os.cpu_count(),
        "connections": CONNECTIONS,
        "throughput": {**best, "share": best["service"] / best["model"], "rounds": rounds, "client_cores": client},
        "single": {
            "service_ms": one,
            "model_ms": own,
            "over_ms": one["p99"] - own["p99"],
            "requests": len(idle.seconds),
        },
        "twice": {
            "offered_per_second": rate,
            "seconds": overload_seconds,
            "answered": twice.statuses[200],
            "busy": twice.statuses[429],
            "errors": sum(errors.values()),
            "kinds_of_errors": errors,
            "without_connection": skipped,
            "answered_ms": quantiles([1000 * each for each in twice.seconds]),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, help="threads of the model; without, one per core")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each measurement of the throughput")
    parser.add_argument("--overload", type=float, default=60.0, help="seconds at twice the capacity")
    parser.add_argument("--keep", action="store_true", help="write bench/results/serve.json")
    chosen = parser.parse_args()
    figures = measured(chosen.threads, chosen.seconds, chosen.overload)
    if chosen.keep:
        record.keep("serve", "python -m bench.serve --keep", figures)
    else:
        print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
