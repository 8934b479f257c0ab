"""Chunks joined again: each character once, at the line, the page and the character where it stood."""

import random
from dataclasses import replace
from itertools import pairwise

import pytest

from vsearch_core.model import Chunk, Document, Span
from vsearch_core.search.document_text import DocumentText
from vsearch_core.text.chunk import ChunkOptions, split

WORDS = ["pump", "valve", "grease", "frost", "mill", "crank", "water", "bread", "flour", "loft"]


def random_text(rng: random.Random) -> str:
    pieces = []
    for _ in range(rng.randrange(1, 400)):
        pieces.append(rng.choice(WORDS))
        pieces.append(rng.choice([" ", " ", " ", ". ", "\n", "\n\n", "\n\n\n\n", "  \n"]))
    return "".join(pieces)


def random_document(rng: random.Random) -> Document:
    """Return a document with some spans, with gaps or without."""
    text = random_text(rng)
    cuts = sorted({0, len(text), *(rng.randrange(len(text) + 1) for _ in range(rng.randrange(6)))})
    spans = tuple(
        Span(start, end, (f"H{number}",), kind=rng.choice(["prose", "rows", "code"]), header=rng.choice(["", "a b"]))
        for number, (start, end) in enumerate(pairwise(cuts))
        if rng.random() < 0.8
    )
    return Document(text, spans or (Span(0, len(text)),))


@pytest.mark.parametrize("seed", range(60))
def test_joined_chunks_have_each_word_once_at_its_line_and_character(seed: int) -> None:
    rng = random.Random(seed)
    document = random_document(rng)
    chunks = split(document, ChunkOptions(rng.randrange(20, 60), rng.randrange(0, 9)))
    if not chunks:
        return
    first = rng.randrange(len(chunks))
    chunks = chunks[first : first + rng.randrange(1, len(chunks) + 1)]
    joined = DocumentText(chunks)
    covered = {char for chunk in chunks for char in range(chunk.start_char, chunk.end_char)}
    kept = "".join(char for place, char in enumerate(document.text) if place in covered and not char.isspace())
    assert "".join(joined.text.split()) == kept
    lines = document.text.split("\n")
    for line in joined.lines:
        shown = joined.text[line.start : line.end]
        assert line.first == line.last or not shown.strip()
        assert shown.strip() in lines[line.first - 1]
    headings = {
        char: " > ".join(span.heading) or None for span in document.spans for char in range(span.start, span.end)
    }
    for offset, char in enumerate(joined.text):
        if not char.isspace():
            char_before = document.text[max(0, joined.char_at(offset) - 1)]
            assert joined.heading_at(offset) == headings[joined.char_at(offset)] or not char_before.isspace()
            assert document.text[joined.char_at(offset)] == char
            assert joined.lines[joined.line_at(offset)].start <= offset <= joined.lines[joined.line_at(offset)].end


def test_lines_that_are_not_the_files_have_a_range() -> None:
    """Two lines of text were made of five lines of the file; the next chunk begins at line 9."""
    chunks = [Chunk("One line\nthe other", 0, 18, 2, 6, None, None), Chunk("Last", 20, 24, 9, 9, None, "End")]
    joined = DocumentText(chunks)
    assert joined.text == "One line\nthe other\n\nLast"
    assert [(line.first, line.last) for line in joined.lines] == [(2, 2), (6, 6), (6, 9), (9, 9)]
    assert joined.heading_at(3) is None
    assert joined.heading_at(len(joined.text)) == "End"


def test_pages_are_counted_within_chunks_and_between_them() -> None:
    chunks = [
        Chunk("a\n\fb\n\f\fc", 0, 8, 1, 3, 1, None),
        Chunk("c\n\fd", 7, 11, 3, 4, 4, None),
        Chunk("e", 40, 41, 1, 1, 7, None),
    ]
    joined = DocumentText(chunks)
    pages = {joined.text[line.start : line.end].strip("\f"): line.page for line in joined.lines}
    del pages[""]
    assert pages == {"a": 1, "b": 2, "c": 4, "d": 5, "e": 7}
    assert joined.page_at(joined.text.index("e")) == 7


def test_a_forged_gap_is_bounded() -> None:
    one = Chunk("a", 0, 1, 1, 1, None, None)
    far = replace(one, text="b", start_char=10**15, end_char=10**15 + 1, start_line=10**12, end_line=10**12)
    assert len(DocumentText([one, far]).text) < 10
    paged = [replace(one, page=1), replace(far, page=10**12)]
    assert len(DocumentText(paged).text) < 20_000
