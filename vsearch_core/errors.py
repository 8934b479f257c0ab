"""The errors that vsearch raises on purpose: each says what it is about and what is wrong, on one line.

An error states facts. What a user of the command line can do about it is `cli/advice.py`'s business, by `code`.
"""

from vsearch_core.model import JsonValue


def first_line(error: Exception) -> str:
    """Return the first line of a foreign error's message, or the name of its type if the message is empty."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


class VsearchError(Exception):
    """Base class of all errors that vsearch raises on purpose; `str(error)` is "subject: reason".

    `code` names the kind of error for programs, as "index-locked"; each class has a default, and a raise site may give
    a narrower one. `subject` names what the error is about: a path, a model, an argument. `reason` says what is wrong.
    `details` holds the values that a message about it may need besides, such as the limit that was passed.
    """

    code = "error"

    def __init__(self, subject: str, reason: str, code: str | None = None, **details: JsonValue) -> None:
        """Make an error about a subject; `code` replaces the class's own."""
        super().__init__(subject, reason)
        self.subject = subject
        self.reason = reason
        if code is not None:
            self.code = code
        self.details = details

    def __str__(self) -> str:
        """Return "subject: reason"."""
        return f"{self.subject}: {self.reason}"

    def __reduce__(self) -> tuple[object, ...]:
        """Return what makes the error again, so that it can cross a process boundary."""
        return _rebuild, (type(self), self.subject, self.reason, self.code, self.details)

    def about(self, subject: str) -> "VsearchError":
        """Return the same error about another subject."""
        return type(self)(subject, self.reason, self.code, **self.details)


def _rebuild(
    kind: type[VsearchError], subject: str, reason: str, code: str, details: dict[str, JsonValue]
) -> VsearchError:
    """Make an error again that has crossed a process boundary."""
    return kind(subject, reason, code, **details)


class InputError(VsearchError):
    """The caller's input can't be used."""

    code = "invalid-input"


class ArgumentError(InputError):
    """An argument of a call has a value that can't be used; `subject` is the argument's name, or several of them."""

    code = "invalid-argument"


class FilterError(ArgumentError):
    """A filter can't be evaluated, or does more than read; `subject` names the filter, as "where"."""

    code = "invalid-filter"


class ExtractionError(VsearchError):
    """A file's text can't be extracted. The error concerns that file only."""

    code = "unreadable-file"


class EncryptedError(ExtractionError):
    """A file is encrypted, and no password or a wrong one was given."""

    code = "encrypted-file"


class PicturesOnlyError(ExtractionError):
    """A file has pages, but they hold only pictures."""

    code = "pictures-only"


class BinaryFileError(ExtractionError):
    """A file holds no text. It counts as skipped, not as failed."""

    code = "binary-file"


class SecretFileError(BinaryFileError):
    """A file is a private key or the like."""

    code = "secret-file"


class ModelError(VsearchError):
    """A model is missing, damaged or of an unknown kind."""

    code = "model-unusable"


class ProviderError(ModelError):
    """A remote embedder refuses, throttles, answers nonsense or can't be reached. What was embedded before is kept."""

    code = "provider-failed"


class StorageError(VsearchError):
    """The operating system refused to read or write a file: disk full, no permission, an I/O fault."""

    code = "storage-failed"


class IndexStateError(VsearchError):
    """Base class of the errors about an index on disk."""

    code = "index-unusable"


class IndexNotFoundError(IndexStateError):
    """There is no index in the given folder, or it has lost its catalog."""

    code = "index-not-found"


class IndexLockedError(IndexStateError):
    """Another process is writing to the index."""

    code = "index-locked"


class IndexMismatchError(IndexStateError):
    """The index was made with another model, chunker or analyzer than the requested one."""

    code = "index-mismatch"


class IndexVersionError(IndexStateError):
    """The index has a format that this version can't read."""

    code = "index-version"


class IndexCorruptError(IndexStateError):
    """A file of the index is missing, or differs from what the catalog says of it."""

    code = "index-corrupt"


class ArchiveError(IndexStateError):
    """A file is not an archive of an index, or is a damaged one."""

    code = "archive-damaged"
