"""Addresses of indexes on Milvus, and what its rows hold, without the packages for it."""

from pathlib import Path

import numpy as np
import pytest

from vsearch_core.errors import InputError
from vsearch_core.store.milvus.address import MilvusAddress
from vsearch_core.store.milvus.reading import counts_of, weights_of
from vsearch_core.store.milvus.tables import MOST_BYTES, name_of, pack, text_of, unpack
from vsearch_core.store.server.address import is_server_address, parse_server_address

SECRET = "milvus://reader:s3cret%2F@db:1953/notes?secure=true&database=team&num_shards=4&replica_number=2"


def milvus(text: str) -> tuple[str, str, str]:
    address = parse_server_address(text)
    assert is_server_address(text) and isinstance(address, MilvusAddress)
    return address.uri, address.collection, address.name


def test_an_address_names_a_server_and_a_collection() -> None:
    assert milvus("milvus://db:1953/notes") == ("http://db:1953", "notes", "milvus://db:1953/notes")
    assert milvus("milvus://db") == ("http://db:19530", "vsearch", "milvus://db:19530/vsearch")
    assert milvus("milvus://[::1]:9/n")[0] == "http://[::1]:9"


def test_an_address_without_a_host_names_a_file() -> None:
    address = parse_server_address("milvus:///tmp/a%20b.db?collection=notes")
    assert milvus("milvus:///tmp/a.db") == ("/tmp/a.db", "vsearch", "milvus:///tmp/a.db")
    assert getattr(address, "file", None) == Path("/tmp/a b.db")
    assert address.name == "milvus:///tmp/a b.db?collection=notes"


def test_options_are_kept_and_secrets_are_not_shown() -> None:
    address = parse_server_address(SECRET)
    found = {
        name: getattr(address, name, None) for name in ("uri", "token", "database", "num_shards", "replica_number")
    }
    assert found == {
        "uri": "https://db:1953",
        "token": "reader:s3cret/",
        "database": "team",
        "num_shards": 4,
        "replica_number": 2,
    }
    assert "s3cret" not in repr(address) + address.name + address.folder_name


def test_the_folder_for_staging_depends_on_the_index_only() -> None:
    texts = ("milvus://a:b@db/x", "milvus://db:19530/x?num_shards=2", "milvus://db/y", "milvus://db/x?database=z")
    one, same, *others = (parse_server_address(text).folder_name for text in texts)
    assert one == same and one not in others


@pytest.mark.parametrize(
    "text",
    [
        *("milvus:/db/x", "milvus://", "milvus:///", "milvus:///tmp/notes", "milvus://u:s3cret/x@db/y"),
        *("milvus://db/a-b", "milvus://db/x/y", "milvus://db/x#s3cret", "milvus://db/x?password=s3cret"),
        *("milvus://db/x?num_shards=0", "milvus://db/x?num_shards=two", "milvus://db/x?replica_number=-1"),
        *("milvus://db/x?collection=y", "milvus://u:s3cret@/tmp/a.db", "milvus://db/x?secure=maybe", "milvus://db:x/y"),
    ],
)
def test_a_malformed_address_is_refused_without_its_password(text: str) -> None:
    assert is_server_address(text)
    with pytest.raises(InputError) as caught:
        parse_server_address(text)
    assert caught.value.code == "invalid-milvus-address"
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("mean", [1.0, 37.5, 4000.0])
def test_weights_give_counts_back(mean: float) -> None:
    lengths = np.array([1, 3, 40, 255, 1000, 60_000])
    counts = np.arange(1, 256)
    some, of = (each.ravel() for each in np.meshgrid(counts, lengths))
    some, of = some[some <= of], of[some <= of]
    weights = weights_of(some, of, mean)
    assert weights.dtype == np.float32 and ((weights > 0) & (weights < 1)).all()
    np.testing.assert_array_equal(counts_of(weights, of, mean), some)


def test_rows_are_stored_as_they_are() -> None:
    values = (1, None, "a\0b \udc80 \u7d22", b"\0\xff", {"key": "value"}, "x" * 200_000)
    pieces = pack(values)
    assert all(len(piece.encode("ascii")) <= MOST_BYTES for piece in pieces) and len(pieces) == 4
    assert tuple(unpack(pieces)) == values
    with pytest.raises(ValueError, match="a row may have"):
        pack(["x" * 5_000_000])
    with pytest.raises(ValueError, match="not a list"):
        unpack(["1"])


def test_names_can_be_compared_in_filters() -> None:
    texts = ['a"b', "a", "ab\\", "\udc80", "z", "\u7d22"]
    names = [name_of(text) for text in texts]
    assert all(name.isalnum() for name in names)
    assert [text_of(name) for name in sorted(names)] == sorted(
        texts, key=lambda text: text.encode("utf-8", "surrogatepass")
    )
