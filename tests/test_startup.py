"""The modules that a command may import: each of them would cost every call its import time."""

import subprocess
import sys
from pathlib import Path

import pytest
from process import Vsearch, write_files

PROBE = """
import atexit, sys
atexit.register(lambda: print("loaded:", *sorted(sys.modules), file=sys.stderr))
from vsearch_cli.main import main
main()
"""
HEAVY = {
    *("numpy", "onnxruntime", "onnx", "numba", "torch", "pypdf", "pypdfium2_raw", "lxml", "yaml", "chardet"),
    *("huggingface_hub", "rich", "pydantic", "tqdm", "tokenizers", "safetensors", "pathspec", "sqlite3", "asyncio"),
    *("google.genai", "google.generativeai", "httpx2", "tenacity"),
}
NOT_FOR_A_QUERY = {
    *(
        "onnx",
        "torch",
        "transformers",
        "sentence_transformers",
        "huggingface_hub",
        "safetensors",
        "pypdf",
        "pypdfium2_raw",
        "lxml",
    ),
    *("chardet", "yaml", "pathspec", "tqdm", "numba", "numpy.ma", "rich", "pydantic", "filelock", "asyncio"),
    *("google.genai", "google.generativeai", "httpx2", "tenacity"),
    *("vsearch_core.search.clauses", "vsearch_core.lexical.phrase"),
}


@pytest.fixture(scope="module")
def project(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_files(tmp_path_factory.mktemp("startup"), {"a.md": "# Pump\n\nThe pump.", "b.html": "<p>Bread</p>"})
    assert vsearch("index", ".", cwd=folder).status == 0
    return folder


def loaded(vsearch: Vsearch, project: Path, *arguments: str, **environment: str) -> set[str]:
    """Return the modules that a successful command had imported when it ended."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        cwd=project,
        env={**vsearch.environment, **environment},
        capture_output=True,
        check=True,
        text=True,
    )
    return set(done.stderr.rpartition("loaded:")[2].split())


@pytest.mark.parametrize("arguments", [("--help",), ("query", "--help"), ("index", "--help"), ("--version",)])
def test_help_loads_nothing_heavy(vsearch: Vsearch, project: Path, arguments: tuple[str, ...]) -> None:
    modules = loaded(vsearch, project, *arguments)
    assert "vsearch_cli.main" in modules
    assert modules & HEAVY == set()


def test_looking_for_a_warm_helper_imports_nothing_else() -> None:
    mine = {"cli", "cli.start", "vsearch_core", "vsearch_core.serve", "vsearch_core.serve.warm_client"}
    root = Path(__file__).parent.parent
    code = f"import os, sys; sys.path.insert(0, {str(root)!r}); before = set(sys.modules)"
    code += f"; import {', '.join(sorted(mine))}; print(*(set(sys.modules) - before))"
    command = [sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert set(done.stdout.split()) == mine


def test_a_command_loads_no_other(vsearch: Vsearch, project: Path) -> None:
    modules = loaded(vsearch, project, "status", "--help")
    assert "vsearch_cli.status" in modules
    assert not {"vsearch_cli.query", "vsearch_cli.index"} & modules


def test_a_keyword_query_loads_no_model(vsearch: Vsearch, project: Path) -> None:
    modules = loaded(vsearch, project, "query", "--mode", "keyword", "pump")
    assert "numpy" in modules
    assert modules & (NOT_FOR_A_QUERY | {"onnxruntime", "tokenizers"}) == set()


@pytest.mark.parametrize("options", [(), ("--json",), ("--paths",), ("--group-by", "file"), ("--ext", "md")])
def test_a_hybrid_query_loads_what_it_needs(vsearch: Vsearch, project: Path, options: tuple[str, ...]) -> None:
    modules = loaded(vsearch, project, "query", *options, "pump")
    assert {"numpy", "onnxruntime", "tokenizers"} <= modules
    assert modules & NOT_FOR_A_QUERY == set()


def test_an_indexed_example_needs_no_model(vsearch: Vsearch, project: Path) -> None:
    modules = loaded(vsearch, project, "similar", "a.md")
    assert "numpy" in modules
    assert modules & (NOT_FOR_A_QUERY | {"onnxruntime", "tokenizers"}) == set()


@pytest.mark.parametrize("arguments", [("read", "a.md:1"), ("read", "a.md", "--json", "--max-tokens", "100")])
def test_reading_loads_no_model(vsearch: Vsearch, project: Path, arguments: tuple[str, ...]) -> None:
    modules = loaded(vsearch, project, *arguments)
    assert modules & (NOT_FOR_A_QUERY | {"onnxruntime", "tokenizers"}) == set()


def test_verifying_loads_no_model(vsearch: Vsearch, project: Path) -> None:
    write_files(project.parent, {"answer.txt": 'It says "The pump" (a.md:3).'})
    modules = loaded(vsearch, project, "verify", "../answer.txt")
    allowed = {"vsearch_core.lexical.phrase"}
    assert modules & (NOT_FOR_A_QUERY - allowed | {"onnxruntime", "tokenizers"}) == set()


def test_status_loads_no_model(vsearch: Vsearch, project: Path) -> None:
    assert loaded(vsearch, project, "status") & (NOT_FOR_A_QUERY | {"onnxruntime", "tokenizers"}) == set()


def test_an_unchanged_folder_loads_no_model_and_no_parser(vsearch: Vsearch, project: Path) -> None:
    modules = loaded(vsearch, project, "index")
    unneeded = {
        "onnxruntime",
        "tokenizers",
        "onnx",
        "safetensors",
        "torch",
        "huggingface_hub",
        "pypdf",
        "pypdfium2_raw",
        "lxml",
    }
    assert modules & unneeded == set()


@pytest.mark.parametrize("line", ["vsearch ", "vsearch que", "vsearch query --fus", "vsearch query --mode "])
def test_completion_loads_nothing_heavy(vsearch: Vsearch, project: Path, line: str) -> None:
    words = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" ")), "_VSEARCH_COMPLETE": "complete_bash"}
    found = loaded(vsearch, project, **words)
    assert "vsearch_cli.query" in found
    assert not HEAVY & found
