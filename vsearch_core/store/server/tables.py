"""Names of settings and columns that indexes on all kinds of servers have."""

from collections.abc import Mapping
from uuid import uuid4

from vsearch_core.errors import IndexVersionError
from vsearch_core.store.tables import LINEAGE

FORMAT = 1
FORMAT_KEY = "server_format"  # the setting with the version of the tables

# Settings with numbers: of the next new file, chunk and segment of postings, of the first segment, and of chunks and
# their terms in the postings
NEXT_FILE, NEXT_CHUNK, NEXT_SEGMENT, ROWS, TERMS = "next_file", "next_chunk", "next_segment", "rows", "terms"
FIRST_SEGMENT = "first_segment"
LANGUAGES = "languages"  # the setting with the languages of all postings, separated by commas
WINDOWS = "windows"  # the setting that is "all" if late windows are stored with all chunks
ROOT = "root"  # the setting with the folder that stored paths start from, on the machine that indexes it

# Columns without `crc`, in the order of its values
FILE_COLUMNS = (
    *("id", "path", "name", "ext", "dir", "size", "mtime_ns", "ctime_ns", "hash", "title", "language", "meta"),
    *("chunks", "first_chunk"),
)
CHUNK_COLUMNS = (
    *("id", "file_id", "ordinal", "start_char", "end_char", "start_line", "end_line", "page", "heading", "hash"),
    *("text", "windows"),
)


def refuse_other_format(name: str, version: str | None) -> None:
    """Raise IndexVersionError if the tables of the named index are of another version than this program's."""
    if version != str(FORMAT):
        raise IndexVersionError(name, f"its tables have version {version}, and this program reads {FORMAT}")


def new_settings(settings: Mapping[str, str], root: str) -> dict[str, str]:
    """Return all settings of a new index that has these, and whose documents are in the folder `root`."""
    numbers = {NEXT_FILE: "1", NEXT_CHUNK: "1", NEXT_SEGMENT: "1", FIRST_SEGMENT: "1", ROWS: "0", TERMS: "0"}
    more = {LANGUAGES: "", WINDOWS: "all", ROOT: root, LINEAGE: uuid4().hex, "generation": "0"}
    return {**settings, **numbers, **more, FORMAT_KEY: str(FORMAT)}
