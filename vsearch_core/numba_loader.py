"""Import numba so that no file in the working folder steers it.

numba reads `.numba_config.yaml` from the working folder at its import and before each compilation. The file may come
with a clone, and its keys overwrite files, import modules and print to stdout. The environment's NUMBA_* remain: they
are the user's.
"""

import sys
from collections.abc import Iterator, MutableMapping, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from types import CodeType, ModuleType
from typing import Any, Protocol, cast

_CONFIG, _FILE_NAME = "numba.core.config", "_config_fname"  # the module, and its constant


def import_numba() -> Any:
    """Return numba. If the application has imported it already, its settings stay as they are.

    Raises ImportError if a future numba names its file of settings in another way.
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
    """Finds numba's module of settings, to be run by `_ConfigLoader`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the module's spec, or None for all others."""
        if fullname != _CONFIG:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None:
            spec.loader = cast("Any", _ConfigLoader(cast("_HasCode", spec.loader)))
        return spec


class _ConfigLoader:
    """Runs numba's module of settings with an empty name in the place of its file's."""

    def __init__(self, loader: _HasCode) -> None:
        self._loader = loader

    def create_module(self, _spec: ModuleSpec) -> None:
        """Leave the module's creation to Python."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module. Raises ImportError unless it named its file as expected."""
        names = _WithoutFile(module.__dict__)
        exec(self._loader.get_code(module.__name__), module.__dict__, names)
        if not names.is_replaced:
            raise ImportError(f"{module.__name__} no longer has {_FILE_NAME}")


class _WithoutFile(MutableMapping[str, Any]):
    """The names of a module while it is run: the file's name stays "", which no file has."""

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
