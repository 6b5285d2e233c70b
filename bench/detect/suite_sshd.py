"""Authentication log of a gateway: three weeks, then three days with 12 kinds of attackers. Cost: 10 minutes.

- Normal: users with habits of their own (hours, addresses, key or password, shell, sftp or commands) who mistype
  passwords and use sudo; a backup and a deployment that log in by the clock; cron; a steady rate of internet scanners,
  whose few attempts fail: deviations from this noise are the attacks, not the noise.
- Sessions are those of an address. Each kind of attack comes three times.
"""

import random
from dataclasses import dataclass
from datetime import UTC, datetime

from bench.detect.suites import Log, Suite, claims, main
from bench.support.sshd_attackers import ATTACKS, COMMON, FOREIGN, Attacker
from bench.support.sshd_writer import DAEMON, Client, Server

START, DAY, DAYS, LATER = datetime(2024, 4, 8, tzinfo=UTC).timestamp(), 86400, 21, 3
SCANS = 70
"""Connections of scanners per day."""
ODD_HOURS, ELSEWHERE = 0.04, 0.05
"""Chances that a user logs in outside of the habitual hours, and from an address of a train or an hotel."""
SERVICES = {"backup": (34, "10.20.0.30"), "deploy": (998, "10.20.0.5")}
COMMANDS = (
    *("/usr/bin/systemctl restart nginx", "/usr/bin/apt update", "/usr/bin/apt upgrade", "/usr/bin/journalctl -u shop"),
    *(
        "/usr/bin/tail -f /var/log/nginx/error.log",
        "/usr/bin/systemctl status shop",
        "/usr/bin/vim /etc/nginx/nginx.conf",
    ),
)
NOISE = (
    'error: kex_exchange_identification: client sent invalid protocol identifier "GET / HTTP/1.1"',
    "banner exchange: Connection from {at}: invalid format",
    "fatal: Timeout before authentication for {at}",
    "Connection reset by {at} [preauth]",
    "error: kex_exchange_identification: read: Connection reset by peer",
    "Bad protocol version identification '\\026\\003\\001' from {at}",
    "error: kex protocol error: type 20 seq 2 [preauth]",
    "Did not receive identification string from {at}",
    "error: PAM: Authentication failure for root from {at}",
    "ssh_dispatch_run_fatal: Connection from {at}: unexpected packet in response to SSH2_MSG_KEXINIT [preauth]",
)
"""What else scanners cause, the most frequent first."""


@dataclass(frozen=True)
class User:
    """What somebody is in the habit of."""

    name: str
    uid: int
    addresses: tuple[str, ...]
    hours: tuple[float, float]
    """First and last hour of the working day."""
    method: str
    use: str
    """shell, sftp or command."""
    logins: float
    """Mean number of logins on a working day."""
    mistypes: float
    sudo: float
    """Chance of sudo in a session."""


def people(draw: random.Random) -> list[User]:
    names = ("ann", "bert", "cleo", "dirk", "eva", "finn", "gita", "hans", "ines", "jan", "kim", "lea", "max", "nora")
    users = []
    for place, name in enumerate(names):
        start = draw.uniform(6.5, 11)
        admin = place < 4
        users.append(
            User(
                name,
                1000 + place,
                (
                    f"10.8.0.{20 + place}",
                    *((f"{draw.choice((84, 91, 62))}.{draw.randint(1, 250)}.33.{place + 9}",) * draw.randint(0, 1)),
                ),
                (start, start + draw.uniform(7, 10)),
                "password" if place % 5 == 4 else "publickey",
                "shell" if admin else draw.choice(("shell", "shell", "sftp", "command")),
                draw.uniform(2, 6) if admin else draw.uniform(0.7, 4),
                draw.uniform(0.02, 0.25),
                0.6 if admin else 0.0,
            )
        )
    return users


def visit(server: Server, user: User, time: float) -> None:
    """One login as usual."""
    draw = server.draw
    elsewhere = f"{draw.choice((46, 77, 80))}.{draw.randint(1, 250)}.{draw.randint(1, 250)}.{draw.randint(1, 250)}"
    client = Client(server, time, elsewhere if draw.random() < ELSEWHERE else draw.choice(user.addresses))
    if user.method == "password":
        while draw.random() < user.mistypes:
            client.fail(user.name)
            client.wait(2, 9)
    elif draw.random() < 0.3:
        client.fail(user.name, method="publickey")  # the agent offers another key first
    client.accept(user.name, user.method, uid=user.uid)
    use(client, user)
    if draw.random() < 0.03:
        client.say(f"error: connect_to localhost port {draw.choice((5432, 8080))}: failed.")
    if draw.random() < 0.06:
        client.say(f"Timeout, client not responding from user {user.name} {client.at}")
        client.say(f"pam_unix(sshd:session): session closed for user {user.name}")
        return
    if draw.random() < 0.02:
        client.say(f"Read error from remote host {client.at}: Connection reset by peer")
    client.leave(user.name)


def use(client: Client, user: User) -> None:
    draw = client.draw
    if user.use == "sftp":
        client.start("subsystem 'sftp'", user.name)
        client.wait(20, 900)
    elif user.use == "command":
        client.start("command", user.name)
        client.wait(1, 30)
        for number in range(1, draw.choice((1, 1, 2, 4))):
            client.start("command", user.name, number)
            client.wait(1, 30)
    else:
        client.start(f"shell on pts/{draw.randint(0, 5)}", user.name)
        client.wait(30, 1200)
        while draw.random() < user.sudo:
            client.sudo(user.name, draw.choice(COMMANDS), uid=user.uid)
            client.wait(20, 600)
        if draw.random() < 0.08:
            client.start("subsystem 'sftp'", user.name, 1)
            client.wait(10, 60)


def services(server: Server, start: float) -> None:
    """Logins by the clock: a backup every night, deployments on most days."""
    for name, hours in (("backup", (2.25, 14.25)), ("deploy", (10.5, 15.5))):
        uid, address = SERVICES[name]
        for hour in hours:
            client = Client(server, start + 3600 * hour + server.draw.uniform(0, 9), address)
            client.accept(name, uid=uid)
            for number in range(2 if name == "backup" else 1):
                client.start("command", name, number)
                client.wait(5, 200)
            client.leave(name, (0, 1) if name == "backup" else (0,))


def scan(server: Server, time: float) -> None:
    """A scanner of the internet: looks at the port, or tries a few names."""
    draw = server.draw
    client = Client(server, time, f"{draw.choice(FOREIGN)}.{draw.randint(1, 254)}")
    kinds = {"look": 3.0, "identify": 1.5, "negotiate": 1.5, "other": 1.5, "try": 5.0, "root": 4.0}
    kind = draw.choices(list(kinds), list(kinds.values()))[0]
    if kind == "look":
        client.say(f"Connection closed by {client.at} [preauth]")
    elif kind == "identify":
        client.say("error: kex_exchange_identification: Connection closed by remote host")
        client.say(f"Connection closed by {client.at}")
    elif kind == "other":
        client.say(draw.choices(NOISE, range(len(NOISE), 0, -1))[0].format(at=client.at))
    elif kind == "negotiate":
        offer = "Their offer: diffie-hellman-group1-sha1"
        client.say(f"Unable to negotiate with {client.at}: no matching key exchange method found. {offer} [preauth]")
    else:
        user = "root" if kind == "root" else draw.choice(COMMON)
        if kind == "try":
            client.say(f"Invalid user {user} from {client.at}")
        for _ in range(draw.randint(1, 3)):
            client.fail(user, known=kind == "root")
        client.close(user, known=kind == "root")


def ordinary_day(server: Server, users: list[User], start: float, weekend: bool) -> None:
    draw = server.draw
    for user in users:
        count = draw.choices(
            (0, 1, 2, 3, 4, 6, 8),
            [user.logins**n / f for n, f in zip((0, 1, 2, 3, 4, 6, 8), (1, 1, 2, 6, 24, 720, 40320), strict=True)],
        )[0]
        for _ in range(round(count * 0.2) if weekend else count):
            visit(server, user, start + 3600 * draw.uniform(*user.hours))
    services(server, start)
    for _ in range(SCANS + draw.randint(-15, 15)):
        scan(server, start + draw.uniform(0, DAY - 60))
    for hour in range(24):
        cron(server, start + 3600 * hour + 17 * 60 + 1)


def cron(server: Server, time: float) -> None:
    program = f"CRON[{server.next_pid()}]"
    server.line(time, program, "pam_unix(cron:session): session opened for user root(uid=0) by root(uid=0)")
    server.line(time + 0.1, program, "pam_unix(cron:session): session closed for user root")


class Gateway(Suite):
    """A server through which users, services and attackers come."""

    name, entity = "sshd", "address"

    def generate(self, normal: Log, day: Log, draw: random.Random) -> None:
        users, server = people(draw), Server(normal, draw)
        server.line(START, f"sshd[{DAEMON}]", "Server listening on 0.0.0.0 port 22.")
        for number in range(DAYS):
            ordinary_day(server, users, START + number * DAY, number % 7 >= 5)
        server.log = day
        for number in range(DAYS, DAYS + LATER):
            ordinary_day(server, users, START + number * DAY, weekend=False)
        names = {user.name: user.uid for user in users}
        places = [f"{network}.{last}" for network in FOREIGN for last in draw.sample(range(1, 255), 8)]
        draw.shuffle(places)
        for kind, (where, act) in ATTACKS.items():
            for turn in range(3):
                hour = draw.uniform(0.5, 4.5) if where == "night" else draw.uniform(1, 22)
                address = SERVICES["backup"][1] if where == "service" else places.pop()
                act(Attacker(server, names, START + (DAYS + turn) * DAY + 3600 * hour, day, kind, address))


SUITE = Gateway()
CLAIMS = [*claims("sshd", "Authentication log of a gateway")]

if __name__ == "__main__":
    main(SUITE, __doc__)
