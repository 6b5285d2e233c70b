"""Web requests that are named by fields, as parts of an event: the same kind of parts as for an access log."""

import re

from trine.log_formats.values import marks, masked

_LINE = re.compile(r"([A-Z_\-]{1,20}) (\S++)")
_SCHEME = re.compile(r"[a-z]{2,6}://[^/?#]*+", re.IGNORECASE)
_ENDING = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,4}$")
_METHOD = re.compile(r"[A-Za-z_\-]{1,20}$")
_MOST_FOLDERS = 8


def web_parts(method: str, target: str, status: str) -> tuple[str, ...]:
    """Method, folders, file ending, what is unusual about the target, and status: `("GET ", "/blog", " 200")`.

    Without a method, the target is a request line, such as `GET /blog HTTP/1.1`. Of a query only counts that there is
    one and what is unusual about it: `?` or `?{quotes}`.
    """
    if not method:
        line = _LINE.match(target)
        method, target = (line[1], line[2]) if line else ("?", target)
    method = method if _METHOD.match(method) else "?"
    path, mark, query = _SCHEME.sub("", target, count=1).partition("?")
    ending = _ENDING.search(path[-8:])
    stem = path[: -len(ending[0])] if ending else path
    folders = [f"/{masked(folder[:200])}" for folder in stem.split("/", _MOST_FOLDERS + 1)[1 : _MOST_FOLDERS + 1]]
    unusual = [f"{{{found}}}" if found else "" for found in (marks(path), marks(query))]
    parts = (f"{method} ", *(folders or ["/"]), ending[0] if ending else "", unusual[0], mark + unusual[1])
    return (*filter(None, parts), f" {status or '-'}")
