"""`vsearch mcp --install` and `vsearch skill`: how agents learn of vsearch."""

import json
import os
import re
import shlex
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from process import Vsearch, write_files
from vsearch_cli.agents import AGENTS
from vsearch_cli.main import COMMANDS

ROOT = Path(__file__).parent.parent.parent
FILES = {
    "claude": ".mcp.json",
    "claude-desktop": "home/.config/Claude/claude_desktop_config.json",
    "codex": "home/.codex/config.toml",
    "cursor": ".cursor/mcp.json",
    "gemini": ".gemini/settings.json",
    "vscode": ".vscode/mcp.json",
    "windsurf": "home/.codeium/windsurf/mcp_config.json",
}
JSON_AGENTS = sorted(set(FILES) - {"codex"})


@pytest.fixture
def install(vsearch: Vsearch, tmp_path: Path) -> Any:
    """Return a function that runs `vsearch mcp --install` in a project of a new user."""
    (tmp_path / "home").mkdir()

    def run(agent: str, *arguments: str) -> Any:
        home = str(tmp_path / "home")
        return vsearch("mcp", "--install", agent, *arguments, cwd=tmp_path, HOME=home, CODEX_HOME="", APPDATA="")

    return run


def servers(agent: str, path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    return (tomllib.loads(text) if agent == "codex" else json.loads(text))[AGENTS[agent].key]


def test_every_agent_is_tested() -> None:
    assert set(FILES) == set(AGENTS)


@pytest.mark.parametrize("agent", FILES)
def test_the_server_is_added_to_the_agents_own_file(install: Any, tmp_path: Path, agent: str) -> None:
    result = install(agent, "--allow-index", ".")
    assert (result.status, result.out) == (0, "")
    assert str(tmp_path / FILES[agent]) in result.err
    entry = servers(agent, tmp_path / FILES[agent])["vsearch"]
    assert Path(entry["command"]).is_absolute() and os.access(entry["command"], os.X_OK)
    assert entry["args"] == ["mcp", "--index", str(tmp_path / ".vsearch"), "--allow-index", str(tmp_path)]
    before = (tmp_path / FILES[agent]).stat().st_mtime_ns
    assert "had the server already" in install(agent, "--allow-index", ".").err
    assert (tmp_path / FILES[agent]).stat().st_mtime_ns == before


@pytest.mark.parametrize("agent", FILES)
def test_print_shows_the_entry_and_writes_nothing(install: Any, tmp_path: Path, agent: str) -> None:
    result = install(agent, "--print")
    shown = tomllib.loads(result.out) if agent == "codex" else json.loads(result.out)
    assert shown[AGENTS[agent].key]["vsearch"]["args"][0] == "mcp"
    assert not (tmp_path / FILES[agent]).exists()


@pytest.mark.parametrize("agent", JSON_AGENTS)
def test_what_is_in_a_json_file_is_kept(install: Any, tmp_path: Path, agent: str) -> None:
    key = AGENTS[agent].key
    former = {"z": [1, {"é": None}], key: {"other": {"command": "x"}, "vsearch": {"command": "old"}}, "a": 1.5}
    path = tmp_path / FILES[agent]
    text = json.dumps(former, indent="\t", ensure_ascii=False)
    write_files(tmp_path, {FILES[agent]: text})
    path.chmod(0o600)
    assert install(agent).status == 0
    new = json.loads(path.read_text(encoding="utf-8"))
    assert list(new) == list(former) and new["z"] == former["z"] and new[key]["other"] == {"command": "x"}
    assert new[key]["vsearch"]["args"][0] == "mcp"
    assert '\n\t"z"' in path.read_text(encoding="utf-8")
    backup = path.with_name(path.name + ".before-vsearch")
    assert backup.read_text(encoding="utf-8") == text
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, backup)] == [0o600, 0o600]


OTHERS = """# my settings
model = "o9"  # the best

[mcp_servers.other]
command = "x"
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (OTHERS, ""),
        (OTHERS + '[mcp_servers.vsearch]\ncommand = "old"\n', ""),
        (OTHERS + '[mcp_servers.vsearch]\ncommand = "old"\n\n', "[tui]\ntheme = 1\n"),
        (OTHERS.rstrip(), ""),
    ],
)
def test_no_other_line_of_a_toml_file_changes(install: Any, tmp_path: Path, before: str, after: str) -> None:
    write_files(tmp_path, {FILES["codex"]: before + after})
    assert install("codex").status == 0
    text = (tmp_path / FILES["codex"]).read_text(encoding="utf-8")
    assert text.startswith(OTHERS.rstrip()) and text.endswith(after)
    assert servers("codex", tmp_path / FILES["codex"])["vsearch"]["args"][0] == "mcp"
    assert text.count("[mcp_servers.vsearch]") == 1


@pytest.mark.parametrize(
    ("agent", "content"),
    [
        ("cursor", b'{"mcpServers": {} // a comment\n}'),
        ("cursor", b"[]"),
        ("cursor", b'{"mcpServers": []}'),
        ("cursor", b"[" * 100_000),
        ("cursor", b"\xff\xfe{\0"),
        ("codex", b"mcp_servers = 3\n"),
        ("codex", b'mcp_servers = { vsearch = { command = "old" } }\n'),
        ("codex", b'[mcp_servers.vsearch]\ncommand = "old"\n[mcp_servers.vsearch.env]\nA = "b"\n'),
        ("codex", b"a = \n"),
        ("codex", b"\xff"),
    ],
)
def test_a_file_that_is_not_understood_stays_as_it_is(install: Any, tmp_path: Path, agent: str, content: bytes) -> None:
    write_files(tmp_path, {FILES[agent]: content})
    assert "add the entry by hand: --print shows it" in install(agent).error
    path = tmp_path / FILES[agent]
    assert path.read_bytes() == content and [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("link", [".cursor", ".cursor/mcp.json"])
def test_nothing_is_written_through_a_link_in_a_project(install: Any, tmp_path: Path, link: str) -> None:
    write_files(tmp_path, {"elsewhere/mcp.json": "{}"})
    (tmp_path / link).parent.mkdir(exist_ok=True)
    (tmp_path / link).symlink_to(tmp_path / "elsewhere" / ("mcp.json" if link.endswith("json") else ""))
    assert "is a symbolic link" in install("cursor").error
    assert (tmp_path / "elsewhere/mcp.json").read_text(encoding="utf-8") == "{}"


def test_print_needs_an_agent(vsearch: Vsearch, tmp_path: Path) -> None:
    assert "has no effect without --install" in vsearch("mcp", "--print", cwd=tmp_path).error


def commands_of(skill: str) -> Iterator[list[str]]:
    """Yield the words of each command of vsearch in the skill's code."""
    spans = re.findall(r"^    (.+)$", skill, re.MULTILINE) + re.findall(r"`(vsearch [^`]+)`", skill)
    for span in spans:
        words = shlex.split(span.partition("  #")[0])
        assert words[0] == "vsearch", span
        yield words[1:]


def test_the_skill_names_commands_and_options_that_exist(vsearch: Vsearch, tmp_path: Path) -> None:
    skill = vsearch("skill", cwd=tmp_path).out
    assert skill == (ROOT / "cli" / "SKILL.md").read_text(encoding="utf-8")
    assert re.match(r"---\nname: vsearch\ndescription: .{50,1000}\n---\n", skill)
    found = list(commands_of(skill))
    assert {"query", "read", "verify", "index", "status", "similar"} <= {words[0] for words in found}
    reference = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    for name, *words in found:
        assert name in COMMANDS
        section = reference.partition(f"## vsearch {name}\n")[2].partition("\n## ")[0]
        for option in (word for word in words if re.match(r"--?[a-z]", word)):
            assert re.search(rf"(?<![\w-]){option}(?![\w-])", section), (name, option)
    for option in re.findall(r"`(--[a-z-]+)", skill):
        assert option in reference


def test_the_skill_names_keys_of_the_json_and_exit_statuses(vsearch: Vsearch, tmp_path: Path) -> None:
    skill = vsearch("skill", cwd=tmp_path).out
    write_files(tmp_path, {"notes/fees.md": "# Fees\n\nThe late fee is two pounds a day.\n"})
    assert vsearch("index", "notes", cwd=tmp_path).status == 0
    result = vsearch("query", "late fee", "--json", cwd=tmp_path)
    keys = set(result.json) | set(result.json["hits"][0])
    section = skill.partition("## What `vsearch query --json` prints")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z_]+)`", section))
    assert {"answered", "confidence", "stale", "path", "start_line"} <= named <= keys
    assert result.status == 0
    assert vsearch("query", "+platypus", "--mode", "keyword", cwd=tmp_path).status == 1
    assert vsearch("query", "x", "--where", "=", cwd=tmp_path).status == 2
