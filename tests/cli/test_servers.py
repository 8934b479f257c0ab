"""Addresses of servers on the command line, without a server: what is refused, and in which words."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from process import Vsearch

ADDRESS = "postgresql://u:s3cret@127.0.0.1:1/docs?schema=notes"
NAME = "postgresql://127.0.0.1:1/docs?schema=notes"
LOCAL_ONLY: tuple[str, ...] = (
    "config",
    "duplicates",
    "export x.tar",
    "feedback q a.txt good",
    "import x.tar",
    "mcp",
    "push file:s",
)
LOCAL_ONLY += ("repair", "tune q.jsonl", "warm")


@pytest.mark.parametrize("words", LOCAL_ONLY)
def test_commands_on_local_indexes_are_refused_by_name(vsearch: Vsearch, tmp_path: Path, words: str) -> None:
    result = vsearch(*words.split(), "--index", ADDRESS, cwd=tmp_path)
    assert result.status == 2
    assert result.err.startswith(
        f"vsearch: {NAME}: `vsearch {words.split(maxsplit=1)[0]}` works on local indexes only; "
    )


@pytest.mark.parametrize("words", ["index . --plan", "index . --watch", "index --re-embed", "index - --name a.txt"])
def test_options_on_local_indexes_are_refused_by_name(vsearch: Vsearch, tmp_path: Path, words: str) -> None:
    result = vsearch(*words.split(), "--index", ADDRESS, cwd=tmp_path)
    option = "a document from stdin" if "-" in words.split() else words.rsplit(maxsplit=1)[-1]
    assert (result.status, f"{NAME}: {option} works on local indexes only; " in result.err) == (2, True), result
    assert not list(tmp_path.iterdir())


def test_a_url_of_another_kind_is_no_folder(vsearch: Vsearch, tmp_path: Path) -> None:
    result = vsearch("index", ".", "--index", "mysql://u:s3cret@db/x", cwd=tmp_path)
    assert result.status == 2
    assert result.err.startswith("vsearch: mysql://: is no kind of address of an index; ")
    assert "s3cret" not in result.err
    assert not list(tmp_path.iterdir())


def test_a_server_that_can_not_be_used_is_named_without_its_password(vsearch: Vsearch, tmp_path: Path) -> None:
    result = vsearch("query", "late fee", "--index", ADDRESS, cwd=tmp_path)
    expected = "Connection refused" if find_spec("psycopg") else "run `pip install 'vsearch[postgres]'`"
    assert (result.status, expected in result.err, NAME in result.err) == (2, True, True), result
    assert "s3cret" not in result.err
