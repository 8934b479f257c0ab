"""Rewrites comparisons in the condition of a filter, so that numbers and dates compare as such if they are texts.

In the metadata of one file, a year is the number 2026, in another the text "2026", and SQLite has every number before
every text. `rewritten` looks for a metadata key that is compared with a literal, such as `year > 2020` or
`'2026-03' <= date`, and calls an SQL function in place of the key. Everything else stays as it is.
"""

import re
import sqlite3
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from vsearch_core.dates import iso_date
from vsearch_core.errors import FilterError

Value = str | bytes | float | None

_TOKEN = re.compile(
    r"""(?P<blank>\s+|--[^\n]*|/\*.*?(?:\*/|\Z))
    |(?P<text>'(?:[^']|'')*')
    |(?P<name>"(?:[^"]|"")+"|`[^`]+`|\[[^\]]+\]|[^\W\d]\w*)
    |(?P<number>\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)
    |(?P<operator><=|>=|<>|!=|==|->>|->|\|\||<<|>>|[<>=])
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_BARE_DATE = re.compile(r"(?:19|20)\d\d-(?:0?[1-9]|1[0-2])(?:-(?:0?[1-9]|[12]\d|3[01]))?")
_NUMBER = re.compile(r"[+-]?(?:\d{1,300}(?:\.\d{0,300})?|\.\d{1,300})(?:[eE][+-]?\d{1,3})?")
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:(?P<mark>[,.\u2019' \u00a0\u202f])\d{3})(?:(?P=mark)\d{3})*(?:[.,]\d{1,20})?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d{1,20},\d{1,20}")
_YEAR = re.compile(r"[12]\d{3}")
_ORDERINGS = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}  # each with its mirror image
_EQUALITIES = {"=", "==", "!=", "<>"}
_BEFORE = {"", "(", ",", "and", "or", "not", "when", "where", "case", "then", "else", "on", "having", "select"}
_AFTER = {"", ")", ",", "and", "or", "then", "else", "end", "when", "as", "order", "group", "limit"}
_END = "~"  # sorts after all characters of a date: `<= '2026-03'` includes the month
TIME_COLUMN, SIZE_COLUMN = "mtime", "size"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int

    @property
    def word(self) -> str:
        """The token in lower case, without the marks of a quoted name."""
        quoted = self.kind == "name" and self.text[0] in '"`['
        return (self.text[1:-1] if quoted else self.text).lower()


def rewritten(where: str, keys: Collection[str]) -> str:
    """Return the condition with its comparisons of metadata keys and literals rewritten.

    Args:
        where: An SQLite expression.
        keys: The names of metadata keys, in lower case.

    Raises FilterError for a date without quotes, which SQLite takes for a subtraction, for a date literal that isn't
    written as 2026-03-01, and if the time of modification is compared with a number, or a size with a text.
    """
    tokens = [token for token in _tokens(where) if token.kind != "blank"]
    _refuse_bare_dates(where, tokens)
    pieces, at = [], 0
    for start, end, text in _replacements(tokens, {key.lower() for key in keys}):
        pieces += [where[at:start], text]
        at = end
    return "".join([*pieces, where[at:]])


def add_functions(connection: sqlite3.Connection, unclear: Callable[[FilterError], None]) -> None:
    """Add the SQL functions that `rewritten` calls.

    A date with unclear day and month is NULL, as is a number such as "1,200". `unclear` gets an error for each of them.
    """

    def clear(function: Callable[[Value], Value]) -> Callable[[Value], Value]:
        def value_of(value: Value) -> Value:
            try:
                return function(value)
            except ValueError:
                if function is date_of:
                    reason = f"the date {value!r} of a file can be read in two ways"
                    unclear(FilterError("where", reason, "unclear-date"))
                else:
                    reason = f"the number {value!r} of a file can be read in two ways"
                    unclear(FilterError("where", reason, "unclear-number"))
                return None

        return value_of

    functions = {
        "vs_number": clear(number_of),
        "vs_year": clear(year_of),
        "vs_text": text_of,
        "vs_date": clear(date_of),
    }
    for name, function in functions.items():
        connection.create_function(name, 1, function, deterministic=True)


def number_of(value: Value) -> float | None:
    """Return a number, or the number that a text stands for, such as "12.5", "1,200.00" or "12,50"; else None.

    Raises ValueError for "1,200", which is a thousand times as large in some countries as in others.
    """
    if isinstance(value, str):
        text = _plain_number(value.strip())
        if not _NUMBER.fullmatch(text):
            return None
        return int(text) if text.lstrip("+-").isdecimal() and len(text) < 19 else float(text)
    return value if isinstance(value, int | float) else None


def _plain_number(text: str) -> str:
    """Return the text of a number without marks between thousands, and with a decimal point. Raises ValueError."""
    grouped = _GROUPED.fullmatch(text)
    if grouped is None:
        return text.replace(",", ".") if _DECIMAL_COMMA.fullmatch(text) else text
    mark = grouped["mark"]
    last = max(text.rfind(","), text.rfind("."))
    has_fraction = last >= 0 and text[last] != mark
    if not has_fraction and text.count(mark) == 1 and mark in ",.":
        if mark == ".":
            return text
        raise ValueError(f"{text!r} can be read in two ways")
    whole, fraction = (text[:last], text[last + 1 :]) if has_fraction else (text, "")
    return whole.replace(mark, "") + (f".{fraction}" if fraction else "")


def year_of(value: Value) -> float | None:
    """Return a number as `number_of` does, or the year of a date, or None."""
    number = number_of(value)
    if number is not None or not isinstance(value, str):
        return number
    try:
        found = iso_date(value)
    except ValueError:  # day and month are not clear, but the year is
        return int(value.strip()[-4:])
    return None if found is None else int(found[:4])


def date_of(value: Value) -> str | None:
    """Return a date as ISO text, or None. A year may be a number. Raises ValueError if it isn't clear."""
    text = str(value) if isinstance(value, int) else value
    return iso_date(text) if isinstance(text, str) else None


def text_of(value: Value) -> Value:
    """Return a number as text, and any other value as it is."""
    return str(value) if isinstance(value, int | float) else value


def _tokens(where: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(where):
        yield _Token(str(match.lastgroup), match[0], match.start(), match.end())


def _refuse_bare_dates(where: str, tokens: list[_Token]) -> None:
    for token in tokens:
        date = _BARE_DATE.match(where, token.start) if token.kind == "number" else None
        if date and not where[date.end() : date.end() + 1].isalnum():
            reason = f"{date[0]} is a subtraction in SQL, not a date"
            raise FilterError("where", reason, "date-without-quotes", date=date[0])


def _replacements(tokens: list[_Token], keys: set[str]) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, new text) for each comparison to rewrite, in order."""
    columns = {*keys, TIME_COLUMN, SIZE_COLUMN}
    place = 0
    while place < len(tokens):
        before = tokens[place - 1].word if place else ""
        length, text = 0, ""
        if before in _BEFORE:
            length, text = _comparison(tokens[place:], columns)
        if length and (place + length == len(tokens) or tokens[place + length].word in _AFTER):
            yield tokens[place].start, tokens[place + length - 1].end, text
            place += length
        else:
            place += 1


def _comparison(tokens: list[_Token], columns: set[str]) -> tuple[int, str]:
    """Return the number of tokens of the comparison at the start, and its new text; (0, "") if there is none."""
    literal = _literal(tokens)
    if not literal and len(tokens) > 2 and tokens[0].kind == "name" and tokens[0].word in columns:
        return _operation(tokens)
    if literal and len(tokens) > literal + 1:  # '2026' <= key
        sign, name = tokens[literal].text, tokens[literal + 1]
        if sign in {*_ORDERINGS, *_EQUALITIES} and name.kind == "name" and name.word in columns:
            return literal + 2, _compared(name, _ORDERINGS.get(sign, sign), tokens[:literal])
    return 0, ""


def _operation(tokens: list[_Token]) -> tuple[int, str]:
    """Return what `_comparison` does if the first of the tokens, at least three, is a column."""
    name, operator = tokens[0], tokens[1].word
    if operator == "in" or (operator == "not" and tokens[2].word == "in"):
        return _membership(tokens, 2 if operator == "in" else 3)
    if operator == "between":
        return _range(tokens)
    literal = _literal(tokens[2:])
    if literal and operator in {*_ORDERINGS, *_EQUALITIES}:
        return literal + 2, _compared(name, operator, tokens[2 : 2 + literal])
    return 0, ""


def _range(tokens: list[_Token]) -> tuple[int, str]:
    """Return what `_comparison` does for `key BETWEEN low AND high`."""
    low = _literal(tokens[2:])
    middle = 2 + low
    high = _literal(tokens[middle + 1 :]) if low and len(tokens) > middle and tokens[middle].word == "and" else 0
    if not high:
        return 0, ""
    end = middle + 1 + high
    bounds = (_compared(tokens[0], ">=", tokens[2:middle]), _compared(tokens[0], "<=", tokens[middle + 1 : end]))
    return end, f"({' AND '.join(bounds)})"


def _membership(tokens: list[_Token], start: int) -> tuple[int, str]:
    """Return what `_comparison` does for `key IN (…)`, whose bracket is the token `start`."""
    end = next((place for place, token in enumerate(tokens) if token.text == ")"), 0)
    items = tokens[start + 1 : end]
    kinds = {token.kind for token in items[::2]}
    are_literals = kinds in ({"text"}, {"number"}) and all(token.text == "," for token in items[1::2])
    if not are_literals or tokens[start].text != "(" or tokens[0].word in {TIME_COLUMN, SIZE_COLUMN}:
        return 0, ""
    column = tokens[0].text
    value = f"vs_text({column})" if kinds == {"text"} else f"coalesce(vs_number({column}), {column})"
    return end + 1, " ".join([value, *(token.text for token in tokens[1 : end + 1])])


def _literal(tokens: list[_Token]) -> int:
    """Return the number of tokens of the literal at the start: 1, 2 for a number with a sign, 0 if there is none."""
    if tokens and tokens[0].kind in {"text", "number"}:
        return 1
    return 2 if len(tokens) > 1 and tokens[0].text in {"-", "+"} and tokens[1].kind == "number" else 0


def _compared(name: _Token, sign: str, literal: list[_Token]) -> str:
    """Return SQL that compares a column with a literal as numbers, dates or texts, as the literal is."""
    plain, column = "".join(token.text for token in literal), name.text
    if literal[-1].kind == "number":
        if name.word == TIME_COLUMN:
            raise FilterError("where", f"mtime is compared with {plain}, which is not a date", "date-expected")
        if name.word == SIZE_COLUMN:
            return f"{column} {sign} {plain}"
        if sign in _EQUALITIES:
            return f"coalesce(vs_number({column}), {column}) {sign} {plain}"
        return f"{'vs_year' if _YEAR.fullmatch(plain) else 'vs_number'}({column}) {sign} {plain}"
    return _compared_with_text(name, sign, plain)


def _compared_with_text(name: _Token, sign: str, literal: str) -> str:
    column, value = name.text, literal[1:-1].replace("''", "'").strip()
    if name.word == SIZE_COLUMN:
        if number_of(value) is None:
            raise FilterError("where", f"size is compared with {literal}, which is not a number", "number-expected")
        return f"{column} {sign} {literal}"
    date = _date_literal(value)
    if sign in _EQUALITIES:
        return f"{column} {sign} {literal}" if name.word == TIME_COLUMN else _equals(column, sign, literal, date)
    if date is not None:
        bound = f"'{date}{_END}'" if sign == "<=" else f"'{date}'"
        if name.word == TIME_COLUMN:
            return f"{column} {sign} {bound}"
        as_number = f", vs_number({column}) {sign} {value}" if number_of(value) is not None else ""
        return f"coalesce(vs_date({column}) {sign} {bound}{as_number or ', NULL'})"
    if name.word == TIME_COLUMN:
        raise FilterError("where", f"mtime is compared with {literal}, which is not a date", "date-expected")
    if number_of(value) is not None:
        return f"vs_number({column}) {sign} {value}"
    return f"vs_text({column}) {sign} {literal}"


def _equals(column: str, sign: str, literal: str, date: str | None) -> str:
    """Return SQL that compares a column with a text, or with a date: then '2026-03' equals each day of the month."""
    as_text = f"vs_text({column}) {sign} {literal}"
    if date is None or len(date) < len("2026-03"):
        return as_text
    return f"coalesce(substr(vs_date({column}), 1, {len(date)}) {sign} '{date}', {as_text})"


def _date_literal(value: str) -> str | None:
    """Return the date that a literal is, as ISO text, or None. Raises FilterError if the date isn't clear."""
    try:
        return iso_date(value)
    except ValueError as error:
        raise FilterError("where", f"{error}", "unclear-date") from None
