"""Where in its file a passage stands, as a reader of that format would say it."""

import re

from vsearch_core.text.extract.registry import unit_of

_BARE_NAME = re.compile(r"[^\W\d]\w*")  # a sheet's name that spreadsheets write without quotes


def place_of(path: str, page: int | None, heading: str | None, lines: tuple[int, int]) -> str | None:
    """ "page 3", "slide 4", "cell 2", "message 5", "Sales!2:9"; None where the format has lines only, or no pages.

    `page`, `heading` and `lines` are the chunk's: where it begins, and its first and last line; the lines of a sheet
    are its rows, and its heading is its name.
    """
    unit = unit_of(path)
    if unit == "line" or page is None:
        return None
    if unit != "sheet":
        return f"{unit} {page}"
    name = heading or f"Sheet{page}"
    if not _BARE_NAME.fullmatch(name):
        name = "'" + name.replace("'", "''") + "'"
    return f"{name}!{lines[0]}:{lines[1]}"
