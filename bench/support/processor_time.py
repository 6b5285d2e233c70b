"""The `trine` command with a clock of processor time: equal minutes on a machine that other work shares.

usage: python -m bench.support.processor_time generate fit DATA --minutes 10
"""

import concurrent.futures  # noqa: F401  they wait by the real clock, which they keep
import multiprocessing  # noqa: F401
import os
import subprocess  # noqa: F401
import time

if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"  # the clock adds up the time of all threads
    time.monotonic = time.perf_counter = time.process_time
    from trine.__main__ import main

    main()
