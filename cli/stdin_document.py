"""Read a document from standard input, for `vsearch index -` and `vsearch similar -`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vsearch_core.errors import InputError

from .defaults import choose, parse_size

if TYPE_CHECKING:
    from vsearch_core import RawDocument

STDIN = "-"  # the name of standard input on the command line
NAME_HELP = "The name of the document on stdin; its suffix says what kind of document it is."


def names_stdin(paths: Sequence[str]) -> bool:
    """Return True if the document on stdin is to be indexed. Raises InputError if there are other paths, too."""
    if STDIN in paths and len(paths) > 1:
        raise InputError("index -", "reads one document from stdin; leave out the other paths")
    return STDIN in paths


def read_document(command: str, name: str | None, folder: Path, max_file_size: str | None = None) -> "RawDocument":
    """Return the document on standard input. Without a name, it gets one from its content, and is plain text.

    Raises InputError if standard input is a terminal, is empty, or is larger than a file in the index `folder` may be.
    """
    from hashlib import blake2b

    from vsearch_core import RawDocument

    most = parse_size(choose(folder, max_file_size=max_file_size)["max_file_size"])
    if sys.stdin.isatty():
        raise InputError(f"{command} -", "reads a document from stdin, which is a terminal; send it through a pipe")
    data = sys.stdin.buffer.read(most + 1)
    if not data:
        raise InputError("stdin", "is empty; send a document through a pipe, or name a file instead of -")
    if len(data) > most:
        reason = f"has more than {most:,} bytes; change the setting max_file_size with `vsearch config`"
        raise InputError("stdin", reason)
    return RawDocument(name or f"stdin-{blake2b(data, digest_size=4).hexdigest()}.txt", data)
