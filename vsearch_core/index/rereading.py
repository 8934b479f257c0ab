"""Read single files of an index again, and commit their new text, without looking for other changes."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from vsearch_core.embed.base import Embedder
from vsearch_core.errors import InputError
from vsearch_core.index.commit import Removals, commit_staged, sweep
from vsearch_core.index.limits import DEFAULT_LIMITS
from vsearch_core.index.originals import found_file, readable_source
from vsearch_core.index.progress import Observer
from vsearch_core.index.settings import IndexSettings
from vsearch_core.index.sources import FoundFile, Plan, Source, catalog_sources, documents_folder, is_within
from vsearch_core.index.staging import Stager, embed_block
from vsearch_core.index.unembedded import chunks_to_embed, text_blocks
from vsearch_core.store.catalog import Catalog, FileRecord
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.lock import writer_lock
from vsearch_core.text.chunk import ChunkOptions
from vsearch_core.text.extract.options import DEFAULTS

OpenFor = Callable[[IndexSettings], Embedder]

NO_TIME = "the time was over"


@dataclass(slots=True)
class _Files:
    """The files to read, those to remove, and the reasons why others can't be read, by stored path."""

    changed: list[FoundFile] = field(default_factory=list)
    removed: list[FileRecord] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)


def reread_files(
    index: Path, paths: Sequence[str], open_for: OpenFor, observer: Observer, seconds: float
) -> dict[str, str]:
    """Bring the files at the stored paths up to date in the index, as an update does; remove those that are gone.

    No segments are merged. If the observer stops the run, files whose chunks all have vectors are committed, and the
    next update continues with the others.

    Args:
        index: The index folder.
        paths: The paths of live files, as the index stores them.
        open_for: Opens the embedder of an index with these settings. It is called if a text must be embedded.
        observer: Its `should_stop` is called between small steps.
        seconds: How long to wait for another writer to end.

    Returns:
        The reasons for those files that are still as they were, by stored path.

    Raises:
        IndexLockedError: Another writer is at work.
        StorageError: The index can't be written.
        IndexMismatchError: The embedder is not the one that made the index's vectors.
        ModelError: The embedder fails.
    """
    with storage_errors(index), writer_lock(index, seconds), closing(Catalog.open_to_write(index)) as catalog:
        settings = IndexSettings.from_catalog(catalog)
        live = catalog.files(live=True)
        files = _find(index, catalog, [path for path in paths if path in live], live)
        reasons = files.reasons
        reporting = replace(observer, file_failed=reasons.__setitem__, file_kept=reasons.__setitem__)
        sizes = ChunkOptions(settings.chunk_words, settings.overlap_words)
        plan = _plan(files, catalog.files(live=False))
        with closing(
            Stager(catalog, plan, live, sizes, reporting, DEFAULTS, analysis=settings.analysis.signature)
        ) as stager:
            stager.stage_all()
            _embed(catalog, [file.stored for file in files.changed], lambda: open_for(settings), observer)
        removals = Removals([*files.removed, *stager.result.removed])
        is_complete = not observer.should_stop()
        commit_staged(catalog, removals, last=is_complete, terms=stager.terms)
        sweep(catalog)
        if not is_complete:
            after = catalog.files(live=True)
            unchanged = [path for path in paths if path in after and path in live and after[path] == live[path]]
            reasons.update({path: NO_TIME for path in unchanged if path not in reasons})
        return reasons


def _embed(catalog: Catalog, paths: Sequence[str], embedder: Callable[[], Embedder], observer: Observer) -> None:
    """Embed the chunks of the staged files at the paths.

    They may have been staged by an earlier run that was stopped, but other staged files are left to the next update.
    """
    staged = catalog.files(live=False)
    waiting = chunks_to_embed(catalog, [staged[path].id for path in paths if path in staged])
    for block in text_blocks(catalog, waiting, DEFAULT_LIMITS.chunks_per_block):
        if observer.should_stop():
            return
        embed_block(catalog, embedder, block, observer, lambda _: None)


def _find(index: Path, catalog: Catalog, paths: Sequence[str], live: Mapping[str, FileRecord]) -> _Files:
    """Look for the files on disk. One may be read if an update without paths would read it."""
    sources = catalog_sources(index.parent, catalog)
    files = _Files()
    for stored in paths:
        path = index.parent / stored
        try:
            _look(index, stored, path, readable_source(index, path, stored, sources), live, files)
        except InputError as error:
            files.reasons[stored] = error.reason
    return files


def _look(index: Path, stored: str, path: Path, source: Source, live: Mapping[str, FileRecord], files: _Files) -> None:
    """Add a file to those to read or, as an update would, to those to remove; or the reason why it is neither."""
    found = found_file(path, source)
    if found is not None:
        files.changed.append(FoundFile(stored, found))
    elif is_within(str(path), [str(documents_folder(index))]):
        files.reasons[stored] = "its file is gone, but the index keeps its text"
    elif source.path.exists() or (source.path == path and path.parent.exists()):
        files.removed.append(live[stored])
    else:
        files.reasons[stored] = f"the folder {source.path} is not there"


def _plan(files: _Files, staged: Mapping[str, FileRecord]) -> Plan:
    """Return the plan of an update that knows of no other files."""
    return Plan(
        changed=tuple(files.changed),
        still_skipped=(),
        unchanged=0,
        removed=tuple(files.removed),
        stale=tuple(staged[each.path] for each in files.removed if each.path in staged),
        no_longer_skipped=(),
        skipped=(),
        unreadable=(),
        newly_skipped=(),
        incomplete={},
    )
