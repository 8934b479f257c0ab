"""The library states facts; one table has the advice for every error that a user can do something about."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from vsearch_cli.advice import ADVICE, OPTIONS, describe
from vsearch_cli.main import COMMANDS

from vsearch_core import errors
from vsearch_core.errors import ArgumentError, InputError, VsearchError

CORE = Path(errors.__file__).parent
REFERENCE = (Path(__file__).parent.parent.parent / "docs" / "cli.md").read_text(encoding="utf-8")
FILES = sorted(CORE.glob("**/*.py"))
ERRORS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, VsearchError)}

# Codes without advice: nothing general can be done about these errors.
WITHOUT_ADVICE = {
    *("error", "index-closed", "index-mismatch", "index-unusable", "invalid-argument", "invalid-filter"),
    *("invalid-input", "provider-failed", "unreadable-file"),
    *("invalid-body", "no-such-method", "no-such-route"),  # of HTTP requests
    "not-allowed",  # to agents, which can't change what the user has allowed
}
OF_OCRMYPDF = "--quiet"  # an option of that program
CODE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def constants(node: ast.AST | None) -> Iterator[str]:
    for each in ast.walk(node) if node is not None else ():
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def codes_in(tree: ast.AST) -> Iterator[str]:
    """Yield the codes in a module: arguments of errors, and what is assigned to a name like `code` or `_CODES`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in ERRORS and len(node.args) > 2:
                yield from constants(node.args[2])
            for keyword in node.keywords:
                if keyword.arg == "code":
                    yield from constants(keyword.value)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(each, ast.Name) and re.search("codes?$", each.id.lower()) for each in targets):
                yield from constants(node.value)
        elif isinstance(node, ast.arguments):
            named = [*node.posonlyargs, *node.args][-len(node.defaults) :] if node.defaults else []
            for argument, default in zip(named, node.defaults, strict=True):
                if argument.arg == "code":
                    yield from constants(default)


def raised_codes() -> set[str]:
    found = (code for path in FILES for code in codes_in(ast.parse(path.read_text(encoding="utf-8"))))
    return {code for code in found if CODE.fullmatch(code)}


def test_every_code_has_advice_or_needs_none() -> None:
    assert raised_codes() - set(ADVICE) - WITHOUT_ADVICE == set()


def test_no_advice_is_unused() -> None:
    strings = {text for path in FILES for text in constants(ast.parse(path.read_text(encoding="utf-8")))}
    assert set(ADVICE) - strings == {"stdout-failed"}, "that one is raised by cli/output.py"


def test_every_code_listed_without_advice_is_raised() -> None:
    assert WITHOUT_ADVICE - raised_codes() == set()
    assert WITHOUT_ADVICE & set(ADVICE) == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CORE)))
def test_the_library_names_no_option_and_no_command(path: Path) -> None:
    options = "|".join(sorted(set(re.findall(r"--([a-z][a-z-]+)", REFERENCE))))
    pattern = re.compile(rf"(?<![\w-])--(?:{options})\b(?!-)|\bvsearch (?:{'|'.join(COMMANDS)})\b")
    for text in constants(ast.parse(path.read_text(encoding="utf-8"))):
        assert text == OF_OCRMYPDF or not pattern.search(text), text
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        comment = line.partition("#")[2]
        assert not pattern.search(comment), f"line {number}: {comment}"


def test_codes_are_found_in_source() -> None:
    source = """
def f(path, code="from-default"):
    raise InputError(path, "reason", "third-argument" if path else "other-branch", key="not-a-code")
_CODES = {1: "from-table"}
raise StorageError("x", "y", code="by-keyword")
"""
    found = {code for code in codes_in(ast.parse(source)) if CODE.fullmatch(code)}
    assert found == {"from-default", "third-argument", "other-branch", "from-table", "by-keyword"}


def test_an_error_is_described_with_its_advice() -> None:
    error = InputError("notes.md", "is not in the index", "no-such-line", last=7)
    assert describe(error) == "notes.md: is not in the index; the last line with text is 7"
    assert describe(InputError("it", "is wrong")) == "it: is wrong"


def test_arguments_are_spelled_as_options() -> None:
    error = ArgumentError("exact, ef_search", "they conflict", "conflicting-arguments")
    assert describe(error) == "--exact, --ef: they conflict; give one of them"
    assert set(OPTIONS) == {"dimension", "ef_search"}
