"""`python -m trine`, and the `trine` command: also under torchrun."""

import os
import signal
import sys
from types import FrameType

from trine.errors import UsageError
from trine.extras import installed


def main() -> None:
    """Run the command line. Ctrl-C while it is being loaded, or a missing extra, ends the program in one line."""
    given = signal.getsignal(signal.SIGINT)
    if given is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)
    try:
        with installed():
            from trine import cli
    except UsageError as problem:
        sys.stderr.write(f"trine: {problem}\n")
        sys.exit(problem.exit_status)
    if given is signal.default_int_handler:
        signal.signal(signal.SIGINT, given)
    cli.main()


def _leave(number: int, frame: FrameType | None) -> None:
    """End at once: nothing is under way yet, and an exception in the middle of an import would be a long traceback."""
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, b"trine: stopped\n")
    os._exit(130)


if __name__ == "__main__":
    main()
