"""Computes the automatic numbers of paragraphs in Word documents (ECMA-376 part 1, 17.9)."""

import re
from collections.abc import Mapping, Sequence

from vsearch_core.text.extract.options import ExtractLimits

BULLET = "-"
_LEVELS = 9
_ORDINALS = {1: "st", 2: "nd", 3: "rd"}
_MAX_TEXT = 100  # characters of a label
_PLACE = re.compile(r"%([1-9])")
_ROMAN = (
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl")),
    *((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
)
_HAN_DIGITS = ("", *"一二三四五六七八九")
_HAN = tuple(
    f"{tens}{ones}" for tens in ("", *(f"{ten}十" for ten in ("", *"二三四五六七八九"))) for ones in _HAN_DIGITS
)[1:]
_ONES = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen"),
    *("fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ORDINAL_WORDS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_WORDS = (*_ONES, *(f"{tens}-{ones}" if ones else tens for tens in _TENS for ones in ("", *_ONES[:9])))
_LETTERS = tuple(chr(97 + number % 26) * (number // 26 + 1) for number in range(26 * 5))
_RUSSIAN = "абвгдежзиклмнопрстуфхцчшщэюя"  # without the letters that lists don't use
_CIRCLED = tuple(map(chr, range(0x2460, 0x2474)))


def _ordinal(word: str) -> str:
    """Return the ordinal of an English number: "twenty-first" of "twenty-one"."""
    tens, hyphen, ones = word.rpartition("-")
    ordinal = _ORDINAL_WORDS.get(ones) or f"{ones}th".replace("yth", "ieth")
    return f"{tens}{hyphen}{ordinal}"


_NUMERALS: dict[str, Sequence[str]] = {  # number format -> the numerals of 1, 2, 3 ...
    "lowerLetter": _LETTERS,
    "upperLetter": tuple(map(str.upper, _LETTERS)),
    "russianLower": _RUSSIAN,
    "russianUpper": _RUSSIAN.upper(),
    "decimalZero": tuple(f"{number:02d}" for number in range(1, 10)),
    "ordinal": tuple(f"{n}{'th' if n // 10 == 1 else _ORDINALS.get(n % 10, 'th')}" for n in range(1, 100)),
    "cardinalText": tuple(map(str.capitalize, _WORDS)),
    "ordinalText": tuple(_ordinal(word).capitalize() for word in _WORDS),
    "ideographTraditional": "甲乙丙丁戊己庚辛壬癸",
    **dict.fromkeys(("decimalEnclosedCircle", "decimalEnclosedCircleChinese"), _CIRCLED),
    **dict.fromkeys(("chineseCounting", "chineseCountingThousand", "taiwaneseCounting"), _HAN),
    **dict.fromkeys(("taiwaneseCountingThousand", "japaneseCounting"), _HAN),
}


class _Level:
    def __init__(self) -> None:
        self.start = 1
        self.kind = "decimal"
        self.text = ""
        self.all_decimal = False


class Numbering:
    """A `Handler` that reads a document's definitions of lists. It then counts the paragraphs of each list."""

    def __init__(self, limits: ExtractLimits) -> None:
        """Start without lists."""
        self.by_style: dict[str, int] = {}  # paragraph style -> the level that names it
        self._limits = limits
        self._definitions: dict[str, dict[int, _Level]] = {}
        self._style_links: dict[str, str] = {}  # list style -> the definition that it is
        self._linked: dict[str, str] = {}  # definition -> the list style that it stands for
        self._lists: dict[str, str] = {}  # list -> definition
        self._restarts: dict[str, dict[int, int]] = {}  # list -> level -> first number
        self._counts: dict[str, dict[int, int]] = {}  # definition -> level -> last number
        self._used: set[str] = set()  # lists
        self._definition = self._list = ""
        self._level = _Level()
        self._number = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Receive the start of an element."""
        value = attributes.get("val", "")
        if tag == "abstractNum" and len(self._definitions) < self._limits.parts:
            self._definition, self._list = attributes.get("abstractNumId", ""), ""
            self._definitions[self._definition] = {}
        elif tag == "num" and len(self._lists) < self._limits.parts:
            self._list, self._definition = attributes.get("numId", ""), ""
        elif tag == "abstractNumId" and self._list:
            self._definition = self._lists[self._list] = value
        elif tag in {"lvl", "lvlOverride"}:
            self._number = _small(attributes.get("ilvl", ""), 0)
            self._level = _Level()
            if tag == "lvl" and self._number < _LEVELS and not self._list:
                self._definitions.get(self._definition, {})[self._number] = self._level
        elif tag == "start":
            self._level.start = _small(value, 1)
        elif tag == "startOverride" and self._list:
            self._restarts.setdefault(self._list, {})[self._number] = _small(value, 1)
        elif tag == "numFmt":
            self._level.kind = value
        elif tag == "lvlText":
            self._level.text = value[:_MAX_TEXT]
        elif tag == "isLgl":
            self._level.all_decimal = value not in {"0", "false"}
        elif len(self.by_style) + len(self._style_links) + len(self._linked) < self._limits.parts:
            self._link(tag, value)

    def _link(self, tag: str, style: str) -> None:
        if tag == "styleLink":
            self._style_links[style] = self._definition
        elif tag == "numStyleLink":
            self._linked[self._definition] = style
        elif tag == "pStyle" and self._definition:
            self.by_style.setdefault(style, self._number)

    def data(self, text: str) -> None:
        """Receive a piece of text."""

    def end(self, tag: str) -> None:
        """Receive the end of an element."""

    def has(self, list_: str) -> bool:
        """Return True if the document defines the list with this id."""
        return self._definition_of(list_) in self._definitions

    def _definition_of(self, list_: str) -> str:
        definition = self._lists.get(list_, "")
        return self._style_links.get(self._linked.get(definition, ""), definition)

    def label(self, list_: str, number: int) -> str:
        """Count the next paragraph of a list. Return its label, such as "2.1" or `BULLET`.

        `number` is the paragraph's level in the list, counted from 0.
        """
        definition = self._definition_of(list_)
        levels = self._definitions.get(definition, {})
        level = levels.get(number)
        if level is None:
            return BULLET
        counts = self._counts.setdefault(definition, {})
        if list_ not in self._used:
            self._used.add(list_)
            for each, first in self._restarts.get(list_, {}).items():
                counts[each] = first - 1
        counts[number] = counts.get(number, level.start - 1) + 1
        for deeper in [each for each in counts if each > number]:
            del counts[deeper]
        if level.kind == "bullet":
            return BULLET

        def shown(match: re.Match[str]) -> str:
            each = int(match[1]) - 1
            other = levels.get(each, level)
            return _numeral(counts.setdefault(each, other.start), "decimal" if level.all_decimal else other.kind)

        return _PLACE.sub(shown, level.text).strip() if level.kind != "none" else ""


def _small(value: str, default: int) -> int:
    return int(value) if value.isdecimal() and len(value) < 6 else default


def _numeral(number: int, kind: str) -> str:
    numerals = _NUMERALS.get(kind, ())
    if 0 < number <= len(numerals):
        return numerals[number - 1]
    if kind not in {"lowerRoman", "upperRoman"} or not 0 < number < 4000:
        return str(number)
    text = ""
    for value, letters in _ROMAN:
        text += letters * (number // value)
        number %= value
    return text.upper() if kind == "upperRoman" else text
