"""Imports only go down the line of layers, never sideways; imports inside functions count too."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from process import write_files

ROOT = Path(__file__).parent.parent
FRONT_DOOR = "__init__"
GROUND = {
    "model",
    "errors",
    "json_text",
    "printable",
    "config",
    "dates",
    "own_files",
    "regular_files",
    "allowed",
    "numba_loader",
    "kernel_cache",
    "machine",
    "scripts",
}  # single modules, which may import each other
LAYERS: list[set[str]] = [  # top to bottom; the folders of one line must not import each other
    {"cli"},
    {FRONT_DOOR},
    {"library"},
    {"serve"},
    {"evaluate"},
    {"search"},
    {"index", "remote"},
    {"ann", "lexical"},
    {"text", "store", "embed"},
    {"kernels"},
    GROUND,
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
FILES = sorted([*ROOT.glob("vsearch_core/**/*.py"), *ROOT.glob("cli/**/*.py")])
FORBIDDEN = {  # package -> modules that it must not import
    "vsearch_core": {"typer", "click", "rich", "tqdm", "vsearch_cli"},
    "ann": {"pathlib", "os", "io", "sqlite3"},
    "lexical": {"pathlib", "os", "io", "sqlite3"},
    "kernels": {"pathlib", "os", "io", "sqlite3"},
}


def layer_of(path: Path, root: Path = ROOT) -> str:
    """Return the folder or the single module of `vsearch_core` that the file belongs to, or "cli"."""
    parts = path.relative_to(root).with_suffix("").parts
    return "cli" if parts[0] == "cli" else parts[1]


def imports_of(path: Path, root: Path = ROOT) -> set[str]:
    """Return the dotted names of everything that the file imports, wherever in it."""
    names: set[str] = set()
    package = path.relative_to(root).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            names.update(f"{module}.{alias.name}" for alias in node.names)
    return names


def wrong_imports(path: Path, root: Path = ROOT) -> Iterator[str]:
    """Yield a sentence for each import of the file that goes up or sideways."""
    layer = layer_of(path, root)
    if layer not in LEVEL:
        yield f"{layer} is missing from LAYERS"
        return
    for name in sorted(imports_of(path, root)):
        top, _, rest = name.partition(".")
        if top != "vsearch_core":
            continue
        first = rest.partition(".")[0]
        imported = first if first in LEVEL else FRONT_DOOR  # else a name that the front door exports
        if imported == layer:
            continue
        if LEVEL[imported] < LEVEL[layer]:
            yield f"{layer} imports {name}, which is above it"
        elif LEVEL[imported] == LEVEL[layer] and layer not in GROUND:
            yield f"{layer} imports {name}, which is beside it"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path: Path) -> None:
    assert list(wrong_imports(path)) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_layer_imports_nothing_forbidden(path: Path) -> None:
    top = path.relative_to(ROOT).parts[0]
    forbidden = FORBIDDEN.get(top, set()) | FORBIDDEN.get(layer_of(path), set())
    assert not {name.split(".")[0] for name in imports_of(path)} & forbidden


@pytest.mark.parametrize(
    ("file", "source", "complaint"),
    [
        ("store/a.py", "def f():\n    from vsearch_core.index import writer\n", "index.writer, which is above it"),
        ("store/a.py", "from ..index.writer import Run\n", "index.writer.Run, which is above it"),
        ("index/a.py", "import vsearch_core.search.pipeline\n", "search.pipeline, which is above it"),
        ("search/a.py", "from vsearch_core.evaluate.run import ask\n", "evaluate.run.ask, which is above it"),
        ("text/a.py", "from vsearch_core.embed.base import Embedder\n", "embed.base.Embedder, which is beside it"),
        ("ann/a.py", "from vsearch_core.lexical import bm25\n", "lexical.bm25, which is beside it"),
        ("library/a.py", "from vsearch_core import Index\n", "vsearch_core.Index, which is above it"),
        ("index/a.py", "import vsearch_core\n", "vsearch_core, which is above it"),
        ("extra/a.py", "import os\n", "extra is missing from LAYERS"),
    ],
)
def test_the_checker_finds_a_wrong_import(tmp_path: Path, file: str, source: str, complaint: str) -> None:
    write_files(tmp_path, {f"vsearch_core/{file}": source})
    (found,) = wrong_imports(tmp_path / "vsearch_core" / file, tmp_path)
    assert found.endswith(complaint)


def test_the_checker_accepts_imports_that_go_down(tmp_path: Path) -> None:
    sources = {
        "vsearch_core/index/a.py": "from vsearch_core import config\nfrom vsearch_core.store.catalog import Catalog\n",
        "vsearch_core/index/b.py": "from vsearch_core.index.a import c\nfrom . import a\nimport numpy\n",
        "vsearch_core/errors.py": "from vsearch_core.model import JsonValue\n",
        "cli/a.py": "from vsearch_core import open_index\nfrom .b import c\n",
    }
    write_files(tmp_path, sources)
    assert [list(wrong_imports(tmp_path / file, tmp_path)) for file in sources] == [[]] * len(sources)
