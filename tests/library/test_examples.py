"""The examples of docs/python.md run, and pass a type checker as an outside program would."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from process import write_files

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = re.findall(
    r"^```python\n(.*?)^```", (ROOT / "docs" / "python.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
)
DESIGNED = """
import vsearch_core as vsearch

with vsearch.open_index("notes", create=True) as index:
    index.update(["notes"])
    for hit in index.search("late fee", k=5, where="ext = 'md'").hits:
        print(hit.path, hit.start_line, hit.score, hit.text)
"""


def environment(home: Path) -> dict[str, str]:
    """A home folder of one's own for everything but models and kernels, which take long to make."""
    return {**os.environ, "XDG_STATE_HOME": str(home), "XDG_CONFIG_HOME": str(home), "HF_HUB_OFFLINE": "1"}


def test_the_first_example_is_the_promised_one() -> None:
    assert EXAMPLES[0].strip() == DESIGNED.strip()


def test_the_examples_run_in_order(notes: Path, tmp_path: Path) -> None:
    """Each in a process of its own, from the folder above the documents; warnings are errors."""
    outputs = []
    for number, example in enumerate(EXAMPLES):
        program = write_files(tmp_path, {f"example{number}.py": example}) / f"example{number}.py"
        done = subprocess.run(
            [sys.executable, "-W", "error", program],
            cwd=notes.parent,
            env=environment(tmp_path / "home"),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), example
        outputs.append(done.stdout)
    assert outputs[0].startswith("fees.md 1 ")
    assert "The pump is primed by hand." in outputs[1]
    assert "index-not-found nowhere" in outputs[-2]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_examples_are_typed(number: int, tmp_path: Path) -> None:
    assert type_check(EXAMPLES[number], tmp_path) == ""


def test_the_public_api_is_typed(tmp_path: Path) -> None:
    program = """
from collections.abc import Iterator, Sequence
from typing import assert_type

import numpy as np
from numpy.typing import NDArray

import vsearch_core as vsearch

class Mine:
    @property
    def fingerprint(self) -> vsearch.Fingerprint:
        return vsearch.Fingerprint("mine", "m", "w", 2, "mean")

    def embed_documents(self, texts: Sequence[str]) -> Iterator[vsearch.Batch]:
        yield vsearch.Batch(np.arange(len(texts)), self.embed_queries(texts))

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.full((len(texts), 2), 0.5**0.5, np.float32)

    def legible_share(self, query: str) -> float:
        return 1.0

def opener(spec: vsearch.EmbedderSpec) -> vsearch.Embedder:
    return Mine()

with vsearch.open_index("notes", open_embedder=opener) as index:
    assert_type(index, vsearch.Index)
    results = index.search("late fee", k=5, ext=["md"])
    assert_type(results, vsearch.Results)
    assert_type(results.hits[0].score, float)
    assert_type(index.update(["notes"], retry=True), vsearch.UpdateSummary)
    request = vsearch.search_request("late fee", more_like=["a.md"])
    assert_type(index.search(request), vsearch.Results)
    assert_type(index.generation, int)
    assert_type(vsearch.__version__, str)
"""
    assert type_check(program, tmp_path) == ""


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("index.search('late fee', size=5)", "call-overload"),
        ("index.search('late fee', k='5')", "call-overload"),
        ("index.update(['notes'], retries=3)", "call-arg"),
        ("vsearch.open_indexes('notes')", "attr-defined"),
    ],
)
def test_a_type_checker_finds_wrong_calls(line: str, complaint: str, tmp_path: Path) -> None:
    program = f"import vsearch_core as vsearch\n\nindex = vsearch.open_index('notes')\n{line}\n"
    assert f"[{complaint}]" in type_check(program, tmp_path)


def type_check(program: str, folder: Path) -> str:
    """Return what mypy says of a program outside of the project; "" if it is right.

    The project's own settings are strict, and share its cache: without that, checking takes minutes.
    """
    file = folder / "program.py"
    file.write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", file],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode == 0:
        return ""
    return "\n".join(line for line in done.stdout.splitlines() if line.startswith(str(file))) or done.stdout
