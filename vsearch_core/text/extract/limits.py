"""How much a file may grow to while it is read: a bomb costs itself only."""

from vsearch_core.errors import EncryptedError, ExtractionError

MAX_EXPANDED = 300_000_000  # bytes that all compressed parts of a file may come to
MAX_UNPACKED = 100_000_000  # bytes of a single file behind gzip, bzip2 or xz
MAX_TEXT = 60_000_000  # characters of one file; a thousand novels have fewer
MAX_PARAGRAPH = 10_000_000  # characters between two line ends, of formats that are taken apart
MAX_TOKEN = 4_000_000  # bytes of one piece of markup: a tag with all its attributes, a comment
MAX_PARTS = 20_000  # members of a package, messages of a mailbox, cells of a notebook that are read
MAX_DEPTH = 500  # elements, parts or lists inside one another


def too_large(name: str) -> ExtractionError:
    """The error for what would grow beyond a limit."""
    return ExtractionError(name, "grows too large when it is unpacked", "leave it out with --exclude, or split it")


def encrypted(name: str, password: str) -> EncryptedError:
    """The error for what needs a password, or another than the one that was tried."""
    reason = "is encrypted, and the password does not open it" if password else "is encrypted"
    step = "give the right one" if password else "index with its password as VSEARCH_PASSWORD or --password"
    return EncryptedError(name, reason, step)


def damaged(name: str, kind: str, error: Exception | str) -> ExtractionError:
    """The error for bytes that are not what the name says; the parser's own words on one line."""
    said = " ".join(str(error).split()) or type(error).__name__
    reason = f"is no readable {kind} ({said[:200]})"
    return ExtractionError(name, reason, "open it in its own program, and save it again if it shows")
