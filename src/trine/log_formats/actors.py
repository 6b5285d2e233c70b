"""Who acts in a free text: the user and the address that a message names.

- OpenSSH's messages, which are most of many logs, are read by their form `user … ADDRESS port N`: a client chooses the
  user's name freely, so the address is the one before the last port, not the first that the text has.
- Times, MAC addresses, versions and C++ names are no addresses.
"""

import ipaddress
import re

from trine.log_formats.values import STRONG, only, strong_marks

_V4 = r"[0-9](?<![\w.~\-].)(?<!\w/.)[0-9]{0,2}+(?:\.[0-9]{1,3}+){3}(?![\w\-]|\.\w)"
_FIND_V4 = re.compile(_V4)
_FIND_V6 = re.compile(
    r"(?<![\w:.])(?=[0-9a-fA-F]{0,4}+:[0-9a-fA-F]{0,4}+:)[0-9a-fA-F:]{2,39}+(?:%\w{1,15})?(?!\w|:[0-9a-fA-F:])"
)
_IS_ADDRESS = re.compile(r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}|[0-9a-fA-F:.]{2,45}(?:%\w{1,15})?")
_VERSION = ("version", "release", "ver.", "build", "firmware")

_MAX_USER = 64
"""Characters of a user's name: of a longer one, its beginning is the name."""

_NO_USER = (
    r"(?:(?:unknown|name|not|is|was|has|agent|with|for|from|by|in|and|to|id|on|of|at|slice|authentication|input|data|manager"
    r"|does|cannot|logged|account|none|null|NOT)\b|session|request|service|\w{1,20}=)"
)
"""What comes after `user` and is none."""

_USER = re.compile(
    r"\b(?:user(?:name)?|acct|account|login|suser|duser|ruser|usrName|sasl_username|logname)=[\"'<]?"
    r"([^\s\"'<>,;()\[\]=]{1,64}+)"
    rf"|\b[Uu]ser(?:name)?:? ?(?<=[ :])(?:name[ =:]{{1,2}})?[\"'<]?(?!{_NO_USER})([A-Za-z0-9_.$\\@+\-]{{1,64}}+)"
)
_USER_SIGNS = ("user", "User", "acct=", "login=", "account=", "usrName", "logname=")
_FOR_USER = ("Failed ", "Accepted ", "Postponed ", "Partial ", "error: ", "Starting ", "maximum ")
_METHODS = frozenset(
    {"password", "publickey", "none", "hostbased", "gssapi-with-mic", "failure", "failures", "exceeded"}
)
"""Beginnings of OpenSSH's messages in which `for` comes before the user, and words before this `for`."""

_BEFORE = r"(?:message repeated \d{1,9} times: \[ )?(?:(?:error|fatal|info|debug\d): )?"
_FIRST = re.compile(
    rf"{_BEFORE}(?:(?:banner exchange: |ssh_dispatch_run_fatal: )?Connection from|Unable to negotiate with"
    r"|Received disconnect from|Protocol major versions differ for|Disconnecting) (?=\S{1,60}+ port )"
)
"""Messages of OpenSSH whose client comes first: behind it come the server, or what the client sent."""
_SENT = re.compile(rf"{_BEFORE}(?:\w{{1,40}}: )?client sent invalid protocol identifier |{_BEFORE}Server listening on ")
"""Messages that name no client: what follows is what it sent, or the server."""
_BAD_VERSION = re.compile(rf"{_BEFORE}Bad protocol version identification '")
_CHANGE = ": Change of username or service not allowed: ("
"""Behind it come the user and the service, and those that the client wanted to have in their place."""
_MOST_CHANGES = 10

_REMOTE = re.compile(r"\brhost=([\w.\-]{1,253})")
_SUDO = re.compile(r"(?!\()(\S{1,64}+) : (?=.{0,200}?\b(?:TTY|PWD|USER|COMMAND)=|user NOT |\d+ incorrect )")
_CRON = re.compile(
    r"\((\w[\w.\-$]{0,63}+)\) (?:CMD|END|RELOAD|LIST|REPLACE|BEGIN|DELETE|MAIL|EDIT|CMDEND|CMDOUT|INFO)\b"
)


_CLIENT = re.compile(r"([\w.\-@]{1,64}+)/((?:[0-9]{1,3}\.){3}[0-9]{1,3}):[0-9]{1,5} ")
"""A user and an address at the beginning, as OpenVPN writes them."""


def is_address(word: str) -> bool:
    """Whether a word is an address of version 4 or 6, without a port."""
    if not _IS_ADDRESS.fullmatch(word):
        return False
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return False
    return True


def address_in(text: str) -> str:
    """The first address in the text; "" without one."""
    client = _CLIENT.match(text) if "/" in text[: _MAX_USER + 1] else None
    if client and is_address(client[2]):
        return client[2]
    for found in _FIND_V4.finditer(text) if "." in text else ():
        word = found[0]
        if all(len(octet) < 3 or octet <= "255" for octet in word.split(".")):
            before = text[max(0, found.start() - 10) : found.start()].rstrip(" :=").lower()
            if not before.endswith(_VERSION):
                return word
    if text.count(":") > 1:
        for found in _FIND_V6.finditer(text):
            word = found[0]
            if ("::" in word or word.count(":") == 7) and any(map(str.isdigit, word)) and is_address(word):
                return word
            if word[-1] == ":" and word[-2] != ":" and is_address(word[:-1]):  # a colon after it
                return word[:-1]
    return ""


def user_in(text: str) -> str:
    """The user that the text names; "" without one. Of sudo's messages, the one who calls it."""
    if " : " in text:
        found = _SUDO.match(text.lstrip() if text[0] == " " else text)
        if found:
            return found[1]
    elif text[:1] == "(":
        found = _CRON.match(text)
        if found:
            return found[1]
    start = text.find(" user=") + 6
    if start > 5:  # of PAM, and the usual
        end = text.find(" ", start)
        name = text[start : end if end >= 0 else len(text)]
        if name.isalnum():
            return name[:_MAX_USER]
    for sign in _USER_SIGNS:
        if sign in text:
            found = _USER.search(text)
            return (found[1] or found[2]).rstrip(".:") if found else ""
    client = _CLIENT.match(text) if "/" in text[: _MAX_USER + 1] else None
    return client[1] if client else _user_after_for(text)


def _user_after_for(text: str) -> str:
    """The user in a message of OpenSSH that names no address; "" in other messages."""
    start = text.find(" for ")
    if start < 0 or _last_word(text, start) not in _METHODS:
        return ""
    end = text.rfind(" from ")
    if end <= start:
        end = text.rfind(" [preauth]")
    if end <= start:
        end = text.find(" ", start + 5)
    return text[start + 5 : end if end > start else len(text)][:_MAX_USER]


def _last_word(text: str, end: int) -> str:
    return text[text.rfind(" ", 0, end) + 1 : end]


def who(text: str) -> tuple[str, str]:
    """The user and the address that a message names, each "" if it names none."""
    port = text.rfind(" port ")
    if port > 0:
        first = _FIRST.match(text)
        if first:
            port = text.find(" port ", first.end() - 1)
        elif _CHANGE in text:
            return _who_changed(text)
    if "protocol " in text or text.startswith("Server "):
        if _SENT.match(text):
            return "", ""
        if _BAD_VERSION.match(text):
            return "", address_in(text[max(0, text.rfind("' from ")) :])
    return _who(text, port)


def _who(text: str, port: int) -> tuple[str, str]:
    """The user and the address of a message; `port` is where ` port ` stands behind the client, -1 if nowhere."""
    if port > 0:
        start = text.rfind(" ", 0, port) + 1
        address = text[start:port]
        if _IS_ADDRESS.fullmatch(address):
            return _ssh_user(text, start), address
    address = address_in(text)
    if not address and "rhost=" in text:  # PAM has looked up the name
        name = _REMOTE.search(text)
        address = name[1] if name else ""
    return user_in(text), address


def _who_changed(text: str) -> tuple[str, str]:
    """User and address of `Disconnecting … user A 1.2.3.4 port 5: Change of username …: (A,service) -> (B,service)`.

    Client and reason are divided where the name before the address comes again behind the reason, for A and B may hold
    such a text themselves; nothing is named if that is the case at several places.
    """
    found: list[tuple[str, str]] = []
    first, at = None, text.find(_CHANGE)
    for _ in range(_MOST_CHANGES):
        if at < 0:
            break
        before = text[:at]
        client = _who(before, before.rfind(" port "))
        first = first or client
        if client[0] and text.startswith(client[0], at + len(_CHANGE)):
            found.append(client)
        at = text.find(_CHANGE, at + 1)
    if len(found) > 1:
        return "", ""
    return found[0] if found else first or ("", "")


def _ssh_user(text: str, end: int) -> str:
    """The user in a message of OpenSSH whose address begins at `end`. A user's name can have blanks."""
    start = text.find("ser ", 0, end)
    if start >= 0:
        start += 4
    else:
        start = text.find(" for ", 0, end) + 5
        if start < 5 or not (text.startswith(_FOR_USER) or _last_word(text, start - 5) in _METHODS):
            return ""
    name = text[start:end].removesuffix(" from ")
    if name == "from ":  # the name is empty
        return ""
    return name.strip()[:_MAX_USER]


def with_marks(text: str) -> tuple[str, str]:
    """The text for the miner, with its strong marks at the end in braces, and the marks.

    Values are masked before a template is mined: without its mark, `${jndi:…}` would be any value.
    """
    found = strong_marks(text)
    if found:
        found = only(found, _IN_TEXT)
    return (f"{text} {{{found}}}", found) if found else (text, "")


_IN_TEXT = STRONG - {"tag", "code"}
"""Markup and calls are ordinary in messages of programs."""
