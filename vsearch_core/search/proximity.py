"""Proximity: do the terms of a query stand together in a chunk, or are they scattered over it?

BM25 doesn't tell. Many scattered matches are matches by chance. docs/adr/0024-fusion-weight.md has the figures. Tao and
Zhai, "An Exploration of Proximity Measures in Information Retrieval" (SIGIR 2007), compare such measures.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsearch_core.lexical.analyzer import WEAK
from vsearch_core.lexical.characters import fold_case
from vsearch_core.scripts import FIRST_UNSPACED

WINDOWS = (40, 80, 160)  # characters: terms stand together if they begin within so many; their shares are averaged
NEAREST = 20  # chunks whose proximity counts: the first ones by fusion
WEIGHT = 0.16  # of proximity, where both routes count the same; 0.12 with the default fusion
MOST_ROOTS = 32  # of a query: those that weigh most
_WHOLE_TERM = 3  # letters of a term that is its own root
_LONGEST = 50_000  # characters of a chunk that are looked at: more than 5,000 words have

Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Root:
    """The letters with which a term's words begin, and the term's weight.

    If the term is a compound of the query, such as `getusername`, `parts` are the numbers of its parts' roots. A text
    that has the compound has these, too.
    """

    letters: str
    weight: float
    parts: tuple[int, ...] = ()


def term_roots(weights: Mapping[str, float]) -> tuple[Root, ...]:
    """Return the roots of a query's terms, given the terms' weights; the heaviest root is first.

    Stems may end in another letter than the word ("query" has the stem "queri"), so the root of a stem is the stem
    without its last letter. Looking for roots costs a tenth of analyzing a text, and needs no language.
    """
    found: dict[str, tuple[float, str]] = {}
    for given, weight in weights.items():
        term = given.strip(WEAK)
        is_stem = len(term) > _WHOLE_TERM and term[-1].isalpha() and term[0] < FIRST_UNSPACED
        root = term[:-1] if is_stem or term.endswith("*") else term
        if root and weight > found.get(root, (0.0, ""))[0]:
            found[root] = weight, term
    heaviest = sorted(found.items(), key=lambda pair: (-pair[1][0], pair[0]))[:MOST_ROOTS]
    letters = [root for root, _ in heaviest]
    return tuple(
        Root(root, weight, tuple(number for number, part in enumerate(letters) if part in term[1:]))
        for root, (weight, term) in heaviest
    )


def shares_of_texts(weights: Mapping[str, float], count: int, read: Callable[[], Sequence[str]]) -> Scores:
    """Return (count, 2), for each text the shares of a query's terms in its best windows and in all of it.

    `weights` are those of the terms. `read` returns the `count` texts. It is called only if they decide.
    """
    roots = term_roots(weights)
    if len(roots) < 2:  # nothing can stand together: both shares would be the same
        return np.zeros((count, 2), np.float32)
    return np.array([root_shares(text, roots) for text in read()], np.float32).reshape(-1, 2)


def root_shares(text: str, roots: Sequence[Root]) -> tuple[float, float]:
    """Return the share of the roots' weights that the best windows of a text have, and that all of the text has.

    Each root counts once. The former is the mean over the lengths of windows.
    """
    text = fold_case(text[:_LONGEST])  # other folding would cost more than all the rest, and matters little
    places = sorted(
        (place, found)
        for number, root in enumerate(roots)
        for place in _places(text, root.letters)
        for found in (number, *root.parts)
    )
    found = {number for _, number in places}
    weights = [root.weight for root in roots]
    total = sum(weights) or 1.0
    whole = sum(weight for number, weight in enumerate(weights) if number in found) / total
    if len(found) < 2:
        return whole, whole
    return sum(_best_window(places, weights, length) for length in WINDOWS) / len(WINDOWS) / total, whole


def _best_window(places: Sequence[tuple[int, int]], weights: Sequence[float], length: int) -> float:
    """Return the highest sum of the weights of distinct roots that begin within `length` characters."""
    inside = [0] * len(weights)
    best = weight = 0.0
    first = 0
    for place, number in places:
        if not inside[number]:
            weight += weights[number]
        inside[number] += 1
        while places[first][0] <= place - length:
            left = places[first][1]
            inside[left] -= 1
            if not inside[left]:
                weight -= weights[left]
            first += 1
        best = max(best, weight)
    return best


def _places(text: str, root: str) -> Iterator[int]:
    """Yield where words of a folded text begin with a root. In scripts without spaces, each character begins one."""
    begins_word = _is_spaced(root[0])
    place = text.find(root)
    while place >= 0:
        if not (begins_word and _is_spaced(text[place - 1 : place])):
            yield place
        place = text.find(root, place + 1)


def _is_spaced(char: str) -> bool:
    """Return True for a letter or digit of a script with spaces between words."""
    return char.isalnum() and char < FIRST_UNSPACED


def add_proximity(fused: Scores, first: NDArray[np.int64], shares: Scores, alpha: float) -> Scores:
    """Add the proximity of the first chunks to the fused scores (n,), and scale these so that 1 stays the highest.

    `first` (m,) are the places of those chunks, and `shares` (m, 2) what `root_shares` returns for their texts. The
    proximity is the share of the best windows, in proportion to that of the best chunk, minus the share of the whole
    chunk, for which its BM25 has counted already. The least proximity counts as 0, as that of all other chunks does.
    Where one route alone counts, at alpha 0 and 1, proximity doesn't.
    """
    windows, wholes = shares.T
    highest = windows.max(initial=0)
    if not highest:
        return fused
    proximity = windows / highest - wholes
    proximity -= proximity.min()
    weight = WEIGHT * 4 * alpha * (1 - alpha)
    added = fused.copy()
    added[first] += weight * proximity
    scaled: Scores = (added / (1 + weight * proximity.max())).astype(np.float32)
    return scaled
