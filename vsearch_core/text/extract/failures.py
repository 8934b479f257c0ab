"""Errors that several format modules raise."""

from vsearch_core.errors import EncryptedError, ExtractionError

_MAX_MESSAGE = 200  # characters of a parser's message


def too_large(name: str) -> ExtractionError:
    """Return the error for a file that exceeds a limit of `ExtractLimits` while its text is extracted."""
    return ExtractionError(name, "grows too large when it is unpacked", "over-limits")


def encrypted(name: str, password: str) -> EncryptedError:
    """Return the error for an encrypted file that can't be opened with `password`; "" means that none was given."""
    if password:
        return EncryptedError(name, "is encrypted, and the password does not open it", "wrong-password")
    return EncryptedError(name, "is encrypted")


def require_decryption(name: str, password: str) -> None:
    """Raise EncryptedError if there is no password, or if the package that decrypts Office files isn't installed."""
    if not password:
        raise encrypted(name, password)
    try:
        import msoffcrypto.exceptions  # noqa: F401
    except ImportError:
        reason = "is encrypted, and opening it needs msoffcrypto-tool"
        raise EncryptedError(name, reason, "office-extra-missing") from None


def damaged(name: str, kind: str, error: Exception | str) -> ExtractionError:
    """Return the error for a file that can't be read as a `kind`, such as "PDF". It quotes the parser's message."""
    message = " ".join(str(error).split()) or type(error).__name__
    return ExtractionError(name, f"is not a readable {kind} ({message[:_MAX_MESSAGE]})", "damaged-file")
