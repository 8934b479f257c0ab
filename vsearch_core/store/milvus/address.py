"""Addresses of indexes on Milvus, such as `milvus://host:19530/notes` and `milvus:///folder/notes.db`."""

import re
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from vsearch_core.errors import InputError

COLLECTION = "vsearch"  # where the address of a file names none
PORT = 19530  # where an address names none
_SCHEME = re.compile(r"milvus:/", re.IGNORECASE)  # with one / missing, too: no folder is called that
_COLLECTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_PLACE = re.compile(r"(?:\[[0-9a-fA-F:.%]+\]|[\w.-]+)(?::\d{1,5})?")  # host and port
_COUNT = re.compile(r"[1-9]\d{0,3}")
_OPTIONS = {"collection", "database", "secure", "num_shards", "replica_number"}


@dataclass(frozen=True, slots=True)
class MilvusAddress:
    """The address of an index on Milvus.

    `uri` is what the client connects with: a URL, or the path of a file of Milvus Lite. `token` may be a user and a
    password, and must never be shown. The names of the index's collections start with `collection`. A new index gets
    `num_shards` shards, and is loaded `replica_number` times. `name` is the address as messages show it.
    """

    uri: str
    token: str
    database: str
    collection: str
    num_shards: int
    replica_number: int
    name: str

    def __repr__(self) -> str:
        """Return the address without secrets, since representations end up in logs."""
        return f"MilvusAddress({self.name!r})"

    @property
    def file(self) -> Path | None:
        """Return the path of the file, or None for a server."""
        return None if "://" in self.uri else Path(self.uri)

    @property
    def folder_name(self) -> str:
        """Return the name of the folder in which this machine stages documents for the index."""
        digest = blake2b(self.name.encode(), digest_size=4).hexdigest()
        return f".vsearch-server-{digest}"


def is_milvus_address(text: str) -> bool:
    """Return True if the text is an address of an index on Milvus rather than a path."""
    return _SCHEME.match(text) is not None


def parse_milvus_address(text: str) -> MilvusAddress:
    """Return the address that a text such as `milvus://host:19530/collection?num_shards=2` stands for.

    Without a host, the path is that of a file of Milvus Lite: `milvus:///folder/notes.db`. Raises InputError, whose
    message has no part of the text that may be secret.
    """
    try:
        parts = urlsplit(text)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        user, _, place = parts.netloc.rpartition("@")
        is_url = parts.scheme == "milvus" and text[len("milvus") :].startswith("://")
        if not is_url or parts.fragment or options.keys() - _OPTIONS:
            raise ValueError
        shards, replicas = (options.get(key, "1") for key in ("num_shards", "replica_number"))
        secure = options.get("secure", "false")
        if not _COUNT.fullmatch(shards) or not _COUNT.fullmatch(replicas) or secure not in {"true", "false"}:
            raise ValueError
        path = unquote(parts.path)
        if place:
            uri, name, collection = _server(place, path, "https" if secure == "true" else "http")
        else:
            uri, name, collection = _file(path, options.get("collection", COLLECTION))
        if ("collection" in options and place) or (user and not place):
            raise ValueError
    except ValueError:
        raise InputError("milvus://", "the address can't be parsed", "invalid-milvus-address") from None
    if not _COLLECTION_NAME.fullmatch(collection):
        reason = f"{collection!r} is not a collection's name: letters, digits and _ only, at most 100"
        raise InputError("collection", reason, "invalid-milvus-address")
    database = options.get("database", "")
    shown = name + (f"?database={database}" if database else "")
    return MilvusAddress(uri, unquote(user), database, collection, int(shards), int(replicas), shown)


def _server(place: str, path: str, scheme: str) -> tuple[str, str, str]:
    """Return the URI, the name and the collection of an address with a host. Raises ValueError."""
    if not _PLACE.fullmatch(place):
        raise ValueError
    port = "" if re.search(r":\d+$", place) and not place.endswith("]") else f":{PORT}"
    collection = path.strip("/") or COLLECTION
    return f"{scheme}://{place}{port}", f"milvus://{place}{port}/{collection}", collection


def _file(path: str, collection: str) -> tuple[str, str, str]:
    """Return the same of an address without a host. Raises ValueError."""
    if not path.endswith(".db") or "\0" in path:
        raise ValueError
    shown = "" if collection == COLLECTION else f"?collection={collection}"
    return path, f"milvus://{path}{shown}", collection
