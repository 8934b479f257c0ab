"""Parse the operators of a query: "exact words", +required, -excluded and prefix*.

Every text is a valid query. The operators + and - only count at the start of a word, directly before a letter or a
straight quotation mark. Hyphens inside words, dashes between spaces, signed numbers, options such as -x and --word, and
unpaired quotes are ordinary text. A query with nothing but exclusions is ordinary text, too.
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
_TRAILING = ".,;:!?)\"'"  # punctuation after a word, which no analyzer keeps


@dataclass(frozen=True, slots=True)
class Clause:
    """A text that chunks must contain, or must not contain.

    `kind` is PHRASE (the exact text, ignoring case), WORD (any word with the same stem) or PREFIX (any word that
    starts with the text).
    """

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """A query split into the text to search for and its clauses.

    `semantic_text` is the part of the query that is embedded: everything except excluded text, without operators.
    `words` is `semantic_text` without the `prefixes`; the analyzer turns it into terms. A chunk matches if it contains
    all `required` clauses and none of the `excluded` ones.
    """

    semantic_text: str
    words: str
    prefixes: tuple[str, ...] = ()
    required: tuple[Clause, ...] = ()
    excluded: tuple[Clause, ...] = ()


def plain_query(text: str) -> ParsedQuery:
    """Return the query for a text in which operators such as + and quotes are ordinary characters."""
    return ParsedQuery(text, text)


def parse_query(text: str) -> ParsedQuery:
    """Parse a query with operators. The text must be clean (see `search.request.clean_query`)."""
    semantic: list[str] = []
    words: list[str] = []
    prefixes: list[str] = []
    required: list[Clause] = []
    excluded: list[Clause] = []
    end = 0
    for match in _ITEM.finditer(text):
        clause = _clause(match)
        if clause is None:
            continue
        between = text[end : match.start()]
        semantic.append(between)
        words.append(between)
        end = match.end()
        if match["sign"] == "-":
            excluded.append(clause)
            continue
        if match["sign"] or clause.kind == PHRASE:
            required.append(clause)
        semantic.append(clause.text)
        if clause.kind == PREFIX:
            prefixes.append(clause.text)
        else:
            words.append(clause.text)
    semantic.append(text[end:])
    words.append(text[end:])
    semantic_text = "".join(semantic).strip()
    if not any(char.isalnum() for char in semantic_text):
        return plain_query(text)
    return ParsedQuery(semantic_text, "".join(words), tuple(prefixes), tuple(required), tuple(excluded))


def _clause(match: re.Match[str]) -> Clause | None:
    """Return the clause that a matched item stands for, or None if it is an ordinary word."""
    sign, phrase, prefix, word = match.group("sign", "phrase", "prefix", "word")
    if phrase:
        return Clause(PHRASE, phrase.strip())
    if prefix:
        return None if sign and not _is_letter(prefix[0]) else Clause(PREFIX, prefix)
    bare = word.rstrip(_TRAILING)
    if sign and _is_letter(bare[0]) and (len(bare) > 1 or not bare.isascii()):  # -x is a command-line option
        return Clause(WORD, bare)
    return None


def _is_letter(char: str) -> bool:
    return char.isalpha() or char == "_"
