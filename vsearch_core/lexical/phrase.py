"""Find phrases and prefixes in texts, and find the terms that a text with a phrase must have."""

import re
from collections.abc import Collection, Sequence

from vsearch_core.lexical.analyzer import Analyzer
from vsearch_core.lexical.characters import INNER, SYMBOLS, fold_case, normalize_characters
from vsearch_core.scripts import UNSPACED

# A word ends where no letter of a spaced script follows. The n of don't is not the end of a word.
_NOT_AFTER = rf"(?<![^\W{UNSPACED}])(?<![{INNER}])"
_NOT_BEFORE = rf"(?![^\W{UNSPACED}])(?![{INNER}])(?!'t\b)"
_SPACED = re.compile(rf"[^\W{UNSPACED}]")
_RUNS = re.compile(rf"[{UNSPACED}]{{2,}}|[^\W_{UNSPACED}]+|[{SYMBOLS}]")
_SHORTEST = 3  # letters; the analyzer may drop shorter words, such as the s of it's


def fold_text(text: str) -> str:
    """Return the text with folded case, normalised characters and single spaces, for the patterns of this module."""
    return " ".join(fold_case(normalize_characters(text)).split())


def phrase_pattern(phrase: str) -> re.Pattern[str]:
    """Return a pattern that finds a phrase in texts from `fold_text`.

    It matches whole words only, except in scripts without spaces between words.
    """
    wanted = fold_text(phrase)
    before = _NOT_AFTER if _SPACED.match(wanted[:1]) else ""
    after = _NOT_BEFORE if _SPACED.match(wanted[-1:]) else ""
    return re.compile(before + re.escape(wanted) + after)


def prefix_pattern(prefix: str) -> re.Pattern[str]:
    """Return a pattern that finds the prefix at the start of words, in texts from `fold_text`."""
    wanted = fold_text(prefix)
    return re.compile((_NOT_AFTER if _SPACED.match(wanted[:1]) else "") + re.escape(wanted))


def required_terms(phrase: str, analyzers: Collection[Analyzer]) -> list[Collection[str]]:
    """Return groups of terms: a text that contains the phrase has at least one term of each group.

    This is true for texts that were analyzed by any of the analyzers. Some words of the phrase give no group: function
    words have no terms, and words joined to others (foo.bar, x86) may be part of a longer compound in the text.
    """
    groups: list[Collection[str]] = []
    wanted = fold_text(phrase)
    for match in _RUNS.finditer(wanted):
        run = match.group()
        if re.match(f"[{UNSPACED}]", run):
            groups += [{run[i : i + 2]} for i in range(len(run) - 1)]
        elif re.match(f"[{SYMBOLS}]", run) or _is_word(run, wanted, match):
            groups += _alternatives(run, analyzers)
    return groups


def _is_word(run: str, text: str, match: re.Match[str]) -> bool:
    return _stands_alone(text, match) and (run.isdecimal() or (run.isalpha() and len(run) >= _SHORTEST))


def _stands_alone(text: str, match: re.Match[str]) -> bool:
    around = text[max(0, match.start() - 1) : match.start()] + text[match.end() : match.end() + 1]
    return re.search(rf"[\w{INNER}']", around) is None  # an apostrophe too: don't has no terms


def _alternatives(word: str, analyzers: Collection[Analyzer]) -> Sequence[Collection[str]]:
    """Return one group with the word's term under each analyzer, or none if any of them drops the word."""
    forms = [word, word[:-1]] if word.endswith("s") else [word]  # the analyzer cuts the s of GPUs
    found = [analyzer.terms(word) for analyzer in analyzers]
    if not all(found):
        return []
    return [{term for analyzer in analyzers for form in forms for term in analyzer.terms(form)[:1]}]
