"""Known-item questions, made from an index's own chunks: who asks one has seen the passage and wants it back.

After Azzopardi, de Rijke and Balog, "Building simulated queries for known-item topics" (SIGIR 2007). The same texts
give the same questions. They are made of the passage's own words, so they favour search by keyword: they can tell
whether a setting loses passages, not which share of meaning is best.
"""

import re
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from vsearch_core.evaluate.dataset import TARGET, Dataset
from vsearch_core.index.snapshot import Snapshot
from vsearch_core.search.filters import Filters
from vsearch_core.search.local import LocalSearcher

TELLING_WORDS = 4  # of a question made of words
_SENTENCE = re.compile(r"[^.!?。！？\n]+")
_WORD = re.compile(r"\w{3,}")
_WORDS = (6, 40)  # a sentence worth asking for has so many …
_CHARACTERS = (12, 80)  # … or, in a script without blanks, so many characters
_WORD_LENGTH = 20  # characters from blank to blank on average: no script with blanks has so many


def known_items(snapshot: Snapshot, count: int) -> Dataset:
    """Up to `count` questions, each from a live chunk that a hash of its place has drawn, and a sentence of it to find.

    One half are the chunk's most telling words, the other the sentence without its middle third. Chunks without a
    sentence give none.
    """
    texts = _drawn_texts(snapshot, count)
    sentences = [(text, sentence) for text in texts if (sentence := _sentence(text)) is not None]
    rarity = Counter(word for text, _ in sentences for word in set(_words(text)))
    queries, passages = {}, {}
    for number, (text, sentence) in enumerate(sentences, 1):
        key = f"known-{number}"
        telling = _telling_words(text, rarity) if number % 2 else ""
        queries[key] = telling or _without_middle(sentence)
        passages[key] = sentence
    return Dataset(None, queries, {key: {TARGET: 1} for key in queries}, passages)


def _drawn_texts(snapshot: Snapshot, count: int) -> list[str]:
    """The texts of `count` live chunks, of all where there are fewer."""
    searcher = LocalSearcher(snapshot)
    live = np.flatnonzero(searcher.allow(Filters()).mask)
    paths = {record.id: path for path, record in snapshot.catalog.files(live=True).items()}
    seen: Counter[int] = Counter()
    keys = []
    for row, file_id in zip(live.tolist(), searcher.file_keys(live).tolist(), strict=True):
        keys.append((_hash(f"{paths.get(file_id)}\0{seen[file_id]}"), row))
        seen[file_id] += 1
    drawn = np.array([row for _, row in sorted(keys)[:count]], np.int64)
    return [passage.chunk.text for passage in searcher.passages(drawn)]


def _sentence(text: str) -> str | None:
    """One of the sentences that are neither short nor long, drawn by a hash of it."""
    sentences = (" ".join(match[0].split()).lstrip("*#>-|+ ") for match in _SENTENCE.finditer(text))
    return min(filter(_is_worth_asking, sentences), key=_hash, default=None)


def _is_worth_asking(sentence: str) -> bool:
    words = sentence.count(" ") + 1
    if words < _WORDS[0] and len(sentence) / words > _WORD_LENGTH:
        return _CHARACTERS[0] <= len(sentence) <= _CHARACTERS[1]
    return _WORDS[0] <= words <= _WORDS[1]


def _words(text: str) -> Sequence[str]:
    return [word for word in _WORD.findall(text.lower()) if len(word) <= _WORD_LENGTH]


def _telling_words(text: str, rarity: Counter[str]) -> str:
    """The words that the fewest of the drawn chunks hold, longer ones first, in the text's order."""
    words = list(dict.fromkeys(_words(text)))
    chosen = sorted(words, key=lambda word: (rarity[word], -len(word), word))[:TELLING_WORDS]
    return " ".join(word for word in words if word in chosen)


def _without_middle(sentence: str) -> str:
    words = sentence.split(" ")
    if len(words) >= _WORDS[0]:
        third = len(words) // 3
        return " ".join(words[:third] + words[-third:])
    third = len(sentence) // 3
    return f"{sentence[:third]} {sentence[-third:]}"


def _hash(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
