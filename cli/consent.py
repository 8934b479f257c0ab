"""Nobody's texts leave the machine before the user has said so, once for each project and recipient.

What was said is kept in the user's own state folder: an index or a project from elsewhere can't bring it along.
"""

import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsearch_core.config import EMBEDDER

from .output import complain, one_line

if TYPE_CHECKING:
    from vsearch_core.model import EmbedderSpec

YES_HELP = "Let texts and the key go to the embedder's provider without being asked."


@cache  # what was agreed to counts while the process lives, though it could not be kept
def require(spec: "EmbedderSpec", project: Path, *, yes: bool = False) -> bool:
    """True if the user agrees, or has agreed before; False if nothing leaves this machine. Raises InputError.

    `project` is the index's folder.
    """
    if spec.provider == EMBEDDER:  # is on this machine; a query need not import what tells that
        return False
    from vsearch_core.embed.open import recipient
    from vsearch_core.errors import InputError

    host = recipient(spec)
    if host is None:
        return False
    given = {"project": os.path.realpath(project), "provider": spec.provider, "host": host}
    agreed = _agreed()
    if any(given.items() <= each.items() for each in agreed):
        return True
    what = f"{given['project']}: its texts, questions to it and your key would be sent to {host} ({spec.provider})"
    if not yes and not _asks(what):
        raise InputError(given["project"], f"nothing was sent to {host}", "agree to it with --yes")
    _remember([*agreed, given])
    return True


def _asks(what: str) -> bool:
    """The user's answer; no where there is no terminal to ask on. Ctrl-C ends the command, whoever else handles it."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    import signal

    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sys.stderr.write(f"{one_line(what)}. Go on? [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in {"y", "yes"}
    finally:
        signal.signal(signal.SIGINT, former)


def _file() -> Path:
    from platformdirs import user_state_path

    return user_state_path("vsearch", appauthor=False) / "consent.json"


def _agreed() -> list[dict[str, Any]]:
    """What was agreed to; nothing where that can't be read: the user is asked again."""
    import json

    try:
        values = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


def _remember(agreed: list[dict[str, Any]]) -> None:
    import json

    file = _file()
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.write_text(json.dumps(agreed, indent=1) + "\n", encoding="utf-8")
        fresh.replace(file)
    except OSError as error:
        complain(f"{file}: can't be written ({error.strerror}); you will be asked again")
