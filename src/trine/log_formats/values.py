"""Coarse classes of values: what is unusual about a query, an argument or a user agent, and the size of a number.

- A class has few values, so that a new page, user or size is no new event, yet an attack is: `marks`.
- Percent-encoding is decoded twice before a text is judged, and `+` counts as a blank.
- All patterns run in linear time, and nearly all texts are ordinary: one pattern lets these pass.
"""

import math
import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote

LONG, HUGE = 200, 1000
"""Characters of a text above which it has the mark `long` or `huge`: few arguments have 200, few queries 1,000."""

STRONG = frozenset({"code", "command", "null", "scheme", "sql", "tag", "template", "traversal"})
"""Marks that ordinary text hardly ever has; quotes, bars and long texts also occur without harm."""

_CACHED = 1 << 14
_MAX_CACHED_TEXT = 1024
"""Entries of a cache, and characters of the longest text in it: together at most 16 Mi characters."""

_MAX_READ = 1 << 15
"""Characters that are judged at the beginning and at the end of a text: more is `huge` in any case."""

_PLAIN = re.compile(r"[A-Za-z0-9_=&.]*+(?:-[A-Za-z0-9_=&.]++)*+")
_BLANK = r"(?:[\s+]|/\*[^*]{0,40}\*/)"
_SQL = re.compile(
    rf"\bunion\b[^\w]{{0,40}}(?:all\b|distinct\b)?[^\w]{{0,40}}(?:/\*!\d*)?select\b"
    rf"|\b(?:x?or|and|having|where)\b{_BLANK}{{1,9}}[(!~'\"]{{0,9}}[\w.]{{1,30}}['\")]{{0,9}}{_BLANK}{{0,9}}(?:[<>!]?=|[<>])"
    rf"|['\")]{_BLANK}{{0,9}}(?:\|\||&&|x?or\b|and\b|union\b){_BLANK}{{0,9}}[\d('\"]"
    r"|\b(?:sleep|benchmark|pg_sleep|extractvalue|updatexml|load_file|group_concat|chr|char|concat|randomblob)\s{0,9}\("
    r"|\b(?:waitfor[\s+]{1,9}delay|xp_cmdshell|information_schema|sqlite_master|sysobjects|into[\s+]{1,9}outfile)\b"
    r"|['\")][\s+]{0,9}(?:--|#|/\*)|(?:[\d'\")][\s+]{0,3}|[A-Za-z=])--[\s+]{0,9}\Z|[\d'\")][\s+]{0,3}--[\s+]{1,9}-|/\*!?\d*\*?/?(?=[\w\s])"
    r"|;[\s+]{0,9}(?:drop|insert|update|delete|select|exec|declare|shutdown|create|alter)\b"
    r"|\bselect\b.{1,80}\bfrom\b|\border[\s+]{1,9}by[\s+]{1,9}\d|\bhaving[\s+]{1,9}\d",
    re.IGNORECASE | re.DOTALL,
)
_SQL_WORDS = (
    "select union sleep benchmark waitfor xp_cmd _schema sqlite_ sysobjects extractvalue updatexml load_file concat"
    " char chr randomblob outfile order having where drop insert update delete exec declare shutdown create alter xor"
)
_SQL_SIGNS = (
    *_SQL_WORDS.split(),
    "--",
    "/*",
    "'",
    '"',
    ")",
    "(or",
    "(and",
    "+or",
    "+and",
    " or",
    " and",
    "\nor",
    "\nand",
    "\tor",
    "\tand",
)
_COMMANDS = (
    "cat|ls|id|pwd|whoami|uname|wget|curl|fetch|nc|ncat|netcat|bash|sh|zsh|dash|python\\d?|perl|php|ruby|ping|sleep|echo|printf"
    "|env|set|rm|cp|mv|chmod|cd|kill|busybox|tftp|telnet|nslookup|dig|powershell|cmd|type|dir|net|certutil|ifconfig|ip|ps|base64"
)
_MARKS: tuple[tuple[str, tuple[str, ...], re.Pattern[str]], ...] = (
    ("quotes", ("'", '"'), re.compile("[\"']")),
    ("sql", _SQL_SIGNS, _SQL),
    ("traversal", ("..",), re.compile(r"\.\.[\\/]|[\\/]\.\.(?:\Z|;)")),
    ("template", ("{", "<%"), re.compile(r"\$\{|\{\{|\{%|[#%]\{|<%")),
    (
        "tag",
        ("<", "onerror", "onload", "onmouse", "onfocus", "onclick", "javascript:"),
        re.compile(r"<[A-Za-z/!?%]|javascript:|\bon(?:error|load|mouseover|focus|click)\s{0,9}=", re.IGNORECASE),
    ),
    ("angle", ("<", ">"), re.compile("[<>]")),
    (
        "shell",
        ("|", "`", "&&", "$(", "(", ";"),
        re.compile(r"[|`]|&&|\$\(|[<>]\(|(?<!&amp)(?<!&lt)(?<!&gt);(?![\w.\-]++=|base64\b)"),
    ),
    (
        "command",
        (";", "|", "`", "\n", "&", "$", "()", "/bin/", "cmd.exe", "powershell"),
        re.compile(
            rf"(?:[;|`\n&]|\$\(|\$IFS)[\s+]{{0,9}}(?:/(?:usr/|local/)?s?bin/)?(?:{_COMMANDS})(?:[\s+;|`&)<>]|\$IFS|\Z)|\(\)\s{{0,9}}\{{"
            r"|/bin/(?:ba|da|z|k)?sh\b|\bcmd\.exe\b|powershell(?:\.exe)?[\s+]{1,9}-",
            re.IGNORECASE,
        ),
    ),
    (
        "scheme",
        (":", "169.254."),
        re.compile(
            r"\b(?:php|file|expect|zip|phar|gopher|dict|ldaps?|rmi|jar|netdoc|glob|dns)://|\bdata:[\w/]{0,40}[;,]|\bjndi:"
            r"|169\.254\.169\.254|\b(?:zlib|compress\.\w{1,9}):",
            re.IGNORECASE,
        ),
    ),
    (
        "code",
        ("(", "<?", "_func", "_url_", "auto_", "__proto", "classloader", "o:"),
        re.compile(
            r"\b(?:system|exec|shell_exec|passthru|eval|assert|phpinfo|base64_decode|md5|popen|proc_open|call_user_func\w{0,9}"
            r"|file_get_contents|getRuntime|ProcessBuilder|__import__|require)\s{0,9}\(|<\?php|\bcall_user_func"
            r"|\b(?:allow_url_include|auto_prepend_file)\b|__proto__|\bclass\.?(?:module\.)?classLoader\b|\bO:\d{1,4}:\"",
            re.IGNORECASE,
        ),
    ),
    (
        "file",
        ("/", ":", ".ini"),
        re.compile(
            r"/(?:etc|proc|root|dev)/|/var/(?:log|www)/|\b[a-z]:[\\/](?!/)|\b(?:win|boot)\.ini\b|/\.(?:env|git|ssh|aws|ht\w+)\b",
            re.IGNORECASE,
        ),
    ),
    ("url", ("//",), re.compile(r"=(?:https?|ftp):?//|=//", re.IGNORECASE)),
    ("null", ("\0",), re.compile("\0")),
)
"""Names, texts of which one must occur for the pattern to be tried, and patterns."""

_CONTROL = re.compile(r"[\x01-\x1f\x7f]")
_ODD = re.compile(r"[^\x00-\x7f\w]")
_DOUBLE = re.compile(r"%25[0-9a-fA-F]{2}|%u[0-9a-fA-F]{4}|%c[01]%[0-9a-fA-F]{2}", re.IGNORECASE)
_ESCAPED = re.compile(r"%u00([0-9a-f]{2})", re.IGNORECASE)
_OVERLONG = re.compile(r"%c0%(?:ae|2e)|%c0%af|%c1%9c|%e0%80%af", re.IGNORECASE)
_SELDOM_STRONG = re.compile(r"[A-Za-z0-9 _=:.,\-\[\]()#@+!?/*]*+")
_STRONG_SIGNS = ("select", "../", "/..", "/bin/", "://", "sleep(", "concat(", "char(", "waitfor", "--", "/*", "jndi:")
"""One of these, or ` or ` with `=`, occurs in every text with a strong mark that has no other characters."""


def marks(text: str) -> str:
    """What is unusual in a text that a user controls, as sorted names: `quotes,sql`; "" if it is ordinary.

    `angle`, `code`, `command`, `control`, `encoded` (twice), `file`, `huge`, `long`, `null`, `odd` characters,
    `quotes`, `scheme`, `shell`, `sql`, `tag`, `template`, `traversal`, `url`.
    """
    if len(text) <= LONG and _PLAIN.fullmatch(text):
        return ""
    return _cached_marks(text) if len(text) <= _MAX_CACHED_TEXT else _marks(text)


def strong_marks(text: str) -> str:
    """Those of the marks that are in `STRONG`: for texts in which quotes and bars are ordinary."""
    if _SELDOM_STRONG.fullmatch(text):
        lower = text.lower()
        for sign in _STRONG_SIGNS:
            if sign in lower:
                break
        else:
            if "=" not in lower or " or " not in lower:
                return ""
    return only(marks(text), STRONG)


def only(found: str, wanted: Iterable[str]) -> str:
    """The marks that are wanted."""
    return ",".join(name for name in found.split(",") if name in wanted)


def _marks(text: str) -> str:
    found = set()
    if len(text) > LONG:
        found.add("huge" if len(text) > HUGE else "long")
        text = text if len(text) <= 2 * _MAX_READ else text[:_MAX_READ] + text[-_MAX_READ:]
    decoded = text
    if "%" in text:
        if _DOUBLE.search(text):
            found.add("encoded")
        decoded = unquote(unquote(_ESCAPED.sub(r"%\1", _OVERLONG.sub(_short, text))))
    lower = decoded.lower()
    for name, signs, pattern in _MARKS:
        for sign in signs:
            if sign in lower:
                if pattern.search(decoded):
                    found.add(name)
                break
    if not decoded.isascii() and _ODD.search(decoded):
        found.add("odd")
    if _CONTROL.search(decoded):
        found.add("control")
    if "tag" in found or "template" in found:
        found.discard("angle")
    return ",".join(sorted(found))


_cached_marks = lru_cache(_CACHED)(_marks)


def _short(overlong: re.Match[str]) -> str:
    """The character of an overlong UTF-8 sequence, which some servers decode."""
    return "." if overlong[0][-2:].lower() in {"ae", "2e"} else "\\" if overlong[0].lower() == "%c1%9c" else "/"


def size_class(number: float) -> str:
    """The power of ten below a number, `1e3` for 1,000 to 9,999; `0`, `negative` or `unknown` (NaN, infinite)."""
    if number == 0:
        return "0"
    if number < 0:
        return "negative"
    if not math.isfinite(number):
        return "unknown"
    return _POWERS[len(str(int(number)))] if 1 <= number < 1e15 else f"1e{math.floor(math.log10(number))}"


def digits_class(digits: str) -> str:
    """`size_class` of a text that is a number without sign or leading zeros; "" for any other text, such as `-`."""
    if not (digits.isascii() and digits.isdigit()):
        return ""
    return "0" if digits == "0" else _POWERS[len(digits)] if len(digits) < len(_POWERS) else f"1e{len(digits) - 1}"


_POWERS = tuple(f"1e{digits - 1}" for digits in range(32))
"""By the number of digits before the point."""

_TOOLS = re.compile(
    r"sqlmap|nikto|nmap|masscan|zgrab|nuclei|gobuster|dirbuster|dirb\b|feroxbuster|ffuf|wfuzz|wpscan|hydra|acunetix|nessus"
    r"|openvas|burp|zap\b|arachni|w3af|metasploit|havij|jorgee|curl|wget|python|aiohttp|httpx|scrapy|go-http-client|okhttp"
    r"|java|libwww-perl|ruby|axios|node|php|powershell|postman|insomnia|httpie|kube-probe|prometheus|elb-healthchecker",
    re.IGNORECASE,
)
_CRAWLER = re.compile(r"bot\b|bot/|crawl|spider|slurp|facebookexternalhit|preview|monitor|scan|checker", re.IGNORECASE)
_BROWSERS = (
    ("Edg", "edge"),
    ("OPR/", "opera"),
    ("Opera", "opera"),
    ("Firefox/", "firefox"),
    ("FxiOS/", "firefox"),
    ("Chrome/", "chrome"),
    ("CriOS/", "chrome"),
    ("Safari/", "safari"),
    ("MSIE", "explorer"),
    ("Trident/", "explorer"),
    ("AppleWebKit/", "webkit"),
    ("Mozilla/", "mozilla"),
)


def agent_class(text: str) -> str:
    """The family of a user agent: a browser, `crawler`, the name of a tool, `none` or `other`; with marks in braces.

    A user agent has semicolons by nature, so that these are no mark; nor are fewer than 1,000 characters long.
    """
    return _cached_agent_class(text) if len(text) <= _MAX_CACHED_TEXT else _agent_class(text)


def agent_marks(text: str) -> str:
    """The marks of a user agent, as `agent_class` has them in braces."""
    return agent_class(text).partition("{")[2].rstrip("}")


def _agent_class(text: str) -> str:
    if text in {"", "-"}:
        return "none"
    found = ",".join(name for name in marks(_SEMICOLON.sub(" ", text)).split(",") if name not in {"", "long", "url"})
    return f"{_family(text[:HUGE])}{{{found}}}" if found else _family(text[:HUGE])


_SEMICOLON = re.compile(r";(?=[ )+]|%(?:25)?20|\Z)|;(?=FB)")
_cached_agent_class = lru_cache(_CACHED)(_agent_class)


def _family(text: str) -> str:
    tool = _TOOLS.search(text) if not text.startswith("Mozilla/") else None
    if tool:
        return tool[0].lower()
    if _CRAWLER.search(text):
        return "crawler"
    hidden = _TOOLS.search(text)
    if hidden and hidden[0].lower() in {"nikto", "nmap", "zgrab", "nuclei", "sqlmap", "acunetix", "openvas", "jorgee"}:
        return hidden[0].lower()
    return next((family for sign, family in _BROWSERS if sign in text), "other")


VALUE = "<*>"
"""What `masked` writes for a value."""

_UUID = r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}"
_VALUE = re.compile(
    rf"[+\-]?\d[\d.,:_\-]*+|{_UUID}|\{{{_UUID}\}}|(?=[a-fA-F]*+\d)(?:0x)?[0-9a-fA-F]{{8,}}"
    r"|\d{4}-?\d\d-?\d\d[T_ ][\d:.]+Z?|[\w.+\-]{1,64}(?:@|%40)[\w\-]{1,63}(?:\.[\w\-]{1,63}){1,9}"
    r"|(?=[A-Za-z_\-]*+\d)(?=[a-z0-9_\-]*+[A-Z])(?=[A-Z0-9_\-]*+[a-z])[A-Za-z0-9_\-]{20,}={0,2}|[A-Za-z0-9+/]{16,}=={0,1}"
    r"|eyJ[\w\-]{8,}\.[\w.\-]*"
)
_CHANGES = re.compile(r"(?<=\d)(?=[A-Za-z])|(?<=[A-Za-z])(?=\d)")
_ENDING = re.compile(r"(?:\.(?:tar|min|[a-z]{2}))?\.[A-Za-z][A-Za-z0-9]{0,5}\Z")
_PIECE = re.compile(r"[A-Za-z0-9]++")


def is_value(part: str) -> bool:
    """Whether a part of a path or name is plainly a value: a number, date, UUID, id, address, e-mail or key."""
    return bool(_VALUE.fullmatch(part)) or _is_id(part)


def _is_id(word: str) -> bool:
    """Whether digits and letters are mixed as in an id, and not as in `sha256` or `utf8`."""
    if len(word) < 6 or word.isalpha() or not (word.isascii() and word.isalnum()):
        return False
    digits = sum(letter.isdigit() for letter in word)
    changes = len(_CHANGES.findall(word))
    return digits >= 4 or changes >= 5 or (changes >= 3 and len(word) >= 8)


def masked(part: str) -> str:
    """A part of a path or name with `<*>` for what is plainly a value: `report-2024.pdf` becomes `report-<*>.pdf`.

    Endings of files and ordinary words stay. A part of more than 1,024 characters is a value.
    """
    if part.isalpha():
        return part
    return _cached_masked(part) if len(part) <= _MAX_CACHED_TEXT else VALUE


def _masked(part: str) -> str:
    ending = _ENDING.search(part, max(0, len(part) - 16))
    stem, kept = (part[: ending.start()], ending[0]) if ending and ending.start() else (part, "")
    if is_value(part):
        return VALUE
    if is_value(stem):
        return VALUE + kept
    return _RUN.sub(VALUE, _PIECE.sub(_masked_piece, stem)) + kept


_cached_masked = lru_cache(_CACHED)(_masked)
_RUN = re.compile(r"<\*>(?:[\-_.,:]?<\*>)++")


def _masked_piece(piece: re.Match[str]) -> str:
    word = piece[0]
    if word.isalpha() or (piece.start() and piece.string[piece.start() - 1] == "%"):  # percent-encoded
        return word
    return VALUE if is_value(word) else word
