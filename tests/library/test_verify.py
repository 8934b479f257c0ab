"""`Index.verify`: quotes and citations against the stored texts."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from process import write_files
from support import WordEmbedder

import vsearch_core as vsearch

VOCABULARY = [f"{a}{b}{c}" for a in ("ba", "ke", "lo", "mi", "su") for b in "nrstv" for c in ("ak", "el", "or", "um")]
DOCUMENTS, LINES = 12, 120


def document(rng: random.Random) -> str:
    """Return lines of words with punctuation, numbers, blank lines and headings."""
    lines = []
    for _ in range(LINES):
        words = [rng.choice(VOCABULARY) for _ in range(rng.randrange(4, 14))]
        words.insert(rng.randrange(len(words)), str(rng.randrange(10**6)))
        text = "".join(word + rng.choice([" ", " ", " ", ", ", " - "]) for word in words).strip(" ,-")
        lines.append(rng.choice(["", "", "", "# "]) + text.capitalize() + rng.choice([".", "", "!"]))
        lines += [""] * rng.choice([0, 0, 1, 3])
    return "\n".join(lines) + "\n"


TEXTS = {f"folder {number % 3}/doc{number}.md": document(random.Random(number)) for number in range(DOCUMENTS)}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[vsearch.Index]:
    folder = write_files(tmp_path_factory.mktemp("shelf"), TEXTS)
    made = vsearch.open_index(
        folder, create=True, open_embedder=lambda _spec: WordEmbedder(), chunk_words=60, overlap_words=5
    )
    with made as index:
        index.update([folder])
        yield index


def quote_of(index: vsearch.Index, words: str, citation: str = "") -> vsearch.Claim:
    """Return the one quote of a text with these words, and a citation behind them."""
    claims = [claim for claim in index.verify(f"It says “{words}” {citation}").claims if claim.kind == "quote"]
    (claim,) = claims
    return claim


def passage(rng: random.Random, least: int = 4, most: int = 200) -> tuple[str, list[re.Match[str]], int, int]:
    """Return a random document, its words, and the numbers of the first and the last word of a part, exclusive."""
    path = rng.choice(list(TEXTS))
    words = list(re.finditer(r"\w+", TEXTS[path]))
    count = rng.randrange(least, most)
    start = rng.randrange(len(words) - count)
    return path, words, start, start + count


def lines_of(path: str, words: list[re.Match[str]], start: int, end: int) -> tuple[int, int]:
    text = TEXTS[path]
    return text.count("\n", 0, words[start].start()) + 1, text.count("\n", 0, words[end - 1].end()) + 1


@pytest.mark.parametrize("seed", range(60))
def test_any_part_of_a_document_is_supported_at_its_lines(shelf: vsearch.Index, seed: int) -> None:
    rng = random.Random(seed)
    path, words, start, end = passage(rng)
    text = TEXTS[path][words[start].start() : words[end - 1].end()]
    quoted = re.sub(r"[\s#]+", lambda _: rng.choice([" ", "  "]), text)
    first, last = lines_of(path, words, start, end)
    claim = quote_of(shelf, quoted, f"({path}:{first}-{last})")
    assert (claim.status, claim.changes, claim.similarity) == ("supported", (), 1.0)
    assert claim.found is not None
    assert (claim.found.path, claim.found.start_line, claim.found.end_line) == (path, first, last)
    assert TEXTS[path][claim.found.start_char : claim.found.end_char] == text
    assert quote_of(shelf, quoted).status == "supported"


@pytest.mark.parametrize("seed", range(60))
def test_any_changed_or_dropped_word_makes_a_quote_altered(shelf: vsearch.Index, seed: int) -> None:
    rng = random.Random(seed)
    path, words, start, end = passage(rng, least=6)
    place = rng.randrange(start + 1, end - 1)
    shown = [word.group() for word in words[start:end]]
    old = shown[place - start]
    for new in ("", "never", str(int(old) + 1) if old.isdecimal() else old + "x"):
        changed = " ".join(filter(None, [*shown[: place - start], new, *shown[place - start + 1 :]]))
        claim = quote_of(shelf, changed)
        assert claim.status == "altered"
        assert claim.found is not None and claim.found.path == path
        assert (claim.found.start_line, claim.found.end_line) == lines_of(path, words, start, end)
        assert old in " ".join(change.stored for change in claim.changes)
        assert new in " ".join(change.quoted for change in claim.changes)


@pytest.mark.parametrize("seed", range(30))
def test_words_of_elsewhere_are_absent(shelf: vsearch.Index, seed: int) -> None:
    rng = random.Random(seed)
    count = rng.randrange(4, 60)
    foreign = [
        rng.choice(VOCABULARY)[::-1] + "q" if rng.random() < 0.8 else rng.choice(VOCABULARY) for _ in range(count)
    ]
    foreign[:3] = ["qone", "qtwo", "qthree"]
    assert quote_of(shelf, " ".join(foreign)).status == "absent"


@pytest.mark.parametrize("seed", range(20))
def test_a_quote_cited_elsewhere_is_misattributed_and_its_place_is_told(shelf: vsearch.Index, seed: int) -> None:
    rng = random.Random(seed)
    path, words, start, end = passage(rng, most=40)
    quoted = " ".join(word.group() for word in words[start:end])
    first, last = lines_of(path, words, start, end)
    other = rng.choice([each for each in TEXTS if each != path])
    wrong_line = last + 1 if last + 1 <= TEXTS[path].count("\n") else first - 1
    for cited in (f"{other}:3", f"{path}:{wrong_line}", "gone/away.md:3"):
        claim = quote_of(shelf, quoted, f"({cited})")
        assert claim.status == "misattributed"
        assert claim.found is not None and (claim.found.path, claim.found.start_line) == (path, first)


@pytest.mark.parametrize("seed", range(20))
def test_pieces_between_ellipses_stand_in_order_in_one_document(shelf: vsearch.Index, seed: int) -> None:
    rng = random.Random(seed)
    path, words, start, end = passage(rng, least=30, most=120)
    shown = [word.group() for word in words[start:end]]
    one, other = " ".join(shown[:8]), " ".join(shown[-8:])
    claim = quote_of(shelf, f"{one} […] {other}")
    assert claim.status == "supported"
    assert claim.found is not None
    assert (claim.found.start_line, claim.found.end_line) == lines_of(path, words, start, end)
    assert quote_of(shelf, f"{other} … {one}").status == "altered"


def test_the_first_letter_may_change_its_case(shelf: vsearch.Index) -> None:
    text = next(line for line in TEXTS["folder 0/doc0.md"].splitlines() if line and line[0].isalpha())
    assert quote_of(shelf, text.swapcase()[0] + text[1:]).status == "supported"
    assert quote_of(shelf, text.upper()).status == "altered"


def test_short_quotes_are_checked_only_where_they_are_cited(shelf: vsearch.Index) -> None:
    line = TEXTS["folder 0/doc0.md"].splitlines()[0].removeprefix("# ")
    short = " ".join(re.findall(r"\w+", line)[:2])
    assert quote_of(shelf, short).status == "unchecked"
    assert quote_of(shelf, short, "(doc0.md:1)").status == "supported"
    assert quote_of(shelf, short, f"(doc0.md:{TEXTS['folder 0/doc0.md'].count(chr(10))})").status == "misattributed"
    assert quote_of(shelf, "quite different", "(doc0.md:1)").status == "absent"


def test_citations_are_claims_of_their_own(shelf: vsearch.Index) -> None:
    text = "doc1.md:1, folder 1/doc1.md:1-3, doc1.md:99999, gone.md:1"
    claims = shelf.verify(text).claims
    assert [(claim.words, claim.status) for claim in claims] == [
        ("doc1.md:1", "supported"),
        ("folder 1/doc1.md:1-3", "supported"),
        ("doc1.md:99999", "absent"),
        ("gone.md:1", "absent"),
    ]


def test_claims_are_in_order_with_their_lines_in_the_text(shelf: vsearch.Index) -> None:
    verification = shelf.verify('One.\n\n> not in any of these texts\n\nAnd "this is not there either" doc1.md:1\n')
    assert [(claim.kind, claim.line, claim.status) for claim in verification.claims] == [
        ("quote", 3, "absent"),
        ("quote", 5, "absent"),
        ("citation", 5, "supported"),
    ]
    assert not verification.is_supported
    assert verification.generation == shelf.generation


def test_a_text_without_claims_is_supported(shelf: vsearch.Index) -> None:
    assert shelf.verify("Nothing is quoted here.").is_supported
    assert shelf.verify("").claims == ()


def test_an_empty_index_supports_nothing(tmp_path: Path) -> None:
    write_files(tmp_path, {"gone.txt": "Gone."})
    with vsearch.open_index(tmp_path, create=True, open_embedder=lambda _spec: WordEmbedder()) as index:
        index.update([tmp_path])
        index.remove([tmp_path / "gone.txt"])
        assert [claim.status for claim in index.verify('"one two three four five" gone.txt:1').claims] == ["absent"] * 2


def test_quotes_of_function_words_are_found(tmp_path: Path) -> None:
    write_files(tmp_path, {"a.txt": "To be or not to be, that is it.\n", "b.txt": "The pump needs grease.\n"})
    with vsearch.open_index(tmp_path, create=True, open_embedder=lambda _spec: WordEmbedder()) as index:
        index.update([tmp_path])
        assert quote_of(index, "to be or not to be").status == "supported"
        assert quote_of(index, "to be and not to be").status == "altered"
