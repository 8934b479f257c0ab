"""What a user of the command line can do about an error: the one table from error codes to advice.

The library states facts (`vsearch_core.errors`); only this module knows which option or command helps.
"""

from collections.abc import Mapping

from vsearch_core.errors import ArgumentError, VsearchError

# Advice by code. A template may name the error's `details`, as "{limit}".
ADVICE: Mapping[str, str] = {
    # the index on disk
    "index-locked": "wait until it ends, or stop it, and run this again",
    # reading documents
    # models and providers
    # queries
    # evaluation
    # arguments
}

# Arguments of the library whose option has another name than "--argument-name".
OPTIONS: Mapping[str, str] = {
    "dimension": "--dimensions",
    "ef_search": "--ef",
}


def describe(error: VsearchError) -> str:
    """Return the error as a line for a user of the command line: "subject: reason; advice"."""
    advice = advice_for(error)
    return f"{_subject(error)}: {error.reason}{f'; {advice}' if advice else ''}"


def advice_for(error: VsearchError) -> str:
    """Return what the user can do about the error, or "" if the table has nothing for its code."""
    return ADVICE[error.code].format_map(error.details) if error.code in ADVICE else error.next_step


def _subject(error: VsearchError) -> str:
    """Return the error's subject, with arguments spelled as options."""
    if not isinstance(error, ArgumentError):
        return error.subject
    return ", ".join(OPTIONS.get(name, "--" + name.replace("_", "-")) for name in error.subject.split(", "))
