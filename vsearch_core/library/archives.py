"""Archives of an index: written to a file, and read from one."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vsearch_core.errors import InputError
from vsearch_core.library.opening import index_folder
from vsearch_core.library.options import absolute

if TYPE_CHECKING:
    from vsearch_core.index.transfer import TransferSummary


def export_to_function(index: Path, write: Callable[[bytes | memoryview], object]) -> "TransferSummary":
    """Call `write` with successive blocks of an archive of the index's current generation."""
    from tempfile import TemporaryDirectory

    from vsearch_core.index.transfer import export_index
    from vsearch_core.store.io_errors import file_errors

    with file_errors("temporary folder"), TemporaryDirectory() as scratch:
        return export_index(index, Path(scratch), write)


def export_to_file(index: Path, target: Path, *, replace: bool) -> "TransferSummary":
    """Write a temporary file beside the target, and rename it once the archive is complete and durable."""
    from tempfile import TemporaryDirectory

    from vsearch_core.index.transfer import export_index
    from vsearch_core.store.files import durable_file, sync_folder
    from vsearch_core.store.io_errors import file_errors

    with file_errors(target):
        _refuse_bad_target(index, target, replace=replace)
        with TemporaryDirectory(prefix=".vsearch-export-", dir=target.parent) as folder:
            unfinished = Path(folder) / "archive"
            with durable_file(unfinished) as file:
                summary = export_index(index, Path(folder), file.write)
            _refuse_bad_target(index, target, replace=replace)  # again: it may have been created meanwhile
            unfinished.replace(target)
            sync_folder(target.parent)
    return summary


def _refuse_bad_target(index: Path, target: Path, *, replace: bool) -> None:
    """Raise InputError if no archive can be written to the path."""
    if target.is_dir():
        raise InputError(str(target), "is a folder", code="not-a-file")
    if not target.parent.is_dir():
        raise InputError(str(target.parent), "there is no such folder", code="no-such-folder")
    if target.parent.resolve().is_relative_to(index.resolve()):
        raise InputError(str(target), "is inside the index folder", code="inside-the-index")
    if target.exists() and not target.is_file():
        raise InputError(str(target), "is not a regular file", code="not-a-regular-file")
    if target.exists() and not replace:
        raise InputError(str(target), "exists already", code="file-exists")


def import_index(
    archive: str | Path | Callable[[int], bytes],
    path: str | Path,
    *,
    replace: bool = False,
    name: str = "archive",
) -> "TransferSummary":
    """Create an index from an archive that `Index.export` wrote, or replace an index by it.

    The archive is verified first. After an error, the former index is unchanged. Searches that use the former index can
    continue.

    Args:
        archive: The archive's file; or a function that takes a number and returns up to this many of the next bytes.
        path: The index folder, or the folder of documents around it, as for `open_index`; it need not exist.
        replace: Allow the replacement of an index that has files.
        name: The archive's name in errors, if `archive` is a function.

    Raises:
        InputError: There is an index already, and `replace` is false.
        ArchiveError: The archive is damaged, or the file is not an archive of an index.
    """
    from vsearch_core.index import transfer
    from vsearch_core.regular_files import open_regular
    from vsearch_core.store.io_errors import file_errors

    folder = index_folder(path)
    if callable(archive):
        return transfer.import_index(folder, name, archive, replace=replace)
    file = absolute(archive)
    with file_errors(file), open_regular(file) as stream:
        return transfer.import_index(folder, str(file), stream.read, replace=replace)
