"""Errors of a cluster are one line that says what to do, before anything is written."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from tests.cluster.conftest import LIMIT, SMALL, TOKEN, free_port
from tests.test_extras import without_modules
from trine.cluster.engine import AUTH_MODE, AUTH_TOKEN, AUTH_TOKEN_PATH, _own_token, _require_answer, first_line
from trine.errors import ClusterError

FIT = ("classify", "fit", "digits28", *SMALL)


@pytest.mark.parametrize("address", ["nowhere", "http://10.0.0.1", "ray://10.0.0.1:10001", "host:port", ":6379", "a:0"])
def test_what_is_no_address_is_wrong_use(trine, tmp_path, address):
    pytest.importorskip("ray")
    said = trine(*FIT, "--cluster", address, "--out", tmp_path / "runs" / "run")
    assert said.status == 2
    assert said.err.splitlines()[-1].startswith(f"trine: --cluster {address}: give auto, or HOST:PORT")
    assert list(tmp_path.iterdir()) == []


def test_an_address_where_nothing_answers_is_one_line_and_nothing_is_written(trine, tmp_path):
    pytest.importorskip("ray")
    port = free_port()
    said = trine(*FIT, "--cluster", f"127.0.0.1:{port}", "--out", tmp_path / "runs" / "run")
    assert said.status == 1
    assert said.err.splitlines()[-1] == (
        f"trine: --cluster 127.0.0.1:{port}: no cluster answers there (connection refused): "
        "start one with `ray start --head`, or use --cluster auto"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        [*FIT, "--cluster", "auto"],
        ["classify", "tune", "digits28", "--cluster", "auto"],
        ["classify", "predict", "run", "a.png", "--into", "answers", "--cluster", "auto"],
    ],
)
def test_without_ray_the_extra_is_named(tmp_path, words):
    code = f"import os; os.chdir({str(tmp_path)!r}); sys.argv = ['trine', *{list(words)}]; "
    code += "from trine.__main__ import main; main()"
    (tmp_path / "a.png").write_bytes(b"")
    done = without_modules({"ray"}, code)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1] == "trine: ray is not installed: pip install 'trine[cluster]' brings it"
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"], "nothing is written"


def test_without_optuna_the_extra_is_named(tmp_path):
    done = without_modules(
        {"optuna"}, "sys.argv = ['trine', 'classify', 'tune', 'digits']; from trine.__main__ import main; main()"
    )
    assert done.returncode == 2
    assert done.stderr == "trine: optuna is not installed: pip install 'trine[tune]' brings it\n"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ((*FIT, "--workers", "2"), "--workers: processes on a cluster"),
        ((*FIT, "--cluster", "auto", "--device", "mps"), "--device mps: a cluster trains on cpu or cuda"),
        (("detect", "fit", "-", "--cluster", "auto"), "-: processes on a cluster cannot read the standard input"),
        (("detect", "fit", "hostlab", "--compare-cells", "--cluster", "auto"), "--compare-cells trains several"),
        (("classify", "predict", "run", "a.png", "--workers", "2"), "--workers: several processes write Parquet"),
        (("classify", "predict", "run", "a.png", "--cluster", "auto"), "--cluster: several processes write Parquet"),
        (("classify", "predict", "run", "a.png", "--into", "x", "--csv", "y"), "--csv and --into exclude each other"),
        (("detect", "score", "run", "-", "--into", "x"), "-: standard input is no file"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_use(trine, tmp_path, monkeypatch, words, line):
    monkeypatch.chdir(tmp_path)
    said = trine(*words)
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith(f"trine: {line}")
    assert list(tmp_path.iterdir()) == []


def test_a_long_error_becomes_its_first_line():
    assert first_line(RuntimeError("\n  What is wrong.\n  A trace\n")) == "What is wrong"
    assert first_line(ValueError()) == "ValueError"


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b""])
def test_another_service_is_told_from_a_cluster_at_once(answer):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1_000)
                connection.sendall(answer)

        serving = Thread(target=serve)
        serving.start()
        with pytest.raises(ClusterError, match=r"no cluster answers there \(it is another service\)"):
            _require_answer(f"127.0.0.1:{port}")
        serving.join(10)


def test_a_token_for_a_cluster_that_is_started_here_lasts_as_long_as_it(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (AUTH_MODE, AUTH_TOKEN, AUTH_TOKEN_PATH):
        monkeypatch.delenv(name, raising=False)
    with _own_token():
        token = os.environ[AUTH_TOKEN]
        os.environ[AUTH_MODE] = "token"  # as Ray does
    assert len(token) == 64
    assert AUTH_TOKEN not in os.environ
    assert AUTH_MODE not in os.environ
    monkeypatch.setenv(AUTH_TOKEN, "own")
    with _own_token():
        assert os.environ[AUTH_TOKEN] == "own"


@pytest.mark.long
@pytest.mark.ray
def test_a_cluster_that_demands_a_token_is_joined_with_it_and_refuses_in_a_line_without(
    guarded_nodes, start_trine, monkeypatch, tmp_path
):
    guarded_nodes.add(cpus=1)
    words = (*FIT, "--device", "cpu", "--cluster", guarded_nodes.address, "--json")
    refused = start_trine(*words, "--out", tmp_path / "runs" / "run")
    _, err = refused.communicate(timeout=LIMIT)
    assert refused.returncode == 1, err
    assert [line for line in err.splitlines() if "connecting" not in line] == [
        f"trine: --cluster {guarded_nodes.address}: the cluster demands another token, or none was given: set "
        "RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH as for `ray start`"
    ]
    assert not (tmp_path / "runs").exists()
    monkeypatch.setenv(AUTH_MODE, "token")
    monkeypatch.setenv(AUTH_TOKEN, TOKEN)
    joined = start_trine(*words, "--out", tmp_path / "run")
    out, err = joined.communicate(timeout=LIMIT)
    assert joined.returncode == 0, err
    assert json.loads(out)["task"] == "classify"


@pytest.mark.long
@pytest.mark.ray
def test_a_port_where_nothing_answers_is_an_error_within_a_minute(tmp_path):
    pytest.importorskip("ray")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        words = (*FIT, "--cluster", f"127.0.0.1:{port}", "--out", "run")
        line = [sys.executable, "-m", "trine", *words]
        done = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"trine: --cluster 127.0.0.1:{port}: ")
    assert "Traceback" not in done.stderr
    assert not Path(tmp_path / "run").exists()
