"""Writes records of the Linux audit daemon as a server has them: logins, jobs, commands, services, connections."""

import random
from ipaddress import IPv4Address

from bench.detect.suites import Attack, Log

CALLS = {
    **{"execve": 59, "openat": 257, "connect": 42, "chmod": 90, "fchmodat": 268, "unlinkat": 263, "init_module": 175},
    **{"finit_module": 313, "setuid": 105, "ptrace": 101, "memfd_create": 319, "renameat2": 316, "fchownat": 260},
}
PROGRAMS = {
    **{"sh": "/usr/bin/dash", "vi": "/usr/bin/vim.basic", "vim": "/usr/bin/vim.basic", "nc": "/usr/bin/nc.openbsd"},
    **{
        "python3": "/usr/bin/python3.11",
        "python": "/usr/bin/python3.11",
        "awk": "/usr/bin/mawk",
        "perl": "/usr/bin/perl",
    },
    **{
        "sshd": "/usr/sbin/sshd",
        "cron": "/usr/sbin/cron",
        "useradd": "/usr/sbin/useradd",
        "visudo": "/usr/sbin/visudo",
    },
    **{"logrotate": "/usr/sbin/logrotate", "auditctl": "/usr/sbin/auditctl", "insmod": "/usr/bin/kmod"},
    **{
        "modprobe": "/usr/bin/kmod",
        "lsmod": "/usr/bin/kmod",
        "editor": "/usr/bin/vim.basic",
        "pidof": "/usr/sbin/killall5",
    },
    **{"php-fpm8.2": "/usr/sbin/php-fpm8.2", "nginx": "/usr/sbin/nginx", "systemd": "/usr/lib/systemd/systemd"},
    **{"node": "/usr/bin/node", "npm": "/usr/bin/node", "iptables": "/usr/sbin/xtables-nft-multi", "ip": "/usr/bin/ip"},
    **{"usermod": "/usr/sbin/usermod", "tcpdump": "/usr/bin/tcpdump", "chpasswd": "/usr/sbin/chpasswd"},
}
"""Files of programs that are not /usr/bin/NAME."""
UNSET = 4294967295
Path = tuple[str, str]
"""Name of a file and its role: NORMAL, CREATE, DELETE or PARENT."""


class Host:
    """A server: its processes and sessions are numbered as they come, its records are written in the order of time."""

    def __init__(self, name: str, draw: random.Random) -> None:
        self.name, self.draw = name, draw
        self.pid, self.session, self.serial = draw.randint(900, 1200), 1, draw.randint(100, 900)
        self._events: list[tuple[float, list[str], Attack | None]] = []

    def next_pid(self) -> int:
        self.pid += self.draw.randint(1, 4)
        return self.pid

    def event(self, time: float, records: list[str], attack: Attack | None = None) -> None:
        """One event; a record is its type and its fields, parted by a line break."""
        self._events.append((time, records, attack))

    def flush(self, log: Log) -> None:
        """Number the events in the order of their times, and move them to the log."""
        for time, records, attack in sorted(self._events, key=lambda each: each[0]):
            self.serial += 1
            for place, record in enumerate(records):
                kind, _, fields = record.partition("\n")
                head = f"node={self.name} type={kind} msg=audit({time:.3f}:{self.serial}): "
                log.add(time + 1e-5 * place, head + fields, attack)
        self._events.clear()

    def user_record(
        self, time: float, kind: str, who: str, what: str, attack: Attack | None = None, exe: str = "sshd"
    ) -> None:
        """A record that a program sends: `who` is pid to ses, `what` the message without exe."""
        op, _, rest = what.partition(" | ")
        message = f'{op} exe="{file_of(exe)}" {rest}'
        self.event(time, [f"{kind}\n{who} subj=unconfined msg='{message}'"], attack)

    def service(self, time: float, kind: str, unit: str, attack: Attack | None = None) -> None:
        """Start or stop of a unit of systemd."""
        what = f'unit={unit} comm="systemd" | hostname=? addr=? terminal=? res=success'
        self.user_record(time, kind, f"pid=1 uid=0 auid={UNSET} ses={UNSET}", what, attack, "systemd")


class Process:
    """A process that starts others: a shell of a session, a job, a daemon. It shares its clock with what it starts."""

    def __init__(self, host: Host, time: float, program: str, uid: int, auid: int = UNSET, ses: int = UNSET) -> None:
        self.host, self.draw, self._clock = host, host.draw, [time]
        self.program, self.uid, self.auid, self.ses = program, uid, auid, ses
        self.pid, self.parent, self.tty = host.next_pid(), 1, "(none)"
        self.cwd = "/"

    @property
    def time(self) -> float:
        """Seconds since 1970."""
        return self._clock[0]

    def wait(self, shortest: float, longest: float) -> None:
        self._clock[0] += self.draw.uniform(shortest, longest)

    def call(
        self,
        name: str,
        exe: str,
        *,
        pid: int = 0,
        paths: list[Path] | None = None,
        socket: tuple[str, int] | None = None,
        error: int = 0,
        key: str = "",
        uid: int | None = None,
        attack: Attack | None = None,
        more: list[str] | None = None,
        argv: list[str] | None = None,
        comm: str = "",
    ) -> None:
        """One system call with its records."""
        user, d = self.uid if uid is None else uid, self.draw
        addresses = " ".join(f"a{place}={d.randrange(0x5500_0000_0000, 0x7FFF_FFFF_FFFF):x}" for place in range(3))
        outcome = (
            f"success=no exit={-error}" if error else f"success=yes exit={0 if name in {'execve', 'connect'} else 3}"
        )
        ids = " ".join(f"{kind}={user}" for kind in ("uid", "gid", "euid", "suid", "fsuid", "egid", "sgid", "fsgid"))
        shown = f'key="{key}"' if key else "key=(null)"
        file, named = quoted(file_of(exe)), quoted((comm or name_of(exe))[:15])
        records = [
            f"SYSCALL\narch=c000003e syscall={CALLS[name]} {outcome} {addresses} a3=0 items={len(paths or [])} "
            f"ppid={self.pid if pid else self.parent} pid={pid or self.pid} auid={self.auid} {ids} tty={self.tty} "
            f"ses={self.ses} comm={named} exe={file} subj=unconfined {shown}"
        ]
        if argv and name == "execve":
            words = " ".join(f"a{place}={quoted(word)}" for place, word in enumerate(argv))
            records.append(f"EXECVE\nargc={len(argv)} {words}")
        records += more or []
        if socket:
            records.append(f"SOCKADDR\nsaddr={sockaddr(*socket)}")
        if paths:
            records.append(f"CWD\ncwd={quoted(self.cwd)}")
            records += [
                f"PATH\nitem={place} name={quoted(path)} inode={d.randint(1000, 999999)} dev=08:01 mode=0100644 ouid=0 "
                f"ogid=0 rdev=00:00 nametype={role} cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0"
                for place, (path, role) in enumerate(paths)
            ]
        records.append(
            f"PROCTITLE\nproctitle={quoted(chr(0).join(argv or [exe]).encode()[:128].decode(errors='ignore'))}"
        )
        self.host.event(self.time, records, attack)

    def run(
        self,
        *argv: str,
        exe: str = "",
        uid: int | None = None,
        attack: Attack | None = None,
        script: str = "",
    ) -> "Process":
        """Start a program and return its process. `script`: the file of a script that the program interprets."""
        child = Process(self.host, self.time, exe or argv[0], self.uid if uid is None else uid, self.auid, self.ses)
        child.parent, child.tty, child.cwd, child._clock = self.pid, self.tty, self.cwd, self._clock
        file = file_of(child.program)
        child.call(
            "execve",
            child.program,
            paths=[(script or file, "NORMAL"), ("/lib64/ld-linux-x86-64.so.2", "NORMAL")],
            key="exec",
            attack=attack,
            argv=list(argv),
            comm=(script or argv[0]).rpartition("/")[2].lstrip("-"),
        )
        self.wait(0.02, 0.4)
        return child

    def who(self) -> str:
        return f"pid={self.pid} uid={self.uid} auid={self.auid} ses={self.ses}"

    def sudo(self, *argv: str, attack: Attack | None = None, exe: str = "") -> "Process":
        """Run a command as root by sudo."""
        sudo = self.run("sudo", *argv, attack=attack)
        command = f'cwd="{self.cwd}" cmd={quoted(" ".join(argv)) if " " in " ".join(argv) else quoted(argv[0])}'
        terminal = f"terminal={self.tty.replace('pts', 'pts/')} res=success"
        self.host.user_record(sudo.time, "USER_CMD", sudo.who(), f"{command} | {terminal}", attack, "sudo")
        for kind, op in (("CRED_REFR", "setcred"), ("USER_START", "session_open")):
            what = f'op=PAM:{op} grantors=pam_unix acct="root" | hostname=? addr=? {terminal}'
            self.host.user_record(sudo.time + 0.01, kind, sudo.who(), what, exe="sudo")
        sudo.wait(0.02, 0.05)
        child = sudo.run(*argv, uid=0, attack=attack, exe=exe)
        for kind, op in (("USER_END", "session_close"), ("CRED_DISP", "setcred")):
            what = f'op=PAM:{op} grantors=pam_unix acct="root" | hostname=? addr=? {terminal}'
            self.host.user_record(child.time + 0.3, kind, sudo.who(), what, exe="sudo")
        return child


def name_of(exe: str) -> str:
    return file_of(exe).rpartition("/")[2]


def file_of(program: str) -> str:
    return program if program.startswith("/") else PROGRAMS.get(program.lstrip("-"), f"/usr/bin/{program.lstrip('-')}")


def quoted(text: str) -> str:
    """As the kernel writes texts: hexadecimal if they hold blanks, quotes or control characters."""
    plain = all(0x20 < ord(letter) < 0x7F and letter != '"' for letter in text)
    return f'"{text}"' if plain else text.encode().hex().upper()


def sockaddr(address: str, port: int) -> str:
    return f"0200{port:04X}{int(IPv4Address(address)):08X}0000000000000000"


def login(host: Host, time: float, user: str, uid: int, address: str, *, key: bool = True) -> Process:
    """A login by ssh; returns the shell of the session."""
    daemon = Process(host, time, "sshd", 0)
    before, client = daemon.who(), f"hostname=? addr={address} terminal=ssh res=success"
    host.user_record(
        time, "CRYPTO_KEY_USER", before, "op=destroy kind=server fp=SHA256:0f direction=? spid=1 suid=0 | " + client
    )
    way = "op=pubkey_auth" if key else "op=PAM:authentication"
    host.user_record(time + 0.4, "USER_AUTH", before, f'{way} grantors=pam_unix acct="{user}" | {client}')
    for place, (kind, op) in enumerate((("USER_ACCT", "accounting"), ("CRED_ACQ", "setcred"))):
        what = f'op=PAM:{op} grantors=pam_unix acct="{user}" | {client}'
        host.user_record(time + 0.5 + 0.01 * place, kind, before, what)
    host.session += 1
    session = host.session
    login_of(host, time + 0.55, daemon.pid, uid, session)
    daemon.auid, daemon.ses = uid, session
    host.user_record(
        time + 0.6, "USER_START", daemon.who(), f'op=PAM:session_open grantors=pam_unix acct="{user}" | {client}'
    )
    terminal = client.replace("terminal=ssh", "terminal=/dev/pts/0")
    host.user_record(time + 0.7, "USER_LOGIN", daemon.who(), f"op=login id={uid} | {terminal}")
    shell = Process(host, time + 0.9, "bash", uid, uid, session)
    shell.parent, shell.tty, shell.cwd = daemon.pid, "pts0", f"/home/{user}" if uid else "/root"
    shell.call("execve", "bash", argv=["-bash"], key="exec", paths=[("/bin/bash", "NORMAL")])
    shell.wait(0.05, 0.2)
    for helper in (("dircolors", "-b"), ("lesspipe",)):
        shell.run(*helper)
    shell.wait(1, 6)
    return shell


def logout(shell: Process, user: str, address: str) -> None:
    shell.wait(1, 9)
    client = f"hostname=? addr={address} terminal=ssh res=success"
    who = f"pid={shell.parent} uid=0 auid={shell.auid} ses={shell.ses}"
    for place, (kind, op) in enumerate((("USER_END", "session_close"), ("CRED_DISP", "setcred"))):
        what = f'op=PAM:{op} grantors=pam_unix acct="{user}" | {client}'
        shell.host.user_record(shell.time + 0.01 * place, kind, who, what)
    shell.host.user_record(shell.time + 0.03, "USER_LOGOUT", who, f"op=login id={shell.auid} | {client}")


def login_of(host: Host, time: float, pid: int, uid: int, session: int) -> None:
    """The record with which the kernel begins a session."""
    ids = f"old-auid={UNSET} auid={uid} tty=(none) old-ses={UNSET} ses={session}"
    host.event(time, [f"LOGIN\npid={pid} uid=0 subj=unconfined {ids} res=1"])


def job(host: Host, time: float, user: str, uid: int, command: str) -> Process:
    """A job of cron; returns the shell that cron starts."""
    daemon = Process(host, time, "cron", 0)
    local = "hostname=? addr=? terminal=cron res=success"
    for place, (kind, op) in enumerate((("USER_ACCT", "accounting"), ("CRED_ACQ", "setcred"))):
        what = f'op=PAM:{op} grantors=pam_permit acct="{user}" | {local}'
        host.user_record(time + 0.01 * place, kind, daemon.who(), what, exe="cron")
    host.session += 1
    login_of(host, time + 0.03, daemon.pid, uid, host.session)
    daemon.auid, daemon.ses = uid, host.session
    daemon.wait(0.05, 0.06)
    what = f'op=PAM:session_open grantors=pam_unix acct="{user}" | {local}'
    host.user_record(time + 0.04, "USER_START", daemon.who(), what, exe="cron")
    return daemon.run("/bin/sh", "-c", command, exe="sh", uid=uid)


def job_ends(shell: Process, user: str) -> None:
    who = f"pid={shell.parent} uid=0 auid={shell.auid} ses={shell.ses}"
    for place, (kind, op) in enumerate((("CRED_DISP", "setcred"), ("USER_END", "session_close"))):
        what = f'op=PAM:{op} grantors=pam_permit acct="{user}" | hostname=? addr=? terminal=cron res=success'
        shell.host.user_record(shell.time + 0.1 + 0.01 * place, kind, who, what, exe="cron")
