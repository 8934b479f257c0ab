"""The dependencies of an install without extras."""

from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def brought_by(package: str) -> set[str]:
    """Return the packages that a package without extras depends on, by the metadata of those installed here."""
    found: set[str] = set()
    wanted: list[str] = [canonicalize_name(package)]
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        found.add(name)
        try:
            lines = requires(name) or ()
        except PackageNotFoundError:
            continue
        for need in map(Requirement, lines):
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                wanted.append(canonicalize_name(need.name))
    return found


def test_a_plain_install_has_neither_torch_nor_a_providers_package() -> None:
    packages = brought_by("vsearch")
    assert {"numpy", "onnxruntime", "tokenizers"} <= packages
    extras = {"torch", "transformers", "sentence-transformers", "tenacity", "openai", "model2vec"}
    assert {name for name in packages if name in extras or name.startswith(("google", "nvidia"))} == set()
    assert "torch" in brought_by("sentence-transformers"), "it would be found"


def test_every_folder_of_modules_is_a_package() -> None:
    """setup.py finds packages by their `__init__.py`: a folder without one would be missing from an install."""
    root = Path(__file__).parent.parent / "vsearch_core"
    folders = {path.parent for path in root.rglob("*.py")}
    assert {folder.name for folder in folders if not (folder / "__init__.py").is_file()} == set()
    assert root / "text" / "formats" in folders
