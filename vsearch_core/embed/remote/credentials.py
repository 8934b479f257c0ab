"""API keys and the addresses of providers: which address may receive a key."""

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from vsearch_core.errors import ArgumentError, ModelError

_PLAIN_HOST = re.compile(r"[\w.-]+(:\d*)?|\[[\da-f:.]+\](:\d*)?", re.ASCII)  # and perhaps a port: parsed alike by all


@dataclass(frozen=True, slots=True)
class Credentials:
    """The API key for a remote provider, and where it may be sent. Raises ModelError if no key can look like that.

    Attributes:
        api_key: The key; None if the caller has none, which a server on this machine may not mind.
        trusted_url: The base URL, besides the provider's own, that may receive the key. An index made by somebody else
            can name any address, so the address that an index names must not be trusted unseen.
        key_name: The caller's name for the key, such as the variable that holds it, for the errors about it.
    """

    api_key: str | None = field(default=None, repr=False)
    trusted_url: str | None = None
    key_name: str = "API key"

    def __post_init__(self) -> None:
        """Raise ModelError for a key that no HTTP header can hold."""
        key = self.api_key
        if key is not None and not (key.isascii() and key.isprintable() and key and " " not in key):
            raise ModelError(self.key_name, "holds characters that can't be part of a key", "malformed-key")

    def allow(self, base_url: str) -> bool:
        """Return True if `base_url` is the trusted one."""
        return self.trusted_url is not None and same_address(base_url, self.trusted_url)


def checked_url(url: str) -> str:
    """Return a base URL as it is stored and shown, without a slash at its end.

    Raises ArgumentError, whose text leaves out any part of the URL that may be secret.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError:
        parts = urlsplit("")
    if "@" in url:
        raise ArgumentError("base_url", "it holds a name or a password", "base-url-with-secret")
    address = re.split("[?#]", url, maxsplit=1)[0]
    if address != url:
        raise ArgumentError("base_url", f"more than an address follows {address}", "base-url-with-query")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ArgumentError("base_url", f"{url} is not an http or https address", "base-url-malformed")
    return url.rstrip("/")


def host_of(url: str) -> str | None:
    """Return the host of a checked base URL, or None if it is this machine.

    Where programs could disagree about which part of the URL is the host, the whole URL stands for it.
    """
    address = re.split("[/?#]", url.partition("//")[2], maxsplit=1)[0].lower()
    host = urlsplit(f"//{address}").hostname if _PLAIN_HOST.fullmatch(address) else None
    if host is None:
        return url
    return None if _is_loopback(host) else host


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def same_address(one: str, other: str) -> bool:
    """Return True if two base URLs are equal but for a slash at the end."""
    return one.rstrip("/") == other.rstrip("/")
