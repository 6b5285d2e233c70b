"""Every error that Trine raises on purpose, and the level to catch it at.

TrineError                    any error below; the command line prints it as one line and exits with 1
├── UsageError                a wrong option, name or combination, or a missing extra (exits with 2)
│   └── RecipeError           a setting is unknown or out of its range
├── DataError                 the data cannot be read, or nothing can be learned from it
│   └── UnsafeDataError       a picture bomb, an archive bomb, a path that leaves its archive
├── BundleError               a trained model lacks a file, is altered, truncated, too new or of another task
├── ExportError               an exported graph does not agree with its model, or loses too much
├── RunError                  a run folder cannot be written, or holds another training
│   └── CheckpointError       no checkpoint of the run is intact
├── StoreError                the store of a detector at work is damaged, in use, or of another model
│   └── DiskFullError         the disk of the store is full: nothing was written, and the same can be tried again
├── ClusterError              a cluster cannot be reached, or its processes end before their work is done
├── DivergedError             the loss is not finite, even after two restarts at a lower learning rate
└── InterruptedTraining       SIGINT or SIGTERM: the state is saved, `--resume` continues from there

Every message is one line: what is wrong, where, what to do. For an unknown name, `nearest` suggests a known one.
"""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str:
    """A clause for a message, `: did you mean 'cifar10'?`; empty when no known name is similar."""
    matches = get_close_matches(name, list(known), n=1)
    return f": did you mean {matches[0]!r}?" if matches else ""


class TrineError(Exception):
    """Root of all errors that Trine raises on purpose."""

    exit_status = 1


class UsageError(TrineError):
    """A wrong option, name or combination, or a missing extra."""

    exit_status = 2


class RecipeError(UsageError):
    """A setting is unknown or out of its range."""


class DataError(TrineError):
    """The data cannot be read, or nothing can be learned from it."""


class UnsafeDataError(DataError):
    """The data would fill the memory or the disk, or leave its folder."""


class BundleError(TrineError):
    """A trained model on disk is damaged, not readable by this version, or of another task."""


class ExportError(TrineError):
    """An exported graph does not agree with the model that it was made of, or loses more than is accepted."""


class RunError(TrineError):
    """A run folder cannot be written, or holds another training."""


class CheckpointError(RunError):
    """No checkpoint of the run is intact."""


class StoreError(TrineError):
    """The store of a detector at work is damaged, in use, of another model, or cannot be written."""


class DiskFullError(StoreError):
    """The disk of a store is full. Nothing was written, and the same can be tried again."""


class ClusterError(TrineError):
    """A cluster cannot be reached, or its processes end before their work is done."""


class DivergedError(TrineError):
    """The loss is not finite, even after restarts at a lower learning rate."""


class InterruptedTraining(TrineError):  # noqa: N818  (it is an event as much as an error)
    """The training was interrupted; its state is saved."""
