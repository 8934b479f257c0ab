"""The tool that lets an agent bring the index up to date, with folders that the user has allowed."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsearch_core.errors import InputError
from vsearch_core.serve.fields import MAX_LIST, Field
from vsearch_core.serve.tools import AgentTool, ToolAnswer

if TYPE_CHECKING:
    from vsearch_core.index.writer import UpdateSummary

_COUNTS = ("added", "changed", "removed", "unchanged", "skipped", "failed")


def index_tool(update: "Callable[[Sequence[Path]], UpdateSummary]", roots: Sequence[Path]) -> AgentTool:
    """Return the tool. `update` indexes files and folders; only those in the folders `roots` are passed to it."""

    def run(_open_index: Any, options: dict[str, Any]) -> ToolAnswer:
        names = options.get("paths", [])
        return _summary(update([allowed_path(name, roots) for name in names] or [root.resolve() for root in roots]))

    shown = ", ".join(map(str, roots))
    return AgentTool(
        "index",
        "Update the index",
        f"Bring the index up to date with files and folders below {shown}; without paths, with all of that. Unchanged"
        " files are not read again. Call it if hits are stale, or after documents have changed.",
        {"paths": Field("array", "Files and folders, absolute or relative to the working folder.", longest=MAX_LIST)},
        run,
        is_read_only=False,
    )


def allowed_path(name: str, roots: Sequence[Path]) -> Path:
    """Return the path that `name` leads to, with links resolved.

    Raises InputError unless that exists and is one of the roots, or in one.
    """
    try:
        path = Path(name).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise InputError(name, "there is no such file or folder") from None
    if not any(path.is_relative_to(root.resolve()) for root in roots):
        raise InputError(name, "is not in a folder that the user has allowed to be indexed", "not-allowed")
    return path


def _summary(summary: "UpdateSummary") -> ToolAnswer:
    counts = {name: getattr(summary, name) for name in _COUNTS}
    parts = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "nothing found"
    end = "; stopped before the end, call it again to continue" if summary.interrupted else ""
    text = f"{summary.files:,} files in {summary.chunks:,} chunks ({parts}){end}."
    return ToolAnswer(text, {"files": summary.files, "chunks": summary.chunks, **counts})
