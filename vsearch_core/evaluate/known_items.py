"""Generate known-item queries from an index's own chunks, each with the sentence that a correct hit contains.

The method follows Azzopardi, de Rijke and Balog, "Building simulated queries for known-item topics" (SIGIR 2007). Equal
texts give equal queries. The queries consist of words of the chunk, which favours keyword search. So they show if a
setting fails to find chunks, but not which fusion is best. In an index with other chunk sizes, a sentence may be cut in
two, and can't be found.
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
from vsearch_core.store.catalog import StoredChunk

RARE_WORDS = 4  # of a query made of single words
_SENTENCE = re.compile(r"[^.!?。！？\n]+")
_WORD = re.compile(r"\w{3,}")
_SENTENCE_WORDS = (6, 40)  # least and most of a usable sentence, in a script with blanks
_SENTENCE_CHARACTERS = (12, 80)  # the same in a script without blanks
_MAX_WORD_LENGTH = 20  # characters; nobody types a longer one
_MAX_MEAN_LENGTH = 10  # characters between blanks: more mean a script without blanks


def known_item_queries(snapshot: Snapshot, count: int) -> Dataset:
    """Generate up to `count` queries from live chunks in pseudo-random order, each with a sentence to find.

    Half of the queries are the rarest words of a chunk. The other half are the sentence without its middle third.
    Chunks without a usable sentence are skipped.
    """
    drawn = ((each.chunk.text, _sentence(each.chunk.text)) for each in _chunks_in_random_order(snapshot))
    sentences = list(islice(((text, sentence) for text, sentence in drawn if sentence is not None), count))
    frequencies = Counter(word for text, _ in sentences for word in set(_words(text)))
    queries, passages = {}, {}
    for number, (text, sentence) in enumerate(sentences, 1):
        key = f"known-{number}"
        words = _rarest_words(text, frequencies) if number % 2 else ""
        queries[key] = words or _without_middle(sentence)
        passages[key] = sentence
    return Dataset(None, queries, {key: {TARGET: 1} for key in queries}, passages)


def partial_sentences(snapshot: Snapshot, count: int) -> list[tuple[str, str]]:
    """Return up to `count` sentences of live chunks without their middle thirds, each with the path of its file.

    Chunks are drawn in pseudo-random order. Chunks without a usable sentence are skipped.
    """
    drawn = ((each.path, _sentence(each.chunk.text)) for each in _chunks_in_random_order(snapshot))
    found = ((path, _without_middle(sentence)) for path, sentence in drawn if sentence is not None)
    return list(islice(found, count))


def _chunks_in_random_order(snapshot: Snapshot) -> Iterator[StoredChunk]:
    """Yield all live chunks, ordered by a hash of path and number in the file; they are read lazily."""
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
        yield searcher.hydrate(np.array([chunk_id], np.int64))[0]


def _sentence(text: str) -> str | None:
    """Return the usable sentence with the least hash, None if there is none."""
    sentences = (" ".join(match[0].split()).lstrip("*#>-|+ ") for match in _SENTENCE.finditer(text))
    return min(filter(_is_usable, sentences), key=_hash, default=None)


def _is_usable(sentence: str) -> bool:
    words = sentence.count(" ") + 1
    if words < _SENTENCE_WORDS[0] and len(sentence) / words > _MAX_MEAN_LENGTH:
        return _SENTENCE_CHARACTERS[0] <= len(sentence) <= _SENTENCE_CHARACTERS[1]
    return _SENTENCE_WORDS[0] <= words <= _SENTENCE_WORDS[1]


def _words(text: str) -> Sequence[str]:
    return [word for word in _WORD.findall(text.lower()) if len(word) <= _MAX_WORD_LENGTH]


def _rarest_words(text: str, frequencies: Counter[str]) -> str:
    """Return the words with the lowest document frequencies, of equals the longer ones, in the text's order.

    If there is only one word, which may be a whole sentence in a script without blanks, return "".
    """
    words = list(dict.fromkeys(_words(text)))
    chosen = sorted(words, key=lambda word: (frequencies[word], -len(word), word))[:RARE_WORDS]
    return " ".join(word for word in words if word in chosen) if len(words) > 1 else ""


def _without_middle(sentence: str) -> str:
    words = sentence.split(" ")
    if len(words) >= _SENTENCE_WORDS[0]:
        third = len(words) // 3
        return " ".join(words[:third] + words[-third:])
    third = len(sentence) // 3
    return f"{sentence[:third]} {sentence[-third:]}"


def _hash(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
