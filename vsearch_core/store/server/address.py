"""Addresses of indexes on servers: of PostgreSQL and of Milvus."""

from vsearch_core.store.milvus.address import MilvusAddress, is_milvus_address, parse_milvus_address
from vsearch_core.store.postgres.address import PostgresAddress, is_postgres_address, parse_postgres_address

ServerAddress = PostgresAddress | MilvusAddress


def is_server_address(text: str) -> bool:
    """Return True if the text is an address of a server rather than a path."""
    return is_postgres_address(text) or is_milvus_address(text)


def parse_server_address(text: str) -> ServerAddress:
    """Return the address that a text such as `postgresql://host/db` or `milvus://host/collection` stands for.

    Raises InputError, whose message has no part of the text that may be secret.
    """
    return parse_milvus_address(text) if is_milvus_address(text) else parse_postgres_address(text)
