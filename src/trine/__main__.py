"""`python -m trine`, and the `trine` command: also under torchrun."""

import os
import signal
import sys
from types import FrameType


def main() -> None:
    """Run the command line; Ctrl-C while the program is still being loaded ends it in one line."""
    given = signal.getsignal(signal.SIGINT)
    if given is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)
    from trine import cli

    if given is signal.default_int_handler:
        signal.signal(signal.SIGINT, given)
    cli.main()


def _leave(number: int, frame: FrameType | None) -> None:
    """End at once: nothing is under way yet, and an exception in the middle of an import would be a long traceback."""
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, b"trine: stopped\n")
    os._exit(130)


if __name__ == "__main__":
    main()
