"""Fixtures with a PostgreSQL server and with Milvus Lite. Tests that use one carry the marker `engines`."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from milvus_server import missing_for_milvus_lite
from postgres_server import PostgresServer, missing_for_servers


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    missing = missing_for_servers()
    if missing:
        pytest.skip(f"no PostgreSQL server: {missing}")
    with PostgresServer.running() as running:
        yield running


@pytest.fixture(scope="session")
def new_address(server: PostgresServer) -> Callable[[], str]:
    """Return a function that returns the address of an index that doesn't exist yet."""
    numbers = count()
    return lambda: server.address(f"index_{next(numbers)}")


@pytest.fixture(scope="session")
def milvus_lite() -> None:
    """Skip the test if Milvus Lite is not installed."""
    missing = missing_for_milvus_lite()
    if missing:
        pytest.skip(f"no Milvus Lite: {missing}")


@pytest.fixture(scope="session", params=["postgresql", "milvus"])
def any_address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], str]:
    """Return the same as `new_address`, for each kind of server."""
    if request.param == "postgresql":
        found: Callable[[], str] = request.getfixturevalue("new_address")
        return found
    request.getfixturevalue("milvus_lite")
    numbers, file = count(), tmp_path_factory.mktemp("milvus") / "lite.db"
    return lambda: f"milvus://{file}?collection=index_{next(numbers)}"
