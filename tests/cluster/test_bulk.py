"""Bulk work: Parquet in the order of the input, whatever computes it, and however often it is stopped."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from trine import Generator, runtime
from trine.cluster import bulk, inputs
from trine.cluster.jobs import ERROR, Block, Predict, Sample, Score
from trine.errors import ClusterError, DataError, RunError, UsageError

pytestmark = pytest.mark.long


def rows(folder: Path) -> list[dict]:
    """All rows, in the order of the files."""
    parts = sorted(folder.glob("part-*.parquet"))
    return [row for part in parts for row in parquet.read_table(part).to_pylist()]


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of a few pictures."""
    monkeypatch.setattr(inputs, "PICTURES", 7)
    monkeypatch.setattr(inputs, "LOG_BYTES", 2_000)


def predict(classifier: Path, words: list, into: Path, engine=None) -> bulk.Summary:
    with inputs.picture_blocks([str(word) for word in words]) as (blocks, _):
        return bulk.run(Predict(classifier), blocks, str(into), engine or bulk.pool(1))


def test_answers_are_those_of_predict_in_the_order_of_the_input(classifier, photos, small_blocks, tmp_path):
    damaged = photos.parent / "damaged.png"
    damaged.write_bytes(b"no picture")
    summary = predict(classifier, [photos / "light", damaged, photos / "dark"], tmp_path / "answers")
    found = rows(tmp_path / "answers")
    names = [
        *(f"{photos}/light/{i}.png" for i in range(24)),
        str(damaged),
        *(f"{photos}/dark/{i}.png" for i in range(24)),
    ]
    assert [row["path"] for row in found] == names
    alone = runtime.load(classifier).predict(names)
    assert [row["label"] or "" for row in found] == [each.label for each in alone]
    expected = [each.probability for each in alone if not each.error]
    assert [row["probability"] for row in found if not row[ERROR]] == pytest.approx(expected, abs=1e-5), "other batches"
    assert [row[ERROR] for row in found if row[ERROR]] == [each.error for each in alone if each.error]
    assert (summary.rows, summary.failed, summary.parts) == (49, 1, 7)


def test_processes_and_one_process_write_the_same_bytes(classifier, photos, small_blocks, tmp_path):
    predict(classifier, [photos], tmp_path / "one", bulk.pool(1, threads=1))
    predict(classifier, [photos], tmp_path / "three", bulk.pool(3, threads=1))
    assert rows(tmp_path / "one") == rows(tmp_path / "three")
    assert names_of(tmp_path / "one") == names_of(tmp_path / "three")


def test_what_is_written_is_not_computed_again(classifier, photos, small_blocks, tmp_path):
    predict(classifier, [photos], tmp_path / "answers")
    before = rows(tmp_path / "answers")
    lost, damaged = tmp_path / "answers" / bulk.part_name(2), tmp_path / "answers" / bulk.part_name(4)
    lost.unlink()
    damaged.write_bytes(damaged.read_bytes()[:-9])
    computed = []

    def engine(job, blocks, into):
        computed.extend(block.number for block in blocks)
        return bulk.pool(1)(job, blocks, into)

    summary = predict(classifier, [photos], tmp_path / "answers", engine)
    assert computed == [2, 4]
    assert rows(tmp_path / "answers") == before
    assert (summary.kept, summary.rows) == (5, 48)


def test_a_killed_command_is_continued_by_the_same_command(classifier, photos, tmp_path):
    many = tmp_path / "many"
    many.mkdir()
    for i in range(3000):
        os.link(photos / "light" / f"{i % 24}.png", many / f"{i:05d}.png")
    words = ["classify", "predict", str(classifier), str(many), "--into", str(tmp_path / "answers"), "--workers", "2"]
    line = [sys.executable, "-m", "trine", *words]
    process = subprocess.Popen(line, stderr=subprocess.PIPE, start_new_session=True)
    while not list((tmp_path / "answers").glob("part-*")):
        assert process.poll() is None, "it was killed too late"
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    written = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "answers").glob("part-*")}
    assert 0 < len(written) < 6
    done = subprocess.run([*line, "--json"], capture_output=True, text=True, timeout=200, check=True)
    assert json.loads(done.stdout)["kept"] == len(written)
    assert json.loads(done.stdout)["rows"] == 3000
    for name, time in written.items():
        assert (tmp_path / "answers" / name).stat().st_mtime_ns == time
    assert [row["path"] for row in rows(tmp_path / "answers")] == [str(path) for path in sorted(many.iterdir())]
    assert not list((tmp_path / "answers").glob(".*")), "no half-written file is left"


def test_a_folder_of_other_results_is_refused(classifier, photos, tmp_path):
    predict(classifier, [photos / "dark"], tmp_path / "answers")
    with pytest.raises(RunError, match="holds results of other files: choose another --into"):
        predict(classifier, [photos / "light"], tmp_path / "answers")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(RunError, match=r"holds 'mine.txt', no result of this command"):
        predict(classifier, [photos / "light"], tmp_path / "full")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is a file: --into names a folder"):
        predict(classifier, [photos / "light"], tmp_path / "file")


def test_pictures_in_parquet_and_at_addresses_give_the_answers_of_files(classifier, photos, small_blocks, tmp_path):
    import pyarrow as pa

    files = sorted((photos / "dark").iterdir())
    cells = [{"bytes": path.read_bytes(), "path": path.name} for path in files]
    table = tmp_path / "pictures.parquet"
    parquet.write_table(pa.table({"image": [*cells, None]}), table, row_group_size=10)
    predict(classifier, [table], tmp_path / "table")
    predict(classifier, [f"file://{photos}/dark"], tmp_path / "address")
    predict(classifier, files, tmp_path / "files")
    labels, probabilities = answers(rows(tmp_path / "files"))
    assert answers(rows(tmp_path / "address")) == (labels, pytest.approx(probabilities, abs=1e-5))
    found = rows(tmp_path / "table")
    assert [row["path"] for row in found[:-1]] == [f"{table}#{path.name}" for path in files]
    assert answers(found[:-1]) == (labels, pytest.approx(probabilities, abs=1e-5))
    assert found[-1]["path"] == f"{table}#24"
    assert found[-1][ERROR] == "no picture in this row"


def test_nothing_to_read_is_an_error_before_anything_is_written(classifier, tmp_path):
    (tmp_path / "empty").mkdir()
    for words in ([], [tmp_path / "empty"], [f"file://{tmp_path}/nowhere"], [f"file://{tmp_path}/empty"]):
        with pytest.raises(DataError):
            predict(classifier, words, tmp_path / "answers")
    with pytest.raises(DataError, match="give a file, a folder, a pattern or an address"):
        inputs.log_blocks([str(tmp_path / "*.log")])
    with pytest.raises(UsageError, match="an empty name"):
        inputs.log_blocks([""])
    assert not (tmp_path / "answers").exists()


def test_findings_are_those_of_score_per_log_and_rotated_files_are_one(log_detector, log, small_blocks, tmp_path):
    lines = log.read_text().splitlines(keepends=True)
    half = len(lines) // 2
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "auth.log.1").write_text("".join(lines[:half]))
    (logs / "auth.log").write_text("".join(lines[half:]))
    (logs / "other.log").write_text("".join(lines[: half // 2]))
    (logs / "zero.log").write_bytes(bytes(range(256)) * 40)
    blocks = inputs.log_blocks([str(logs)])
    assert [len(block.items) for block in blocks] == [2, 1, 1]
    summary = bulk.run(Score(log_detector, everything=True), blocks, str(tmp_path / "found"), bulk.pool(2, threads=1))
    found = rows(tmp_path / "found")
    scorer = runtime.load(log_detector)
    expected = scorer.score([str(logs / "auth.log.1"), str(logs / "auth.log")])
    own = [row for row in found if row["file"] == str(logs / "auth.log")]
    assert [(row["name"], row["p_value"], row["length"]) for row in own] == [
        (each.name, each.p_value, each.length) for each in expected
    ]
    assert found[-1]["file"] == str(logs / "zero.log")
    assert "no line has the format" in found[-1][ERROR]
    assert summary.failed == 1
    flagged = bulk.run(Score(log_detector), blocks, str(tmp_path / "flagged"), bulk.pool(1))
    assert flagged.rows - 1 == sum(bool(row["flagged"]) for row in found)


def test_sampled_pictures_are_those_of_one_process(generator, tmp_path, monkeypatch):
    import io

    import numpy as np
    from PIL import Image

    monkeypatch.setattr(inputs, "SAMPLED", 64)
    job = Sample(generator, seed=3, arguments={"temperature": 0.8})
    bulk.run(job, inputs.sample_blocks(150), str(tmp_path / "made"), bulk.pool(2, threads=1))
    found = rows(tmp_path / "made")
    assert [row["index"] for row in found] == list(range(150))
    made = np.stack([np.array(Image.open(io.BytesIO(row["picture"]))) for row in found])
    alone = runtime.load(generator, threads=1).sample(150, seed=3, temperature=0.8)
    assert np.array_equal(made, alone.reshape(made.shape))


def test_an_argument_that_graphs_do_not_have_is_computed_with_torch(generator, tmp_path):
    job = Sample(generator, arguments={"prior": "normal", "pixel_noise": 0.5})
    bulk.run(job, inputs.sample_blocks(70), str(tmp_path / "made"), bulk.pool(1, threads=1))
    full = Generator.load(generator)
    with pytest.raises(UsageError, match="first=10: give a multiple of 64"):
        full.sample_stream(70, first=10)
    assert len(rows(tmp_path / "made")) == 70


class Dying(Predict):
    """Work during which the system kills the process."""

    def opened(self, threads):
        def rows(block: Block):
            os.kill(os.getpid(), signal.SIGKILL)
            yield {}

        return rows


def test_a_process_of_the_pool_that_is_killed_is_one_line(classifier, photos, small_blocks, tmp_path):
    with (
        inputs.picture_blocks([str(photos)]) as (blocks, _),
        pytest.raises(ClusterError, match=r"a process of the pool was killed.*the same command goes on"),
    ):
        bulk.run(Dying(classifier), blocks, str(tmp_path / "answers"), bulk.pool(2))
    assert names_of(tmp_path / "answers") == ["plan.json"]


def answers(found: list[dict]) -> tuple[list[str], list[float]]:
    """Labels and probabilities."""
    return [row["label"] for row in found], [row["probability"] for row in found]


def names_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_wrong_argument_does_not_bind_the_folder(generator, tmp_path):
    into, blocks = tmp_path / "pictures", inputs.sample_blocks(3)
    with pytest.raises(UsageError, match="guidance is towards a class"):
        bulk.run(Sample(generator, 0, {"guidance": 2.0}), blocks, str(into), bulk.pool(1))
    summary = bulk.run(Sample(generator, 0, {"guidance": 2.0, "label": "1"}), blocks, str(into), bulk.pool(1))
    assert (summary.rows, summary.failed) == (3, 0)


def test_every_option_of_sample_holds_in_bulk_work_too(trine, generator, tmp_path):
    words = ("generate", "sample", generator, "-n", 4, "--label", "1", "--seed", 3)
    for name, more in {"usual": (), "guided": ("--guidance", 3), "typical": ("--temperature", 0.1)}.items():
        assert trine(*words, *more, "--out", tmp_path / name).status == 0
        assert trine(*words, *more, "--into", tmp_path / f"{name}-rows").status == 0
        files = [path.read_bytes() for path in sorted((tmp_path / name).glob("*.png"))]
        made = [np.asarray(Image.open(io.BytesIO(row["picture"]))) for row in rows(tmp_path / f"{name}-rows")]
        there = [np.asarray(Image.open(io.BytesIO(content))) for content in files]
        assert len(made) == 4
        for one, other in zip(made, there, strict=True):
            assert np.abs(one.astype(int) - other).max() <= 1, "onnxruntime rounds another way"
    said = trine(*words[:-4], "--label", "seventeen", "--into", tmp_path / "unknown")
    assert (said.status, (tmp_path / "unknown").exists()) == (2, False)
    assert "label 'seventeen' is not known" in said.err


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
sys.argv = ["trine", *sys.argv[1:]]
from trine.__main__ import main
main()
"""


@pytest.mark.parametrize("task", ["classify", "detect", "generate"])
def test_bulk_work_of_an_exported_model_never_opens_torch(request, photos, log, task, tmp_path):
    model = request.getfixturevalue({"detect": "log_detector", "classify": "classifier", "generate": "generator"}[task])
    words = {"classify": ["predict", model, photos], "detect": ["score", model, log], "generate": ["sample", model]}
    line = [sys.executable, "-c", WITHOUT_TORCH, task, *map(str, words[task]), "--into", str(tmp_path / "rows")]
    done = subprocess.run(line, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
