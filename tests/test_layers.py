"""Imports only go down, Typer stays in the CLI, modules stay small. Imports inside functions count too."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS: list[set[str]] = [  # top to bottom; modules of one row may import each other
    {"cli"},
    {"serve"},
    {"search", "index", "evaluate"},
    {"store", "remote"},
    {"ann", "lexical", "embed", "text"},
    {"kernels"},
    {"model", "errors", "config", "kernel_cache", "machine"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
FILES = sorted([*ROOT.glob("vsearch_core/**/*.py"), *ROOT.glob("cli/**/*.py")])
FORBIDDEN = {  # package -> modules it must not import: what it has no business with
    "vsearch_core": {"typer", "click", "rich", "tqdm", "vsearch_cli"},
    "ann": {"pathlib", "os", "io", "sqlite3"},
    "lexical": {"pathlib", "os", "io", "sqlite3"},
    "kernels": {"pathlib", "os", "io", "sqlite3"},
}


def unit_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return "cli" if parts[0] == "cli" else parts[1]


def imports_of(path: Path) -> set[str]:
    """Dotted names that the file imports, wherever in it."""
    names: set[str] = set()
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            names.add(module)
            names.update(f"{module}.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path: Path) -> None:
    unit = unit_of(path)
    if unit == "__init__":
        return
    for name in imports_of(path):
        parts = name.split(".")
        if parts[0] != "vsearch_core" or len(parts) < 2 or parts[1] not in LEVEL:
            continue
        assert parts[1] == unit or LEVEL[parts[1]] >= LEVEL[unit], f"{unit} imports {name}, which is above it"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_layer_keeps_to_its_business(path: Path) -> None:
    top = path.relative_to(ROOT).parts[0]
    banned = FORBIDDEN.get(top, set()) | FORBIDDEN.get(unit_of(path), set())
    assert not {name.split(".")[0] for name in imports_of(path)} & banned


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_sizes(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") <= 420, "split the module"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            last = node.end_lineno or node.lineno
            body = node.body[0].end_lineno or 0 if ast.get_docstring(node) else node.lineno
            assert last - body <= 50, f"{node.name} is {last - body} lines long: split it"


def test_the_checker_sees_an_upward_import(tmp_path: Path) -> None:
    """The test above can fail: an import inside a function is found too."""
    tree = ast.parse("def f():\n    from vsearch_core.index import writer\n")
    found = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert found == ["vsearch_core.index"] and LEVEL["index"] < LEVEL["store"]
