"""The embedders that need more than the plain install, and whether it is here."""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

EXTRAS = (("sentence-transformers", "torch", ("sentence-transformers", "torch")),)  # embedder, extra, its packages


@dataclass(frozen=True, slots=True)
class Extra:
    """`name` is the `--embedder`, `state` the installed versions or how to install what is missing."""

    name: str
    installed: bool
    state: str


def list_extras() -> tuple[Extra, ...]:
    """What is told by the packages' metadata; nothing is imported."""
    return tuple(_extra(*each) for each in EXTRAS)


def _extra(name: str, extra: str, packages: tuple[str, ...]) -> Extra:
    try:
        found = ", ".join(f"{package} {version(package)}" for package in packages)
    except PackageNotFoundError as error:
        return Extra(name, False, f"{error.name} isn't installed: pip install 'vsearch[{extra}]'")
    return Extra(name, True, found)
