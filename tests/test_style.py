"""Rules of style that a reader would stumble over: how docstrings begin, and that a class name means one thing."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("vsearch_core", "cli", "benchmarks", "tests")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("**/*.py"))
FIRST_WORDS = ("What", "Whether", "Which", "How", "Where")

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def docstrings(path: Path) -> Iterator[str]:
    """Yield each docstring of a file, with its line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Documented) and (text := ast.get_docstring(node)):
            yield f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}: {text}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_say_what_a_thing_does(path: Path) -> None:
    """A docstring begins with a verb or a noun, not with an indirect question."""
    assert [text for text in docstrings(path) if text.split(": ", 1)[1].split()[0] in FIRST_WORDS] == []


def test_a_class_name_is_defined_once() -> None:
    """Private classes and test classes belong to their module; any other name is the project's."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in FILES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith(("_", "Test")):
                places[node.name].append(f"{path.relative_to(ROOT)}:{node.lineno}")
    several = {name: found for name, found in places.items() if len(found) > 1}
    assert several == {}
