"""Terminals and pipes: colour and progress on terminals only, and no error message for a closed pipe."""

import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from process import DEADLINE, Vsearch, wait_for, write_files

OnATerminal = Callable[..., tuple[int, str, str]]
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def long_notes(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an indexed folder of many files, two of them with more lines than a terminal."""
    folder = write_files(
        tmp_path_factory.mktemp("long"),
        {
            "pump.txt": "".join(f"The pump of mill {number} was greased.\n" for number in range(50)),
            "long.txt": "".join(
                f"In {number} the river was low, and the miller wrote it down.\n" for number in range(9000)
            ),
            "a.txt": "A pump.\n",
            **{f"{number}.txt": f"Pump {number} needs oil.\n" for number in range(30)},
        },
    )
    assert vsearch("index", ".", cwd=folder).status == 0
    return folder


def test_output_to_a_terminal_is_coloured(on_a_terminal: OnATerminal, library: Path) -> None:
    status, out, _ = on_a_terminal("query", "-k", "1", "exponential backoff", cwd=library)
    assert status == 0
    assert "\x1b[35mnotes/retries.md:3\x1b[0m" in out
    assert "\x1b[1;31mexponential\x1b[0m \x1b[1;31mbackoff\x1b[0m" in out


def test_output_to_a_terminal_differs_in_colour_only(
    on_a_terminal: OnATerminal, vsearch: Vsearch, library: Path
) -> None:
    _, out, _ = on_a_terminal("query", "pump in winter", cwd=library)
    assert COLOUR.sub("", out) == vsearch("query", "pump in winter", cwd=library).out


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colour_can_be_turned_off(on_a_terminal: OnATerminal, library: Path, environment: dict[str, str]) -> None:
    _, out, _ = on_a_terminal("query", "-k", "1", "backoff", cwd=library, **environment)
    assert "\x1b" not in out


def test_an_empty_no_color_is_ignored(on_a_terminal: OnATerminal, library: Path) -> None:
    _, out, _ = on_a_terminal("query", "-k", "1", "backoff", cwd=library, NO_COLOR="")
    assert "\x1b[" in out


def test_json_is_never_coloured(on_a_terminal: OnATerminal, library: Path) -> None:
    _, out, _ = on_a_terminal("query", "--json", "backoff", cwd=library)
    assert "\x1b" not in out


def test_documents_cannot_colour_the_output(on_a_terminal: OnATerminal, library: Path) -> None:
    _, out, _ = on_a_terminal("query", "-k", "1", "parrot in the belfry", cwd=library)
    assert "\x1b[31mred" not in out
    assert "\u202e" not in out


def test_progress_is_shown_on_a_terminal(on_a_terminal: OnATerminal, project: Path) -> None:
    write_files(project, {"a.txt": "The pump."})
    status, out, err = on_a_terminal("index", ".", cwd=project)
    assert status == 0
    assert "reading" in err
    assert "embedding" in err
    assert "1 file, 1 chunk (1 added)" in out


@pytest.mark.parametrize("options", [("-q",), ("--quiet",)])
def test_quiet_shows_no_progress(on_a_terminal: OnATerminal, project: Path, options: tuple[str, ...]) -> None:
    write_files(project, {"a.txt": "The pump."})
    assert on_a_terminal("index", *options, ".", cwd=project) == (0, "", "")


def test_progress_is_shown_only_on_a_terminal(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"a.txt": "The pump."})
    result = vsearch("index", ".", cwd=project)
    assert (result.status, result.err) == (0, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("query", "pump"),
        ("query", "--full", "pump"),
        ("query", "--json", "pump"),
        ("query", "--jsonl", "pump"),
        ("query", "--paths", "pump"),
        ("query", "-"),
        ("status",),
        ("models",),
        ("--version",),
    ],
)
def test_a_closed_pipe_is_silent(vsearch: Vsearch, library: Path, arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        process = vsearch.start(*arguments, cwd=library, stdout=writing, stdin=subprocess.PIPE)
    finally:
        os.close(writing)
    _, err = process.communicate(b"pump\nbread\n", DEADLINE)
    assert (process.returncode, err) == (0, b"")


@pytest.mark.parametrize("arguments", [(), ("--help",), ("index", "--help")])
def test_help_into_a_closed_pipe_is_silent(vsearch: Vsearch, library: Path, arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        process = vsearch.start(*arguments, cwd=library, stdout=writing)
    finally:
        os.close(writing)
    assert wait_for(process).stderr == b""


def test_a_pipe_closed_in_the_middle_is_silent(vsearch: Vsearch, library: Path) -> None:
    process = vsearch.start("query", "-", cwd=library, stdin=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"pump\n")
    process.stdin.flush()
    assert process.stdout.readline()
    process.stdout.close()
    process.stdin.write(b"bread\n" * 10)
    process.stdin.close()
    assert process.wait(DEADLINE) == 0
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == b""


def test_a_closed_stderr_does_no_harm(vsearch: Vsearch, library: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        process = vsearch.start("query", "--mode", "keyword", "xylophone", cwd=library, stderr=writing)
    finally:
        os.close(writing)
    assert wait_for(process).status == 1


def test_a_missing_stdout_shows_no_traceback(vsearch: Vsearch, library: Path) -> None:
    command = " ".join(f"'{word}'" for word in vsearch.command("query", "pump"))
    done = subprocess.run(
        ["sh", "-c", f"{command} >&-"], cwd=library, env=dict(vsearch.environment), capture_output=True, check=False
    )
    assert b"Traceback" not in done.stderr
    assert b"internal error" not in done.stderr


def test_a_full_disk_behind_stdout_is_an_error(vsearch: Vsearch, library: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        result = wait_for(vsearch.start("query", "--json", "pump", cwd=library, stdout=full))
    assert result.status == 2
    assert result.err.startswith("vsearch: ")
    assert result.err.count("\n") == 1
    assert "no space left" in result.err.lower()
    assert "internal error" not in result.err


@pytest.mark.parametrize("locale", ["C", "POSIX", "en_US.ISO-8859-1"])
def test_output_is_utf8_in_any_locale(vsearch: Vsearch, library: Path, locale: str) -> None:
    result = vsearch("query", "-k", "1", "磨刀石", cwd=library, LC_ALL=locale, PYTHONIOENCODING="ascii")
    assert result.status == 0
    assert result.lines[0].startswith("中文.md:")


# The pager


@pytest.fixture
def pager(tmp_path: Path) -> Path:
    """Return a pager that writes what it gets, and the variable LESS, to the file `paged` beside it."""
    program = tmp_path / "pager"
    program.write_text(f'#!/bin/sh\ncat > "{tmp_path}/paged"\necho "LESS=$LESS" >> "{tmp_path}/paged"\n')
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    "arguments", [("query", "--full", "-k", "30", "pump"), ("read", "pump.txt"), ("status", "--files"), ("formats",)]
)
def test_long_output_goes_through_the_pager(
    on_a_terminal: OnATerminal, vsearch: Vsearch, long_notes: Path, pager: Path, arguments: tuple[str, ...]
) -> None:
    status, out, _ = on_a_terminal(*arguments, cwd=long_notes, PAGER=str(pager))
    assert (status, out) == (0, "")
    paged = (pager.parent / "paged").read_text()
    assert COLOUR.sub("", paged) == vsearch(*arguments, cwd=long_notes).out + "LESS=FRX\n"


def test_a_pager_may_have_arguments_and_options_of_its_own(
    on_a_terminal: OnATerminal, long_notes: Path, pager: Path
) -> None:
    _, out, _ = on_a_terminal("read", "pump.txt", cwd=long_notes, PAGER="head -n 2")
    assert out.count("\n") == 2
    on_a_terminal("read", "pump.txt", cwd=long_notes, PAGER=str(pager), LESS="-S")
    assert (pager.parent / "paged").read_text().endswith("LESS=-S\n")


@pytest.mark.parametrize("arguments", [("query", "-k", "1", "pump"), ("query", "--json", "pump"), ("read", "a.txt")])
def test_short_output_and_json_are_not_paged(
    on_a_terminal: OnATerminal, long_notes: Path, pager: Path, arguments: tuple[str, ...]
) -> None:
    status, out, _ = on_a_terminal(*arguments, cwd=long_notes, PAGER=str(pager))
    assert status == 0
    assert out
    assert not (pager.parent / "paged").exists()


@pytest.mark.parametrize(
    "environment", [{"PAGER": ""}, {"PAGER": "cat"}, {"PAGER": "/no/such/program"}, {"PAGER": "'x"}, {"TERM": "dumb"}]
)
def test_without_a_pager_long_output_is_printed(
    on_a_terminal: OnATerminal, vsearch: Vsearch, long_notes: Path, pager: Path, environment: dict[str, str]
) -> None:
    arguments = ("read", "pump.txt")
    _, out, _ = on_a_terminal(*arguments, cwd=long_notes, **{"PAGER": str(pager), **environment})
    assert COLOUR.sub("", out) == vsearch(*arguments, cwd=long_notes).out
    assert not (pager.parent / "paged").exists()


def test_pipes_are_not_paged(vsearch: Vsearch, long_notes: Path, pager: Path) -> None:
    piped = replace(vsearch, environment={**vsearch.environment, "PAGER": str(pager)})
    assert piped("read", "pump.txt", cwd=long_notes).out.count("\n") > 40
    assert not (pager.parent / "paged").exists()


def test_leaving_the_pager_early_is_no_error(on_a_terminal: OnATerminal, long_notes: Path) -> None:
    status, out, err = on_a_terminal("read", "long.txt", cwd=long_notes, PAGER="true")
    assert (status, out, err) == (0, "", "")


# Links (OSC 8)

LINK = re.compile(r"\x1b\]8;;([^\x1b]*)\x1b\\(.*?)\x1b\]8;;\x1b\\")
HAS_LINKS = [
    {"VTE_VERSION": "7600"},
    {"TERM_PROGRAM": "WezTerm"},
    {"TERM": "xterm-kitty"},
    {"KONSOLE_VERSION": "230805"},
    {"WT_SESSION": "1"},
    {"FORCE_HYPERLINK": "1"},
    {"FORCE_HYPERLINK": "1", "TERM": "tmux-256color"},
]
HAS_NO_LINKS = [
    {},
    {"VTE_VERSION": "5000"},
    {"VTE_VERSION": "new"},
    {"TERM_PROGRAM": "Apple_Terminal"},
    {"VTE_VERSION": "7600", "TERM": "screen-256color"},
    {"VTE_VERSION": "7600", "FORCE_HYPERLINK": "0"},
    {"VTE_VERSION": "7600", "NO_COLOR": "1"},
    {"VTE_VERSION": "7600", "TERM": "dumb"},
]


@pytest.mark.parametrize("environment", HAS_LINKS)
def test_a_place_is_a_link_on_a_terminal_that_has_links(
    on_a_terminal: OnATerminal, library: Path, environment: dict[str, str]
) -> None:
    _, out, _ = on_a_terminal("query", "-k", "1", "exponential backoff", cwd=library, **environment)
    assert LINK.findall(out) == [(f"file://{os.uname().nodename}{library}/notes/retries.md#3", "notes/retries.md:3")]


@pytest.mark.parametrize("environment", HAS_NO_LINKS)
def test_other_terminals_get_no_links(on_a_terminal: OnATerminal, library: Path, environment: dict[str, str]) -> None:
    _, out, _ = on_a_terminal("query", "-k", "1", "exponential backoff", cwd=library, **environment)
    assert "notes/retries.md:3" in out
    assert "\x1b]8" not in out


def test_pipes_json_and_colourless_output_have_no_links(
    on_a_terminal: OnATerminal, vsearch: Vsearch, library: Path
) -> None:
    for options in (("--color", "never"), ("--json",), ("--jsonl",), ("--paths",)):
        _, out, _ = on_a_terminal("query", *options, "pump", cwd=library, FORCE_HYPERLINK="1")
        assert "\x1b]8" not in out
    piped = replace(vsearch, environment={**vsearch.environment, "FORCE_HYPERLINK": "1"})
    assert "\x1b]8" not in piped("query", "--color", "always", "pump", cwd=library).out


def test_links_are_escaped_and_name_a_line_only_where_files_have_lines(
    on_a_terminal: OnATerminal, library: Path
) -> None:
    host = f"file://{os.uname().nodename}{library}"
    for text, link in (
        ("parrot in the belfry", f"{host}/evil%20%1B%5B31m%E2%80%AE%20name.txt#1"),
        ("磨刀石", f"{host}/%E4%B8%AD%E6%96%87.md#3"),
        ("accounts and auditors", f"{host}/annual%20report.pdf"),
    ):
        _, out, _ = on_a_terminal("query", "-k", "1", text, cwd=library, FORCE_HYPERLINK="1")
        assert [target for target, _ in LINK.findall(out)] == [link]


def test_places_of_other_commands_are_links(on_a_terminal: OnATerminal, library: Path, tmp_path: Path) -> None:
    answer = tmp_path / "answer.txt"
    answer.write_text('It says "retried three times with exponential backoff" (notes/retries.md:3).\n')
    link = f"file://{os.uname().nodename}{library}/notes/retries.md#3"
    for arguments in (("read", "notes/retries.md:3"), ("verify", answer), ("similar", "notes/pump.md:8")):
        _, out, _ = on_a_terminal(*arguments, cwd=library, FORCE_HYPERLINK="1")
        assert link in [target for target, _ in LINK.findall(out)]
