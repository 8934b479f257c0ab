"""What the providers' adapters share: keys and who gets them, addresses, and what an HTTP status means."""

import os
import re
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from vsearch_core.embed.remote.retry import RequestFailure
from vsearch_core.errors import InputError, ModelError

SHOWN = 200  # characters of a provider's own words in an error
SHORTEST_KEY = 6  # characters; what is shorter is no key, and would blot out half of a message

_PLAIN = re.compile(r"[\w.-]+(:\d*)?|\[[\da-f:.]+\](:\d*)?", re.ASCII)  # a host, and perhaps a port: nothing to dispute
_TOO_LONG = re.compile(
    r"too (long|large|many tokens)|context length|maximum (context|input|number of tokens|allowed batch)|"
    r"must have less than|batch size|exceeds? the (limit|maximum)",
    re.IGNORECASE,
)


def find_key(variables: Iterable[str]) -> tuple[str, str] | None:
    """The first of the environment's variables that holds a key, and the key. Raises ModelError for no possible key."""
    for variable in variables:
        key = os.environ.get(variable, "").strip()
        if not key:
            continue
        if not (key.isascii() and key.isprintable() and " " not in key):
            raise ModelError(variable, "holds characters that no key has", "set it to the key alone")
        return variable, key
    return None


def checked_url(url: str) -> str:
    """A base URL as it is stored and shown. Raises InputError, which repeats nothing that may be secret."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError:
        parts = urlsplit("")
    if "@" in url:
        raise InputError("--base-url", "it holds a name or a password", "give the key by the environment")
    place = re.split("[?#]", url, maxsplit=1)[0]
    if place != url:
        raise InputError(f"--base-url {place}", "more than an address follows it", "leave out what ? or # begins")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InputError(f"--base-url {url}", "not an http or https address", "write it like http://localhost:11434/v1")
    return url.rstrip("/")


def host_of(url: str) -> str | None:
    """The host of a checked base URL; None where it is this machine. What programs may read in two ways is whole."""
    place = re.split("[/?#]", url.partition("//")[2], maxsplit=1)[0].lower()
    host = urlsplit(f"//{place}").hostname if _PLAIN.fullmatch(place) else None
    if host is None:
        return url
    return None if _is_loopback(host) else host


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def same_address(one: str, other: str | None) -> bool:
    """Whether two base URLs are the same but for a slash at the end."""
    return other is not None and one.rstrip("/") == other.rstrip("/")


def excerpt(message: object, key: str | None) -> str:
    """A provider's words on one short line, without the key that they may repeat."""
    text = str(message or "")
    if key is not None and len(key) >= SHORTEST_KEY:
        text = text.replace(key, "[key]")
    text = " ".join(re.sub(r"<[^>]*>", " ", text).split()).rstrip(".")
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def failure_from_status(status: int, words: str, *, delay: float | None = None, key_variable: str) -> RequestFailure:
    """What an error status means; `words` are the provider's own (see `excerpt`)."""
    said = f"status {status}" + (f": {words}" if words else "")
    too_long = status == 413 or (status in {400, 422, 500} and _TOO_LONG.search(words))
    too_long = too_long or (status == 429 and "request too large" in words.lower())  # for a minute's tokens
    if status == 429 and not too_long:
        return RequestFailure("throttled", said, delay=delay)
    if too_long:
        return RequestFailure("too long", said, next_step="take smaller passages with --chunk-words")
    if status in {408, 409, 425} or status >= 500:
        return RequestFailure("server", said, delay=delay)
    if status in {401, 403} or "API key not valid" in words:
        return RequestFailure("refused", f"the key was refused ({said})", next_step=f"check {key_variable}")
    return RequestFailure("refused", f"the request was refused ({said})", next_step="check --model and --base-url")


def invalid_response(error: Exception) -> RequestFailure:
    """What reading the answer's body failed with."""
    return RequestFailure("answer", f"answered something that is no list of embeddings ({type(error).__name__})")


def unreachable(error: Exception, key: str | None) -> RequestFailure:
    """What the HTTP client failed with."""
    return RequestFailure("network", f"can't be reached ({type(error).__name__}: {excerpt(error, key)})")


def client_setup_error(provider: str, error: Exception, key: str | None) -> ModelError:
    """The error where the HTTP client can't be made, with the environment's proxies and certificates."""
    reason = f"its HTTP client can't be set up ({excerpt(error, key)})"
    return ModelError(f"embedder {provider}", reason, "check ALL_PROXY, HTTPS_PROXY, HTTP_PROXY and SSL_CERT_FILE")


def missing_extra_error(provider: str, extra: str) -> ModelError:
    """The error where a provider's package is not installed."""
    return ModelError(f"embedder {provider}", "its package is not installed", f"run `pip install 'vsearch[{extra}]'`")
