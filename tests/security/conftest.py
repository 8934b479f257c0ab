"""The installed command, with its own home and caches."""

import pytest
from process import Vsearch, prepared


@pytest.fixture(scope="session")
def vsearch(tmp_path_factory: pytest.TempPathFactory) -> Vsearch:
    """Runs the command; the model is prepared."""
    return prepared(tmp_path_factory.getbasetemp() / "vsearch")
