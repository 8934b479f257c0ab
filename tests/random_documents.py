"""Random documents for tests of the chunker."""

import itertools
from typing import Literal

from hypothesis import strategies as st

from vsearch_core.model import Document, Span
from vsearch_core.text.chunk import ChunkOptions

PIECES = st.one_of(
    st.sampled_from(
        ["word", "a", "end. ", "Is it? ", " ", "\n", "\n\n", " \n \n", "\t", "。", "日本語", "ภาษาไทย", "x" * 250]
    ),
    st.text(max_size=8),
)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    text = "".join(draw(st.lists(PIECES, max_size=250)))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6)))
    spans = []
    for start, end in itertools.pairwise(cuts):
        if start < end and draw(st.integers(0, 3)):  # sometimes a gap
            heading = tuple(draw(st.lists(st.sampled_from("ABC"), max_size=2)))
            kinds: tuple[Literal["prose", "rows", "code"], ...] = ("prose", "prose", "rows", "code")
            kind = draw(st.sampled_from(kinds))
            header = draw(st.sampled_from(("", "name | age"))) if kind == "rows" else ""
            spans.append(Span(start, end, heading, draw(st.one_of(st.none(), st.integers(1, 3))), kind, header))
    lines = tuple(range(10, 11 + text.count("\n"))) if draw(st.booleans()) else None
    return Document(text, tuple(spans), lines=lines)


OPTIONS = st.integers(20, 60).flatmap(
    lambda words: st.builds(ChunkOptions, words=st.just(words), overlap=st.integers(0, (words - 1) // 2))
)
