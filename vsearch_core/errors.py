"""Exceptions that vsearch raises on purpose; the message of each is one line, "subject: reason".

Errors state facts only. `cli/advice.py` maps an error's `code` to advice for users of the command line.
"""

from vsearch_core.model import JsonValue


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, or the name of its class if the message is empty."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


class VsearchError(Exception):
    """Base class of all exceptions that vsearch raises on purpose; `str(error)` is "subject: reason".

    `code` identifies the kind of error for programs, such as "index-locked". Each class has a default code, and a
    `raise` statement can pass a more specific one. `subject` names what the error is about: a path, a model or an
    argument. `reason` says what is wrong with it. `details` has further values for a message, such as the limit that
    was exceeded.
    """

    code = "error"

    def __init__(self, subject: str, reason: str, code: str | None = None, **details: JsonValue) -> None:
        """Create an error about `subject`; `code` replaces the default code of the class."""
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
        """Return a function and its arguments that create the error again, which `pickle` needs."""
        return _rebuild, (type(self), self.subject, self.reason, self.code, self.details)

    def about(self, subject: str) -> "VsearchError":
        """Return a copy of the error with another subject."""
        return type(self)(subject, self.reason, self.code, **self.details)


def _rebuild(
    kind: type[VsearchError], subject: str, reason: str, code: str, details: dict[str, JsonValue]
) -> VsearchError:
    """Create an error again from its pickled values."""
    return kind(subject, reason, code, **details)


class InputError(VsearchError):
    """The caller's input is invalid, such as a path that doesn't exist or an empty query."""

    code = "invalid-input"


class ArgumentError(InputError):
    """An argument of a call has an invalid value.

    `subject` is the argument's name, or several names separated by commas.
    """

    code = "invalid-argument"


class FilterError(ArgumentError):
    """A filter of a search is invalid, or would do more than read the index.

    `subject` is the filter's name, such as "where".
    """

    code = "invalid-filter"


class ExtractionError(VsearchError):
    """The text of a file can't be extracted. Other files are not affected."""

    code = "unreadable-file"


class EncryptedError(ExtractionError):
    """A file is encrypted, and no password, or a wrong one, was given."""

    code = "encrypted-file"


class PicturesOnlyError(ExtractionError):
    """The pages of a file contain only images and no text."""

    code = "pictures-only"


class BinaryFileError(ExtractionError):
    """A file contains no text. It is counted as skipped, not as failed."""

    code = "binary-file"


class PictureError(BinaryFileError):
    """A file is a picture without a caption, and the caller has not asked to recognise the text in pictures."""

    code = "picture-without-text"


class SecretFileError(BinaryFileError):
    """A file contains a private key, and the caller has not asked to index secrets."""

    code = "secret-file"


class SourceArchiveError(BinaryFileError):
    """Most files in an archive are source code, and the caller has not asked to index such archives."""

    code = "source-archive"


class ModelError(VsearchError):
    """A model is missing, damaged or not supported."""

    code = "model-unusable"


class ProviderError(ModelError):
    """A remote embedding provider can't be reached, refuses a request, or returns an invalid response.

    Vectors that it has returned before are kept.
    """

    code = "provider-failed"


class StorageError(VsearchError):
    """A file can't be read or written: the disk is full, a permission is missing, or the device failed."""

    code = "storage-failed"


class IndexStateError(VsearchError):
    """Base class of errors about an index on disk."""

    code = "index-unusable"


class IndexNotFoundError(IndexStateError):
    """There is no index in the given folder, or the index has lost its catalog file."""

    code = "index-not-found"


class IndexLockedError(IndexStateError):
    """Another process is writing to the index."""

    code = "index-locked"


class IndexMismatchError(IndexStateError):
    """The index was made with other settings than the caller asks for or this version supports.

    Such a setting is the model, the size of chunks, or the version of the chunker or keyword analyzer.
    """

    code = "index-mismatch"


class IndexVersionError(IndexStateError):
    """The index has a format that this version can't read."""

    code = "index-version"


class IndexCorruptError(IndexStateError):
    """A file of the index is missing or damaged."""

    code = "index-corrupt"


class ArchiveError(IndexStateError):
    """A file is not an archive of an index, or the archive is damaged."""

    code = "archive-damaged"


class SnapshotError(IndexStateError):
    """A store of snapshots refuses a request or can't be reached, or a snapshot in it is damaged or missing."""

    code = "store-failed"
