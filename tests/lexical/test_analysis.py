import re
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsearch_core.errors import ArgumentError
from vsearch_core.lexical.analysis import Analysis
from vsearch_core.lexical.language import LANGUAGES, MIN_DISTINCT, MIN_SHARE, SAMPLE, _languages_by_word, detect
from vsearch_core.lexical.query import ParsedQuery, plain_query
from vsearch_core.lexical.row_terms import RowTerms
from vsearch_core.lexical.stopwords import STOP_WORDS
from vsearch_core.model import KeywordFields

GERMAN = "Die Häuser in dieser Straße sind alt, und das Dach von einem ist nicht mehr dicht."
ENGLISH = "The houses in this street are old, and the roof of one of them is not tight any more."
FRENCH = "Les maisons de cette rue sont vieilles, et le toit de l'une d'elles ne tient plus dans le vent."


def chunk(text: str, language: str | None = None) -> KeywordFields:
    return KeywordFields(text, "a.txt", None, None, language)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (GERMAN, "de"),
        (ENGLISH, "en"),
        (FRENCH, "fr"),
        (
            "Pumpen skal tømmes om høsten, og ventilen må ikke være lukket når det er frost i luften efter oktober.",
            "da",
        ),
        ("El agua de la bomba se vacía en otoño, y la válvula no debe estar cerrada cuando hace frío.", "es"),
        ("Насос нужно опорожнить осенью, и клапан не должен быть закрыт, когда на улице мороз, а это бывает.", "ru"),
        (
            "Pompę należy opróżnić jesienią, a zawór nie może być zamknięty, gdy jest mróz, bo to się na niej mści.",
            "pl",
        ),
        (
            "Pumpun vesi on tyhjennettävä syksyllä, eikä venttiili saa olla kiinni kun on pakkanen, sillä se ei kestä.",
            "fi",
        ),
        ("مضخة الماء التي في هذا البيت لا تعمل من دون كهرباء، ثم إن الصمام مغلق في الشتاء", "ar"),
        ("Η αντλία που είναι στο υπόγειο δεν πρέπει να μένει με νερό όταν έχει παγετό και κρύο", "el"),
        ("磨刀石要先在水里浸泡十分钟。", None),
        ("def f(x): return x + 1", None),
        ("1 2 3 4.5", None),
        ("", None),
        ("Curtz, T. B.; Riordan, J. F.; Spohn, M. D. L. N.", None),
    ],
)
def test_detect(text: str, language: str | None) -> None:
    assert detect(text) == language


def test_every_language_has_function_words_in_one_case() -> None:
    assert set(LANGUAGES.values()) == set(STOP_WORDS)
    assert all(word == word.casefold() for words in STOP_WORDS.values() for word in words)


def test_chunks_without_a_detectable_language_get_that_of_the_others() -> None:
    table = chunk("1 2 3")
    assert Analysis().languages([chunk(GERMAN), table, chunk(ENGLISH), chunk(GERMAN)]) == ["de", "de", "en", "de"]
    assert Analysis().languages([table, table]) == ["en", "en"]
    assert Analysis().languages([chunk("1", "de")]) == ["de"]
    assert Analysis().languages([chunk("1", "tlh")]) == ["en"]
    assert Analysis("fr").languages([chunk(GERMAN)]) == ["fr"]
    assert Analysis().languages([]) == []


def test_the_language_of_a_short_file_is_detected_as_a_whole() -> None:
    parts = [chunk("Die Pumpe ist alt"), chunk("und das Dach nicht dicht")]
    assert [detect(part.text) for part in parts] == [None, None]
    assert Analysis().languages(parts) == ["de", "de"]


def test_queries_are_analyzed_in_every_language_of_the_index() -> None:
    assert Analysis().query_terms(plain_query("Häuser running"), ["en"]) == ["häuser", "hauser~", "run"]
    assert Analysis().query_terms(plain_query("Häuser running"), ["de", "en"]) == [
        *("haus", "häuser", "hauser~", "running", "run"),
    ]
    assert Analysis().query_terms(plain_query("die Pumpe die"), ["de", "en"]) == [
        "pump"
    ]  # in German, die is an article
    assert Analysis().query_terms(plain_query("who did die"), ["de", "en"])[:1] == ["die"]  # in English, it is not
    assert Analysis().query_terms(plain_query("數 pumps"), ["de", "en"])[0] == "數*"
    assert Analysis().query_terms(plain_query("anything"), []) == []


def test_prefixes_are_folded() -> None:
    assert Analysis("en").query_terms(ParsedQuery("x Ünt", "x", ("Ünt",)), ["en"]) == ["x", "ünt*"]


def test_fields_give_terms_and_a_title_repeated_in_the_heading_counts_once() -> None:
    found = Analysis("en").chunk_terms(
        KeywordFields("The text", "docs/some_file.md", "Pumps", "Pumps > Winter", None), "en"
    )
    assert found == ["text", "pump", "winter", "doc", "some_file.md", "some_file", "file", "md"]
    outside = Analysis("en").chunk_terms(KeywordFields("x1y", "/home/me/a.txt", "Pumps", None, None), "en")
    assert "home" not in outside and {"pump", "a.txt"} <= set(outside)


def test_different_analyses_have_different_signatures() -> None:
    assert Analysis().signature == Analysis("auto").signature != Analysis("en").signature


def test_unsupported_languages_are_refused() -> None:
    with pytest.raises(ArgumentError, match="language: 'tlh' is not a supported language"):
        Analysis("tlh")


WORDS = st.one_of(
    st.sampled_from(sorted(_languages_by_word())),
    st.sampled_from(["don't", "and/or", "The,", "l'un", "THE", "ẞ", "İl", "ΰ", "x1the", "the_of", "_a_", "a", "12"]),
    st.text(max_size=6),
)
TEXTS = st.lists(st.tuples(WORDS, st.sampled_from([" ", "\n", "\xa0", "  ", "-", ""])), max_size=60).map(
    lambda pairs: "".join(word + gap for word, gap in pairs)
)


def plain_detect(text: str) -> str | None:
    """The oracle: it finds all words of the sample, and looks up each."""
    words = re.findall(r"[^\W\d_]{2,}", text[:SAMPLE].casefold())
    occurrences: defaultdict[str, int] = defaultdict(int)
    distinct: defaultdict[str, int] = defaultdict(int)
    for word, count in Counter(words).items():
        for code in _languages_by_word().get(word, ()):
            occurrences[code] += count
            distinct[code] += 1
    if not occurrences:
        return None
    best = max(occurrences, key=lambda code: (occurrences[code], distinct[code], code))
    return best if distinct[best] >= MIN_DISTINCT and occurrences[best] >= MIN_SHARE * len(words) else None


@settings(deadline=None, max_examples=300)
@given(TEXTS, st.sampled_from([1, 1, 1, 40]))
def test_a_language_is_detected_as_by_looking_up_each_word(text: str, times: int) -> None:
    assert detect(text * times) == plain_detect(text * times)


@settings(deadline=None, max_examples=100)
@given(st.lists(TEXTS, max_size=4), st.sampled_from(["auto", "de", "none"]), st.sampled_from([None, "fr", "tlh"]))
def test_counted_terms_are_those_of_the_chunks_in_their_languages(
    texts: list[str], language: str, declared: str | None
) -> None:
    chunks = [KeywordFields(text, "notes/a.txt", "The title", f"Part {text[:9]}", declared) for text in texts]
    analysis = Analysis(language)
    languages = analysis.languages(chunks)
    expected = [
        (RowTerms.of(analysis.chunk_terms(chunk, each)), each) for chunk, each in zip(chunks, languages, strict=True)
    ]
    assert analysis.counted_terms(chunks) == expected
