"""The command `vsearch formats`."""

from typing import TYPE_CHECKING, Annotated

import typer

from .output import emit, to_json
from .pager import paged

if TYPE_CHECKING:
    from vsearch_core.text.extract.registry import Format


def formats(
    as_json: Annotated[bool, typer.Option("--json", help="Print the formats as JSON.")] = False,
) -> int:
    """Show the file formats that can be read, and what the others need.

    Each format is shown with its file extensions. Compressed, encrypted and scanned files are listed last.
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
        lines = [*((row.name, _suffixes(row)) for row in FORMATS), ("", ""), *_other_files()]
        width = max(len(name) for name, _ in lines)
        with paged():
            emit("\n".join(f"{name:{width}}  {text}".rstrip() for name, text in lines))
    return 0


def _suffixes(row: "Format") -> str:
    suffixes = " ".join(row.suffixes)
    return suffixes if row.is_readable else f"{suffixes}  (needs: pip install 'vsearch[{row.extra}]')"


def _other_files() -> list[tuple[str, str]]:
    """Return lines (name, text) about files that aren't recognised by their extension alone."""
    import shutil
    from importlib.util import find_spec

    from vsearch_core.text.extract.ocr import PROGRAM
    from vsearch_core.text.extract.recognition import is_installed
    from vsearch_core.text.extract.registry import COMPRESSED

    office = "" if find_spec("msoffcrypto") else "  (needs: pip install 'vsearch[office]')"
    has_engine = is_installed() or shutil.which(PROGRAM)
    scanned = "" if has_engine else "  (needs: pip install 'vsearch[ocr]')"
    return [
        ("compressed", f"{' '.join(COMPRESSED)} after any of these"),
        ("plain text", "any other suffix, or none"),
        ("encrypted, --password", f"PDF; Word, PowerPoint, Excel{office}"),
        ("scanned, --ocr", f"PDF, pictures{scanned}"),
    ]
