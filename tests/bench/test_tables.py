import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_readme_and_results_show_what_the_result_files_hold():
    done = subprocess.run(
        [sys.executable, ROOT / "bench" / "tables.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_result_says_command_machine_versions_and_date():
    for path in (ROOT / "bench" / "results").glob("*.json"):
        document = json.loads(path.read_text())
        assert {"name", "command", "date", "machine", "versions", "figures"} <= document.keys(), path.name
        assert document["name"] == path.stem
        script = re.search(r"bench/\w+\.py", document["command"])
        assert script is not None, path.name
        assert (ROOT / script.group()).is_file()


def test_the_list_of_scripts_gives_each_a_line():
    done = subprocess.run(
        [sys.executable, "-c", "import run; print(run.scripts())"],
        cwd=ROOT / "bench",
        capture_output=True,
        text=True,
        check=True,
    )
    for path in (ROOT / "bench").glob("*_*.py"):
        assert f"'{path.stem}': '" in done.stdout.replace('"', "'")


def test_the_expected_accuracies_are_those_measured():
    expected = json.loads((ROOT / "src" / "trine" / "classify" / "expected.json").read_text())["cifar10"]
    assert [row["effort"] for row in expected] == ["quick", "good", "best"]
    for row in expected:
        files = (ROOT / "bench" / "results").glob(f"classify-cifar10-{row['effort']}*.json")
        kept = [json.loads(path.read_text())["figures"] for path in sorted(files)]
        values = [value for figures in kept for value in figures["accuracy_tta"]["values"]]
        assert (row["low"], row["high"]) == (min(values), max(values))
        first = ROOT / "bench" / "results" / f"classify-cifar10-{row['effort']}.json"
        assert row["pflop"] == json.loads(first.read_text())["figures"]["train_pflop"]["mean"]
