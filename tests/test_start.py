import subprocess
import sys

from trine import start


def test_in_python_a_budget_counts_from_its_own_start():
    assert start.command_seconds() == 0.0


def test_a_command_counts_from_the_start_of_its_process():
    code = (
        "import time; time.sleep(0.5); from trine import start; start.command_began(); print(start.command_seconds())"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0.4 < float(said.stdout) < 30
