"""The contract of searchers for the engine of an index on a server: the local index is copied there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest
from contracts.searcher import EMBEDDER, OPTIONS, SearcherContract, write_documents
from support import make_index

from vsearch_core import copy_index
from vsearch_core.index.server_snapshot import open_server_snapshot
from vsearch_core.search.engine import Searcher
from vsearch_core.search.server import ServerSearcher
from vsearch_core.store.server.address import parse_server_address


@contextmanager
def searcher_on_server(index: Path, text: str) -> Iterator[ServerSearcher]:
    """Copy a local index to an address, and open the copy."""
    address = parse_server_address(text)
    copy_index(index, text, root=index.parent)
    with open_server_snapshot(address, index.parent / address.folder_name) as snapshot:
        yield ServerSearcher(snapshot)


class ServerSearcherContract(SearcherContract):
    """The tests of the engine on one kind of server.

    A subclass has a class fixture `started`, which sets `next_address`: a function that returns the address of an index
    that doesn't exist yet.
    """

    next_address: ClassVar[Callable[[], str]]

    @pytest.fixture(scope="class")
    @classmethod
    def searcher(cls, started: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searcher]:
        root = tmp_path_factory.mktemp("searcher")
        write_documents(root)
        make_index(root, EMBEDDER, Path(), options=OPTIONS)
        with cls.open_searcher(root / ".vsearch") as searcher:
            yield searcher

    @classmethod
    @contextmanager
    def open_searcher(cls, index: Path) -> Iterator[Searcher]:
        with searcher_on_server(index, cls.next_address()) as searcher:
            yield searcher
