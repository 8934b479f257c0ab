"""Parse JSON that may come from anyone, such as a server's answer, and write texts of anyone's as safe JSON."""

import json
import re
from collections.abc import Iterator
from typing import Any

# DEL, C1, the characters that reorder or hide text (bidi marks, overrides, isolates), and lone surrogates.
_UNSAFE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def safe_json(value: object) -> str:
    """Return the value as one line of JSON. Non-ASCII characters are escaped only if they control a terminal."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


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
