"""Consent before texts leave the machine: who is asked, how often, and what a refusal does. The provider is a fake."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from process import DEADLINE, CommandResult, Vsearch, assert_well_behaved, write_files

TESTS = Path(__file__).parent.parent
FAKE_PROVIDER = """
import sys
from dataclasses import replace
from support import WordEmbedder
import vsearch_core.embed.open as opening

class Remote(WordEmbedder):
    def __init__(self):
        super().__init__()
        self.fingerprint = replace(self.fingerprint, provider="gemini")
    def embed_queries(self, texts):
        print("SENT", len(texts), file=sys.stderr)
        return super().embed_queries(texts)

opening.open_embedder = lambda *_, **__: Remote()
from vsearch_cli.main import main
main()
"""
GEMINI = "https://generativelanguage.googleapis.com"
REFUSED = f"nothing was sent to {GEMINI}; allow it with --yes"

Remote = Callable[..., CommandResult]


@pytest.fixture
def remote(vsearch: Vsearch, project: Path, tmp_path: Path) -> Remote:
    """Return a function that runs the command with a remote provider; `typed` is what a user types at a terminal."""
    write_files(project, {"pump.txt": "The pump needs grease.\n"})
    environment = {
        **vsearch.environment,
        "HOME": str(tmp_path / "home"),
        "PYTHONPATH": str(TESTS),
        "VSEARCH_EMBEDDER": "gemini",
    }

    def run(*arguments: str | Path, typed: str | None = None, cwd: Path = project, **more: str) -> CommandResult:
        command = [sys.executable, "-c", FAKE_PROVIDER, *map(str, arguments)]
        settings: dict[str, Any] = {"cwd": cwd, "env": {**environment, **more}, "stdout": subprocess.PIPE}
        if typed is None:
            done = subprocess.run(
                command, **settings, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=DEADLINE, check=False
            )
            return assert_well_behaved(CommandResult(done.returncode, done.stdout, done.stderr))
        keyboard, terminal = pty.openpty()
        with subprocess.Popen(command, **settings, stdin=terminal, stderr=terminal, start_new_session=True) as process:
            os.write(keyboard, typed.encode())
            out, _ = process.communicate(timeout=DEADLINE)
        os.close(terminal)
        output = b""
        while True:
            try:
                output += os.read(keyboard, 65536)
            except OSError:  # the terminal is closed
                break
        os.close(keyboard)
        return CommandResult(process.returncode, out, output.replace(b"\r\n", b"\n"))

    return run


def test_without_a_terminal_nothing_is_sent(remote: Remote, project: Path) -> None:
    error = remote("index", ".").error
    assert error == f"{project}/.vsearch: {REFUSED}"
    assert not (project / ".vsearch").exists()


def test_yes_is_remembered(remote: Remote, project: Path) -> None:
    assert remote("index", "--yes", ".").status == 0
    for command in (("query", "grease"), ("index", "."), ("query", "-")):
        assert remote(*command).status in {0, 1}


def test_consent_is_asked_for_once(remote: Remote, project: Path) -> None:
    result = remote("index", ".", typed="y\n")
    assert result.status == 0, result
    question = (
        f"{project}/.vsearch: its text, your queries and your API key would be sent to"
        " https://generativelanguage.googleapis.com (gemini). Continue? [y/N] "
    )
    assert result.err.count(question) == 1
    assert "SENT" in result.err
    assert "Continue?" not in remote("query", "grease", typed="").err


@pytest.mark.parametrize("typed", ["\n", "yes please\n"])
def test_anything_but_yes_is_no(remote: Remote, project: Path, typed: str) -> None:
    result = remote("index", ".", typed=typed)
    assert result.status == 2
    assert REFUSED in result.err
    assert "SENT" not in result.err
    assert not (project / ".vsearch").exists()


def test_consent_is_not_stored_in_the_index(remote: Remote, project: Path, tmp_path: Path) -> None:
    """Another user, another folder and another host need their own consent."""
    assert remote("index", "--yes", ".").status == 0
    elsewhere = project.rename(tmp_path / "elsewhere")
    assert REFUSED in remote("query", "grease", cwd=elsewhere).error
    assert remote("query", "--mode", "keyword", "grease", cwd=elsewhere).status == 0
    elsewhere.rename(project)
    assert remote("query", "grease").status == 0
    assert REFUSED in remote("query", "grease", HOME=str(tmp_path / "somebody")).error
    write_files(project, {"new.txt": "The new pump."})
    (project / ".vsearch/config.toml").write_text('base_url = "https://example.org/v1"\n')
    result = remote("index")
    assert result.status == 0, "the index keeps its address"


@pytest.mark.parametrize(
    "command",
    [
        ("query", "-"),
        ("query", "grease", "--more-like", "{outside}"),
        ("query", "--mode", "keyword", "grease", "--more-like", "{outside}"),
        ("similar", "{outside}"),
        ("eval", "--known-items", "1"),
        ("eval", "{judged}"),
        ("index", "--re-embed", "--dimensions", "32"),
        ("repair",),
    ],
)
def test_every_command_that_sends_text_asks(
    remote: Remote, project: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    write_files(project, {"mills.txt": " ".join(f"The mill number {number} grinds rye." for number in range(40))})
    assert remote("index", "--yes", ".").status == 0
    outside = write_files(tmp_path / "outside", {"mill.txt": "The mill."}) / "mill.txt"
    judged = write_files(
        tmp_path / "judged",
        {
            "corpus.jsonl": '{"_id": "1", "title": "", "text": "The mill."}\n',
            "queries.jsonl": '{"_id": "1", "text": "mill"}\n',
            "qrels/test.tsv": "query-id\tcorpus-id\tscore\n1\t1\t1\n",
        },
    )
    words = [word.format(outside=outside, judged=judged) for word in command]
    result = remote(*words, HOME=str(tmp_path / "somebody"))
    assert "SENT" not in result.err
    if command != ("repair",):  # has nothing to embed
        assert REFUSED in result.out + result.err


@pytest.mark.parametrize("text", ["{", "[1, {}]"])
def test_a_damaged_consent_file_gives_no_consent(remote: Remote, tmp_path: Path, text: str) -> None:
    assert remote("index", "--yes", ".").status == 0
    (record,) = (tmp_path / "home/.local/state/vsearch/allowed").iterdir()
    record.write_text(text)
    assert REFUSED in remote("query", "grease").error
    assert remote("query", "--yes", "grease").status == 0
    assert json.loads(record.read_text())["recipients"] == [f"gemini {GEMINI}"]
    assert remote("query", "grease").status == 0


def test_consent_that_cannot_be_stored_holds_for_the_run(remote: Remote, tmp_path: Path) -> None:
    write_files(tmp_path / "home/.local", {"state": "in the way"})
    result = remote("index", "--yes", ".")
    assert result.status == 0
    assert "you will be asked again" in result.err


def test_local_embedders_need_no_consent(remote: Remote) -> None:
    for base_url in ("http://localhost:11434/v1", "http://127.0.0.1:8080"):
        assert remote("index", ".", VSEARCH_BASE_URL=base_url).status == 0


def test_a_server_asks_before_it_listens(remote: Remote, tmp_path: Path) -> None:
    pytest.importorskip("uvicorn")
    assert remote("index", ".", "--yes").status == 0
    refused = remote("serve", "--port", "0", VSEARCH_STATE_DIR=str(tmp_path / "new"), HOME=str(tmp_path / "other"))
    assert (refused.status, refused.out) == (2, "")
    assert REFUSED in refused.err and "answering at" not in refused.err
