"""`trine detect watch` as a process: sinks, disks, sources and clocks fail; it is stopped and killed."""

import json
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import urllib.request
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.live.ssh_log import log_lines
from tests.live.watching import counting_model, service, until
from trine.live.store import Store

pytestmark = pytest.mark.long

ATTACKS = {7, 20, 41}
ATTACKERS = {"sshd[107]", "sshd[120]", "sshd[141]"}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return counting_model(tmp_path_factory.mktemp("watch"))


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return [line + "\n" for line in log_lines(60, 1, ATTACKS)]


def test_sigterm_commits_what_was_read_and_delivers_what_was_found(model, lines, tmp_path):
    log = tmp_path / "auth.log"
    log.write_text("".join(lines))
    with service(model, tmp_path / "store.db", log) as watch:
        watch.start()
        until(watch.counted)
        status, out, errors = watch.stop()
        assert status == 0
        assert watch.counted() == len(lines)
        assert {json.loads(line)["entity"] for line in out.splitlines()} == watch.found() >= ATTACKERS
        assert errors.splitlines()[-1].startswith(f"{len(lines)} lines, 60 sessions, ")


def test_a_killed_service_misses_nothing_and_counts_nothing_twice(model, lines, tmp_path):
    log = tmp_path / "auth.log"
    log.write_text("".join(lines[:100]))
    with service(model, tmp_path / "store.db", log) as watch:
        watch.start()
        until(lambda: watch.counted() == 100)
        with log.open("a") as out:
            out.writelines(lines[100:])
        time.sleep(0.1)
        watch.stop(signal.SIGKILL)
        watch.start("--once")
        assert watch.ended()[0] == 0
        assert (watch.counted(), watch.counted("sessions")) == (len(lines), 60)
        assert watch.found() >= ATTACKERS
        with closing(Store.look(watch.store)) as store:
            assert not store.findings(status="open")
            realised = store.realised()
        assert (realised.sessions, realised.target) == (60, 0.02)
        assert realised.found == len(watch.found())


def test_findings_wait_for_a_webhook_that_is_down(model, lines, tmp_path):
    log, bodies = tmp_path / "auth.log", list[dict[str, object]]()
    log.write_text("".join(lines))

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *words: object) -> None: ...

    port = free_port()
    with service(model, tmp_path / "store.db", log) as watch:
        watch.start("--sink", f"http://127.0.0.1:{port}/alerts")
        until(lambda: watch.counted() == len(lines))
        with log.open("a") as out:
            out.writelines(lines)
        until(lambda: watch.counted() == 2 * len(lines))
        assert watch.found() >= ATTACKERS, "detection goes on meanwhile"
        server = ThreadingHTTPServer(("127.0.0.1", port), Hook)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            until(lambda: {body["entity"] for body in bodies} >= watch.found())
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def test_a_full_disk_stops_reading_until_there_is_space(model, lines, tmp_path, small_disk):
    disk, log = small_disk("2m"), tmp_path / "auth.log"
    log.write_text("".join(lines[:20]))
    with service(model, disk / "store.db", log) as watch:
        process = watch.start()
        until(lambda: watch.counted() == 20)
        with (disk / "other").open("wb", buffering=0) as filling, suppress(OSError):
            while True:
                filling.write(bytes(4096))
        with log.open("a") as out:
            out.writelines(lines[20:] * 20)
        errors = iter(process.stderr)
        assert any("the disk is full; free some space" in line for line in errors)
        (disk / "other").unlink()
        assert any("there is space again, reading goes on" in line for line in errors)
        until(lambda: watch.counted() == 20 + 20 * len(lines[20:]))
        assert watch.stop()[0] == 0


def test_a_damaged_store_is_refused_in_one_line(model, lines, tmp_path):
    log = tmp_path / "auth.log"
    log.write_text("".join(lines))
    with service(model, tmp_path / "store.db", log) as watch:
        watch.start("--once")
        assert watch.ended()[0] == 0
        damaged = bytearray(watch.store.read_bytes())
        damaged[4096:] = bytes(len(damaged) - 4096)
        watch.store.write_bytes(damaged)
        watch.start("--once")
        status, _, errors = watch.ended()
        assert status == 1
        (line,) = errors.splitlines()
        assert line.startswith(f"trine: {watch.store}: the store is damaged")
        assert "restore a copy, or begin a new one" in line


def test_a_log_that_is_removed_is_read_again_when_it_comes_back(model, lines, tmp_path):
    log = tmp_path / "auth.log"
    log.write_text("".join(lines[:50]))
    with service(model, tmp_path / "store.db", log) as watch:
        watch.start()
        until(lambda: watch.counted() == 50)
        log.unlink()
        time.sleep(0.2)
        log.write_text("".join(lines[50:]))
        until(lambda: watch.counted() == len(lines))
        assert watch.stop()[0] == 0
        assert watch.found() >= ATTACKERS


def test_a_clock_that_is_set_back_in_the_log_loses_no_line(model, lines, tmp_path):
    log = tmp_path / "auth.log"
    later = [line.replace("Jan  1 00", "Jan  1 05") for line in lines]
    log.write_text("".join(later))
    with service(model, tmp_path / "store.db", log) as watch:
        watch.start()
        until(lambda: watch.counted() == len(lines))
        for start in range(0, len(lines), 50):
            with log.open("a") as out:
                out.writelines(lines[start : start + 50])
            until(lambda: watch.counted() == len(lines) + min(start + 50, len(lines)))  # noqa: B023
        assert watch.stop()[0] == 0
        assert watch.counted("sessions") == 120, "a step back by more than the gap begins a new session, once"
        with closing(Store.look(watch.store)) as store:
            found = [finding.entity for finding in store.findings() if finding.entity in ATTACKERS]
        assert len(found) == 2 * len(ATTACKERS)


def test_a_batch_that_a_shipper_sends_again_counts_once(model, lines, tmp_path):
    body = "".join(lines[:40]).encode()

    def send(port: int, seconds: float) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", body, timeout=seconds) as answer:
            return int(answer.status)

    port = free_port()
    with service(model, tmp_path / "store.db", f"http://127.0.0.1:{port}") as watch:
        watch.start()
        until(lambda: connects(port))
        with closing(sqlite3.connect(watch.store, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # the service cannot commit, and so not answer
            with pytest.raises(TimeoutError):
                send(port, 0.5)
            again = threading.Thread(target=send, args=(port, 30))
            again.start()
            time.sleep(0.3)
            other.execute("COMMIT")
        again.join()
        assert watch.counted() == 40
        assert send(port, 30) == 200, "after an answer, the same lines are new ones"
        assert watch.counted() == 80


def test_two_sources_are_read_at_once(model, lines, tmp_path):
    log = tmp_path / "auth.log"
    log.write_text("".join(lines[0::2]))
    with service(model, tmp_path / "store.db", log, "-") as watch:
        process = watch.start(stdin=subprocess.PIPE)
        assert process.stdin is not None
        process.stdin.write("".join(lines[1::2]))
        process.stdin.close()
        until(lambda: watch.counted() == len(lines))
        process.stdin = None
        assert watch.stop()[0] == 0
        assert watch.found() >= ATTACKERS


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def connects(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
