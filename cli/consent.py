"""Ask the user for consent before text is sent to a remote provider, once for each project and host.

The answers are stored in the user's own state folder, so that a copied project or index brings no consent with it.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .output import complain, one_line

if TYPE_CHECKING:
    from vsearch_core.model import EmbedderSpec

YES_HELP = "Send text and the API key to the embedder's provider without asking."


class Consent:
    """A function that asks the user if a project's text may be sent to a host. It raises InputError if not.

    A "yes" counts for the life of this object, even if it can't be stored.
    """

    def __init__(self, project: Path, *, yes: bool = False) -> None:
        """Set the project's folder, which the question names; with `yes`, agree without asking."""
        self._project = os.path.realpath(project)
        self._yes = yes
        self._given: list[dict[str, Any]] = []

    def __call__(self, spec: "EmbedderSpec", host: str) -> bool:
        """Return True if the user agrees, now or before. Raise InputError if not."""
        from vsearch_core.errors import InputError

        consent = {"project": self._project, "provider": spec.provider, "host": host}
        stored = _stored()
        if any(consent.items() <= each.items() for each in [*stored, *self._given]):
            return True
        question = f"{self._project}: its text, your queries and your API key would be sent to {host} ({spec.provider})"
        if not self._yes and not _ask(question):
            raise InputError(self._project, f"nothing was sent to {host}", code="no-consent")
        self._given.append(consent)
        _store([*stored, consent])
        return True


def _ask(question: str) -> bool:
    """Ask on the terminal, and return False without one. Ctrl-C ends the command, even if it has another handler."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    import signal

    from .interrupts import raise_interrupt

    former = signal.signal(signal.SIGINT, raise_interrupt)
    try:
        sys.stderr.write(f"{one_line(question)}. Continue? [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in {"y", "yes"}
    finally:
        signal.signal(signal.SIGINT, former)


def _file() -> Path:
    from vsearch_core.config import default_state_dir

    return default_state_dir() / "consent.json"


def _stored() -> list[dict[str, Any]]:
    """Return the stored answers, or an empty list if they can't be read (the user is then asked again)."""
    import json

    try:
        values = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


def _store(answers: list[dict[str, Any]]) -> None:
    import json

    from vsearch_core.own_files import make_own_folders, replace_file

    file = _file()
    data = (json.dumps(answers, indent=1) + "\n").encode()
    try:
        make_own_folders(file.parent, 0o700)
        replace_file(file, data, suffix=f".{os.getpid()}", permissions=0o600)
    except OSError as error:
        complain(f"{file}: can't be written ({error.strerror}); you will be asked again")
