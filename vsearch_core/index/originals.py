"""Find the original of an indexed file, if it may be read: it must still be in a source that the user has named."""

from collections.abc import Sequence
from dataclasses import dataclass
from os.path import realpath
from pathlib import Path

from vsearch_core.errors import InputError
from vsearch_core.index.named_sources import refuse_unnamed_sources
from vsearch_core.index.sources import Source, catalog_sources, is_within
from vsearch_core.store.catalog import Catalog, FileRecord
from vsearch_core.text.discover import DiscoverOptions, SourceFile, discover


@dataclass(frozen=True, slots=True)
class Original:
    """A live file of an index as the catalog has it, and as it is on disk now."""

    record: FileRecord
    file: SourceFile


def find_original(index: Path, catalog: Catalog, stored: str) -> Original:
    """Return the original of the live file at a stored path. The file is not opened.

    Its content may still differ from what was indexed. Raises InputError as `readable_source` does; with the code
    "not-indexed" if the index doesn't have the file; and with the code "file-gone" if it is no longer there, or is a
    link out of its source now.
    """
    record = catalog.live_files([stored]).get(stored)
    if record is None:
        raise InputError(stored, "is not in the index", "not-indexed")
    path = index.parent / stored
    source = readable_source(index, path, stored, catalog_sources(index.parent, catalog))
    found = found_file(path, source)
    if found is None:
        raise InputError(stored, "is no longer there", "file-gone")
    return Original(record, found)


def readable_source(index: Path, path: Path, stored: str, sources: Sequence[Source]) -> Source:
    """Return the innermost source around a file.

    Raises InputError if there is none, or if it is outside the folder around the index and was never named on this
    machine.
    """
    around = [each for each in sources if each.options is not None and is_within(str(path), [str(each.path)])]
    if not around:
        raise InputError(stored, "is in none of the folders that the index is made from", "no-source")
    source = max(around, key=lambda each: len(each.path.parts))
    refuse_unnamed_sources(index, [source], ())
    return source


def found_file(path: Path, source: Source) -> SourceFile | None:
    """Return the file if an update could read it: no folder or device, no link out of the source, and not too large."""
    assert source.options is not None
    if not path.is_file() or not is_within(realpath(path), [realpath(source.path)]):
        return None
    # A file that is named is found whatever the patterns are; its source's have let it into the index.
    found = list(discover([path], DiscoverOptions(max_file_size=source.options.max_file_size)))
    return next((each for each in found if isinstance(each, SourceFile)), None)
