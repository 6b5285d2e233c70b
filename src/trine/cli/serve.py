"""trine serve: models behind HTTP, and a page to look into them."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from trine.cli import output

Flag = Annotated[bool, Parameter(negative=(), show_default=False)]
Positive = validators.Number(gt=0)


def serve(
    models: Annotated[list[str], Parameter(help="Bundles or run folders; NAME=PATH gives another name.", negative=())],
    /,
    *,
    host: str = "127.0.0.1",
    port: Annotated[int, Parameter(validator=validators.Number(gte=0, lte=65_535))] = 8080,
    store: Path | None = None,
    runs: Path | None = None,
    token_file: Path | None = None,
    allow_host: list[str] | None = None,
    torch: Flag = False,
    threads: Annotated[int | None, Parameter(validator=Positive)] = None,
    workers: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=256))] = 1,
    max_body: Annotated[int, Parameter(validator=Positive)] = 32,
    max_pixels: Annotated[int, Parameter(validator=Positive)] = 25_000_000,
    max_batch: Annotated[int, Parameter(validator=Positive)] = 256,
    max_events: Annotated[int, Parameter(validator=Positive)] = 20_000,
    max_queue: Annotated[int, Parameter(validator=Positive)] = 256,
    timeout: Annotated[float, Parameter(validator=Positive)] = 30.0,
) -> None:
    """Serve MODELS over HTTP: the Open Inference Protocol, routes described in /openapi.json, and a page.

    trine serve runs/classify-photos runs/detect-access --store findings.db

    Parameters
    ----------
    host
        Address to listen at. Beyond this machine, a token is needed.
    port
        Port to listen at; 0: any that is free.
    store
        Show the findings in this file, which `trine detect watch --store` names.
    runs
        Show the runs in this folder. [default: those of MODELS]
    token_file
        File with the token that requests must carry. [default: the environment variable TRINE_SERVE_TOKEN]
    allow_host
        A further name that the service is reached by, such as that of a proxy. Can be repeated.
    torch
        Compute with torch in place of onnxruntime.
    threads
        Threads that compute, per model and process. [default: one per core, divided among the workers]
    workers
        Processes that answer. Each loads all models, and has these limits for itself.
    max_body
        Largest body of a request, in MiB.
    max_pixels
        Largest number of pixels of a picture.
    max_batch
        Most pictures, latents or steps of events in a request.
    max_events
        Most lines of a log and events of a sequence in a request.
    max_queue
        Most pictures, latents or events that wait for one model; beyond it, requests are told when to try again.
    timeout
        Seconds for an answer.
    """
    from trine.serve.server import serve
    from trine.serve.settings import Limits, Settings, token_from

    limits = Limits(max_body << 20, max_pixels, max_batch, max_events, max_queue, timeout)
    settings = Settings(host, port, token_from(token_file), tuple(allow_host or ()), torch, threads, limits)
    serve(models, settings, store=store, runs=runs, workers=workers, say=output.note)
