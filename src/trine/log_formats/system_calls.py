"""Names of Linux system calls and of their errors, by number."""

import errno
from collections.abc import Mapping
from functools import cache
from pathlib import Path

ARCHITECTURES = {"c000003e": "x86_64", "40000003": "i386", "c00000b7": "aarch64"}
"""Names of the architectures in audit records; their other calls are named by number."""

_BEYOND_34 = (
    "36 NAMETOOLONG 38 NOSYS 39 NOTEMPTY 40 LOOP 62 TIME 71 PROTO 75 OVERFLOW 88 NOTSOCK 90 MSGSIZE 95 OPNOTSUPP "
)
_BEYOND_34 += "97 AFNOSUPPORT 98 ADDRINUSE 99 ADDRNOTAVAIL 100 NETDOWN 101 NETUNREACH 103 CONNABORTED 104 CONNRESET "
_BEYOND_34 += "105 NOBUFS 106 ISCONN 107 NOTCONN 110 TIMEDOUT 111 CONNREFUSED 112 HOSTDOWN 113 HOSTUNREACH 114 ALREADY "
_BEYOND_34 += "115 INPROGRESS 125 CANCELED 126 NOKEY 512 RESTARTSYS 513 RESTARTNOINTR 514 RESTARTNOHAND"
_WORDS = _BEYOND_34.split()
_ERRORS = {number: name for number, name in errno.errorcode.items() if number <= 34} | {
    int(number): f"E{name}" for number, name in zip(_WORDS[::2], _WORDS[1::2], strict=True)
}
"""Up to 34 all systems agree; the others are Linux's, on whatever system the log is read."""


def call_name(architecture: str, number: str) -> str:
    """Name of a system call; `call:NUMBER` if it is unknown. What is no number is a name already."""
    if not number.isdecimal():
        return number
    known = _tables().get(ARCHITECTURES.get(architecture.lower(), architecture), {})
    return known.get(number, f"call:{number[:6]}")


def error_name(code: str) -> str:
    """`EACCES` of `-13`, of `EACCES(Permission denied)` and of `-13(Permission denied)`; empty if it is no error."""
    name = code.partition("(")[0].strip()
    if name.startswith("E"):
        return name[:20]
    number = name.removeprefix("-")
    if number == name or not number.isdecimal():
        return ""
    return _ERRORS.get(int(number[:9]), f"error:{number[:6]}")


@cache
def _tables() -> Mapping[str, Mapping[str, str]]:
    """Architecture to number to name."""
    tables: dict[str, dict[str, str]] = {}
    for line in (Path(__file__).parent / "system_calls.tsv").read_text(encoding="ascii").splitlines():
        architecture, number, name = line.split("\t")
        tables.setdefault(architecture, {})[number] = name
    return tables
