"""Addresses of indexes on PostgreSQL servers, such as `postgresql://host/db?schema=notes`."""

import re
from dataclasses import dataclass
from hashlib import blake2b
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from vsearch_core.errors import InputError

SCHEMA = "vsearch"  # where an address names none
_SCHEME = re.compile(r"postgres(?:ql)?:/", re.IGNORECASE)  # with one / missing, too: no folder is called that
_SCHEMA_NAME = re.compile(r"[a-z_][a-z0-9_]{0,47}")
_HOST = r"(?:\[[0-9a-fA-F:.%]+\]|[\w.%-]*)(?::\d{1,5})?"
_PLACE = re.compile(rf"{_HOST}(?:,{_HOST})*(?:/[^/@:]*)?")  # of a server: hosts, ports and database


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """The address of an index on a server.

    `conninfo` is what libpq connects with, and may contain a password: it must never be shown. `schema` is the schema
    with the index's tables. `name` is the address as messages show it, without any secret.
    """

    conninfo: str
    schema: str
    name: str

    def __repr__(self) -> str:
        """Return the address without secrets, since representations end up in logs."""
        return f"PostgresAddress({self.name!r})"

    @property
    def quoted_schema(self) -> str:
        """Return the schema as SQL has it: its name may be a keyword, and has no quotes in it."""
        return f'"{self.schema}"'

    @property
    def folder_name(self) -> str:
        """Return the name of the folder in which this machine stages documents for the index."""
        digest = blake2b(self.name.encode(), digest_size=4).hexdigest()
        return f".vsearch-server-{digest}"


def is_postgres_address(text: str) -> bool:
    """Return True if the text is an address of a PostgreSQL server rather than a path."""
    return _SCHEME.match(text) is not None


def parse_postgres_address(text: str) -> PostgresAddress:
    """Return the address that a text such as `postgresql://host1,host2/db?schema=notes` stands for.

    Everything but `schema` is libpq's: several hosts, ports, TLS (`sslmode=verify-full`), users and passwords. Raises
    InputError, whose message has no part of the text that may be secret.
    """
    try:
        parts = urlsplit(text)
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        place = parts.netloc.rpartition("@")[2] + parts.path
        is_url = parts.scheme in {"postgresql", "postgres"} and text[len(parts.scheme) :].startswith("://")
        if not is_url or not _PLACE.fullmatch(place) or parts.fragment:  # a password with a / in it, say
            raise ValueError
    except ValueError:
        raise InputError("postgresql://", "the address can't be parsed", "invalid-server-address") from None
    schemas = [value for key, value in options if key == "schema"]
    schema = schemas[0] if schemas else SCHEMA
    if len(schemas) > 1:
        raise InputError("schema", "the address has more than one", "invalid-server-address")
    if not _SCHEMA_NAME.fullmatch(schema):
        reason = f"{schema!r} is not a schema's name: lower-case letters, digits and _ only, at most 48"
        raise InputError("schema", reason, "invalid-server-address")
    kept = [(key, value) for key, value in options if key != "schema"]
    query = f"?{urlencode(kept, quote_via=quote)}" if kept else ""
    conninfo = f"postgresql://{parts.netloc}{parts.path}{query}"
    shown = [(key, value) for key, value in kept if key in {"host", "port", "dbname"}] + [("schema", schema)]
    name = f"postgresql://{unquote(place)}?{urlencode(shown, safe='/,:')}"
    return PostgresAddress(conninfo, schema, name)
