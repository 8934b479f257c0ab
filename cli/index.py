"""`vsearch index`."""

from dataclasses import asdict, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from . import consent, locate
from .defaults import choose, parse_size, requested, shown
from .opening import embedder_opener
from .output import complain, emit, one_line, plural, to_json
from .plan import show
from .progress import watched
from .watch import News, keep_fresh, refuse_with

if TYPE_CHECKING:
    from vsearch_core.index.progress import Observer
    from vsearch_core.index.re_embedding import ReEmbedSummary
    from vsearch_core.index.writer import UpdateSummary


def index(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH]...", help="Files and folders; none: what was indexed before.")
    ] = None,
    index_dir: Annotated[Path | None, typer.Option("--index", metavar="DIR", help=locate.INDEX_HELP)] = None,
    embedder: Annotated[
        Literal["local", "sentence-transformers", "static", "gemini", "openai"] | None,
        typer.Option(help="Who embeds.  [default: local]"),
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME|PATH", help="The embedding model.")] = None,
    dimensions: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Numbers in a vector, where the model has more.  [default: the model's]"),
    ] = None,
    device: Annotated[
        Literal["cpu", "cuda", "mps"] | None,
        typer.Option(help="Where sentence-transformers computes.  [default: a GPU, where there is one]"),
    ] = None,
    base_url: Annotated[str | None, typer.Option(metavar="URL", help="Where a remote embedder is.")] = None,
    rpm: Annotated[
        int | None, typer.Option("--rpm", metavar="N", min=1, help="Requests a minute at most, to a remote embedder.")
    ] = None,
    tpm: Annotated[int | None, typer.Option("--tpm", metavar="N", min=1, help="Tokens a minute at most.")] = None,
    chunk_words: Annotated[
        int | None, typer.Option(metavar="N", help=f"Words a chunk, about.{shown('chunk_words')}")
    ] = None,
    overlap_words: Annotated[
        int | None, typer.Option(metavar="N", help="Words that neighbours share.  [default: a tenth]")
    ] = None,
    include: Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Take only such files.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Leave such files out.")] = None,
    no_ignore: Annotated[
        bool, typer.Option("--no-ignore", help="Do not heed .gitignore, .ignore and .vsearchignore.")
    ] = False,
    max_file_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help=f"Leave larger files out.{shown('max_file_size')}")
    ] = None,
    language: Annotated[
        str | None, typer.Option(metavar="CODE", help=f"Language of the keywords, as en, or none.{shown('language')}")
    ] = None,
    password: Annotated[
        str, typer.Option(metavar="TEXT", envvar="VSEARCH_PASSWORD", help="Try it on files that are encrypted.")
    ] = "",
    ocr: Annotated[
        bool, typer.Option("--ocr", help="Read the pages of PDFs that are only pictures, by the program ocrmypdf.")
    ] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="Read again what could not be read before, or not wholly.")
    ] = False,
    share_vectors: Annotated[
        bool, typer.Option("--share-vectors", help="Take from, and add to, what your other projects have embedded.")
    ] = False,
    re_embed: Annotated[
        bool, typer.Option("--re-embed", help="Embed all that is indexed anew, by another model; queries go on.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only say what would be done, how long it takes, and what is sent to whom.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on: whenever files change, bring the index up to date.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help=consent.YES_HELP)] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress, no summary.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Name each skipped file and why.")] = False,
) -> int:
    """Bring the index up to date with files and folders.

    Unchanged files cost nothing, files that are gone leave the index. Safe to interrupt: what is embedded is kept, and
    the same command goes on from there. Exit status: 0; 2 on an error, also when a file could not be read; 130
    interrupted.
    """
    from vsearch_core.index.forecast import Forecast, at_rate_limits, forecast, forecast_re_embedding
    from vsearch_core.index.re_embedding import ReEmbedSummary, re_embed_index
    from vsearch_core.index.sharing import sharing
    from vsearch_core.index.sources import Source
    from vsearch_core.index.writer import UpdateSummary, update_index
    from vsearch_core.text.discover import DiscoverOptions
    from vsearch_core.text.extract.options import ExtractOptions

    _refuse(paths, plan=plan, re_embed=re_embed, watch=watch, ocr=ocr)
    folder = locate.index_to_write(index_dir)
    taken = choose(folder, include=include, exclude=exclude, max_file_size=max_file_size)
    options = DiscoverOptions(
        tuple(taken["include"]), tuple(taken["exclude"]), not no_ignore, parse_size(taken["max_file_size"])
    )
    sources = [Source(locate.absolute(Path(path)), options) for path in paths or ()]
    asked = requested(
        folder,
        embedder=embedder,
        model=model,
        base_url=base_url,
        dimensions=dimensions,
        chunk_words=chunk_words,
        overlap_words=overlap_words,
        language=language,
    )
    with watched(quiet=quiet) as (bar, plain):
        news = News(bar.write)
        observer, report = _telling(plain, news, verbose=verbose), (lambda _: None) if quiet else bar.write
        opener = embedder_opener(
            folder,
            report=report,
            stop=observer.should_stop,
            yes=yes,
            device=device,
            base_url=base_url,
            rpm=rpm,
            tpm=tpm,
        )
        if choose(folder, share_vectors=share_vectors or None)["share_vectors"] and not plan:
            opener = sharing(opener)
        done: Forecast | ReEmbedSummary | UpdateSummary
        if re_embed:
            done = (forecast_re_embedding if plan else re_embed_index)(folder, asked, opener, observer)
        else:
            opener = cache(opener)  # one embedder for all the runs of --watch
            update, reading = (forecast if plan else update_index), ExtractOptions(password, ocr)
            done = update(folder, sources, asked, opener, observer, retry=retry, reading=reading)
        if watch and isinstance(done, UpdateSummary) and not done.interrupted:
            again = partial(update_index, folder, (), asked, opener, observer, reading=reading)
            tell = partial(_tell, as_json=as_json, quiet=quiet, verbose=verbose)
            return keep_fresh(done, again, tell, observer.should_stop, bar, news, quiet=quiet)
    if isinstance(done, Forecast):
        return show(at_rate_limits(done, **choose(folder, rpm=rpm, tpm=tpm)), as_json=as_json)
    if isinstance(done, ReEmbedSummary):
        return _tell_re_embedded(done, as_json=as_json, quiet=quiet)
    return _tell(done, as_json=as_json, quiet=quiet, verbose=verbose)


def _telling(plain: "Observer", news: News, *, verbose: bool) -> "Observer":
    """The observer, who also tells what becomes of single files."""
    return replace(
        plain,
        file_failed=lambda path, reason: news(f"vsearch: {path}: {reason}; left out of the index"),
        file_kept=lambda path, reason: news(f"vsearch: {path}: {reason}; kept as it was"),
        file_incomplete=lambda path, reason: news(f"vsearch: {path}: {reason}; the rest is indexed"),
        file_skipped=lambda path, reason: news(f"skipped {path}: {reason}") if verbose else None,
        source_missing=lambda path: news(f"vsearch: {path}: was indexed before and is not there now; kept as it was"),
    )


def _refuse(paths: list[str] | None, *, plan: bool, re_embed: bool, watch: bool, ocr: bool) -> None:
    """Raise InputError for options that do not go together, or that need what is not here."""
    from vsearch_core.errors import InputError
    from vsearch_core.text.extract.ocr import require_program

    if re_embed and paths:
        raise InputError("--re-embed", "it embeds what is indexed, and reads no files", "leave the paths out")
    if watch:
        refuse_with({"--plan": plan, "--re-embed": re_embed})
    if ocr:
        require_program()


def _tell_re_embedded(done: "ReEmbedSummary", *, as_json: bool, quiet: bool) -> int:
    """Print what was done. Returns the exit status."""
    if as_json:
        emit(to_json({"schema": "vsearch.re-embed/1", **asdict(done), "index": str(done.index)}))
    elif not quiet:
        what = f"{plural(done.embedded, 'text')} embedded by {done.model}"
        kept = f", {done.kept:,} kept from before" if done.kept else ""
        emit(one_line(f"{done.index}: {plural(done.chunks, 'chunk')} ({what}{kept}) in {done.seconds:.1f} s"))
    if done.untuned:
        complain("what `vsearch tune` had learned of the former vectors is forgotten; tune it again")
    if done.interrupted:
        complain("interrupted: the index is as it was, what is embedded is kept; run the same command again to go on")
        return 130
    return 0


def _tell(summary: "UpdateSummary", *, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Print what was done. Returns the exit status."""
    if as_json:
        facts = {key: value for key, value in asdict(summary).items() if key != "unread"}  # told where it matters
        emit(to_json({"schema": "vsearch.index/1", **facts, "index": str(summary.index)}))
    elif not quiet:
        emit(_summary_text(summary, verbose=verbose))
    if summary.interrupted:
        complain(f"interrupted: what is embedded is kept, {_left(summary)}; run the same command again to go on")
        return 130
    return 2 if summary.failed else 0


def _left(summary: "UpdateSummary") -> str:
    """What an interrupted run has not done."""
    left = {"file": (summary.unread, "read"), "chunk": (summary.pending, "embed")}
    parts = [f"{plural(count, what)} still to {do}" for what, (count, do) in left.items() if count]
    return " and ".join(parts) or ("segments still to merge" if summary.uncompacted else "some changes still to commit")


def _summary_text(summary: "UpdateSummary", *, verbose: bool) -> str:
    counts = {
        "added": summary.added,
        "changed": summary.changed,
        "moved": summary.moved,
        "removed": summary.removed,
        "unchanged": summary.unchanged,
        "skipped" if verbose else "skipped (-v says why)": summary.skipped,
        "could not be read": summary.failed,
        "indexed only in part": summary.partly,
        "without text": summary.textless,
    }
    parts = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    if summary.reused:
        parts += f"; {plural(summary.reused, 'chunk')} known already"
    total = f"{plural(summary.files, 'file')}, {plural(summary.chunks, 'chunk')}"
    return f"{summary.index}: {total} ({parts or 'nothing found'}) in {summary.seconds:.1f} s"
