"""Reads the front matter of Markdown files: metadata before the text, in YAML, TOML, JSON or `Key: value` lines."""

import datetime
import json
import math
import re
import tomllib
from collections.abc import Iterator
from typing import Any

from vsearch_core.model import JsonValue

_YAML = re.compile(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_TOML = re.compile(r"\+\+\+[ \t]*\n(.*?)^\+\+\+[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_TOML_IN_RULES = re.compile(r"---[ \t]?toml[ \t]*\n(.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_JSON_IN_RULES = re.compile(
    r"(---[ \t]?json|;;;)[ \t]*\n(?=\s*\{)(.*?)^(?:---|;;;)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE
)
_JSON = re.compile(r"\{\s*\"")
_KEY = re.compile(r"([^\W\d][\w .-]{0,79}?|\"[^\"\n]{1,80}\"|'[^'\n]{1,80}')[ \t]*:(?:[ \t]+|$)")
_HEADER_KEYS = frozenset(  # one of which begins a header of MultiMarkdown, Pelican or MkDocs
    {"title", "author", "authors", "date", "tags", "category", "slug", "summary", "keywords", "description", "template"}
    | {"lang", "language", "subtitle", "email", "copyright", "status", "modified"}
)
_MAX_LENGTH = 1 << 16  # characters; a longer one is text between two rules
_MAX_ENTRIES = 500  # of malformed YAML that are parsed one by one
_MAX_ENTRY = 4000  # characters of one of them
_MAX_WRITTEN = 1000  # characters of a value that is taken as written
_MAX_VALUES = 10_000  # after aliases are expanded, which can multiply a few lines many times
_MAX_DEPTH = 50
_MAX_BITS = 1000  # of a number; Python refuses to write numbers of more than 4,300 digits
# The ways in which the parsers fail on text that is not theirs.
_FAILURES = (ValueError, LookupError, AttributeError, TypeError, RecursionError)


def front_matter(text: str) -> tuple[dict[str, JsonValue], int]:
    """Return the metadata before a text, and the offset at which the text begins; ({}, 0) if there is no metadata."""
    sample = text[: _MAX_LENGTH + 8]
    if match := _YAML.match(sample):
        values = _yaml(match[1])
        return (values, match.end()) if values is not None else ({}, 0)
    if match := _TOML.match(sample) or _TOML_IN_RULES.match(sample):
        values = _toml(match[1])
        return (values, match.end()) if values is not None else ({}, 0)
    if match := _JSON_IN_RULES.match(sample):
        values, end = _json(match[2] + "\n.")
        return (values, match.end()) if end else ({}, 0)
    if _JSON.match(sample):
        return _json(sample)
    return _header_lines(sample)


def _yaml(source: str) -> dict[str, JsonValue] | None:
    """Return the YAML mapping, or None if it isn't one. If it is malformed, values that can't be parsed are strings."""
    try:
        values = _load_yaml(source)
    except _FAILURES:
        entries = list(_entries(source.split("\n")))
        return dict(_read_entry(*entry, number < _MAX_ENTRIES) for number, entry in enumerate(entries)) or None
    if values is None:
        return {}
    return values if isinstance(values, dict) else None


def _load_yaml(source: str) -> Any:
    """Return the value as JSON. Raises one of `_FAILURES`."""
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
        def flatten_mapping(self, node: Any) -> None:
            """Ignore `<<` merges: nested ones grow too large before they can be counted."""
            node.value = [pair for pair in node.value if pair[0].tag != "tag:yaml.org,2002:merge"]

    try:
        values = yaml.load(source, Loader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    return _JsonSafe().mapping(values) if isinstance(values, dict) else values


def _entries(lines: list[str]) -> Iterator[tuple[str, str, str]]:
    """Yield each entry as (key, rest of its line, whole source). Yield none if most lines don't begin with a key."""
    outer = [line for line in lines if line[:1].strip() and not line.startswith(("#", "-", "]", "}"))]
    if not outer or 2 * sum(_KEY.match(line) is not None for line in outer) < len(outer) or not _KEY.match(outer[0]):
        return
    key, rest, source = "", "", [""]
    for line in lines:
        match = _KEY.match(line)
        if match:
            if key:
                yield key, rest, "\n".join(source)
            key, rest, source = match[1].strip("\"' "), line[match.end() :].strip(), [line]
        else:
            source.append(line)
    yield key, rest, "\n".join(source)


def _read_entry(key: str, rest: str, source: str, is_parsed: bool) -> tuple[str, JsonValue]:
    if is_parsed and len(source) <= _MAX_ENTRY and source.count("[") + source.count("{") <= _MAX_DEPTH:
        try:
            values = _load_yaml(source)
        except _FAILURES:
            values = None
        if isinstance(values, dict) and values:
            return next(iter(values.items()))
    return key, rest.strip("\"'")[:_MAX_WRITTEN] or None


def _toml(source: str) -> dict[str, JsonValue] | None:
    """Return the TOML table, or None if it isn't one. If it is malformed, lines that can't be parsed are left out."""
    try:
        return _JsonSafe().mapping(tomllib.loads(source))
    except _FAILURES:
        pass
    values: dict[str, Any] = {}
    for line in source.split("\n")[:_MAX_ENTRIES]:
        try:
            values |= tomllib.loads(line)
        except _FAILURES:
            continue
    try:
        return _JsonSafe().mapping(values) or None
    except _FAILURES:
        return None


def _json(source: str) -> tuple[dict[str, JsonValue], int]:
    try:
        values, end = json.JSONDecoder().raw_decode(source)
        safe = _JsonSafe().mapping(values)
    except _FAILURES:
        return {}, 0
    rest = source[end:]
    return (safe, end) if rest.lstrip(" \t").startswith("\n") and rest.strip() else ({}, 0)


def _header_lines(source: str) -> tuple[dict[str, JsonValue], int]:
    """Return the `Key: value` lines before the first blank line, if the first key is usual in such headers."""
    values: dict[str, JsonValue] = {}
    position, key = 0, ""
    for line in source.split("\n"):
        position += len(line) + 1
        if not line.strip():
            break
        if key and line[0] in " \t":
            values[key] = f"{values[key]} {line.strip()}"
            continue
        match = _KEY.match(line)
        key = match[1].strip().lower() if match else ""
        if match is None or (not values and key not in _HEADER_KEYS) or len(values) > _MAX_ENTRIES:
            return {}, 0
        values[key] = line[match.end() :].strip()
    is_header = len(values) > 1 or "title" in values
    return (values, min(position, len(source))) if is_header and source[position:].strip() else ({}, 0)


class _JsonSafe:
    """Converts values of YAML to values of JSON. Raises ValueError for too many values and too large numbers."""

    def __init__(self) -> None:
        self.count = 0

    def mapping(self, values: dict[Any, Any], depth: int = 0) -> dict[str, JsonValue]:
        return {str(self.value(key, depth)): self.value(value, depth) for key, value in values.items()}

    def value(self, value: Any, depth: int) -> JsonValue:
        self.count += 1
        if self.count > _MAX_VALUES or depth > _MAX_DEPTH:
            raise ValueError("too many values")
        if isinstance(value, int) and value.bit_length() > _MAX_BITS:
            raise ValueError("too large a number")
        if isinstance(value, dict):
            return self.mapping(value, depth + 1)
        if isinstance(value, (list, tuple, set)):
            return [self.value(item, depth + 1) for item in value]
        if isinstance(value, (datetime.date, datetime.datetime)):
            return value.isoformat()
        if value is None or isinstance(value, (bool, int)) or (isinstance(value, float) and math.isfinite(value)):
            return value
        return str(value).encode(errors="replace").decode()  # an escape can be half a surrogate pair
