"""`vsearch index`."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from . import locate
from .output import complain, emit, plural, to_json
from .progress import watched

if TYPE_CHECKING:
    from vsearch_core.index.writer import Summary


def index(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH]...", help="Files and folders; none: what was indexed before.")
    ] = None,
    index_dir: Annotated[Path | None, typer.Option("--index", metavar="DIR", help=locate.INDEX_HELP)] = None,
    embedder: Annotated[Literal["local"] | None, typer.Option(help="Who embeds.")] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME|PATH", help="The embedding model.")] = None,
    chunk_words: Annotated[int | None, typer.Option(metavar="N", help="Words a chunk, about.  [default: 500]")] = None,
    overlap_words: Annotated[
        int | None, typer.Option(metavar="N", help="Words that neighbours share.  [default: a tenth]")
    ] = None,
    include: Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Take only such files.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Leave such files out.")] = None,
    no_ignore: Annotated[
        bool, typer.Option("--no-ignore", help="Do not heed .gitignore, .ignore and .vsearchignore.")
    ] = False,
    max_file_size: Annotated[str, typer.Option(metavar="SIZE", help="Leave larger files out.")] = "50MB",
    language: Annotated[
        str | None, typer.Option(metavar="CODE", help="Language of the keywords, as en, or none.  [default: auto]")
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Read again what could not be read before.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress, no summary.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Name each skipped file and why.")] = False,
) -> int:
    """Bring the index up to date with files and folders.

    Unchanged files cost nothing, files that are gone leave the index. Safe to interrupt: what is embedded is kept, and
    the same command goes on from there.
    """
    from vsearch_core.embed.open import open_embedder
    from vsearch_core.index.settings import Requested
    from vsearch_core.index.sources import Source
    from vsearch_core.index.writer import update_index
    from vsearch_core.text.discover import DiscoverOptions

    options = DiscoverOptions(tuple(include or ()), tuple(exclude or ()), not no_ignore, parse_size(max_file_size))
    with watched(quiet=quiet) as (bar, plain):
        observer = replace(
            plain,
            failed=lambda path, reason: bar.write(f"vsearch: {path}: {reason}; left out of the index"),
            kept=lambda path, reason: bar.write(f"vsearch: {path}: {reason}; kept as it was"),
            partly=lambda path, reason: bar.write(f"vsearch: {path}: {reason}; the rest is indexed"),
            skipped=lambda path, reason: bar.write(f"skipped {path}: {reason}") if verbose else None,
            missing=lambda path: bar.write(f"vsearch: {path}: was indexed before and is not there now; kept as it was"),
        )
        summary = update_index(
            locate.index_to_write(index_dir),
            [Source(locate.absolute(Path(path)), options) for path in paths or ()],
            Requested(embedder, _model_spec(model), chunk_words, overlap_words, language),
            lambda spec: open_embedder(spec, report=None if quiet else bar.write),
            observer,
            retry=retry,
        )
    if as_json:
        emit(to_json({"schema": "vsearch.index/1", **asdict(summary), "index": str(summary.index)}))
    elif not quiet:
        emit(_summary_text(summary))
    if summary.interrupted:
        complain(f"interrupted: what is embedded is kept, {_left(summary)}; run the same command again to go on")
        return 130
    return 2 if summary.failed else 0


def _left(summary: "Summary") -> str:
    """What an interrupted run has not done."""
    if summary.pending:
        return f"{plural(summary.pending, 'chunk')} still to embed"
    return "segments still to merge" if summary.uncompacted else "some files still to read"


def _model_spec(model: str | None) -> str | None:
    """The model as the index remembers it: a folder must be found again from any working folder."""
    folder = locate.file(model) if model else None
    return str(folder) if folder and folder.is_dir() else model


def parse_size(text: str) -> int:
    """Bytes from 50MB, 1.5GiB, 200k or a plain number. Raises InputError."""
    import re

    from vsearch_core.errors import InputError

    match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,15})?)\s*([kmgt]?)(i?)b?\s*", text.lower())
    if not match:
        raise InputError("--max-file-size", f"{text!r} is not a size", "write it like 50MB or 512KiB")
    power = " kmgt".index(match[2] or " ")
    return int(float(match[1]) * (1024 if match[3] else 1000) ** power)


def _summary_text(summary: "Summary") -> str:
    counts = {
        "added": summary.added,
        "changed": summary.changed,
        "moved": summary.moved,
        "removed": summary.removed,
        "unchanged": summary.unchanged,
        "skipped (-v says why)": summary.skipped,
        "could not be read": summary.failed,
    }
    parts = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    if summary.reused:
        parts += f"; {plural(summary.reused, 'chunk')} known already"
    total = f"{plural(summary.files, 'file')}, {plural(summary.chunks, 'chunk')}"
    return f"{summary.index}: {total} ({parts or 'nothing found'}) in {summary.seconds:.1f} s"
