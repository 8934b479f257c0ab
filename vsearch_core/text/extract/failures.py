"""The errors that several formats raise."""

from vsearch_core.errors import EncryptedError, ExtractionError

_MAX_MESSAGE = 200  # characters of a parser's message


def too_large(name: str) -> ExtractionError:
    """Return the error for a file that exceeds a limit of `ExtractLimits`."""
    return ExtractionError(name, "grows too large when it is unpacked", "over-limits")


def encrypted(name: str, password: str) -> EncryptedError:
    """Return the error for a file that needs a password, or another than the given `password`."""
    if password:
        return EncryptedError(name, "is encrypted, and the password does not open it", "wrong-password")
    return EncryptedError(name, "is encrypted")


def damaged(name: str, kind: str, error: Exception | str) -> ExtractionError:
    """Return the error for bytes that are no file of this `kind`; it quotes the parser's message on one line."""
    message = " ".join(str(error).split()) or type(error).__name__
    return ExtractionError(name, f"is no readable {kind} ({message[:_MAX_MESSAGE]})", "damaged-file")
