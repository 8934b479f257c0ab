"""The command `vsearch index`."""

import sys
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vsearch_core.errors import InputError

from . import background, consent, locate
from .defaults import choose, parse_size, shown
from .follow import joined
from .opening import open_any_index, provider_of
from .option_rules import refuse_idle_options
from .output import complain, emit, one_line, plural, to_json
from .plan import show
from .progress import watched
from .servers import address_of, refuse_server_with
from .stdin_document import NAME_HELP, names_stdin, read_document
from .watch import News, follow, refuse_together

if TYPE_CHECKING:
    from vsearch_core import Observer, ReEmbedSummary, UpdateOptions, UpdateSummary


def index(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATH|-]...",
            help="Files and folders to index; -: a document on stdin, which the index keeps."
            "  [default: those indexed before]",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help=f"{NAME_HELP}  [default: stdin-, a code from the content, and .txt]"),
    ] = None,
    index_dir: Annotated[Path | None, locate.INDEX_OR_SERVER] = None,
    embedder: Annotated[
        Literal["local", "sentence-transformers", "static", "gemini", "openai"] | None,
        typer.Option(help="The kind of embedding model.  [default: local]"),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME|PATH", help="The embedding model: its name or its folder.")
    ] = None,
    dimensions: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="The length of the vectors, if the model offers several lengths."),
    ] = None,
    device: Annotated[
        Literal["cpu", "cuda", "mps"] | None,
        typer.Option(help="The device that runs sentence-transformers.  [default: a GPU if there is one]"),
    ] = None,
    base_url: Annotated[str | None, typer.Option(metavar="URL", help="The base URL of a remote embedder.")] = None,
    rpm: Annotated[
        int | None,
        typer.Option("--rpm", metavar="N", min=1, help="Send a remote embedder at most N requests a minute."),
    ] = None,
    tpm: Annotated[
        int | None, typer.Option("--tpm", metavar="N", min=1, help="Send a remote embedder at most N tokens a minute.")
    ] = None,
    chunk_words: Annotated[
        int | None,
        typer.Option(metavar="N", help=f"The approximate length of a chunk, in words.{shown('chunk_words')}"),
    ] = None,
    overlap_words: Annotated[
        int | None,
        typer.Option(metavar="N", help="The number of words that neighbouring chunks share.  [default: a tenth]"),
    ] = None,
    include: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Index only files that match the pattern.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Leave out files that match the pattern.")
    ] = None,
    no_ignore: Annotated[
        bool, typer.Option("--no-ignore", help="Don't obey .gitignore, .ignore and .vsearchignore files.")
    ] = False,
    max_file_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help=f"Leave out larger files.{shown('max_file_size')}")
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(
            metavar="CODE",
            help="The language of keywords, such as en; auto: detect it; none: don't reduce words to stems."
            f"{shown('language')}",
        ),
    ] = None,
    ann: Annotated[
        str | None,
        typer.Option(
            metavar="auto|graph|ivf|pq|pqN|flat",
            help="How the vectors of a large index are searched. graph: by a graph; ivf: by inverted lists (less"
            " memory, slower queries); pq, pqN: by inverted lists with product quantisation, 64 or N bytes a vector,"
            " 8 to 256; flat: all are compared; auto: by a graph, unless building it takes too much"
            f" memory. Can be changed.{shown('ann')}",
        ),
    ] = None,
    vectors: Annotated[
        str | None,
        typer.Option(
            metavar="keep|none",
            help="none: an archive, which keeps only codes of vectors (about 0.2 kB a chunk) and late windows of none;"
            " queries embed the texts of their best 20 candidates again, which takes about a second. Can be set for an"
            " index that exists, but taken back only with --re-embed.  [default: keep]",
        ),
    ] = None,
    password: Annotated[
        str, typer.Option(metavar="TEXT", envvar="VSEARCH_PASSWORD", help="The password to try on encrypted files.")
    ] = "",
    ocr: Annotated[
        bool, typer.Option("--ocr", help="Recognise text in pictures and scanned PDFs (needs the extra ocr).")
    ] = False,
    secrets: Annotated[bool, typer.Option("--secrets", help="Index files that are private keys, too.")] = False,
    source_archives: Annotated[
        bool, typer.Option("--source-archives", help="Index archives whose files are mostly source code, too.")
    ] = False,
    positions: Annotated[
        bool, typer.Option("--positions", help="Keep where photos were taken, if their files say so.")
    ] = False,
    image_model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL|none",
            help="Find pictures by what they show, with a CLIP or SigLIP model: a folder or a name on the hub (needs"
            " the extra images). The index keeps it; another one replaces it; none: no model.",
        ),
    ] = None,
    retry: Annotated[
        bool, typer.Option("--retry", help="Try again to read files that could not be read before, or only in part.")
    ] = False,
    share_vectors: Annotated[
        bool,
        typer.Option(
            "--share-vectors", help="Share vectors with your other projects, so that equal texts are embedded once."
        ),
    ] = False,
    re_embed: Annotated[
        bool, typer.Option("--re-embed", help="Embed all chunks again, with another model; queries still work.")
    ] = False,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Of a new index, first make quick vectors of all chunks, by a static model, for queries to use until"
            " those of the model are complete. Later runs continue without the option.",
        ),
    ] = False,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan", help="Only print what would be done, how long it would take and what would be sent to whom."
        ),
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep running, and update the index whenever files change.")
    ] = False,
    in_background: Annotated[
        bool,
        typer.Option(
            background.FLAG,
            help="Return at once, and go on in a process of low priority, which pauses while the computer runs on its"
            " battery. `vsearch status --follow` shows its progress.",
        ),
    ] = False,
    pause_on_battery: Annotated[
        bool,
        typer.Option(background.BATTERY_FLAG, help="Wait while the computer runs on its battery (Linux)."),
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Use at most N processor cores.  [default: all]")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help=consent.YES_HELP)] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print no progress and no summary.")] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Name each file without text, and each skipped file.")
    ] = False,
) -> int:
    """Bring the index up to date with files and folders.

    Unchanged files are not read again, and deleted files are removed from the index. A large update makes all files
    found by keywords first, and then embeds them, recent and short ones first. You can query meanwhile, and interrupt
    the command and run it again: it continues where it stopped. If another process writes the index, the command shows
    its progress, waits until it ends, and then does what is left. Exit status: 0 done, 2 on an error or if a file could
    not be read, 130 interrupted.
    """
    from vsearch_core import Forecast, Index, ReEmbedSummary, UpdateSummary
    from vsearch_core.machine import is_on_battery, limit_cores
    from vsearch_core.store.states import NO_TEXT

    if re_embed and paths:
        raise InputError("--re-embed", "embeds the indexed chunks again and reads no files; leave the paths out")
    if watch:
        refuse_together("--watch", {"--plan": plan, "--re-embed": re_embed})
    is_document = names_stdin(paths or ())
    if in_background:
        others = {"--plan": plan, "--re-embed": re_embed, "--watch": watch, "a document from stdin": is_document}
        refuse_together(background.FLAG, others)
    folder = locate.index_to_write(index_dir, servers=True)
    refuse_server_with(
        folder,
        {
            "--plan": plan,
            "--re-embed": re_embed,
            "--watch": watch,
            "a document from stdin": is_document,
            background.FLAG: in_background,
            "--vectors none": vectors == "none",
            "--quick": quick,
        },
    )
    refuse_idle_options("index", work="re-embed" if re_embed else "update", input="stdin" if is_document else "paths")
    if quick or any(option is not None for option in (device, base_url, rpm, tpm)):
        replaced = embedder if re_embed else None
        refuse_idle_options("index", embedder=replaced or provider_of(folder, embedder))
    walk = choose(folder, include=None, exclude=None, max_file_size=None)
    reading: UpdateOptions = {
        "password": password,
        "ocr": ocr,
        "secrets": secrets,
        "source_archives": source_archives,
        "positions": positions,
    }
    options: UpdateOptions = {
        "walk_defaults": {**walk, "max_file_size": parse_size(walk["max_file_size"])},
        "retry": retry,
        "quick": quick,
        **reading,
    }
    options.update(_given(include, exclude, max_file_size, no_ignore=no_ignore))  # type: ignore[typeddict-item]
    limits = choose(folder, rpm=rpm, tpm=tpm)
    sources = [] if is_document else [locate.named(path) for path in paths or ()]
    options["documents"] = [read_document("index", name, folder, max_file_size)] if is_document else []
    if in_background:
        return background.start(folder, sys.argv[1:], as_json=as_json, quiet=quiet)
    if jobs is not None:
        limit_cores(jobs)

    def run() -> int:
        done: Forecast | ReEmbedSummary | UpdateSummary
        with watched(quiet=quiet) as (bar, plain):
            news = News(bar.write)
            should_pause = background.BatteryPause(is_on_battery, bar.write) if pause_on_battery else plain.should_pause
            opened = open_any_index(
                folder,
                create=True,
                yes=yes,
                report=(lambda _: None) if quiet else bar.write,
                observer=replace(
                    _with_news(plain, news, verbose=verbose, quiet=quiet, is_document=is_document),
                    should_pause=should_pause,
                ),
                share_vectors=choose(folder, share_vectors=share_vectors or None)["share_vectors"],
                embedder=embedder,
                model=model,
                base_url=base_url,
                dimensions=dimensions,
                chunk_words=chunk_words,
                overlap_words=overlap_words,
                language=language,
                ann=ann,
                image_model=image_model,
                vectors=vectors,
                device=device,
                rpm=rpm,
                tpm=tpm,
            )
            with opened as index:
                events = index.watch(**reading) if watch and isinstance(index, Index) else None
                if isinstance(index, Index) and re_embed:
                    done = index.plan_re_embed(**limits) if plan else index.re_embed()
                elif isinstance(index, Index) and plan:
                    done = index.plan(sources, **limits, **options)
                else:
                    done = index.update(sources, **options)
                    if verbose and isinstance(done, UpdateSummary) and done.textless:
                        for file in index.files():
                            if file.reason == NO_TEXT:
                                news(f"without text: {file.path}")
                if events is not None and isinstance(done, UpdateSummary) and not done.interrupted:
                    report = partial(_report, as_json=as_json, quiet=quiet, verbose=verbose)
                    return follow(done, events, report, bar, news, quiet=quiet)
        if isinstance(done, Forecast):
            return show(done, as_json=as_json)
        if isinstance(done, ReEmbedSummary):
            return _report_re_embed(done, as_json=as_json, quiet=quiet)
        status = _report(done, as_json=as_json, quiet=quiet, verbose=verbose)
        return 2 if is_document and done.skipped else status

    return run() if address_of(folder) is not None else joined(run, folder, quiet=quiet)


def _given(
    include: list[str] | None, exclude: list[str] | None, max_file_size: str | None, *, no_ignore: bool
) -> dict[str, object]:
    """Return the given options for walking folders, by the names of the library."""
    given = {
        "include": include,
        "exclude": exclude,
        "use_ignore_files": False if no_ignore else None,
        "max_file_size": None if max_file_size is None else parse_size(max_file_size),
    }
    return {key: value for key, value in given.items() if value is not None}


def _with_news(plain: "Observer", news: News, *, verbose: bool, quiet: bool, is_document: bool) -> "Observer":
    """Return the observer, which now also writes a line for each file with a problem."""

    def left_out(path: str, reason: str) -> None:
        news(f"vsearch: {path}: {reason}; left out of the index")

    def interim_ready(_model: str, coming: str, chunks: int) -> None:
        if not quiet:
            news(f"vsearch: queries use quick vectors of {plural(chunks, 'chunk')} now; those of {coming} follow")

    def skipped(path: str, reason: str) -> None:
        news(f"skipped {path}: {reason}")

    return replace(
        plain,
        file_failed=left_out,
        file_kept=lambda path, reason: news(f"vsearch: {path}: {reason}; its old text stays in the index"),
        file_incomplete=lambda path, reason: news(f"vsearch: {path}: {reason}; the rest is indexed"),
        file_skipped=left_out if is_document else skipped if verbose else plain.file_skipped,
        source_missing=lambda path: news(f"vsearch: {path}: was indexed before and is missing now; its files stay"),
        interim_ready=interim_ready,
        not_quick=lambda model: news(f"vsearch: --quick: the index has vectors of {model} already; it stays with them"),
    )


def _report_re_embed(done: "ReEmbedSummary", *, as_json: bool, quiet: bool) -> int:
    """Print a summary. Returns the exit status."""
    if as_json:
        emit(to_json({"schema": "vsearch.re-embed/1", **asdict(done), "index": str(done.index)}))
    elif not quiet:
        what = f"{plural(done.embedded, 'text')} embedded by {done.model}"
        kept = f", {done.kept:,} kept from before" if done.kept else ""
        emit(one_line(f"{done.index}: {plural(done.chunks, 'chunk')} ({what}{kept}) in {done.seconds:.1f} s"))
    if done.untuned:
        complain("the result of `vsearch tune` was for the old vectors and is deleted; run `vsearch tune` again")
    if done.interrupted:
        complain(
            "interrupted: the index is unchanged, finished vectors are kept; run the same command again to continue"
        )
        return 130
    return 0


def _report(summary: "UpdateSummary", *, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Print a summary. Returns the exit status."""
    if as_json:
        facts = {key: value for key, value in asdict(summary).items() if key != "unread"}  # not part of the contract
        emit(to_json({"schema": "vsearch.index/1", **facts, "index": str(summary.index)}))
    elif not quiet:
        emit(_summary_text(summary, verbose=verbose))
    if summary.interim is not None and summary.interim.untuned:
        complain("the result of `vsearch tune` was for the interim vectors and is deleted; run `vsearch tune` again")
    if summary.interrupted:
        complain(f"interrupted: finished vectors are kept, {_left(summary)}; run the same command again to continue")
        return 130
    return 2 if summary.failed else 0


def _left(summary: "UpdateSummary") -> str:
    """Return text for what an interrupted run has not done yet, such as "3 files still to read"."""
    left = {"file": (summary.unread, "read"), "chunk": (summary.pending, "embed")}
    parts = [f"{plural(count, what)} still to {do}" for what, (count, do) in left.items() if count]
    if summary.interim is not None and summary.interim.pending:
        parts += [f"{plural(summary.interim.pending, 'chunk')} still to embed with {summary.interim.coming}"]
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
        parts += f"; {plural(summary.reused, 'chunk')} reused"
    if summary.embedded and not summary.added and not summary.changed:  # of files that an earlier run has read
        parts += f"; {plural(summary.embedded, 'chunk')} embedded"
    if summary.interim is not None and summary.interim.replaced:
        parts += f"; vectors of {summary.interim.coming} have replaced the quick ones"
    if summary.outside:
        parts = f"{parts or 'nothing found'}; from outside too: {', '.join(summary.outside)}"
    total = f"{plural(summary.files, 'file')}, {plural(summary.chunks, 'chunk')}"
    return f"{summary.index}: {total} ({parts or 'nothing found'}) in {summary.seconds:.1f} s"
