"""Coarse classes of what commands and system calls are given: flags, paths by folder, addresses, URLs, numbers.

A class takes few values, so that the same command on another file is the same event; what an attacker needs, and others
seldom do, keeps a class of its own: code in an argument, addresses, temporary folders, files that hold secrets.
"""

import posixpath
import re
from collections.abc import Iterable
from functools import lru_cache

from trine.log_formats.values import marks

TELLING_FLAGS = frozenset({"-c", "-e", "-i", "--exec"})
"""Flags with which interpreters and network tools run code; any other flag is `flag`."""
TELLING_FILES = frozenset(
    (
        *("shadow", "gshadow", "passwd", "group", "sudoers", "authorized_keys", "crontab", "ld.so.preload"),
        *(
            "id_rsa",
            "id_ecdsa",
            "id_ed25519",
            ".bash_history",
            ".bashrc",
            ".profile",
            "wtmp",
            "btmp",
            "utmp",
            "lastlog",
        ),
        *("auth.log", "secure", "audit.log", "audit.rules", "auditd.conf", "sshd_config", "kcore", "docker.sock"),
    )
)
"""Names of files that grant access, hold secrets or keep records: their paths keep the name of the file."""
GUARDS = frozenset(
    ("auditd", "rsyslog", "syslog", "firewalld", "nftables", "ufw", "apparmor", "fail2ban", "falco", "osqueryd")
)
"""Programs that watch or protect a system: a command on one of them is not like a command on another service."""
WITH_SUBCOMMANDS = frozenset(
    (
        *("apt", "apt-get", "aws", "az", "cargo", "docker", "dnf", "firewall-cmd", "gcloud", "git", "go", "helm", "ip"),
        *("kubectl", "loginctl", "npm", "npx", "nmcli", "openssl", "pip", "pip3", "podman", "service", "snap"),
        *("systemctl", "terraform", "ufw", "yarn", "yum"),
    )
)
"""Programs whose first word says what they do."""
TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm", "/run/user", "/run/shm")
"""Folders in which everybody may write: what is below them has names of its own each time."""
SHALLOW = (*TEMPORARY, "/proc", "/sys", "/dev/pts", "/dev/fd")
MOST_FOLDERS = 4
"""Largest number of folders that are named; more are `path:many`."""

_SCHEME = re.compile(r"(?<![a-z0-9])[a-z][a-z0-9+.\-]{1,15}://")
_IPV4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])")
_IPV6 = re.compile(
    r"(?<![\w:])(?=[0-9a-fA-F]{0,4}:)(?:(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}|[0-9a-fA-F:]{0,30}::[0-9a-fA-F:.]{0,39})"
)
_LOOPBACK = re.compile(r"(?<![\d.])127\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\d.])|(?<![\w:])::1(?![\w:])|\blocalhost\b")
_SOCKET = re.compile(r"/dev/(?:tcp|udp)/")
_SHELL = re.compile(r"[\s;|&<>`(){}\"'\\]|\$\(")
_ENCODED = re.compile(r"(?<![A-Za-z0-9+/])(?=[A-Za-z+/]{0,30}[0-9])(?=[0-9a-z+/]{0,30}[A-Z])[A-Za-z0-9+/]{40,}+")
_NUMBER = re.compile(r"[+-]?\d++(?:[.,:]\d++)*+[a-zA-Z%]?")
_WORD = re.compile(r"[a-z][a-z\-]{1,15}+")
_SET_USER = re.compile(r"[ugoa]*+\+[rwxXt]*+s[rwxXts]*+|0?[2-7][0-7]{3}")
"""Modes of a file that runs with the rights of its owner or group."""
_VALUE = re.compile(r"\d{3,}+|\b[0-9a-f]{8,}\b")
_HOME = re.compile(r"^(?:~[^/]*+|/home/[^/]++)(?=/|$)")
_SHORT = 300
"""Longest argument whose classes are remembered, in characters."""


def classes_of(arguments: Iterable[str], name: str = "") -> str:
    """Classes of all arguments of a program, sorted, each once: `address flag:-e number path:/bin`."""
    found: set[str] = set()
    for text in arguments:
        found.update(_remembered(text) if len(text) <= _SHORT else _classes(text))
        if name == "chmod" and _SET_USER.fullmatch(text):
            found.add("set-user")
    folders = [each for each in found if each.startswith("path:")]
    if len(folders) > MOST_FOLDERS:
        found = found.difference(folders) | {"path:many"}
    return " ".join(sorted(found))


def subcommand(arguments: list[str]) -> str:
    """The `stop` of `systemctl stop nginx`; empty for programs that have no such words."""
    if program(arguments[0]) not in WITH_SUBCOMMANDS:
        return ""
    return next((text for text in arguments[1:20] if _WORD.fullmatch(text)), "")


def _classes(text: str) -> tuple[str, ...]:
    """The classes of one argument."""
    if text.startswith("-") and len(text) > 1 and not _NUMBER.fullmatch(text):
        name, assigned, value = text.partition("=")
        flag = f"flag:{name}" if name in TELLING_FLAGS else "flag"
        return (flag, *(_classes(value) if assigned else ()))
    contained = tuple(_contained(text))
    if _SHELL.search(text):
        return ("text", *_odd(text), *contained)
    if text.startswith(("/", "./", "../", "~")) and "socket" not in contained:
        return (f"path:{folder(text)}", *contained)
    return contained or _word_classes(text)


def _word_classes(text: str) -> tuple[str, ...]:
    """The classes of an argument that is one word."""
    if _NUMBER.fullmatch(text):
        return ("number",)
    if text.removesuffix(".service") in GUARDS:
        return ("guard",)
    _, assigned, value = text.partition("=")
    if assigned and value.startswith("/"):
        return (f"path:{folder(value)}",)
    return ("word" if text else "empty", *_odd(text))


_remembered = lru_cache(1 << 14)(_classes)


def _contained(text: str) -> Iterable[str]:
    """What is telling about a text wherever it stands in it."""
    if _SOCKET.search(text):
        yield "socket"
    if _SCHEME.search(text):
        yield "url"
    if _LOOPBACK.search(text):
        yield "loopback"
    elif _IPV4.search(text) or _IPV6.search(text):
        yield "address"
    if "base64" in text or _ENCODED.search(text):
        yield "encoded"


def _odd(text: str) -> tuple[str, ...]:
    unusual = marks(text)
    return (f"odd:{'+'.join(unusual.split())}",) if unusual else ()


@lru_cache(1 << 14)
def folder(path: str) -> str:
    """Coarse folder of a path: at most two levels, values as `*`, home folders as `~`.

    /usr/bin/ls → /usr/bin      /etc/shadow → /etc/shadow (a telling file)      /home/ann/.ssh/known_hosts → ~/.ssh
    /tmp/x/y → /tmp             /tmp/.x/y → /tmp/.* (hidden)                    notes/may.txt → .
    """
    path = posixpath.normpath(path[:4096]) if path else "."
    path = _HOME.sub("~", path.replace("//", "/", 1))
    for root in SHALLOW:
        if path == root or path.startswith(f"{root}/"):
            hidden = root in TEMPORARY and path.startswith(f"{root}/.")
            return f"{root}/.*" if hidden else root
    parents, _, name = path.rpartition("/")
    if path.startswith("/"):
        levels = parents.split("/")[1:3] if parents else [name]
    elif path.startswith("~"):
        levels = parents.split("/")[:2]
    else:
        levels = ["..", ""] if path.startswith("..") else ["."]
    coarse = "/".join(_VALUE.sub("*", level)[:40] for level in levels if level)
    coarse = f"/{coarse}" if path.startswith("/") else coarse or "~"
    return f"{coarse}/{name}" if name in TELLING_FILES and not coarse.endswith(f"/{name}") else coarse


@lru_cache(1 << 14)
def program(path: str) -> str:
    """Name of a program: its base name, or `FOLDER/*` if it lies where everybody may write.

    /usr/bin/python3.11 → python3.11      /tmp/a1b2 → /tmp/*      /tmp/.x/sshd → /tmp/.*/*      /memfd:x → memfd
    """
    path, deleted, _ = path.partition(" (deleted)")
    if path.startswith("/memfd:"):
        return "memfd"
    coarse = folder(path)
    open_to_all = path.startswith("/") and coarse.startswith((*TEMPORARY, "/proc"))
    name = f"{coarse}/*" if open_to_all else _VALUE.sub("*", path.rstrip("/").rpartition("/")[2])[:60]
    return f"{name} (deleted)" if deleted else name
