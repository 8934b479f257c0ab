"""The prepared `vsearch`, and a folder of documents that takes a while to index."""

import pytest
from faults.process import Vsearch, prepared


@pytest.fixture(scope="session")
def vsearch(tmp_path_factory: pytest.TempPathFactory) -> Vsearch:
    """Runs the command; the model is prepared."""
    return prepared(tmp_path_factory.getbasetemp() / "vsearch")
