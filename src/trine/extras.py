"""Packages that come with an extra, and the line that says which one to install where such a package is missing."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from trine.errors import UsageError

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "runtime": ("onnxruntime",),
    "export": ("onnx", "onnxscript"),
    "train": (
        "torch",
        "pydantic",
        "cyclopts",
        "rich",
        "matplotlib",
        "sklearn",
        "scipy",
        "jaxtyping",
        "typing_extensions",
        "platformdirs",
        "pooch",
        "requests",
        "filelock",
    ),
    "serve": (
        "fastapi",
        "uvicorn",
        "httptools",
        "uvloop",
        "python_multipart",
        "prometheus_client",
        "cyclopts",
        "filelock",
    ),
    "parquet": ("pyarrow",),
    "tune": ("optuna",),
    "cluster": ("ray",),
}
"""Modules by the extra that brings them. Those of small extras are looked for where they are used."""


@contextmanager
def installed() -> Iterator[None]:
    """Turn the error of a package that is not installed into a `UsageError` that says which extra brings it."""
    try:
        yield
    except ImportError as problem:
        module = _absent(problem)
        for extra, modules in EXTRAS.items():
            if module in modules:
                raise UsageError(f"{module} is not installed: pip install 'trine[{extra}]' brings it") from None
        raise


def _absent(problem: BaseException | None) -> str:
    """The package that an error of an import, or the error that caused it, did not find; empty for other errors."""
    if isinstance(problem, ModuleNotFoundError):
        return (problem.name or "").partition(".")[0]
    return _absent(problem.__cause__) if problem else ""
