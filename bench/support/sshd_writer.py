"""Writes the authentication log of a server: OpenSSH at LogLevel VERBOSE, PAM, logind, sudo, cron, with ISO times."""

import random
from datetime import UTC, datetime

from bench.detect.suites import Attack, Log

HOST, ADDRESS = "gate", "10.20.0.2"
DAEMON = 812
"""Process of the daemon that listens."""


class Server:
    """Writes lines into a log; numbers processes, ports and sessions as they come."""

    def __init__(self, log: Log, draw: random.Random) -> None:
        self.log, self.draw, self.pid, self.session = log, draw, 2000, 1

    def line(self, time: float, program: str, text: str, attack: Attack | None = None) -> None:
        stamp = datetime.fromtimestamp(time, UTC).isoformat(timespec="microseconds")
        self.log.add(time, f"{stamp} {HOST} {program}: {text}", attack)

    def next_pid(self) -> int:
        self.pid += self.draw.randint(1, 6)
        return self.pid


class Client:
    """One connection to the ssh daemon: the lines that the daemon writes about it. Its clock moves with them."""

    def __init__(self, server: Server, time: float, address: str, attack: Attack | None = None) -> None:
        self.server, self.draw, self.time, self.address, self.attack = server, server.draw, time, address, attack
        self.pid, self.port = server.next_pid(), server.draw.randint(32768, 60999)
        self.session = 0
        self.at = f"{address} port {self.port}"
        self.say(f'Connection from {self.at} on {ADDRESS} port 22 rdomain ""', mine=False)

    def say(self, text: str, *, mine: bool = True, pause: float = 0.0) -> None:
        """One line of the daemon. `mine`: it is one of the attack's own, if the client is an attacker."""
        self.time += pause or self.draw.uniform(0.002, 0.2)
        self.server.line(self.time, f"sshd[{self.pid}]", text, self.attack if mine else None)

    def wait(self, shortest: float, longest: float) -> None:
        self.time += self.draw.uniform(shortest, longest)

    def fail(self, user: str, *, known: bool = True, method: str = "password") -> None:
        """One attempt that fails."""
        name = user if known else f"invalid user {user}"
        if method == "password":
            if not known:
                self.say("pam_unix(sshd:auth): check pass; user unknown")
            who = f"  user={user}" if known else ""
            origin = f"logname= uid=0 euid=0 tty=ssh ruser= rhost={self.address}{who}"
            self.say(f"pam_unix(sshd:auth): authentication failure; {origin}")
            self.wait(1.2, 2.8)
            self.say(f"Failed password for {name} from {self.at} ssh2")
        else:
            self.say(f"Failed publickey for {name} from {self.at} ssh2: {key_of(user, self.draw)}")

    def close(self, user: str, *, known: bool = True, preauth: bool = True, mine: bool = True) -> None:
        kind = "authenticating" if known else "invalid"
        if preauth:
            self.say(f"Connection closed by {kind} user {user} {self.at} [preauth]", mine=mine)
        else:
            self.say(f"Received disconnect from {self.at}:11: disconnected by user", mine=mine)
            self.say(f"Disconnected from user {user} {self.at}", mine=mine)

    def accept(self, user: str, method: str = "publickey", *, uid: int = 1000, mine: bool = True) -> None:
        """A login that succeeds, until the session is open."""
        server = self.server
        if method == "publickey":
            key = key_of(user, self.draw, own=True)
            file = f"/home/{user}/.ssh/authorized_keys"
            self.say(f"Accepted key {key} found at {file}:{1 + len(user) % 3}", mine=mine)
            self.say(f"Postponed publickey for {user} from {self.at} ssh2 [preauth]", mine=mine)
            self.say(f"Accepted publickey for {user} from {self.at} ssh2: {key}", mine=mine)
        else:
            self.say(f"Accepted password for {user} from {self.at} ssh2", mine=mine)
        self.say(f"pam_unix(sshd:session): session opened for user {user}(uid={uid}) by {user}(uid=0)", mine=mine)
        server.session += 1
        self.session = server.session
        server.line(self.time + 0.01, "systemd-logind[640]", f"New session {self.session} of user {user}.")
        self.say(f"User child is on pid {server.next_pid()}", mine=mine, pause=0.05)

    def start(self, what: str, user: str, number: int = 0, *, mine: bool = True) -> None:
        """A channel: `shell on pts/0`, `command`, `subsystem 'sftp'`."""
        self.say(f"Starting session: {what} for {user} from {self.at} id {number}", mine=mine)

    def leave(self, user: str, numbers: tuple[int, ...] = (0,), *, mine: bool = False) -> None:
        """The end of a session."""
        for number in numbers:
            self.say(f"Close session: user {user} from {self.at} id {number}", mine=mine)
        self.close(user, preauth=False, mine=mine)
        self.say(f"pam_unix(sshd:session): session closed for user {user}", mine=mine)
        logind, time = "systemd-logind[640]", self.time
        self.server.line(time + 0.02, logind, f"Session {self.session} logged out. Waiting for processes to exit.")
        self.server.line(time + 0.03, logind, f"Removed session {self.session}.")

    def sudo(self, user: str, command: str, *, uid: int = 1000, refused: bool = False) -> None:
        """A command by sudo in this session."""
        program, server = "sudo", self.server
        where = f"TTY=pts/0 ; PWD=/home/{user} ; USER=root ; COMMAND={command}"
        if refused:
            server.line(self.time, program, f"{user} : user NOT in sudoers ; {where}", self.attack)
            return
        server.line(self.time, program, f"{user} : {where}", self.attack)
        opened = f"pam_unix(sudo:session): session opened for user root(uid=0) by {user}(uid={uid})"
        server.line(self.time + 0.02, program, opened, self.attack)
        self.wait(0.1, 20)
        server.line(self.time, program, "pam_unix(sudo:session): session closed for user root", self.attack)


def key_of(user: str, draw: random.Random, *, own: bool = False) -> str:
    """A key's fingerprint; the user's own is always the same."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/"
    source = random.Random(user) if own else draw
    return "ED25519 SHA256:" + "".join(source.choices(letters, k=43))
