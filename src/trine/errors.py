"""Every error Trine raises on purpose, and the level to catch it at.

TrineError                    anything below; the command line prints it as one line and exits with 1
├── UsageError                what was asked for cannot be asked: an option, a name, a combination (exits with 2)
│   └── RecipeError           a setting is unknown or out of its range
├── DataError                 the data cannot be read or cannot be learned from
│   └── UnsafeDataError       a picture bomb, an archive bomb, a path that leaves its archive
├── BundleError               a trained model is missing a file, altered, truncated, too new or of another task
├── RunError                  a run folder cannot be written, or holds something else than this training
│   └── CheckpointError       no checkpoint of the run is whole
├── DivergedError             the loss became non-finite and stayed so after two restarts at a lower learning rate
└── InterruptedTraining       SIGINT or SIGTERM: the state is saved, `--resume` goes on from there

Every message is one line: what is wrong, where, what to do. Where a name is not known, `nearest` names the one that was
probably meant.
"""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str:
    """A clause for a message: `: did you mean 'cifar10'?`; empty when no known name is near."""
    found = get_close_matches(name, list(known), n=1)
    return f": did you mean {found[0]!r}?" if found else ""


class TrineError(Exception):
    """Root of all errors that Trine raises on purpose."""

    exit_status = 1


class UsageError(TrineError):
    """What was asked for cannot be asked."""

    exit_status = 2


class RecipeError(UsageError):
    """A setting is unknown or out of its range."""


class DataError(TrineError):
    """The data cannot be read or cannot be learned from."""


class UnsafeDataError(DataError):
    """The data would fill the memory or the disk, or leave its folder."""


class BundleError(TrineError):
    """A trained model on disk is not whole, not readable by this version, or of another task."""


class RunError(TrineError):
    """A run folder cannot be written, or holds something else than this training."""


class CheckpointError(RunError):
    """No checkpoint of the run is whole."""


class DivergedError(TrineError):
    """The loss became non-finite and stayed so."""


class InterruptedTraining(TrineError):  # noqa: N818  (it is an event as much as an error)
    """The training was asked to stop; its state is saved."""
