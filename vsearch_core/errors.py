"""One tree of errors. Every error names the thing, the reason and the next step, on one line."""


def in_short(error: Exception) -> str:
    """What a foreign error says, for a reason of ours: its first line, or its type where it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


class VsearchError(Exception):
    """Base of all errors that a user can meet. `str(error)` is "thing: reason; next step"."""

    def __init__(self, thing: str, reason: str, next_step: str) -> None:
        super().__init__(thing, reason, next_step)
        self.thing = thing
        self.reason = reason
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.thing}: {self.reason}; {self.next_step}"


class InputError(VsearchError):
    """What the user typed, or the folder that it names, can't be used."""


class FilterError(InputError):
    """A filter (`--where`, `--since` …) can't be understood or asks for more than reading."""


class ExtractionError(VsearchError):
    """A file can't be read as what its name says. Costs that file only.

    `option` is the one of `vsearch index` that could read it, "" where none can.
    """

    option = ""


class EncryptedError(ExtractionError):
    """A file is encrypted, and no password opens it, or not the one that was given."""

    option = "password"


class PicturesOnlyError(ExtractionError):
    """A file has pages, but only pictures of them."""

    option = "ocr"


class BinaryFileError(ExtractionError):
    """A file holds no text. Skipped rather than failed."""


class ModelError(VsearchError):
    """An embedding model is missing, damaged or of an unknown kind."""


class ProviderError(ModelError):
    """A remote embedder refuses, throttles, answers nonsense or can't be reached. What was embedded is kept."""


class IndexStateError(VsearchError):
    """Base of the errors about an index on disk."""


class IndexNotFoundError(IndexStateError):
    """No index, or none with a catalog, where one was looked for."""


class IndexLockedError(IndexStateError):
    """Another process is writing to the index."""


class IndexMismatchError(IndexStateError):
    """The index was made with another model, chunker or analyzer than what is asked for."""


class IndexVersionError(IndexStateError):
    """The index has a format that this version can't read."""


class IndexCorruptError(IndexStateError):
    """A file of the index is missing or is not what the catalog says."""


class ArchiveError(IndexStateError):
    """An archive of an index is damaged, or is none."""


class StorageError(IndexStateError):
    """The operating system refused a read or a write: disk full, no permission, an I/O fault."""
