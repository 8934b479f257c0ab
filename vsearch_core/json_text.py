"""Parse JSON that may come from anyone: a file, an index that somebody else made, or a server's answer."""

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text. Raises ValueError if it isn't JSON, or is nested too deeply to be parsed.

    For deep nesting, `json.loads` raises RecursionError instead, which callers forget to handle.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
