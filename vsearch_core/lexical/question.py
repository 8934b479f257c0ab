"""What a query asks for beyond its words: "exact words", +required, -excluded, prefix*.

Nothing is an error. An operator stands at the start of a word, directly before a letter or a straight quotation mark:
hyphens inside words, dashes between blanks, numbers with a sign, options like -x and --json, and quotes without their
partner are words as any other. So is a query that does nothing but exclude.
"""

import re
from dataclasses import dataclass

PHRASE, WORD, PREFIX = "phrase", "word", "prefix"

_ITEM = re.compile(
    r"""(?<!\S)(?P<sign>[+-])?
        (?: "(?P<phrase>[^"]*\w[^"]*)"(?!\w)
          | (?P<prefix>(?:\w[\w.]*\w|[^\W\d_a-zA-Z]))\*(?=[\s.,;:!?)]|$)
          | (?P<word>\w\S*) )""",
    re.VERBOSE,
)
_TRAILING = ".,;:!?)\"'"  # of a word in a sentence; what an analyzer would leave out


@dataclass(frozen=True, slots=True)
class Clause:
    """Something that a passage must hold, or must not.

    `kind` is PHRASE (the text as it stands, whatever its case), WORD (in any form with the same stem) or PREFIX (any
    word that begins so).
    """

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """A query taken apart. `spoken` is what is asked by meaning: all but what is excluded, without operators.

    `words` is what the analyzer makes terms of: `spoken` without the `prefixes`. Passages must hold all of `required`
    and none of `excluded`.
    """

    spoken: str
    words: str
    prefixes: tuple[str, ...] = ()
    required: tuple[Clause, ...] = ()
    excluded: tuple[Clause, ...] = ()


def plain(text: str) -> Question:
    """The question of the text's words, whatever stands before and around them."""
    return Question(text, text)


def parse(text: str) -> Question:
    """Take a query (printable, see `search.pipeline.clean_query`) apart."""
    spoken: list[str] = []
    words: list[str] = []
    prefixes: list[str] = []
    required: list[Clause] = []
    excluded: list[Clause] = []
    at = 0
    for match in _ITEM.finditer(text):
        clause = _clause(match)
        if clause is None:
            continue
        between = text[at : match.start()]
        spoken.append(between)
        words.append(between)
        at = match.end()
        if match["sign"] == "-":
            excluded.append(clause)
            continue
        if match["sign"] or clause.kind == PHRASE:
            required.append(clause)
        spoken.append(clause.text)
        if clause.kind == PREFIX:
            prefixes.append(clause.text)
        else:
            words.append(clause.text)
    spoken.append(text[at:])
    words.append(text[at:])
    asked = "".join(spoken).strip()
    if not any(char.isalnum() for char in asked):
        return plain(text)
    return Question(asked, "".join(words), tuple(prefixes), tuple(required), tuple(excluded))


def _clause(match: re.Match[str]) -> Clause | None:
    """What an item asks for; None for a word like any other."""
    sign, phrase, prefix, word = match.group("sign", "phrase", "prefix", "word")
    if phrase:
        return Clause(PHRASE, phrase.strip())
    if prefix:
        return None if sign and not _is_letter(prefix[0]) else Clause(PREFIX, prefix)
    bare = word.rstrip(_TRAILING)
    if sign and _is_letter(bare[0]) and (len(bare) > 1 or not bare.isascii()):  # -x is an option of some command
        return Clause(WORD, bare)
    return None


def _is_letter(char: str) -> bool:
    return char.isalpha() or char == "_"
