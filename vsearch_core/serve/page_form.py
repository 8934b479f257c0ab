"""The form of the web page: what its fields may hold, and the options of a search that they stand for."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlencode

from vsearch_core.serve.fields import BodyError, Field, parse_body

PER_PAGE = 10  # hits
CONFIDENCES = ("0.2", "0.5", "0.8")
CONTEXT_LINES = ("8", "80", "800")  # of a passage, before and after it

_COMMA = re.compile(r",(?![^{]*\})")  # outside the braces of a glob
_FIELDS: Mapping[str, Field] = {
    "q": Field("string", "The text of the query."),
    "path": Field("string", "Globs of paths, with commas between them.", longest=2000),
    "ext": Field("string", "File extensions, with commas between them.", longest=1000),
    "since": Field("string", "The earliest time of modification.", longest=40),
    "until": Field("string", "The latest time of modification.", longest=40),
    "confidence": Field("string", "The least confidence of a hit.", choices=CONFIDENCES),
    "offset": Field("string", "The number of best hits to leave out.", longest=5),
    "open": Field("string", "The passage to show, as `Index.read` takes it.", longest=5000),
    "lines": Field("string", "The number of lines to show around the passage.", choices=CONTEXT_LINES),
}


@dataclass(frozen=True, slots=True)
class SearchForm:
    """The values of the form's fields as text; "" is an empty field. `open` names the passage to show, if not the best.

    `offset` is the number of better hits on earlier pages, `lines` the number of lines to show around the passage.
    """

    q: str = ""
    path: str = ""
    ext: str = ""
    since: str = ""
    until: str = ""
    confidence: str = ""
    offset: str = ""
    open: str = ""
    lines: str = ""

    @property
    def skipped(self) -> int:
        """The number of better hits on earlier pages."""
        return int(self.offset or 0)

    @property
    def context(self) -> int:
        """The number of lines to show before and after the passage."""
        return int(self.lines or CONTEXT_LINES[0])

    @property
    def filters(self) -> str:
        """The values of the filters that are set, with commas between them; "" if there are none."""
        return ", ".join(filter(None, (self.path, self.ext, self.since, self.until, self.confidence)))

    def options(self) -> dict[str, Any]:
        """Return the options of `Index.search` that the fields stand for."""
        options: dict[str, Any] = {"k": PER_PAGE, "offset": self.skipped, "collapse": True}
        if self.path:
            options["path"] = [glob.strip() for glob in _COMMA.split(self.path) if glob.strip()]
        if self.ext:
            options["ext"] = [self.ext]
        if self.confidence:
            options["min_confidence"] = float(self.confidence)
        return options | {name: value for name in ("since", "until") if (value := getattr(self, name))}

    def link(self, **changes: str) -> str:
        """Return the relative URL of the page with these values, some of them changed."""
        values = {name: value for name, value in asdict(replace(self, **changes)).items() if value}
        return "/?" + urlencode(values) if values else "/"


def parse_form(values: object) -> SearchForm:
    """Return the form with the given values by field; blank ones count as empty. Raises BodyError."""
    if isinstance(values, dict):
        values = {name: value for name, value in values.items() if not isinstance(value, str) or value.strip()}
    found = parse_body(values, _FIELDS)
    offset = found.get("offset", "0")
    if not re.fullmatch("[0-9]{1,4}", offset):
        raise BodyError("/offset", "must be a number from 0 to 9999")
    return SearchForm(**found)


def parse_address(values: Mapping[str, str]) -> SearchForm:
    """Return the form with the values of a URL's query, of which unknown ones are ignored. Raises BodyError."""
    return parse_form({name: value for name, value in values.items() if name in _FIELDS})
