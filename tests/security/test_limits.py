"""Values that a filter makes, patterns and responses of servers are bounded; nothing hangs, nothing is misnamed."""

import time
from pathlib import Path

import pytest
from process import write_files
from support import WordEmbedder, make_index

import vsearch_core
from vsearch_core.embed.remote.openai import _error_message
from vsearch_core.errors import FilterError, InputError
from vsearch_core.index.removal import remove_paths
from vsearch_core.search.claims import find_claims
from vsearch_core.store.filters import PATTERN_LIMIT

SLOW = [  # quadratic, within one call of a function, which no time limit interrupts
    "instr(zeroblob(9000000), zeroblob(4500000) || x'01') = 0",
    "length(replace(zeroblob(9000000), zeroblob(4500000) || x'01', x'02')) > 0",
    "printf('%900000s', '') LIKE '" + "% _" * 300 + "x'",
    "printf('%900000s', '') GLOB '" + "* " * 450 + "x'",
    "printf('%900000s', '') LIKE '" + "%" * 20_000 + "x'",
    "length(hex(hex(hex(hex(zeroblob(900000)))))) > 0",
    "length(group_concat(path)) > 0",
    "json_extract('" + "[" * 3000 + "', '$') > 0",
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small indexed folder."""
    folder = write_files(tmp_path_factory.mktemp("project"), {"a.txt": "heron", "docs/b.txt": "weir", "c.md": "mill"})
    make_index(folder, WordEmbedder(), Path())
    return folder


def search(project: Path, *, where: str | None = None, path: str | None = None) -> list[str]:
    with vsearch_core.open_index(project, open_embedder=lambda _: WordEmbedder()) as index:
        return [hit.path for hit in index.search("heron", where=where, path=path).hits]


@pytest.mark.parametrize("where", SLOW, ids=lambda where: where[:40])
def test_no_call_of_a_function_is_given_much(project: Path, where: str) -> None:
    started = time.monotonic()
    try:
        search(project, where=where)
    except FilterError as error:
        assert error.subject == "where"
    assert time.monotonic() - started < 8


@pytest.mark.parametrize("glob", ["*" * 60_000, "*a" * 30_000, "x" * (PATTERN_LIMIT + 1), "é" * PATTERN_LIMIT])
def test_a_glob_that_is_too_long_is_refused_as_such(project: Path, glob: str) -> None:
    with pytest.raises(FilterError, match="the glob is longer than") as caught:
        search(project, path=glob)
    assert (caught.value.subject, caught.value.code) == ("path", "path-too-long")


@pytest.mark.parametrize(
    "glob", ["*" * PATTERN_LIMIT, "[a]" * (PATTERN_LIMIT // 3), "*a" * (PATTERN_LIMIT // 2), "docs/" * 200]
)
def test_a_long_glob_is_a_glob(project: Path, glob: str) -> None:
    assert len(search(project, path=glob)) in {0, 3}
    assert search(project, path=glob, where="size > 0") == search(project, path=glob)


@pytest.mark.parametrize(
    "text", ["[" * 200_000, '{"error": ' * 100_000, '{"error": ' + "[" * 900 + "]" * 900 + "}", "{"]
)
def test_a_nested_error_of_a_provider_is_a_message(text: str) -> None:
    message, code = _error_message(text)
    assert message
    assert code == ""


def test_a_removal_that_is_repeated_succeeds(tmp_path: Path) -> None:
    """Repeat a removal, as a user does after a kill that came behind its commit."""
    write_files(tmp_path, {"docs/a.txt": "heron", "docs/sub/b.txt": "weir", "c.txt": "mill"})
    make_index(tmp_path, WordEmbedder(), Path())
    for paths in (["docs/a.txt"], ["docs/sub"], ["docs/sub/b.txt"], ["docs/a.txt", "docs/sub"]):
        for _ in range(2):
            done = remove_paths(tmp_path / ".vsearch", [tmp_path / path for path in paths])
    assert (done.removed, done.files) == (0, 1)
    assert make_index(tmp_path, WordEmbedder()).files == 1
    with pytest.raises(InputError, match="is not in the index"):
        remove_paths(tmp_path / ".vsearch", [tmp_path / "docs/nowhere"])


@pytest.mark.parametrize(
    "text",
    [
        "`" * 300_000,
        " ".join("`" * length for length in range(700)),
        "`a ``b " * 40_000,
        '"' * 200_000,
        "\u201c" * 200_000,
        "> " * 100_000,
        ">" + " " * 200_000 + "a",
        "```\n" * 50_000,
        "(" * 200_000 + "a.md:1",
        "a/" * 100_000 + "b.md:1",
        '"one two three four ' * 10_000,
    ],
    ids=lambda text: f"{text[:7]} {len(text)}",
)
def test_claims_of_a_hostile_text_are_found_in_linear_time(text: str) -> None:
    started = time.process_time()
    find_claims(text, lambda name: (), frozenset({".md"}))
    assert time.process_time() - started < 8
