"""The installed command, with its own home and caches."""

import pytest
from process import Vsearch, prepare_vsearch


@pytest.fixture(scope="session")
def vsearch(tmp_path_factory: pytest.TempPathFactory) -> Vsearch:
    """Runs the command; the model is prepared."""
    return prepare_vsearch(tmp_path_factory.getbasetemp() / "vsearch")
