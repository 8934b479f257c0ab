"""Parse the operators of a query: "exact words", +required, -excluded and prefix*.

Every text is a valid query. The operators + and - only count at the start of a word, directly before a letter or a
quotation mark. Typographic quotation marks (“so” or «so») are quotation marks, too. Hyphens inside words, dashes
between spaces, signed numbers, options such as -x and --word, and unpaired quotes are ordinary text. A query with
nothing but exclusions asks for all chunks without the excluded texts.
"""

import re
from dataclasses import dataclass
from unicodedata import category

PHRASE, WORD, PREFIX = "phrase", "word", "prefix"

_ITEM = re.compile(
    r"""(?P<sign>(?<!\S)[+-])?
        (?: (?<!\w)"(?P<phrase>[^"]*[^\s"][^"]*)"(?!\w)
          | (?:(?<!\S)|(?<=(?<!\S)[+-]))(?P<prefix>(?:\w[\w.]*\w|[^\W\d_a-zA-Z]))\*(?=[\s.,;:!?)]|$)
          | (?(sign)(?P<word>\w\S*)|(?!)) )""",
    re.VERBOSE,
)
_CURVED = re.compile("[“”„‟]([^“”„‟]*)[“”„‟]")
_ANGLED = re.compile("«([^«»]*)»|»([^«»]*)«")
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
    all `required` clauses and none of the `excluded` ones. If there is nothing but exclusions, `semantic_text` and
    `words` are empty.
    """

    semantic_text: str
    words: str
    prefixes: tuple[str, ...] = ()
    required: tuple[Clause, ...] = ()
    excluded: tuple[Clause, ...] = ()

    @property
    def only_excludes(self) -> bool:
        """Return True if the query has nothing but excluded texts."""
        return bool(self.excluded) and not self.semantic_text


def plain_query(text: str) -> ParsedQuery:
    """Return the query for a text in which operators such as + and quotes are ordinary characters."""
    return ParsedQuery(text, text)


def parse_query(text: str) -> ParsedQuery:
    """Parse a query with operators. The text must be clean (see `search.request.clean_query`)."""
    text = _with_straight_quotes(text)
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
    if excluded and not required and not any(map(_has_meaning, semantic_text)):
        return ParsedQuery("", "", (), (), tuple(excluded))
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


def _with_straight_quotes(text: str) -> str:
    """Return the text with straight quotation marks in place of pairs of typographic ones."""
    return _ANGLED.sub(lambda match: f'"{match[1] or match[2] or ""}"', _CURVED.sub(r'"\1"', text))


def _has_meaning(char: str) -> bool:
    """Return True for a letter, digit or symbol, False for punctuation and blanks."""
    return char.isalnum() or category(char)[0] == "S"


def _is_letter(char: str) -> bool:
    return char.isalpha() or char == "_"
