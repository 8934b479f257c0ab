"""Put the MCP server into the configuration of an agent: `vsearch mcp --install`.

Each agent has a file of its own, in JSON or TOML, with an entry a server. The file keeps everything else that is in it,
and what it was before is kept beside it.
"""

import json
import os
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsearch_core.errors import InputError
from vsearch_core.json_text import parse_json
from vsearch_core.own_files import make_own_folders, open_file, refuse_links, replace_file
from vsearch_core.store.io_errors import file_errors

SERVER = "vsearch"  # the name of the entry
BACKUP = ".before-vsearch"  # the suffix of the former file
MOST_BYTES = 10_000_000  # of an agent's file

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AgentFile:
    """The file of an agent: a function from the project's folder to its path, its format, and the key of the servers.

    `more` are members that the agent wants in an entry.
    """

    path: Callable[[Path], Path]
    key: str = "mcpServers"
    more: Mapping[str, Any] | None = None
    is_toml: bool = False


def _claude_desktop(_project: Path) -> Path:
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("APPDATA") or Path.home() / ".config")
    return base / "Claude" / "claude_desktop_config.json"


def _codex(_project: Path) -> Path:
    return Path(os.environ.get("CODEX_HOME") or Path.home() / ".codex") / "config.toml"


# As the documentation of each names it, in November 2026.
AGENTS: Mapping[str, AgentFile] = {
    "claude": AgentFile(lambda project: project / ".mcp.json", more={"type": "stdio"}),
    "claude-desktop": AgentFile(_claude_desktop),
    "codex": AgentFile(_codex, "mcp_servers", is_toml=True),
    "cursor": AgentFile(lambda project: project / ".cursor" / "mcp.json"),
    "gemini": AgentFile(lambda project: project / ".gemini" / "settings.json"),
    "vscode": AgentFile(lambda project: project / ".vscode" / "mcp.json", "servers", {"type": "stdio"}),
    "windsurf": AgentFile(lambda _: Path.home() / ".codeium" / "windsurf" / "mcp_config.json"),
}


def entry_for(agent: AgentFile, command: str, arguments: list[str]) -> Entry:
    """Return the entry that starts the server."""
    return {**(agent.more or {}), "command": command, "args": arguments}


def snippet(agent: AgentFile, entry: Entry) -> str:
    """Return the part of the agent's file that has the entry."""
    if agent.is_toml:
        return _toml(agent, entry)
    return json.dumps({agent.key: {SERVER: entry}}, indent=2, ensure_ascii=False)


def install(agent: AgentFile, project: Path, entry: Entry) -> tuple[Path, bool]:
    """Put the entry into the agent's file, in place of a former one. Return the file, and True if it has changed.

    Raises InputError if the file is a link, or is not in the agent's format; StorageError if it can't be written.
    """
    path = agent.path(project)
    # A project may come from elsewhere, with links in place of its folders; those of the user's home are their choice.
    within = project if path.is_relative_to(project) else None
    with file_errors(path):
        refuse_links(path, within=within)
        before = _read(path)
        after = (_with_toml if agent.is_toml else _with_json)(path, before or b"", agent, entry)
        if after == before:
            return path, False
        make_own_folders(path.parent)
        mode = 0o666 if before is None else path.stat().st_mode & 0o777
        if before is not None:
            replace_file(path.with_name(path.name + BACKUP), before, within=within, permissions=mode)
        replace_file(path, after, within=within, permissions=mode)
    return path, True


def _read(path: Path) -> bytes | None:
    """Return the file's bytes, or None if it doesn't exist."""
    try:
        with open_file(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if len(data) > MOST_BYTES:
        raise _unusable(path, f"it has more than {MOST_BYTES:,} bytes")
    return data


def _unusable(path: Path, reason: str) -> InputError:
    return InputError(str(path), f"{reason}; add the entry by hand: --print shows it")


def _with_json(path: Path, before: bytes, agent: AgentFile, entry: Entry) -> bytes:
    try:
        value = parse_json(before.decode()) if before.strip() else {}
    except ValueError:
        raise _unusable(path, "is not plain JSON") from None
    servers = value.setdefault(agent.key, {}) if isinstance(value, dict) else None
    if not isinstance(servers, dict):
        raise _unusable(path, f"has no object {agent.key}")
    if servers.get(SERVER) == entry:
        return before
    servers[SERVER] = entry
    indent = re.search(rb"\n([ \t]+)", before)
    return (json.dumps(value, indent=indent[1].decode() if indent else 2, ensure_ascii=False) + "\n").encode()


def _with_toml(path: Path, before: bytes, agent: AgentFile, entry: Entry) -> bytes:
    """Return the file with the entry's table, changing no other line."""
    try:
        text = before.decode()
        wanted = tomllib.loads(text)
    except (ValueError, RecursionError):
        raise _unusable(path, "is not TOML") from None
    servers = wanted.setdefault(agent.key, {})
    if not isinstance(servers, dict):
        raise _unusable(path, f"has no table {agent.key}")
    if servers.get(SERVER) == entry:
        return before
    had_entry = SERVER in servers
    servers[SERVER] = dict(entry)
    table = _toml(agent, entry)
    if had_entry:
        header = re.escape(f"[{agent.key}.{SERVER}]")
        changed = re.sub(rf"^{header}[ \t]*\n(?:(?!\[).*\n?)*", lambda _: table + "\n", text, flags=re.MULTILINE)
    else:
        changed = f"{text.rstrip()}\n\n{table}" if text.strip() else table
    try:
        is_as_wanted = tomllib.loads(changed) == wanted
    except ValueError:
        is_as_wanted = False
    if not is_as_wanted:
        raise _unusable(path, f"has {agent.key} in another form than tables")
    return changed.encode()


def _toml(agent: AgentFile, entry: Entry) -> str:
    # A text of JSON, or a list of texts, is valid TOML if DEL is escaped, too.
    values = {name: json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f") for name, value in entry.items()}
    lines = (f"{name} = {value}" for name, value in values.items())
    return "\n".join([f"[{agent.key}.{SERVER}]", *lines]) + "\n"
