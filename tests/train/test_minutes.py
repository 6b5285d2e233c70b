"""The time of a real command, beside a process that keeps a core busy."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

MINUTES = 0.3


@pytest.mark.long
def test_minutes_hold_beside_a_busy_process(start_trine, tmp_path):
    rng = np.random.default_rng(0)
    for number in range(60):
        path = tmp_path / "pictures" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 128, (64, 64, 3)) + 127 * (number % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        begin = time.monotonic()
        process = start_trine(
            "classify", "fit", tmp_path / "pictures", "--minutes", MINUTES, "--out", tmp_path / "run", "--json"
        )
        out, err = process.communicate(timeout=180)
        taken = time.monotonic() - begin
    finally:
        busy.kill()
        busy.wait()
    assert process.returncode == 0, err
    budget = json.loads(out)["compute"]["budget"]
    assert budget["asked_minutes"] == MINUTES
    assert 0.5 * MINUTES * 60 < taken < 2 * MINUTES * 60, "generous bounds: the machine may be busier than that"
    assert budget["used_minutes"] * 60 <= taken + 1
    assert "forecast: " in err
