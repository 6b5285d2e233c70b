"""Names as texts in figures: short, different for different names, and of characters that can be drawn.

matplotlib draws with its own font, DejaVu Sans, and takes what that lacks (Chinese, Japanese, Korean) from fonts of the
system, if there are any.
"""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache

LONGEST = 18
"""Width of a name in a figure, in letters."""
FAMILY = "DejaVu Sans"
FALLBACKS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei",
    "Droid Sans Fallback", "Microsoft YaHei", "SimHei", "Yu Gothic", "Malgun Gothic", "PingFang SC", "Hiragino Sans GB",
    "Hiragino Sans", "Apple SD Gothic Neo", "Arial Unicode MS", "Noto Sans Arabic", "Noto Sans Devanagari",
    "Noto Sans Thai", "Nirmala UI", "Leelawadee UI",
)  # fmt: skip
"""Fonts of Linux, Windows and macOS for what `FAMILY` lacks."""
INVISIBLE = "\ufe0e\ufe0f"
"""Variation selectors: whether a pictogram is in colour."""
RIGHT_TO_LEFT = ("R", "AL")
"""Bidirectional classes of letters that only a shaping library sets correctly; matplotlib has one since 3.11."""


def labels(names: Sequence[str], longest: int = LONGEST) -> list[str]:
    """The texts that stand for names in a figure: different for different names.

    A name with letters that no font has is drawn as its number in the list, from 1: #3. A long one loses its middle.
    Where two names would then look alike, they get their numbers as well.
    """
    plain = [_drawn(name, number, longest) for number, name in enumerate(names, 1)]
    counts = Counter(dict(zip(names, plain, strict=True)).values())
    numbered = [_numbered(text, number, longest) for number, text in enumerate(plain, 1)]
    some = [text if counts[text] == 1 else other for text, other in zip(plain, numbered, strict=True)]
    known = dict(zip(names, some, strict=True))
    return some if len(set(known.values())) == len(known) else numbered


def label(name: str, longest: int = LONGEST) -> str:
    """One name as a text in a figure; letters that no font has are written as their codes."""
    return shortened("".join(letter if is_drawn(letter) else _code(letter) for letter in _visible(name)), longest)


def shortened(text: str, longest: int) -> str:
    """A text of at most `longest` letters' width: its beginning and its end, with an ellipsis between them."""
    if width(text) <= longest:
        return text
    head = _up_to(text, max(1, (longest - 1) * 3 // 5))
    tail = _up_to(text[::-1], max(0, longest - 1 - width(head)))[::-1]
    return f"{head.rstrip()}…{tail.lstrip()}"


def width(text: str) -> int:
    """Width of a text in letters: ideographs are as wide as two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def families() -> list[str]:
    """The fonts that letters are searched in, in this order."""
    return list(_fonts()[0])


def is_drawn(letter: str) -> bool:
    """Whether a letter can be drawn so that it can be read."""
    if unicodedata.bidirectional(letter) in RIGHT_TO_LEFT and not _shapes():
        return False
    return ord(letter) in _fonts()[1]


def _drawn(name: str, number: int, longest: int) -> str:
    """A name as it is drawn: an emoji as its name, a letter without a glyph as the number of the name."""
    visible = _visible(name)
    left = "".join(letter if is_drawn(letter) else "\0" for letter in visible)
    if left.strip() and "\0" not in left:
        return shortened(left.strip(), longest)
    rest, mark = " ".join(left.replace("\0", " ").split()), f"#{number}"
    return f"{mark} {shortened(rest, longest - len(mark) - 1)}" if rest else mark


def _numbered(text: str, number: int, longest: int) -> str:
    """A text behind its number."""
    mark = f"#{number}"
    return text if text.split(maxsplit=1)[0] == mark else f"{mark} {shortened(text, longest - len(mark) - 1)}"


def _visible(name: str) -> str:
    """The letters of a name that leave a mark, on one line; emoji without a glyph as words."""
    kept = (letter for letter in unicodedata.normalize("NFC", name) if letter not in INVISIBLE)
    letters = (letter if letter.isprintable() else " " for letter in kept if unicodedata.category(letter) != "Cf")
    return " ".join("".join(map(_worded, letters)).split())


def _worded(letter: str) -> str:
    """A pictogram that no font has, as its name: `cat face`."""
    if unicodedata.category(letter) != "So" or is_drawn(letter):
        return letter
    return f" {unicodedata.name(letter, '').lower()} "


def _code(letter: str) -> str:
    return f"\\u{ord(letter):04x}"


def _up_to(text: str, most: int) -> str:
    """The beginning of a text that is at most `most` letters wide."""
    end = used = 0
    for letter in text:
        used += width(letter)
        if used > most:
            break
        end += 1
    return text[:end]


@cache
def _fonts() -> tuple[tuple[str, ...], frozenset[int]]:
    """The installed ones of the fonts, and the letters that they have."""
    from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

    installed = {font.name for font in fontManager.ttflist}
    names = (FAMILY, *(name for name in FALLBACKS if name in installed))
    glyphs = [get_font(findfont(FontProperties(family=name))).get_charmap() for name in names]
    return names, frozenset(code for table in glyphs for code in table)


@cache
def _shapes() -> bool:
    from matplotlib import ft2font

    return hasattr(ft2font, "__libraqm_version__")
