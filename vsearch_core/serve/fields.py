"""The fields of request bodies: one table checks them and describes them in the OpenAPI document."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vsearch_core import config
from vsearch_core.errors import VsearchError

MAX_TEXT = 10_000  # characters of a text in a request
MAX_LIST = 100  # entries of a list in a request
MAX_QUERIES = 1000  # texts in one request for many queries

_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
}


class BodyError(VsearchError):
    """A field of a request's body is missing, unknown or has a wrong value. `subject` is the field's JSON pointer."""

    code = "invalid-body"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a request body: its JSON type, and what its value may be.

    `least` and `most` limit a number, `choices` a text, and `longest` the characters of a text or the entries of an
    array, which are texts. A field that isn't `required` may also be null, which is as if it were left out.
    """

    type: str
    about: str
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    longest: int = MAX_TEXT
    required: bool = False

    def check(self, pointer: str, value: object) -> None:
        """Raise BodyError, about the value at `pointer`, unless the value fits."""
        expected = _TYPES[self.type]
        if not isinstance(value, expected) or (isinstance(value, bool) and self.type != "boolean"):
            raise BodyError(pointer, f"must be of type {self.type}")
        if isinstance(value, int | float):
            self._check_number(pointer, value)
        if isinstance(value, str):
            self._check_text(pointer, value)
        if isinstance(value, list):
            if len(value) > self.longest:
                raise BodyError(pointer, f"has more than {self.longest} entries")
            for number, each in enumerate(value):
                _TEXT.check(f"{pointer}/{number}", each)

    def _check_number(self, pointer: str, value: float) -> None:
        if not math.isfinite(value):
            raise BodyError(pointer, "must be a finite number")
        if self.least is not None and value < self.least:
            raise BodyError(pointer, f"must be at least {self.least}")
        if self.most is not None and value > self.most:
            raise BodyError(pointer, f"must be at most {self.most}")

    def _check_text(self, pointer: str, value: str) -> None:
        if len(value) > self.longest:
            raise BodyError(pointer, f"has more than {self.longest:,} characters")
        if self.choices and value not in self.choices:
            raise BodyError(pointer, f"must be one of {', '.join(self.choices)}")
        if any("\ud800" <= char <= "\udfff" for char in value):
            raise BodyError(pointer, "has characters that are not valid Unicode")

    def schema(self) -> dict[str, Any]:
        """Return the field's JSON schema."""
        value: dict[str, Any] = {"type": self.type if self.required else [self.type, "null"], "description": self.about}
        if self.least is not None:
            value["minimum"] = self.least
        if self.most is not None:
            value["maximum"] = self.most
        if self.choices:
            value["enum"] = [*self.choices] if self.required else [*self.choices, None]
        if self.type == "string" and not self.choices:
            value["maxLength"] = self.longest
        if self.type == "array":
            value |= {"maxItems": self.longest, "items": {"type": "string", "maxLength": MAX_TEXT}}
        return value


_TEXT = Field("string", "")

_FILTERS: Mapping[str, Field] = {
    "where": Field("string", "An SQL condition on the files: \"ext = 'md' AND size < 9000\"."),
    "path": Field("array", "Globs of paths, as in a .gitignore; one with a ! excludes.", longest=MAX_LIST),
    "ext": Field("array", "File extensions, of which a file needs one.", longest=MAX_LIST),
    "since": Field("string", "The earliest time of modification: 2026-01-31, or 30d for 30 days ago.", longest=40),
    "until": Field("string", "The latest time of modification, in the same forms.", longest=40),
    "images": Field("boolean", "True for pictures and figures only, false for all others."),
}
_HITS: Mapping[str, Field] = {
    **_FILTERS,
    "k": Field("integer", "The maximum number of hits; 10 by default.", 1, 100),
    "offset": Field("integer", "The number of best hits to leave out before those.", 0, 10_000),
    "min_score": Field("number", "The minimum score of a hit."),
    "group_by_file": Field("boolean", "Return only the best hit of each file."),
    "collapse": Field("boolean", "Fold near-duplicates into one hit; true by default."),
    "diversity": Field("number", "0 ranks by score alone, 1 by difference from the hits above.", 0, 1),
    "context": Field("integer", "The number of chunks to return before and after each hit.", 0, 10),
    "max_tokens": Field("integer", "Fit the best hits into about this many tokens.", 50, 100_000),
    "exact": Field("boolean", "Compare every vector."),
    "snippets": Field("boolean", "Also return the best sentences of each hit."),
}
SEARCH: Mapping[str, Field] = {
    "query": Field("string", "The text of the query."),
    "queries": Field("array", "Texts of many queries, instead of `query`.", longest=MAX_QUERIES),
    "mode": Field("string", "Search by vectors, by keywords, or by both.", choices=tuple(config.MODES)),
    "fusion": Field("string", "The way to combine scores in mode hybrid.", choices=tuple(config.FUSIONS)),
    "alpha": Field("number", "The weight of vectors in the fusion convex.", 0, 1),
    "plain": Field("boolean", "Treat quotes, +, - and * as ordinary text."),
    "min_confidence": Field("number", "The least probability of a hit to be relevant.", 0, 1),
    "more_like": Field("array", "Indexed files, FILE or FILE:LINE, that hits should resemble.", longest=10),
    "less_like": Field("array", "Indexed files that hits should not resemble.", longest=10),
    "ef_search": Field("integer", "The number of candidates of a graph search.", 1, config.MAX_EF_SEARCH),
    "nprobe": Field("integer", "The number of inverted lists to search.", 1, config.MAX_NPROBE),
    **_HITS,
}
SIMILAR: Mapping[str, Field] = {
    "place": Field("string", "An indexed file, FILE or FILE:LINE.", longest=4096, required=True),
    **_HITS,
}
READ: Mapping[str, Field] = {
    "path": Field("string", "An indexed file, as a hit names it; also FILE:LINE-LINE.", longest=4096, required=True),
    "start_line": Field("integer", "The first line; 1 by default, if there is an end_line.", 1, 10**9),
    "end_line": Field("integer", "The last line; start_line by default.", 1, 10**9),
    "page": Field("integer", "Only this page, slide, sheet, message or cell.", 1, 10**9),
    "context": Field("integer", "The number of lines to return before and after.", 0, 1000),
    "max_tokens": Field("integer", "The most tokens of the text; the rest is cut off.", 1, 100_000),
}


def parse_body(body: object, fields: Mapping[str, Field]) -> dict[str, Any]:
    """Return the body's values by field, without nulls. Raises BodyError."""
    if not isinstance(body, dict):
        raise BodyError("/", "must be an object")
    for name in body:
        if name not in fields:
            raise BodyError(f"/{_shortened(name)}", f"is not a field; there are {', '.join(fields)}")
    values = {name: value for name, value in body.items() if value is not None}
    for name, field in fields.items():
        if name in values:
            field.check(f"/{name}", values[name])
        elif field.required:
            raise BodyError(f"/{name}", "is missing")
    return values


def _shortened(name: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in name[:40])
