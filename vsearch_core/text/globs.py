"""Globs that a user writes, in the language of a `.gitignore`."""

import re

# A class such as [a-z], [!a-z] or []a]; an escaped character; any other character but the start of a class.
_WHOLE = re.compile(r"(?:\\.|\[[!^]?(?:\\.|[^\\])(?:\\.|[^\]\\])*\]|[^\\\[])*", re.DOTALL)


def is_malformed(pattern: str) -> bool:
    """Return True if a glob has a "[" without its "]", or ends with a single backslash: then it matches nothing."""
    return _WHOLE.fullmatch(pattern) is None
