# ruff: noqa: D103  (each function is named after the address it answers)
"""Pages of the service.

Two are weak on purpose: `job_report` puts an unquoted form field into a shell line; `download` accepts `..` in names.
"""

import hashlib
import json
import os
import random
import socket
import subprocess
import time
import zipfile
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qsl

CHUNK = 1 << 16
FAILURE_SECONDS, FAILURES_HEARD = 0.02, 5
HASH_ROUNDS = 1000
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C"}
LAYOUT = {"front": ("head", "news", "foot"), "about": ("head", "foot"), "help": ("head", "menu", "foot")}

REPORTS = {
    "words": "wc -w {file} > {out}",
    "common": "sort {file} > {out}; uniq -c {out}",
    "first": "head -n 20 {file} > {out}; gzip -f -k {out}",
    "matches": "grep -c er {file} > {out} && wc -c {file} >> {out}",
    "digest": "for f in {file}; do cksum $f; done > {out}",
}
TASKS = {
    "state": "uname -a > {out}; df . >> {out}; date >> {out}",
    "room": "ls data > {out}; wc -l {out}; df data",
    "owners": "ls -la data etc > {out}; id >> {out}",
    "backup": "tar cf {out} data/templates; gzip -f -k {out}",
    "tidy": "find data/static -name 's*' > {out}; wc -l {out}",
    "homes": (
        "ls -la home > {out}; for user in ada ben; do test -d home/$user && cat home/$user/profile.json >> {out}; done"
    ),
    "publish": "cp data/docs/d07.txt {out}; chmod 644 {out}; cksum {out}; echo published >> var/jobs.log",
    "announce": "bash -c 'exec 3<>/dev/tcp/127.0.0.1/{store}; date >&3; read -t 2 answer <&3; echo $answer' > {out}",
    "tools": "cksum /usr/bin/wc /usr/bin/sort > {out}; wc -l {out}",
    "look": "grep -r river data/templates > {out}; hostname >> {out}; tail -n 5 var/access.log",
    "script": "echo daily > {out}; sh data/scripts/daily.sh >> {out}",
}
COMMANDS = {
    "count": ("wc", "-l", "{file}"),
    "order": ("sort", "-o", "{out}", "{file}"),
    "pack": ("gzip", "-c", "{file}"),
    "digest": ("sha256sum", "{file}"),
}


@dataclass(frozen=True)
class Site:
    """Settings of the service: its folder, its key, the port of its store, and a random seed."""

    root: Path
    key: str
    store: int
    seed: int

    def chance(self) -> float:
        """Uniform random number in [0, 1) from process id and time; makes no system call of its own."""
        return random.Random(f"{self.seed} {os.getpid()} {time.time_ns()}").random()


@dataclass(frozen=True)
class Request:
    """A request. `name` follows the first part of the address; `body(n)` reads up to n bytes, `body()` the rest."""

    name: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Callable[..., bytes]

    def form(self) -> dict[str, str]:
        """Fields of a form in the body."""
        return dict(parse_qsl(self.body().decode()))


@dataclass(frozen=True)
class Answer:
    """An answer; `size` is set for files only."""

    body: bytes | Path = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    size: int = 0


def sent(file: Path, **headers: str) -> Answer:
    """A file as an answer; raise OSError if the file cannot be read."""
    return Answer(file, headers=headers, size=file.stat().st_size)


def ask_store(site: Site, line: str) -> bytes:
    with socket.create_connection(("127.0.0.1", site.store), timeout=2) as link:
        link.sendall(line.encode() + b"\n")
        return link.recv(256)


def note(site: Site, log: str, line: str) -> None:
    with (site.root / "var" / log).open("ab", buffering=0) as file:
        file.write(line.encode() + b"\n")


# --- pages and files


def page(site: Site, request: Request, kind: str = "front") -> Answer:
    folder = site.root / "data" / "templates"
    parts = [(folder / f"{part}.html").read_bytes() for part in LAYOUT.get(request.name or kind, ("head", "foot"))]
    user = signed_in(site, request)
    if user:
        parts.append((site.root / "home" / user / "profile.json").read_bytes())
    return Answer(b"".join(parts))


def static(site: Site, request: Request) -> Answer:
    tag = f"tag-{request.name}-{site.seed}"
    if request.headers.get("If-None-Match") == tag:
        return Answer(status=304)
    return sent(site.root / "data" / "static" / request.name, ETag=tag)


def item(site: Site, request: Request) -> Answer:
    record = json.loads((site.root / "data" / "items" / f"{request.name}.json").read_bytes())
    if signed_in(site, request):
        record["seen"] = ask_store(site, f"count {request.name}").decode()
    return Answer(json.dumps(record).encode())


def listing(site: Site, request: Request) -> Answer:
    names = sorted(entry.name for entry in os.scandir(site.root / "data" / "items"))
    start = int(request.query.get("page", 0)) * 8
    shown = [(site.root / "data" / "items" / name).read_bytes() for name in names[start : start + 8]]
    return Answer(b"\n".join(shown))


def search(site: Site, request: Request) -> Answer:
    word = request.query["q"]
    cached = site.root / "tmp" / "cache" / hashlib.sha1(word.encode()).hexdigest()
    if cached.exists():
        return sent(cached)
    hits = list(matching(site.root / "data" / "docs", word.encode(), int(request.query.get("limit", 4))))
    cached.write_bytes("\n".join(hits).encode())
    return Answer("\n".join(hits).encode())


def matching(folder: Path, word: bytes, limit: int) -> Iterator[str]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if word in Path(entry.path).read_bytes():
            yield entry.name
            limit -= 1
        if limit == 0:
            return


def download(site: Site, request: Request) -> Answer:
    return sent(site.root / "data" / "docs" / request.query["name"])


def archive(site: Site, request: Request) -> Answer:
    names = sorted(entry.name for entry in os.scandir(site.root / "data" / "docs"))
    start, count = int(request.query["from"]), int(request.query["count"])
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name in names[start : start + count]:
            bundle.writestr(name, (site.root / "data" / "docs" / name).read_bytes())
    target = site.root / "tmp" / f"archive-{os.getpid()}.zip"
    target.write_bytes(packed.getvalue())
    return sent(target)


def health(site: Site, request: Request) -> Answer:
    load = Path("/proc/loadavg").read_bytes()
    free = os.statvfs(site.root / "data").f_bavail
    store = ask_store(site, "ping").decode() if "deep" in request.query else ""
    return Answer(json.dumps({"load": load.decode(), "free": free > 0, "store": store}).encode())


def contact(site: Site, request: Request) -> Answer:
    note(site, "contact.log", json.dumps(request.form()))
    return Answer(b"thank you")


# --- accounts


def known(site: Site, user: str, word: str) -> bool:
    people = json.loads((site.root / "etc" / "people.json").read_bytes())
    salt, digest = people.get(user, ("", ""))
    return hashlib.pbkdf2_hmac("sha256", word.encode(), salt.encode(), HASH_ROUNDS).hex() == digest


def login(site: Site, request: Request) -> Answer:
    """Sign in; after five failures a connection gets status 429."""
    form, failures = request.form(), site.root / "tmp" / "failures" / str(os.getpid())
    if failures.exists() and failures.stat().st_size >= FAILURES_HEARD:
        note(site, "auth.log", f"not heard {form['user']}")
        time.sleep(FAILURE_SECONDS)
        return Answer(b"too often", 429)
    if not known(site, form["user"], form["word"]):
        note(site, "auth.log", f"failed {form['user']}")
        with failures.open("ab", buffering=0) as file:
            file.write(b"x")
        time.sleep(FAILURE_SECONDS)
        return Answer(b"wrong", 401)
    ticket = hashlib.sha1(f"{form['user']} {site.chance()}".encode()).hexdigest()
    (site.root / "tmp" / "tickets" / ticket).write_text(form["user"])
    ask_store(site, f"login {form['user']}")
    return Answer(b"welcome", headers={"X-Ticket": ticket})


def logout(site: Site, request: Request) -> Answer:
    (site.root / "tmp" / "tickets" / request.headers["X-Ticket"]).unlink(missing_ok=True)
    return Answer(b"bye")


def signed_in(site: Site, request: Request) -> str:
    ticket = request.headers.get("X-Ticket")
    file = site.root / "tmp" / "tickets" / str(ticket)
    return file.read_text() if ticket and file.exists() else ""


def notes(site: Site, request: Request) -> Answer:
    user = signed_in(site, request)
    if not user:
        return Answer(b"sign in first", 401)
    names = sorted(entry.name for entry in os.scandir(site.root / "home" / user))
    return Answer(b"\n".join((site.root / "home" / user / name).read_bytes() for name in names))


# --- the interface for programs: every request carries a password


def api_get(site: Site, request: Request) -> Answer:
    user, _, word = b64decode(request.headers["Authorization"]).decode().partition(":")
    if not known(site, user, word):
        note(site, "auth.log", f"failed {user}")
        time.sleep(FAILURE_SECONDS)
        return Answer(b"wrong", 401)
    if site.chance() < 0.3:
        ask_store(site, f"rate {user}")
    return item(site, request) if request.name else listing(site, request)


def api_put(site: Site, request: Request) -> Answer:
    answer = api_get(site, request)
    if answer.status == 200:
        target = site.root / "data" / "items" / f"{request.name}.json"
        fresh = site.root / "tmp" / f"item-{os.getpid()}"
        fresh.write_bytes(request.body())
        fresh.replace(target)
    return answer


# --- uploads


def upload(site: Site, request: Request) -> Answer:
    fresh = site.root / "tmp" / f"part-{os.getpid()}"
    with fresh.open("wb", buffering=0) as file:
        while chunk := request.body(CHUNK):
            file.write(chunk)
    fresh.replace(site.root / "upload" / Path(request.name).name)
    return Answer(b"kept", 201)


def uploads(site: Site, request: Request) -> Answer:
    if request.name:
        return sent(site.root / "upload" / Path(request.name).name)
    names = sorted(entry.name for entry in os.scandir(site.root / "upload"))[-8:]
    sizes = {name: (site.root / "upload" / name).stat().st_size for name in names}
    return Answer(json.dumps(sizes).encode())


def remove(site: Site, request: Request) -> Answer:
    (site.root / "upload" / Path(request.name).name).unlink()
    return Answer(b"gone")


# --- jobs


def job(site: Site, request: Request) -> Answer:
    """Run a job and send its output; the header `X-Out` names the file it wrote."""
    form = request.form()
    out = f"tmp/job-{os.getpid()}-{form.get('number', '0')}"
    output = site.root / f"{out}.said"
    with output.open("wb", buffering=0) as file:
        # No timeout: it would poll and appear in the trace. The CPU limit and the end of the run bound the job.
        subprocess.run(JOBS[request.name](site, form, out), cwd=site.root, env=ENVIRONMENT, check=False, **files(file))
    if form.get("notify"):
        with socket.create_connection(("127.0.0.1", int(form["notify"])), timeout=2) as link:
            link.sendall(b"done\n")
    return sent(output, **{"X-Out": out})


def files(file: IO[bytes]) -> dict[str, Any]:
    return {"stdin": subprocess.DEVNULL, "stdout": file, "stderr": file}


def job_command(site: Site, form: dict[str, str], out: str) -> list[str]:
    return [part.format(file=form["file"], out=out) for part in COMMANDS[form["command"]]]


def job_report(site: Site, form: dict[str, str], out: str) -> list[str]:
    # Weak on purpose: `file` is not quoted.
    return ["sh", "-c", REPORTS[form["report"]].format(file=form["file"], out=out)]


def job_task(site: Site, form: dict[str, str], out: str) -> list[str]:
    line = "; ".join(TASKS[name] for name in form["tasks"].split())
    return ["sh", "-c", line.format(out=out, store=site.store)]


JOBS = {"command": job_command, "report": job_report, "task": job_task}


def result(site: Site, request: Request) -> Answer:
    return sent(site.root / "tmp" / Path(request.name).name)


PAGES: dict[tuple[str, str], Callable[[Site, Request], Answer]] = {
    ("GET", ""): page,
    ("GET", "page"): page,
    ("GET", "static"): static,
    ("GET", "item"): item,
    ("GET", "items"): listing,
    ("GET", "search"): search,
    ("GET", "download"): download,
    ("GET", "archive"): archive,
    ("GET", "health"): health,
    ("GET", "notes"): notes,
    ("GET", "api"): api_get,
    ("GET", "upload"): uploads,
    ("GET", "result"): result,
    ("POST", "contact"): contact,
    ("POST", "login"): login,
    ("POST", "logout"): logout,
    ("POST", "job"): job,
    ("PUT", "api"): api_put,
    ("PUT", "upload"): upload,
    ("DELETE", "upload"): remove,
}
