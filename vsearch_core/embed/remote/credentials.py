"""API keys and base URLs: checks that they are valid, and decides which URL may receive a key."""

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from vsearch_core.errors import ArgumentError, ModelError

PORTS = {"http": ":80", "https": ":443"}  # of an address that names none
_PLAIN_HOST = re.compile(r"[\w.-]+(:\d*)?|\[[\da-f:.]+\](:\d*)?", re.ASCII)  # and perhaps a port: parsed alike by all


@dataclass(frozen=True, slots=True)
class Credentials:
    """The API key for a remote provider, and the base URL that may receive it. Raises ModelError for an invalid key.

    Attributes:
        api_key: The key; None if the caller has none. Some servers need none, such as one on this machine.
        trusted_url: The base URL that may receive the key in addition to the provider's own. Don't copy it from an
            index: somebody else may have made the index, and it can contain any URL.
        key_name: The name of the key in error messages, such as the environment variable that it comes from.
    """

    api_key: str | None = field(default=None, repr=False)
    trusted_url: str | None = None
    key_name: str = "API key"

    def __post_init__(self) -> None:
        """Raise ModelError if the key has characters that an HTTP header can't contain."""
        key = self.api_key
        if key is not None and not (key.isascii() and key.isprintable() and key and " " not in key):
            raise ModelError(self.key_name, "contains characters that can't be part of a key", "malformed-key")

    def allow(self, base_url: str) -> bool:
        """Return True if `base_url` is `trusted_url`. The caller decides about the provider's own URL."""
        return self.trusted_url is not None and same_address(base_url, self.trusted_url)


def checked_url(url: str) -> str:
    """Check a base URL, and return it without a slash at its end.

    Raises ArgumentError if it isn't an http or https address, or if it contains a user name, a password, a query or a
    fragment. The message leaves out every part of the URL that may be secret.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError:
        parts = urlsplit("")
    if "@" in url:
        raise ArgumentError("base_url", "it contains a user name or a password", "base-url-with-secret")
    address = re.split("[?#]", url, maxsplit=1)[0]
    if address != url:
        raise ArgumentError("base_url", f"it has a query or a fragment after {address}", "base-url-with-query")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ArgumentError("base_url", f"{url} is not an http or https address", "base-url-malformed")
    return url.rstrip("/")


def host_of(url: str) -> str | None:
    """Return the host in a base URL, or None if it is this machine.

    If programs could disagree about which part of the URL is the host, return the whole URL.
    """
    address = re.split("[/?#]", url.partition("//")[2], maxsplit=1)[0].lower()
    host = urlsplit(f"//{address}").hostname if _PLAIN_HOST.fullmatch(address) else None
    if host is None:
        return url
    return None if _is_loopback(host) else host


def canonical_address(url: str) -> str:
    """Return a checked base URL with scheme and host in lower case and without the scheme's own port.

    A URL whose host programs could disagree about stays as it is.
    """
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    if not _PLAIN_HOST.fullmatch(authority.lower()):
        return url
    scheme, authority = scheme.lower(), authority.lower().removesuffix(":")
    return f"{scheme}://{authority.removesuffix(PORTS.get(scheme, ''))}{slash}{path}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def same_address(one: str, other: str) -> bool:
    """Return True if two base URLs are equal, apart from slashes at the end."""
    return one.rstrip("/") == other.rstrip("/")
