"""Import numba without reading its configuration file from the working folder.

numba reads `.numba_config.yaml` from the working folder when it is imported and before each compilation. Such a file
may come with a cloned repository, and its settings can overwrite files, import modules and print to stdout. Environment
variables NUMBA_* still apply, because only the user sets them.
"""

import sys
from collections.abc import Iterator, MutableMapping, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from types import CodeType, ModuleType
from typing import Any, Protocol, cast

_CONFIG, _FILE_NAME = "numba.core.config", "_config_fname"  # the module, and its constant


def import_numba() -> Any:
    """Import numba without its configuration file, and return the module.

    If the application has already imported numba, return it with its settings unchanged. Raises ImportError if this
    version of numba keeps the name of its configuration file elsewhere.
    """
    if "numba" not in sys.modules:
        finder = _ConfigFinder()
        sys.meta_path.insert(0, finder)
        try:
            import_module("numba")
        finally:
            sys.meta_path.remove(finder)
    return import_module("numba")


class _HasCode(Protocol):
    def get_code(self, fullname: str) -> CodeType: ...


class _ConfigFinder:
    """Finds numba's configuration module, and has it executed by `_ConfigLoader`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of numba's configuration module, or None for any other module."""
        if fullname != _CONFIG:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None:
            spec.loader = cast("Any", _ConfigLoader(cast("_HasCode", spec.loader)))
        return spec


class _ConfigLoader:
    """Executes numba's configuration module with an empty name of its configuration file."""

    def __init__(self, loader: _HasCode) -> None:
        self._loader = loader

    def create_module(self, _spec: ModuleSpec) -> None:
        """Return None: Python creates the module itself."""

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module. Raises ImportError if it didn't define its file's name as expected."""
        names = _WithoutFile(module.__dict__)
        exec(self._loader.get_code(module.__name__), module.__dict__, names)
        if not names.is_replaced:
            raise ImportError(f"{module.__name__} no longer has {_FILE_NAME}")


class _WithoutFile(MutableMapping[str, Any]):
    """The global names of a module while it is executed; the name of its configuration file stays ""."""

    def __init__(self, names: dict[str, Any]) -> None:
        self._names = names
        self.is_replaced = False

    def __setitem__(self, name: str, value: Any) -> None:
        self.is_replaced |= name == _FILE_NAME
        self._names[name] = "" if name == _FILE_NAME else value

    def __getitem__(self, name: str) -> Any:
        return self._names[name]

    def __delitem__(self, name: str) -> None:
        del self._names[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
