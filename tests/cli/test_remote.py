"""`vsearch` with a remote embedder, against providers on loopback."""

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from process import DEADLINE, Vsearch, assert_well_behaved, wait_for, wait_until, write_files
from providers import KEY, FakeProvider, serving

KEYS = {"GEMINI_API_KEY": KEY, "OPENAI_API_KEY": KEY}
ADDRESSES = {"gemini": "GOOGLE_GEMINI_BASE_URL", "openai": "OPENAI_BASE_URL"}
FILES = {"pump.txt": "The pump needs grease.\n", "bread.txt": "Rye bread needs time.\n"}


def remote_options(name: str, provider: FakeProvider) -> list[str]:
    """Return the options that name the provider."""
    model = ["--model", "text-embedding-3-small"] if name == "openai" else []
    return ["--embedder", name, "--base-url", provider.url, "--dimensions", "128", *model]


def dialect(name: str) -> str:
    return "gemini" if name == "gemini" else "openai"


def many_files(project: Path, files: int, chunks: int) -> None:
    """Write `files` files of `chunks` chunks of 20 words; no text is repeated."""
    for number in range(files):
        paragraphs = (f"f{number}c{chunk} " + "word " * 18 + "end." for chunk in range(chunks))
        write_files(project, {f"{number}.txt": "\n\n".join(paragraphs)})


SMALL_CHUNKS = ("--chunk-words", "20", "--overlap-words", "0")


@pytest.mark.parametrize("name", ["gemini", "openai"])
def test_index_and_query(vsearch: Vsearch, project: Path, name: str) -> None:
    write_files(project, FILES)
    with serving(dialect(name)) as provider:
        result = vsearch("index", ".", *remote_options(name, provider), cwd=project, **KEYS)
        assert result.status == 0, result
        named = {**KEYS, ADDRESSES[name]: provider.url}
        query = vsearch("query", "grease for the pump", "--json", "--explain", "--mode", "vector", cwd=project, **named)
        assert query.json["hits"][0]["path"] == "pump.txt"
        again = vsearch("index", cwd=project, **named)
        assert len(provider.requests) == 2  # one for the documents, one for the query
        status = vsearch("status", "--json", cwd=project)
        results = [result, query, again, status]
    assert not any(KEY in each.out + each.err for each in results)
    stored = [path for path in (project / ".vsearch").rglob("*") if path.is_file()]
    assert stored
    assert not any(KEY.encode() in path.read_bytes() for path in stored)


def test_a_query_sends_no_key_to_an_address_that_only_the_index_names(vsearch: Vsearch, project: Path) -> None:
    write_files(project, FILES)
    with serving("ollama") as provider:
        options = ("--embedder", "openai", "--model", "m", "--dimensions", "48", "--base-url", provider.url)
        result = vsearch("index", ".", *options, cwd=project, **KEYS)
        assert result.status == 0, result
        assert vsearch("query", "grease", cwd=project, **KEYS).status == 0
        assert provider.keys == [KEY, None]


def test_the_address_from_the_environment_is_stored_and_can_be_changed(vsearch: Vsearch, project: Path) -> None:
    write_files(project, FILES)
    options = ("--embedder", "openai", "--model", "m")
    with serving("ollama") as old, serving("llama.cpp") as new:
        assert vsearch("index", ".", *options, cwd=project, OPENAI_BASE_URL=old.url).status == 0
        assert vsearch("query", "grease", cwd=project).status == 0
        before = len(old.requests)
        assert vsearch("index", "--base-url", new.url, cwd=project).status == 0
        assert vsearch("query", "grease", cwd=project).status == 0
        assert (len(old.requests), len(new.requests)) == (before, 1)


def test_a_spent_quota_keeps_embedded_chunks_and_says_when_to_resume(vsearch: Vsearch, project: Path) -> None:
    many_files(project, 8, 40)
    with serving("gemini", lambda number: "day" if number == 2 else "") as provider:
        options = [*remote_options("gemini", provider), *SMALL_CHUNKS]
        result = vsearch("index", ".", *options, "-q", cwd=project, **KEYS)
        assert result.error.startswith(
            "gemini gemini-embedding-001: the day's quota is used up; finished vectors are kept; "
        )
        assert "run the same command again after" in result.error
        assert vsearch("query", "f0c3", "-k", "1", "--mode", "keyword", "--paths", cwd=project).out == "0.txt\n"
        again = vsearch("index", ".", *options, cwd=project, **KEYS)
        assert again.status == 0, again
        assert set(provider.answered.values()) == {1}
        assert len(provider.answered) == 320


def test_ctrl_c_ends_a_wait_between_retries(vsearch: Vsearch, project: Path) -> None:
    many_files(project, 5, 40)
    with serving("openai", lambda number: "429 100" if number == 2 else "") as provider:
        options = [*remote_options("openai", provider), *SMALL_CHUNKS]
        environment = {**vsearch.environment, **KEYS}
        process = vsearch.start("index", ".", *options, cwd=project, env=environment)
        wait_until(lambda: len(provider.requests) == 3, "the third request")
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        result = assert_well_behaved(wait_for(process))
        assert result.status == 130, result
        assert "waiting 100 s: status 429: Rate limit reached for requests" in result.err
        assert "finished vectors are kept" in result.err
        assert time.monotonic() - started < 30
        assert vsearch("index", ".", *options, cwd=project, **KEYS).status == 0
        assert set(provider.answered.values()) == {1}


def test_a_missing_key_is_a_one_line_error_and_no_index_is_created(vsearch: Vsearch, project: Path) -> None:
    write_files(project, FILES)
    for name, variable in (("gemini", "GEMINI_API_KEY"), ("openai", "OPENAI_API_KEY")):
        assert variable in vsearch("index", ".", "--embedder", name, "--yes", cwd=project).error
    assert not (project / ".vsearch").exists()


def test_an_unreachable_provider_is_a_one_line_error(vsearch: Vsearch, project: Path) -> None:
    write_files(project, FILES)
    with serving("openai") as provider:
        options = remote_options("openai", provider)
    error = vsearch("index", ".", *options, cwd=project, **KEYS).error
    assert error.startswith("openai text-embedding-3-small: can't be reached (ConnectError: ")
    assert error.endswith("finished vectors are kept; run the same command again later")


def kill_and_go_on(vsearch: Vsearch, project: Path, name: str, kills: int, chunks: int) -> None:
    """Kill `index` at its n-th request, before, while or after it is answered, then let the next run go on.

    The provider throttles and drops at random meanwhile. Each kill may cost one batch, sent a second time.
    """
    chance = random.Random(kills)
    many_files(project, chunks // 40, 40)
    running: list[subprocess.Popen[bytes]] = []
    deadly: list[tuple[int, str]] = []  # (request, moment)

    def kill(number: int, moment: str) -> None:
        if (number, moment) in deadly:
            time.sleep(chance.uniform(0, 0.03) if moment == "after" else 0)
            running[-1].kill()
            running[-1].wait(DEADLINE)

    def faults(number: int) -> str:
        kill(number, "before")
        return chance.choices(["429 0.01", "429 0.05", "drop", "short", ""], [10, 10, 5, 5, 70])[0]

    with serving(dialect(name), faults, after=lambda number: kill(number, "after")) as provider:
        options = [*remote_options(name, provider), *SMALL_CHUNKS, "-q"]
        environment = {**vsearch.environment, **KEYS}
        output = b""
        for number in range(kills):
            sent, paid = len(provider.requests), provider.answered.total()
            deadly[:] = [(sent + chance.randrange(1, 4), ("before", "after")[number % 2])]
            running.append(vsearch.start("index", ".", *options, cwd=project, env=environment))
            out, err = running[-1].communicate(timeout=DEADLINE)
            output += out + err
            twice = provider.answered.total() - len(provider.answered)
            assert running[-1].returncode in {0, -signal.SIGKILL}, err
            assert provider.answered.total() >= paid
            assert twice <= (number + 1) * (100 if name == "gemini" else 32)
        deadly.clear()
        result = vsearch("index", ".", *options, cwd=project, **KEYS)
        assert result.status == 0, result
        status = vsearch("status", "--json", cwd=project).json
    assert sum(process.returncode == -signal.SIGKILL for process in running) >= min(kills, 3)
    assert len(provider.answered) == chunks
    assert max(provider.answered.values()) <= 2 + kills // 5
    assert status["chunks"] == chunks
    assert KEY.encode() not in output
    assert vsearch("check", "--full", cwd=project).status == 0


def test_kill_9_loses_at_most_one_batch(vsearch: Vsearch, project: Path) -> None:
    kill_and_go_on(vsearch, project, "openai", 3, 400)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gemini", "openai"])
def test_kill_9_at_twenty_points_loses_at_most_one_batch_each(vsearch: Vsearch, project: Path, name: str) -> None:
    kill_and_go_on(vsearch, project, name, 20, 6000 if name == "gemini" else 2400)


@pytest.mark.parametrize("name", ["openai", "gemini"])
def test_a_query_may_name_another_address(vsearch: Vsearch, project: Path, name: str) -> None:
    """The index remembers the address of `index`; `query` and `similar` may name one for a server that has moved."""
    write_files(project, FILES)
    with serving(dialect(name)) as old, serving(dialect(name)) as new:
        assert vsearch("index", ".", *remote_options(name, old), "--yes", cwd=project, **KEYS).status == 0
        before = len(old.requests)
        arguments = ("query", "grease", "--base-url", new.url, "--yes")
        assert vsearch(*arguments, cwd=project, **KEYS).status == 0
        assert (len(old.requests), len(new.requests)) == (before, 1)
