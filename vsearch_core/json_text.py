"""Parse JSON that may come from anyone: a file, an index that somebody else made, or a server's answer."""

import json
from collections.abc import Iterator
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text. Raises ValueError if it isn't JSON, or is nested too deeply to be parsed.

    For deep nesting, `json.loads` raises RecursionError instead, which callers forget to handle.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def json_objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield all objects within a JSON value, however deeply they are nested."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield each
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
