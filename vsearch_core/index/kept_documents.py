"""Keep documents that are not files of the user, such as text from a pipe, as files in the index's folder.

They lie in the folder `documents` of the index. This folder is a source like any other, so that a kept document is
read, shown and read again like a file.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from vsearch_core import own_files
from vsearch_core.errors import ArgumentError, InputError
from vsearch_core.index.sources import Source, WalkOptions, documents_folder, stored_path
from vsearch_core.model import RawDocument
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.skipped import clear_skipped, load_skipped
from vsearch_core.text.discover import UNSEARCHED
from vsearch_core.text.globs import is_utf8

LONGEST_NAME = 200  # bytes of a part of a name: file systems allow 255, and a new file gets a suffix


def check_documents(documents: Sequence[RawDocument], sources: Sequence[Source]) -> None:
    """Raise InputError if a document has no content, or a name that no kept file can have.

    Raises ArgumentError if there are `sources` to index, too.
    """
    if documents and sources:
        raise ArgumentError("documents", "can't be combined with paths", "conflicting-arguments")
    for document in documents:
        name = document.name
        parts = PurePosixPath(name).parts
        if not parts or PurePosixPath(name).is_absolute() or ".." in parts or name.endswith("/"):
            reason = "is not the relative path of a file, without .."
        elif any(part.startswith(".") or part in UNSEARCHED for part in parts):
            reason = "is the name of a hidden file, which updates leave out"
        elif "\0" in name or not is_utf8(name):
            reason = "has characters that no name of a file can have"
        elif any(len(part.encode()) > LONGEST_NAME for part in parts):
            reason = f"is longer than {LONGEST_NAME} bytes"
        elif not document.data:
            reason = "is empty, so there is nothing to index"
        else:
            continue
        raise InputError(name, reason, "invalid-document")


def keep_documents(index: Path, documents: Sequence[RawDocument]) -> None:
    """Write the documents to files; a file of the same name is replaced.

    Raises InputError if one name is a folder of another name, and OSError.
    """
    folder = documents_folder(index)
    own_files.make_own_folder(folder, within=index)
    for document in documents:
        path = folder / document.name
        try:
            for parent in reversed(path.relative_to(folder).parents[:-1]):
                own_files.make_own_folder(folder / parent, within=index)
            own_files.replace_file(path, document.data, within=index)
        except (FileExistsError, IsADirectoryError, NotADirectoryError):
            reason = "a document can't have the name of a folder of other documents"
            raise InputError(document.name, reason, "invalid-document") from None


def kept_source(index: Path, walk: WalkOptions) -> Source:
    """Return the source of all kept documents. No pattern and no ignore file leaves one out."""
    source = walk.for_new_source(documents_folder(index))
    size = {} if source.options is None else {"max_file_size": source.options.max_file_size}
    given = {**size, "use_ignore_files": False}
    chosen = ("include", "exclude", "use_ignore_files", *(("max_file_size",) if "max_file_size" in walk.given else ()))
    return Source(source.path, WalkOptions(given).for_new_source(source.path).options, chosen)


def drop_unreadable(catalog: Catalog, documents: Sequence[RawDocument]) -> None:
    """Delete those of the documents that the index has no text of, because reading them has failed. Raises OSError."""
    if not documents:
        return
    root = catalog.index.parent
    paths = [documents_folder(catalog.index) / document.name for document in documents]
    indexed = catalog.files(live=True).keys() | catalog.files(live=False).keys()
    unreadable = load_skipped(catalog).keys() - indexed
    lost = [path for path in paths if stored_path(root, path) in unreadable]
    with catalog.transaction():
        clear_skipped(catalog, [stored_path(root, path) for path in lost])
    delete_documents(catalog.index, lost)


def delete_documents(index: Path, paths: Sequence[Path]) -> None:
    """Delete the files of kept documents, and folders that become empty. Missing ones are no error. Raises OSError."""
    folder = documents_folder(index)
    for path in paths:
        with suppress(FileNotFoundError):
            own_files.delete_file(path, within=index)
        for parent in path.relative_to(folder).parents[:-1]:
            with suppress(OSError):  # it has other documents
                (folder / parent).rmdir()
