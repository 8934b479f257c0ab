"""The command `vsearch skill`."""

from pkgutil import get_data

from .output import emit_bytes

SKILL_FILE = "SKILL.md"


def skill() -> int:
    """Print a SKILL.md: what an agent needs to know to use vsearch from a shell.

    Put it where your agent looks for skills, such as .claude/skills/vsearch/SKILL.md.
    """
    emit_bytes(get_data(__package__ or "", SKILL_FILE) or b"")
    return 0
