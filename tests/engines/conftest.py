"""Fixtures with a PostgreSQL server. Tests that use one carry the marker `engines`."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest
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
