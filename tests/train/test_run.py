import pytest

from trine.errors import RunError
from trine.recipe import Recipe
from trine.train.run import Run, choose_folder


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path / "run")


def test_a_run_says_whether_it_was_started(run):
    assert not run.started
    run.begin(Recipe(seed=7), {"data": {"name": "digits"}})
    assert run.started
    assert not run.finished
    assert run.plan() == {"data": {"name": "digits"}}
    assert Recipe.read(run.folder / "recipe.json").seed == 7
    assert run.settings()["seed"] == 7


def test_a_folder_that_holds_a_run_is_not_taken(run):
    run.begin(Recipe(), {})
    with pytest.raises(RunError, match="holds a run: add --resume to continue it, --overwrite to replace it"):
        run.begin(Recipe(), {})


def test_a_folder_that_holds_something_else_is_not_taken(run):
    run.folder.mkdir()
    (run.folder / "thesis.tex").write_text("precious")
    with pytest.raises(RunError, match="neither empty nor a run"):
        run.begin(Recipe(), {})
    assert [path.name for path in run.folder.iterdir()] == ["thesis.tex"]


def test_a_run_killed_while_it_began_can_begin_again(run):
    run.begin(Recipe(), {"minutes": 1})
    (run.folder / "recipe.json").rename(run.folder / ".recipe.json.99.part")
    run.begin(Recipe(), {"minutes": 2})
    assert run.plan() == {"minutes": 2}
    assert sorted(path.name for path in run.folder.iterdir()) == ["plan.json", "recipe.json"]


def test_a_file_in_the_folder_s_place_is_one_line(tmp_path):
    (tmp_path / "file").write_text("here")
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(RunError, match="a file has the name of a needed folder"):
            Run(folder).begin(Recipe(), {})


def test_a_read_only_disk_is_one_line(small_disk):
    import subprocess

    disk = small_disk("64k")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(RunError, match="the file system is read-only: choose another folder"):
        Run(disk / "run").begin(Recipe(), {})


def test_a_line_that_a_crash_cut_short_is_left_out(run):
    run.folder.mkdir()
    for step in range(1, 4):
        run.record({"step": step, "loss": float("nan") if step == 2 else 0.123456789})
    with (run.folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')
    assert run.history() == [{"step": 1, "loss": 0.123457}, {"step": 2, "loss": None}, {"step": 3, "loss": 0.123457}]


def test_rewinding_forgets_what_is_later(run):
    run.folder.mkdir()
    for step in range(1, 6):
        run.record({"step": step})
    run.rewind(3)
    assert [entry["step"] for entry in run.history()] == [1, 2, 3]
    run.record({"step": 4})
    assert [entry["step"] for entry in run.history()] == [1, 2, 3, 4]


def test_damaged_documents_are_named(run):
    run.begin(Recipe(), {})
    for name, read in (("plan.json", run.plan), ("recipe.json", run.settings), ("result.json", run.result)):
        (run.folder / name).write_text('["half')
        with pytest.raises(RunError, match=name):
            read()


def test_folders_are_numbered_and_the_newest_is_resumed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="no run to resume"):
        choose_folder("classify-photos", None, resume=True)
    for name in ("classify-photos", "classify-photos-2", "classify-photos-3"):
        folder = choose_folder("classify-photos", None, resume=False)
        assert folder.name == name
        Run(folder).begin(Recipe(), {})
        assert choose_folder("classify-photos", None, resume=True) == folder
    assert choose_folder("classify-photos", tmp_path / "own", resume=True) == tmp_path / "own"


def test_one_process_at_a_time_trains_in_a_folder(tmp_path):
    run = Run(tmp_path)
    with (
        run.held(),
        pytest.raises(RunError, match="another process is training in it: wait for it"),
        Run(tmp_path).held(),
    ):
        pass
    with Run(tmp_path).held():
        assert (tmp_path / ".lock").exists()


def test_a_gap_or_another_folder_does_not_confuse_the_numbers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("classify-photos-7", "classify-photos-x", "classify-photos2", "classify-photos-03"):
        Run(tmp_path / "runs" / name).begin(Recipe(), {})
    (tmp_path / "runs" / "classify-photos-9").mkdir()
    (tmp_path / "runs" / "classify-photos-9" / "notes.txt").write_text("")
    assert choose_folder("classify-photos", None, resume=False).name == "classify-photos-10"
    assert choose_folder("classify-photos", None, resume=True).name == "classify-photos-7"
    assert choose_folder("classify-photos", None, resume=False, overwrite=True).name == "classify-photos-7"
    assert choose_folder("classify-birds", None, resume=False, overwrite=True).name == "classify-birds"


def test_a_run_is_cleared_but_nothing_else(run, tmp_path):
    run.clear()
    run.begin(Recipe(seed=1), {})
    (run.folder / "bundle").mkdir()
    (run.folder / "bundle" / "trine.json").write_text("{}")
    run.record({"step": 1})
    run.write_picture("curves.png", b"")
    (run.folder / "thesis.tex").write_text("precious")
    with pytest.raises(RunError, match=r"holds 'thesis\.tex', no part of a run: move it"):
        run.clear()
    assert run.started
    (run.folder / "thesis.tex").unlink()
    with run.held(), pytest.raises(RunError, match="another process is training in it"):
        Run(run.folder).clear()
    run.clear()
    run.begin(Recipe(seed=2), {})
    assert Recipe.read(run.folder / "recipe.json").seed == 2
    assert not (run.folder / "bundle").exists()
    assert run.history() == []
