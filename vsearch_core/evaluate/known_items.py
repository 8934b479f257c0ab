"""Known-item questions, made from an index's own chunks: who asks one has seen the passage and wants it back.

After Azzopardi, de Rijke and Balog, "Building simulated queries for known-item topics" (SIGIR 2007). The same texts
give the same questions. They are made of the passage's own words, so they favour search by keyword: they can tell
whether a setting loses passages, not which share of meaning is best. A passage that another chunking cuts in two can't
be found there.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import islice

import numpy as np

from vsearch_core.evaluate.dataset import TARGET, Dataset
from vsearch_core.index.snapshot import Snapshot
from vsearch_core.search.local import LocalSearcher

TELLING_WORDS = 4  # of a question made of words
_SENTENCE = re.compile(r"[^.!?。！？\n]+")
_WORD = re.compile(r"\w{3,}")
_WORDS = (6, 40)  # a sentence worth asking for has so many …
_CHARACTERS = (12, 80)  # … or, in a script without blanks, so many characters
_WORD_LENGTH = 20  # characters; a longer run is no word that anybody would ask for
_MEAN_LENGTH = 10  # characters from blank to blank: sentences in a script with blanks seldom have so many


def known_item_queries(snapshot: Snapshot, count: int) -> Dataset:
    """Up to `count` questions, each from a live chunk that a hash of its place has drawn, and a sentence of it to find.

    One half are the chunk's most telling words, the other the sentence without its middle third. A chunk without a
    sentence is passed over.
    """
    drawn = ((text, _sentence(text)) for text in _texts_in_drawn_order(snapshot))
    sentences = list(islice(((text, sentence) for text, sentence in drawn if sentence is not None), count))
    rarity = Counter(word for text, _ in sentences for word in set(_words(text)))
    queries, passages = {}, {}
    for number, (text, sentence) in enumerate(sentences, 1):
        key = f"known-{number}"
        telling = _telling_words(text, rarity) if number % 2 else ""
        queries[key] = telling or _without_middle(sentence)
        passages[key] = sentence
    return Dataset(None, queries, {key: {TARGET: 1} for key in queries}, passages)


def _texts_in_drawn_order(snapshot: Snapshot) -> Iterator[str]:
    """The texts of all live chunks, read as they are asked for."""
    paths = {record.id: path for path, record in snapshot.catalog.files(live=True).items()}
    seen: Counter[int] = Counter()
    keys: list[tuple[bytes, int, int]] = []
    for segment in snapshot.segments:
        live = segment.alive
        for chunk_id, file_id in zip(segment.chunk_ids[live].tolist(), segment.file_ids[live].tolist(), strict=True):
            keys.append((_hash(f"{paths.get(file_id)}\0{seen[file_id]}"), len(keys), chunk_id))
            seen[file_id] += 1
    searcher = LocalSearcher(snapshot)
    for *_, chunk_id in sorted(keys):
        yield searcher.hydrate(np.array([chunk_id], np.int64))[0].chunk.text


def _sentence(text: str) -> str | None:
    """One of the sentences that are neither short nor long, drawn by a hash of it."""
    sentences = (" ".join(match[0].split()).lstrip("*#>-|+ ") for match in _SENTENCE.finditer(text))
    return min(filter(_is_worth_asking, sentences), key=_hash, default=None)


def _is_worth_asking(sentence: str) -> bool:
    words = sentence.count(" ") + 1
    if words < _WORDS[0] and len(sentence) / words > _MEAN_LENGTH:
        return _CHARACTERS[0] <= len(sentence) <= _CHARACTERS[1]
    return _WORDS[0] <= words <= _WORDS[1]


def _words(text: str) -> Sequence[str]:
    return [word for word in _WORD.findall(text.lower()) if len(word) <= _WORD_LENGTH]


def _telling_words(text: str, rarity: Counter[str]) -> str:
    """The words that the fewest of the drawn chunks hold, longer ones first, in their order; "" where there are none.

    A single one is none: a sentence in a script without blanks would be it.
    """
    words = list(dict.fromkeys(_words(text)))
    chosen = sorted(words, key=lambda word: (rarity[word], -len(word), word))[:TELLING_WORDS]
    return " ".join(word for word in words if word in chosen) if len(words) > 1 else ""


def _without_middle(sentence: str) -> str:
    words = sentence.split(" ")
    if len(words) >= _WORDS[0]:
        third = len(words) // 3
        return " ".join(words[:third] + words[-third:])
    third = len(sentence) // 3
    return f"{sentence[:third]} {sentence[-third:]}"


def _hash(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
