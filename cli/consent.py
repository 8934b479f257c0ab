"""Ask the user where text may be sent, and whether to use the embedder that a project or an index names.

Each question is asked once on the terminal, and refused without one. The answers are in the user's own state folder
(`vsearch_core.allowed`): an index or a project from elsewhere can't bring any along.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from vsearch_core.json_text import parse_json

from .defaults import chosen_by_user
from .output import complain, one_line

if TYPE_CHECKING:
    from vsearch_core.model import EmbedderSpec

BASE_URL_HELP = "The address of the remote embedder, in place of the one that the index names."
YES_HELP = "Send text and the API key to the embedder's provider without asking."
MAX_CONSENT_BYTES = 10_000_000
RECIPIENTS = "recipients"  # of the record: "PROVIDER ADDRESS"


class Consent:
    """Asks the user if a project's text may be sent to an address. Calling it raises InputError if not.

    A "yes" counts for the life of this object, even if it can't be stored.
    """

    def __init__(self, project: Path, *, yes: bool = False) -> None:
        """Set the project's folder, which the questions name; with `yes`, agree to send text without asking."""
        self._project = Path(os.path.realpath(project))
        self._yes = yes
        self._given: set[str] = set()

    def __call__(self, spec: "EmbedderSpec", address: str) -> bool:
        """Return True if the user agrees, now or before. Raise InputError if not."""
        from vsearch_core.allowed import allowed
        from vsearch_core.errors import InputError

        recipient = f"{spec.provider} {address}"
        if recipient in self._given or recipient in allowed(self._project, RECIPIENTS):
            return True
        warning = ", unencrypted" if address.startswith("http:") else ""
        former = "; you agreed before, but only to a host" if self._agreed_to_a_host(spec.provider) else ""
        question = (
            f"{self._project}: its text, your queries and your API key would be sent to {address}"
            f" ({spec.provider}{warning}){former}"
        )
        if not self._yes and not _ask(question):
            raise InputError(str(self._project), f"nothing was sent to {address}{former}", code="no-consent")
        self._given.add(recipient)
        self._record({RECIPIENTS: [recipient]})
        return True

    def approve(self, settings: Mapping[str, str]) -> bool:
        """Return True if the user has chosen these settings, which a project or an index names, or does so now.

        Values in the environment and in the user's own file count as chosen.
        """
        from vsearch_core.allowed import allowed
        from vsearch_core.index.choices import NAMES

        new = {
            key: value
            for key, value in settings.items()
            if value not in chosen_by_user(key, self._project.parent) and value not in allowed(self._project, key)
        }
        what = " and ".join(f"the {NAMES[key]} {value}" for key, value in new.items())
        if new and not _ask(f"{self._project}: names {what}, which you have never chosen on this machine"):
            return False
        self._record({key: [value] for key, value in settings.items()})
        return True

    def _record(self, values: Mapping[str, list[str]]) -> None:
        from vsearch_core.allowed import allow

        try:
            allow(self._project, values)
        except OSError as error:
            complain(f"{error.filename or self._project}: can't be written ({error.strerror}); you will be asked again")

    def _agreed_to_a_host(self, provider: str) -> bool:
        """Return True if an earlier version has recorded a consent, which named only the host: it counts no longer."""
        from vsearch_core.config import default_state_dir
        from vsearch_core.own_files import open_file

        try:
            with open_file(default_state_dir() / "consent.json", "rb") as file:
                answers = parse_json(file.read(MAX_CONSENT_BYTES))
        except (OSError, ValueError):
            return False
        given = {"project": str(self._project), "provider": provider}
        return isinstance(answers, list) and any(
            isinstance(each, dict) and given.items() <= each.items() for each in answers
        )


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
