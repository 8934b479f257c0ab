"""Converts HTTP error statuses, invalid responses and errors of the HTTP client to `RequestFailure`."""

import re

from vsearch_core.embed.remote.credentials import Credentials
from vsearch_core.embed.remote.retry import RequestFailure
from vsearch_core.errors import ModelError

MAX_EXCERPT = 200  # characters of a provider's message in an error
MIN_KEY_LENGTH = 6  # characters; a shorter key isn't replaced, because it could match ordinary words of a message

_TOO_LONG = re.compile(
    r"too (long|large|many tokens)|context length|maximum (context|input|number of tokens|allowed batch)|"
    r"must have less than|batch size|exceeds? the (limit|maximum)",
    re.IGNORECASE,
)


def excerpt(message: object, key: str | None) -> str:
    """Shorten a provider's message to one line of text. If it contains the API key, replace that by "[key]"."""
    text = str(message or "")
    if key is not None and len(key) >= MIN_KEY_LENGTH:
        text = text.replace(key, "[key]")
    text = " ".join(re.sub(r"<[^>]*>", " ", text).split()).rstrip(".")
    return text if len(text) <= MAX_EXCERPT else f"{text[:MAX_EXCERPT]}…"


def failure_from_status(
    status: int, message: str, credentials: Credentials, *, delay: float | None = None
) -> RequestFailure:
    """Convert an HTTP error status to a failure: one to retry, one that asks for shorter texts, or a final one.

    Args:
        status: The HTTP status.
        message: The provider's message, which may contain the API key.
        credentials: The key that was sent, and its name.
        delay: The seconds until the provider allows the next request; None if it didn't state that.
    """
    message = excerpt(message, credentials.api_key)
    reason = f"status {status}" + (f": {message}" if message else "")
    too_long = status == 413 or (status in {400, 422, 500} and _TOO_LONG.search(message))
    too_long = too_long or (status == 429 and "request too large" in message.lower())  # for a minute's tokens
    if status == 429 and not too_long:
        return RequestFailure("throttled", reason, delay=delay)
    if too_long:
        return RequestFailure("too long", reason, code="text-too-long")
    if status in {408, 409, 425} or status >= 500:
        return RequestFailure("server", reason, delay=delay)
    if status in {401, 403} or "API key not valid" in message:
        reason = f"the key was refused ({reason})"
        return RequestFailure("refused", reason, code="key-refused", key_name=credentials.key_name)
    return RequestFailure("refused", f"the request was refused ({reason})", code="request-refused")


def invalid_response(error: Exception) -> RequestFailure:
    """Return the failure for a response that doesn't contain embeddings; `error` was raised when it was read."""
    return RequestFailure("answer", f"the response isn't a list of embeddings ({type(error).__name__})")


def unreachable(error: Exception, key: str | None) -> RequestFailure:
    """Return the failure for an error of the HTTP client, such as a refused connection."""
    return RequestFailure("network", f"can't be reached ({type(error).__name__}: {excerpt(error, key)})")


def client_setup_error(provider: str, error: Exception, key: str | None) -> ModelError:
    """Return the error for an HTTP client that can't be set up, such as with an invalid proxy or certificate file."""
    reason = f"its HTTP client can't be set up ({excerpt(error, key)})"
    return ModelError(f"embedder {provider}", reason, "http-client-setup")


def missing_extra_error(provider: str, extra: str) -> ModelError:
    """Return the error for a provider whose package isn't installed; `extra` is the optional dependency to install."""
    return ModelError(f"embedder {provider}", "its package is not installed", "package-missing", extra=extra)
