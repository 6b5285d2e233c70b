import ast
import json
import re
import subprocess
import sys
from pathlib import Path

from bench.run import scripts

ROOT = Path(__file__).parents[2]
RESULTS = sorted((ROOT / "bench" / "results").glob("*.json"))


def script(command: str) -> Path:
    """The file of a command such as `python -m bench.classify.start`."""
    module = re.match(r"python -m (bench(?:\.\w+)+)", command)
    assert module is not None, command
    return ROOT / f"{module[1].replace('.', '/')}.py"


def test_readme_and_docs_show_what_the_result_files_hold():
    done = subprocess.run(
        [sys.executable, ROOT / "bench" / "tables.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_result_says_command_machine_versions_and_date():
    for path in RESULTS:
        document = json.loads(path.read_text())
        assert {"name", "command", "date", "machine", "versions", "figures"} <= document.keys(), path.name
        assert document["name"] == path.stem
        assert script(document["command"]).is_file(), path.name


def test_the_tables_show_every_script_that_makes_a_claim():
    listed = ast.literal_eval(re.search(r"^SECTIONS = (\{.*?^\})", tables(), re.MULTILINE | re.DOTALL)[1])
    shown = {name for names in listed.values() for name in names}
    claiming = {name for name, path in scripts().items() if "\nCLAIMS = [" in path.read_text()}
    assert shown == claiming


def tables() -> str:
    return (ROOT / "bench" / "tables.py").read_text()


def test_the_results_page_has_tables_of_five_columns_and_a_footnote_for_each_file():
    page = (ROOT / "docs" / "results.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert {line.count(" | ") for line in rows} == {4}
    used = set(re.findall(r"\)\[\^([\w-]+)\] \|$", page, re.MULTILINE))
    assert used == set(re.findall(r"^\[\^([\w-]+)\]: .+$", page, re.MULTILINE))


def test_the_results_page_names_no_threshold_that_a_figure_had_to_reach():
    page = (ROOT / "docs" / "results.md").read_text()
    assert re.findall(r"must reach|not reached|\baims?\b|\bfloors?\b|verdict", page) == []


def test_the_list_of_scripts_gives_each_a_line():
    done = subprocess.run(
        [sys.executable, "-c", "import run; print(run.scripts())"],
        cwd=ROOT / "bench",
        capture_output=True,
        text=True,
        check=True,
    )
    for name in scripts():
        assert f"'{name}': " in done.stdout


def test_every_script_prints_its_help_instead_of_measuring():
    code = """if True:
        import runpy, sys
        for name in sys.argv[1:]:
            sys.argv = [name, "--help"]
            sys.modules.pop(f"bench.{name}", None)  # another script imports it
            try:
                runpy.run_module(f"bench.{name}", run_name="__main__")
            except SystemExit as ended:
                assert not ended.code, name
            else:
                sys.exit(f"{name}: it did not stop after its help")
    """
    line = [sys.executable, "-W", "error", "-c", code, *scripts(), "run", "tables"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


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
