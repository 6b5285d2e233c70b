"""The first minutes: `trine demo` in an empty folder with an empty cache. Cost on two cores: 2 min."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import record

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        line = [sys.executable, "-m", "trine", "demo"]
        subprocess.run(line, cwd=folder, env={**os.environ, "TRINE_CACHE": f"{folder}/cache"}, check=True)
        first = time.perf_counter() - begin
        begin = time.perf_counter()
        subprocess.run(line, cwd=folder, check=True)
        again = time.perf_counter() - begin
        size = (Path(folder) / "demo" / "report.html").stat().st_size
    figures = {"demo_seconds": first, "again_seconds": again, "report_kib": size / 1024}
    record.keep("first-minutes", "python bench/first_minutes.py", figures)
