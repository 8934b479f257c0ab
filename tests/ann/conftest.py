"""Fixtures of the tests of searchers."""

import pytest
from vector_search import Data, clustered

from vsearch_core.ann import flat


@pytest.fixture(scope="module")
def data() -> Data:
    """Return 8,000 clustered vectors in fixed point, and 200 queries near them."""
    return flat.to_fixed(clustered(8000, 96)), clustered(200, 96, seed=1)
