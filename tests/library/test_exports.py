"""The names that `vsearch_core` exports."""

import inspect
import subprocess
import sys
from importlib.metadata import version

import pytest

import vsearch_core

CLASSES = sorted(set(vsearch_core.__all__) - {"__version__"})


def test_all_is_sorted_and_names_what_is_there() -> None:
    assert sorted(vsearch_core.__all__) == vsearch_core.__all__
    assert {name for name in vsearch_core.__all__ if not hasattr(vsearch_core, name)} == set()
    assert set(vsearch_core._MODULES) | {"__version__"} == set(vsearch_core.__all__)
    assert set(vsearch_core.__all__) <= set(dir(vsearch_core))


@pytest.mark.parametrize("name", CLASSES)
def test_every_exported_name_is_documented(name: str) -> None:
    value = getattr(vsearch_core, name)
    assert value.__module__.startswith("vsearch_core."), "it comes from elsewhere"
    assert value.__doc__ and not value.__doc__.startswith(f"{name}("), "its docstring is the one that dataclass makes"


@pytest.mark.parametrize("name", CLASSES)
def test_every_public_method_is_documented(name: str) -> None:
    members = inspect.getmembers(getattr(vsearch_core, name), inspect.isfunction)
    public = [method for method_name, method in members if not method_name.startswith("_")]
    assert [method.__qualname__ for method in public if not inspect.getdoc(method)] == []


def test_every_error_of_the_library_is_exported() -> None:
    from vsearch_core import errors

    raised = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert raised <= set(vsearch_core.__all__)


def test_the_version_is_the_installed_packages() -> None:
    assert vsearch_core.__version__ == version("vsearch")


def test_an_unknown_name_is_refused_as_usual() -> None:
    with pytest.raises(AttributeError, match="module 'vsearch_core' has no attribute 'nothing'"):
        _ = vsearch_core.nothing  # type: ignore[attr-defined]


def test_importing_the_package_imports_none_of_its_modules() -> None:
    code = "import sys, vsearch_core; print(*(name for name in sys.modules if name.startswith('vsearch_core.')))"
    code += "; print('numpy' in sys.modules, 'importlib.metadata' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
