# ruff: noqa: D103  (each step is described by its name)
"""Visitors in normal use. A visit is one persistent connection: a list of steps, executed in order.

Each kind of visitor has typical steps and sometimes takes a step of another kind. Order, length and timing vary.
"""

import http.client
import random
import socket
import time
from base64 import b64encode
from collections.abc import Callable
from urllib.parse import urlencode

from hostlab_recorder.laboratory import PEOPLE, WORDS, Laboratory, prose
from hostlab_recorder.pages import TASKS

REQUEST_SECONDS = 10.0
THINK_SECONDS = 0.02
STRAY_SHARE = 0.3


class SlowConnection(http.client.HTTPConnection):
    """A connection that sends each request in small pieces with pauses between them."""

    def send(self, data: bytes) -> None:
        """Send five pieces, or fewer of at least 24 bytes each."""
        if self.sock is None:
            self.connect()
        step = max(24, len(data) // 5)
        for start in range(0, len(data), step):
            self.sock.sendall(data[start : start + step])
            time.sleep(0.004)


class Visitor:
    """One connection to the service. `pace` multiplies the length of its pauses."""

    def __init__(self, lab: Laboratory, chance: random.Random, pace: float = 1.0, slow: bool = False) -> None:
        self.lab, self.chance, self.pace = lab, chance, pace
        self.headers: dict[str, str] = {"X-Key": lab.key}
        self.user = chance.choice(list(PEOPLE))
        self.uploaded: list[str] = []
        self.connection = (SlowConnection if slow else http.client.HTTPConnection)(
            "127.0.0.1", lab.port, timeout=REQUEST_SECONDS
        )
        self.connection.connect()
        self.connection.auto_open = 0  # a second connection would be another visit
        self.port: int = self.connection.sock.getsockname()[1]

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """Send a request; return status and content. The keyword `If_None_Match` becomes the header If-None-Match."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body, self.headers | named)
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.getheader("X-Ticket"):
            self.headers["X-Ticket"] = str(answer.getheader("X-Ticket"))
        self.out = (answer.getheader("X-Out") or "").removeprefix("tmp/")
        self.tag = answer.getheader("ETag") or ""
        return answer.status, content

    def get(self, path: str, **headers: str) -> bytes:
        """Send a GET request; return its content."""
        return self.ask("GET", path, **headers)[1]

    def post(self, path: str, **fields: str) -> tuple[int, bytes]:
        """Send the fields as a form; return status and content."""
        return self.ask("POST", path, urlencode(fields).encode())

    def think(self) -> None:
        """Sleep for a log-normal time with median `THINK_SECONDS` × pace."""
        time.sleep(min(0.5, self.chance.lognormvariate(0, 0.8) * THINK_SECONDS * self.pace))

    def document(self) -> str:
        """Name of a random document of the site."""
        return f"d{self.chance.randrange(80):02}.txt"

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


Step = Callable[[Visitor], object]

# --- steps


def see_page(visitor: Visitor) -> None:
    name = visitor.chance.choice(("", "page/about", "page/help"))
    visitor.get(f"/{name}")
    for _ in range(visitor.chance.choice((0, 0, 1, 2, 4))):
        file = f"/static/s{visitor.chance.randrange(10)}"
        visitor.get(file)
        if visitor.chance.random() < 0.3:
            visitor.get(file, If_None_Match=visitor.tag)


def see_item(visitor: Visitor) -> None:
    visitor.get(f"/item/{visitor.chance.randrange(64):03}")


def see_list(visitor: Visitor) -> None:
    visitor.get(f"/items?page={visitor.chance.randrange(9)}")


def search(visitor: Visitor) -> None:
    word = visitor.chance.choice(WORDS)[: visitor.chance.randint(3, 8)]
    visitor.get(f"/search?q={word}&limit={visitor.chance.randint(1, 9)}")


def write_message(visitor: Visitor) -> None:
    visitor.post("/contact", text=prose(visitor.chance, visitor.chance.randint(3, 60)).decode())


def sign_in(visitor: Visitor) -> None:
    visitor.post("/login", user=visitor.user, word=PEOPLE[visitor.user])


def mistype(visitor: Visitor) -> None:
    for _ in range(visitor.chance.choice((1, 1, 1, 2, 2, 3))):
        visitor.post("/login", user=visitor.user, word="forgotten")
        visitor.think()
    sign_in(visitor)


def see_notes(visitor: Visitor) -> None:
    visitor.get("/notes")


def sign_out(visitor: Visitor) -> None:
    if "X-Ticket" in visitor.headers:
        visitor.post("/logout")
        del visitor.headers["X-Ticket"]


def call_api(visitor: Visitor) -> None:
    word = PEOPLE[visitor.user] if visitor.chance.random() < 0.97 else "old"
    proof = b64encode(f"{visitor.user}:{word}".encode()).decode()
    for _ in range(visitor.chance.randint(1, 5)):
        name = f"{visitor.chance.randrange(60):03}"
        if visitor.chance.random() < 0.25:
            body = b'{"text": "%s"}' % visitor.chance.randbytes(20).hex().encode()
            status, _ = visitor.ask("PUT", f"/api/{name}", body, Authorization=proof)
        else:
            path = visitor.chance.choice((f"/api/{name}", f"/api/{name}", "/api/?page=1"))
            status, _ = visitor.ask("GET", path, Authorization=proof)
        if status == 401:
            return


def upload(visitor: Visitor) -> None:
    name = f"u{visitor.chance.randrange(10**6)}.txt"
    size = int(10 ** visitor.chance.uniform(1, 5.6))
    body = prose(visitor.chance, 200) * (size // 1000 + 1)
    visitor.ask("PUT", f"/upload/{name}", body[:size])
    visitor.uploaded.append(f"upload/{name}")


def see_uploads(visitor: Visitor) -> None:
    visitor.get("/upload")
    if visitor.uploaded:
        visitor.get(f"/{visitor.chance.choice(visitor.uploaded)}")


def remove(visitor: Visitor) -> None:
    if visitor.uploaded:
        visitor.ask("DELETE", f"/{visitor.uploaded.pop()}")


def download(visitor: Visitor) -> None:
    visitor.get(f"/download?name={visitor.document()}")


def archive(visitor: Visitor) -> None:
    visitor.get(f"/archive?from={visitor.chance.randrange(60)}&count={int(10 ** visitor.chance.uniform(0.3, 1.4))}")


def some_file(visitor: Visitor) -> str:
    return visitor.chance.choice(visitor.uploaded or [f"data/docs/{visitor.document()}"])


def run_command(visitor: Visitor) -> None:
    command = visitor.chance.choice(("count", "order", "pack", "digest"))
    work(visitor, "command", {"command": command, "file": some_file(visitor)})


def run_report(visitor: Visitor) -> None:
    report = visitor.chance.choice(("words", "common", "first", "matches", "digest"))
    several = visitor.chance.random() < (0.7 if report == "digest" else 0.15)
    files = [some_file(visitor) for _ in range(visitor.chance.randint(2, 4) if several else 1)]
    work(visitor, "report", {"report": report, "file": " ".join(files)})


def run_task(visitor: Visitor) -> None:
    names = visitor.chance.choices(list(TASKS), k=visitor.chance.choice((1, 1, 2, 3)))
    work(visitor, "task", {"tasks": " ".join(names)})


def work(visitor: Visitor, kind: str, form: dict[str, str]) -> int:
    """Start a job. A quarter of the jobs report to a port that the visitor opened."""
    form["number"] = str(visitor.chance.randrange(100))
    if visitor.chance.random() < 0.25:
        with socket.create_server(("127.0.0.1", 0)) as ear:
            form["notify"] = str(ear.getsockname()[1])
            status, _ = visitor.post(f"/job/{kind}", **form)
    else:
        status, _ = visitor.post(f"/job/{kind}", **form)
    if visitor.out and visitor.chance.random() < 0.6:
        visitor.get(f"/result/{visitor.out}")
    return status


def crawl(visitor: Visitor) -> None:
    visitor.get("/robots.txt")
    for _ in range(visitor.chance.randint(3, 16)):
        method = visitor.chance.choice(("GET", "GET", "HEAD"))
        number = visitor.chance.randrange(80)
        path = visitor.chance.choice((f"/item/{number:03}", f"/download?name=d{number:02}.txt", f"/page/x{number}"))
        visitor.ask(method, path)


def check_health(visitor: Visitor) -> None:
    visitor.get("/health?deep=1" if visitor.chance.random() < 0.5 else "/health")


# --- kinds of visitor: first steps, repeated steps, range of their number, last steps

LOOK: tuple[Step, ...] = (see_page, see_page, see_item, see_list, search, download, write_message)
HABITS: dict[str, tuple[tuple[Step, ...], tuple[Step, ...], tuple[int, int], tuple[Step, ...]]] = {
    "browser": ((see_page,), LOOK, (1, 7), ()),
    "member": ((see_page, sign_in), (*LOOK, see_uploads, see_notes, see_notes), (1, 6), (sign_out,)),
    "forgetful": ((see_page, mistype), LOOK, (0, 5), ()),
    "program": ((), (call_api,), (1, 4), ()),
    "uploader": ((sign_in,), (upload, upload, see_uploads, remove, run_command), (1, 5), (sign_out,)),
    "reporter": ((sign_in,), (run_report, run_report, run_command, see_uploads, upload), (1, 6), ()),
    "operator": ((sign_in,), (run_task, run_task, run_report, check_health), (1, 4), ()),
    "collector": ((), (download, archive, search, download), (1, 7), ()),
    "crawler": ((), (crawl, see_list), (1, 2), ()),
    "monitor": ((), (check_health,), (1, 8), ()),
    "slow": ((see_page,), (*LOOK, upload), (1, 4), ()),
}
SHARES = {"reporter": 4, "operator": 4, "uploader": 2, "browser": 2, "program": 2, "member": 2}
STRAYS: tuple[Step, ...] = (
    *(see_page, search, download, check_health, see_item, archive, upload, see_notes),
    *(run_command, run_report, run_report, run_task, run_task),
)


def plan(kind: str, chance: random.Random) -> list[Step]:
    """Draw the steps of one visit, including steps that are unusual for its kind."""
    first, habit, (least, most), last = HABITS[kind]
    middle = [chance.choice(habit) for _ in range(chance.randint(least, most))]
    while chance.random() < STRAY_SHARE:
        middle.insert(chance.randint(0, len(middle)), chance.choice(STRAYS))
    return [*first, *middle, *(last if chance.random() < 0.5 else ())]


def some_kind(chance: random.Random) -> str:
    return chance.choices(list(HABITS), [SHARES.get(kind, 1) for kind in HABITS])[0]


def visit(lab: Laboratory, chance: random.Random, kind: str, steps: list[Step]) -> int:
    """Execute the steps; return the client's port, which identifies the visit in the trace."""
    visitor = Visitor(lab, chance, pace=chance.choice((0.3, 1, 1, 2)), slow=kind == "slow")
    try:
        for step in steps:
            step(visitor)
            visitor.think()
    finally:
        visitor.close()
    return visitor.port
