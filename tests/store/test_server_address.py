"""Addresses of indexes on PostgreSQL servers: what libpq gets, and that messages have no part of a password."""

import pytest

from vsearch_core.errors import InputError
from vsearch_core.store.postgres.address import is_postgres_address, parse_postgres_address

PLACE = "postgresql://reader:s3cret@db1:5433,db2/docs"


def test_an_address_is_libpq_s_but_for_the_schema() -> None:
    address = parse_postgres_address(f"{PLACE}?sslmode=verify-full&schema=notes&connect_timeout=3")
    assert address.conninfo == f"{PLACE}?sslmode=verify-full&connect_timeout=3"
    assert (address.schema, address.quoted_schema) == ("notes", '"notes"')
    assert address.name == "postgresql://db1:5433,db2/docs?schema=notes"
    assert "s3cret" not in repr(address)


@pytest.mark.parametrize(
    "text", [PLACE, f"{PLACE}?password=s3cret", "postgres://db/docs", "postgresql:///docs?host=/run"]
)
def test_the_schema_has_a_default(text: str) -> None:
    address = parse_postgres_address(text)
    assert address.schema == "vsearch"
    assert "s3cret" not in address.name


def test_the_folder_for_staging_depends_on_place_and_schema_only() -> None:
    names = [
        parse_postgres_address(text).folder_name
        for text in ("postgresql://a:b@db/x", "postgresql://c@db/x?sslmode=require", "postgresql://db/x?schema=vsearch")
    ]
    assert len({*names}) == 1
    assert parse_postgres_address("postgresql://db/x?schema=other").folder_name != names[0]


@pytest.mark.parametrize(
    "text",
    [
        *(
            f"postgresql://db/x?schema={name}"
            for name in ("", "Notes", "a.b", 'a"b', "a;drop", "a'", "1a", "ä", "a" * 49)
        ),
        "postgresql://db/x?schema=a&schema=b",
        "postgresql://db/x?schema",
        "postgresql:/u:s3cret@db/x",
        "postgresql://u:s3cret/@db/x",
        "postgresql://u:s3cret#@db/x",
        "postgresql://u:s3cret?@db/x",
        "postgresql://u:[s3cret@db/x",
        "POSTGRES:/s3cret",
    ],
)
def test_a_malformed_address_is_refused_without_its_password(text: str) -> None:
    assert is_postgres_address(text)
    with pytest.raises(InputError) as caught:
        parse_postgres_address(text)
    assert caught.value.code == "invalid-server-address"
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("text", [".vsearch", "postgresql", "/srv/postgresql:/x", "file:///x", "postgres.db"])
def test_other_texts_are_paths(text: str) -> None:
    assert not is_postgres_address(text)
