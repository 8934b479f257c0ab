"""The function of the public API that copies an index to another place or engine."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vsearch_core.errors import InputError
from vsearch_core.library.opening import existing_index, index_folder

if TYPE_CHECKING:
    from vsearch_core.index.copying import CopySource, CopySummary
    from vsearch_core.index.progress import Observer
    from vsearch_core.store.catalog import Catalog


def copy_index(
    source: str | Path, target: str | Path, *, root: str | Path | None = None, observer: "Observer | None" = None
) -> "CopySummary":
    """Copy an index, with its vectors and its tuned fusion, between folders and servers. Nothing is embedded.

    A copy that was stopped is continued by the same call. A copy of an index that has changed since is brought up to
    date. At the end, all texts and vectors are compared. The copy has no sources: nothing updates it by itself.

    Args:
        source: A path as for `open_index`, or an address as for `open_server_index`.
        target: The same, of an index that does not exist, or is a copy of `source`.
        root: The folder that paths in an index on a server start from; by default the working folder.
        observer: As for `open_index`.

    Raises:
        InputError: The target has an index that is not a copy of the source.
        StorageError: The copy differs from the source.
    """
    from vsearch_core.index.copying import copy_files, verify_copy
    from vsearch_core.index.progress import Observer

    observer = observer or Observer()
    folder = Path.cwd() if root is None else Path(root).absolute()
    label = _label(target)
    if _label(source) == label:
        raise InputError(label, "is the source and the target", "copy-to-itself")
    with _open_source(source, folder) as original:
        with _open_target(target, folder, original) as (catalog, commit, finish), ExitStack() as stack:
            present = stack.enter_context(_open_source(target, folder)) if _exists(target, folder) else None
            done = copy_files(original, present, catalog, commit, observer)
            if not done.interrupted:
                finish()
        if not done.interrupted:
            with _open_source(target, folder) as copied:
                verify_copy(original, copied, label)
        return replace(done, target=label)


def _label(place: str | Path) -> str:
    from vsearch_core.store.server.address import is_server_address, parse_server_address

    is_address = is_server_address(str(place))
    return parse_server_address(str(place)).name if is_address else str(index_folder(place))


@contextmanager
def _open_source(place: str | Path, root: Path) -> "Iterator[CopySource]":
    """Open the newest generation of an index, to be copied or compared."""
    from vsearch_core.index.copying import LocalCopySource, ServerCopySource
    from vsearch_core.index.server_snapshot import open_server_snapshot
    from vsearch_core.index.snapshot import open_snapshot
    from vsearch_core.store.server.address import is_server_address, parse_server_address

    if is_server_address(str(place)):
        address = parse_server_address(str(place))
        with open_server_snapshot(address, root / address.folder_name) as opened:
            yield ServerCopySource(opened.catalog)
    else:
        with open_snapshot(existing_index(place)) as snapshot:
            yield LocalCopySource(snapshot)


def _exists(place: str | Path, root: Path) -> bool:
    """Return True if there is an index that has been committed to."""
    from vsearch_core.store.server.address import is_server_address, parse_server_address
    from vsearch_core.store.server.engines import index_exists
    from vsearch_core.store.tables import CATALOG_FILE

    if not is_server_address(str(place)):
        return (index_folder(place) / CATALOG_FILE).exists()
    address = parse_server_address(str(place))
    return index_exists(address, root / address.folder_name)


@contextmanager
def _open_target(
    place: str | Path, root: Path, source: "CopySource"
) -> "Iterator[tuple[Catalog, Callable[[Catalog], object], Callable[[], None]]]":
    """Lock the target, and yield the catalog to stage files in, and what to call after each commit and at the end."""
    from vsearch_core.index.compaction import compact_until_stopped
    from vsearch_core.index.copying import check_copy_target, copied_settings
    from vsearch_core.index.progress import Observer
    from vsearch_core.index.server_writing import open_server_writer
    from vsearch_core.store.catalog import Catalog
    from vsearch_core.store.files import make_folder
    from vsearch_core.store.io_errors import storage_errors
    from vsearch_core.store.lock import writer_lock
    from vsearch_core.store.server.address import is_server_address, parse_server_address
    from vsearch_core.store.tables import CATALOG_FILE

    with ExitStack() as stack:
        commit: Callable[[Catalog], object]
        finish: Callable[[], None]
        if is_server_address(str(place)):
            address = parse_server_address(str(place))
            folder, label = root / address.folder_name, address.name
            writer = stack.enter_context(open_server_writer(address, folder))
            if writer.server.exists:
                check_copy_target(writer.server.settings(), source, label)
            writer.pull()
            writer.has_more = True
            commit, finish = writer.push, writer.build_graph
        else:
            folder = index_folder(place)
            label = str(folder)

            def commit(catalog: Catalog) -> object:
                return compact_until_stopped(catalog, Observer())

            def finish() -> None:
                """Do nothing: segments are complete."""

        stack.enter_context(storage_errors(folder))
        make_folder(folder)
        stack.enter_context(writer_lock(folder))
        if (folder / CATALOG_FILE).exists():
            catalog = stack.enter_context(closing(Catalog.open_to_write(folder)))
            check_copy_target(catalog.settings(), source, label)
        else:
            catalog = stack.enter_context(closing(Catalog.create(folder, copied_settings(source))))
        yield catalog, commit, finish
