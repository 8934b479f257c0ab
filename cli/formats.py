"""`vsearch formats`."""

from typing import TYPE_CHECKING, Annotated

import typer

from .output import emit, to_json

if TYPE_CHECKING:
    from vsearch_core.text.extract.registry import Format


def formats(
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> int:
    """Show which formats this install reads, by which suffixes, and what the others need.

    Any of them may be compressed (.gz, .bz2, .xz). A file with another suffix, or none, is read if it is plain text.
    `vsearch index --password` opens encrypted PDFs, and with vsearch[office] Word, PowerPoint and Excel files.
    """
    from vsearch_core.text.extract.registry import FORMATS

    if as_json:
        values = [
            {
                "name": row.name,
                "suffixes": row.suffixes,
                "unit": row.unit,
                "readable": row.is_readable,
                "extra": row.extra,
            }
            for row in FORMATS
        ]
        emit(to_json({"schema": "vsearch.formats/1", "formats": values}))
    else:
        width = max(len(row.name) for row in FORMATS)
        emit("\n".join(f"{row.name:{width}}  {_what(row)}" for row in FORMATS))
    return 0


def _what(row: "Format") -> str:
    suffixes = " ".join(row.suffixes)
    return suffixes if row.is_readable else f"{suffixes}  (needs: pip install 'vsearch[{row.extra}]')"
