from itertools import chain, pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vsearch_core.errors import ArgumentError
from vsearch_core.lexical import analyzer
from vsearch_core.lexical.analyzer import Analyzer
from vsearch_core.lexical.language import LANGUAGES

TEXTS = st.one_of(
    st.text(),
    st.text(alphabet="aB1.-_@+#' \u2019\u00ad東ハﾊﾞ한ก\u0301ﬁ½"),
    st.text(alphabet=st.characters()),  # lone surrogates too
)


@pytest.fixture(scope="module")
def english() -> Analyzer:
    return Analyzer("en")


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("The Running dogs", ["run", "dog"]),
        ("getUserName", ["getusernam", "get", "user", "name"]),
        ("HTTPServer", ["httpserver", "http", "server"]),
        ("snake_case", ["snake_case", "snake", "case"]),
        ("__init__", ["__init__", "init"]),
        ("foo.bar", ["foo.bar", "foo", "bar"]),
        ("get_mod.py", ["get_mod.py", "get_mod", "get", "mod", "py"]),
        ("2026.4.10", ["2026.4.10", "2026", "4", "10"]),
        ("v1.2.3", ["v1.2.3", "1.2.3", "v1", "1", "2", "3"]),
        ("ann.lee@example.org", ["ann.lee@example.org", "ann.lee", "ann", "lee", "example.org", "exampl", "org"]),
        ("C++ and C# or .NET", ["c++", "c#", ".net", "net"]),
        ("issue #12 ... and so on.", ["issu", "12"]),
        ("AT&T", ["at&t"]),
        ("T-cells", ["tcell", "cell"]),
        ("e-mail", ["email", "mail"]),
        ("10-15", ["10-15", "10", "15"]),
        ("GPT-3.5", ["gpt3.5", "gpt", "3.5", "3", "5"]),
        (".NET-based end).Methods", [".netbas", ".net", "net", "base", "end", "method"]),
        ("foo(a/.gitignore)", ["foo", ".gitignore", "gitignor"]),
        ("İstanbul", ["istanbul"]),
        ("\u0640", ["\u0640"]),
        ("NFL中文-abc", ["nfl", "中文", "文", "abc"]),
        ("⼀⽇", ["一日", "日"]),
        ("IL2 utf8", ["il2", "il", "2", "utf8", "utf", "8"]),
        ("U.S.A. e.g.", ["usa"]),
        ("mRNAs", ["mrna", "rna"]),
        ("John's don't O\u2019Neil", ["john", "oneil", "neil"]),
        ("Café naïve", ["café", "cafe~", "naïv", "naiv~"]),
        ("ﬁne Ｆｕｌｌ docu\u00adment", ["fine", "full", "document"]),
        ("cafe\u0301", ["café", "cafe~"]),
        ("東京タワー2号", ["東京", "京タ", "タワ", "ワー", "ー", "2", "号"]),
        ("ﾊﾟﾝ", ["パン", "ン"]),
        ("한국어", ["한국", "국어", "어"]),
        ("Защита уступила", ["защ", "уступ"]),
        ("9f86d081884c7d659a2feaa0c55ad015", ["9f86d081884c7d659a2feaa0c55ad015"]),
    ],
)
def test_terms(english: Analyzer, text: str, terms: list[str]) -> None:
    assert english.terms(text) == terms


@pytest.mark.parametrize(
    "text", ["", " \n", "the who of it", "don't", "\x00\x1b[\x07", "\ud800", "____", "... -- ##", "\u0301 \u00ad"]
)
def test_text_without_a_topic_has_no_terms(english: Analyzer, text: str) -> None:
    assert english.terms(text) == []


@pytest.mark.parametrize(
    ("language", "text", "terms"),
    [
        ("de", "Die Häuser", ["haus"]),
        ("fr", "l'homme qu'il", ["homm"]),
        ("ru", "running Защита", ["run", "защ"]),
        ("zh", "running 防守", ["run", "防守", "守"]),
        ("none", "The Running", ["the", "running"]),
    ],
)
def test_languages(language: str, text: str, terms: list[str]) -> None:
    assert Analyzer(language).terms(text) == terms


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_a_stemmer(language: str) -> None:
    assert Analyzer(language).terms("xylem Ψυχή защита սիրտ قلب हृदय இதயம்")


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("running dogs", ["run", "dog"]),
        ("東京タワー", ["東京", "京タ", "タワ", "ワー"]),
        ("国", ["国*"]),
        ("国 2号", ["国*", "2", "号*"]),
        ("한국어 café", ["한국", "국어", "café", "cafe~"]),
    ],
)
def test_query_terms(english: Analyzer, text: str, terms: list[str]) -> None:
    assert english.query_terms(text) == terms


@given(TEXTS)
def test_a_query_finds_the_same_text(text: str) -> None:
    terms = ANALYZER.terms(text)
    for term in ANALYZER.query_terms(text):
        assert term in terms or any(other.startswith(term.removesuffix("*")) for other in terms)


def test_prefixes_match() -> None:
    text = "Dogs bark at barkeepers"
    assert [(text[start:end], set(terms)) for start, end, terms in ANALYZER.matches(text, ["bark*"])] == [
        ("bark", {"bark*"}),
        ("barkeepers", {"bark*"}),
    ]


def test_an_unsupported_language_is_refused_with_the_choices() -> None:
    with pytest.raises(ArgumentError, match="language: 'tlh' is not a supported language") as raised:
        Analyzer("tlh")
    assert raised.value.code == "unsupported-language"
    assert str(raised.value.details["choices"]).startswith("ar, ca, ")
    assert str(raised.value.details["choices"]).endswith(", zh, none")


@given(TEXTS)
def test_spans_have_the_terms_in_order(text: str) -> None:
    spans = list(ANALYZER.spans(text))
    assert [term for *_, terms in spans for term in terms] == ANALYZER.terms(text)
    assert all(0 <= start < end <= len(text) for start, end, _ in spans)
    assert [start for start, *_ in spans] == sorted(start for start, *_ in spans)


@given(TEXTS)
def test_a_term_is_never_empty_or_blank(text: str) -> None:
    assert all(term and not term.isspace() for term in ANALYZER.terms(text))


@given(TEXTS)
def test_a_cold_cache_gives_the_same_terms(text: str) -> None:
    assert Analyzer("en").terms(text) == ANALYZER.terms(text)


@given(TEXTS, st.sets(st.text(min_size=1), max_size=3))
def test_matches_are_ascending_without_overlaps(text: str, others: set[str]) -> None:
    ranges = ANALYZER.matches(text, others | set(ANALYZER.terms(text)[::2]))
    assert all(start < end for start, end, _ in ranges)
    assert all(before[1] <= after[0] for before, after in pairwise(ranges))


def test_matches_in_words_and_in_runs(english: Analyzer) -> None:
    text = "Dogs ran; getUserName 黑豹队的防守员 dog-eared"
    found = english.matches(text, set(english.terms("dog user 防守员")))
    assert [text[start:end] for start, end, _ in found] == ["Dogs", "getUserName", "防守员", "dog-eared"]


def test_matches_in_decomposed_text(english: Analyzer) -> None:
    text = "読むカ\u3099ラス"  # GA as KA and a combining mark
    assert english.matches(text, english.terms("ガラス")) == [(0, 6, frozenset(english.terms("ガラス")))]


def test_a_full_cache_does_not_change_terms() -> None:
    assert Analyzer("en", cache_size=2).terms("one dog two dogs three dog") == ["dog", "two", "dog", "three", "dog"]


ANALYZER = Analyzer("en")


@given(st.text(alphabet="国書ーカ한1a.-'@+#。？ัก\u3099ｶ﷽⺀々é\u200d"))
def test_the_fast_path_for_unspaced_words_gives_the_same_query_terms(english: Analyzer, text: str) -> None:
    for word in text.split():
        pieces = chain.from_iterable(map(analyzer._pieces, english._token.findall(word)))
        terms = [analyzer._query_bigrams(piece) if unspaced else english.terms(piece) for _, piece, unspaced in pieces]
        assert english.query_terms(word) == list(chain.from_iterable(terms))


@given(st.text(alphabet="абвеийлмнорстыя", min_size=1))
@example("а" * 10)
def test_stemming_a_russian_stem_does_not_change_it(text: str) -> None:
    russian = Analyzer("ru")
    assert all(russian.terms(term) in ([term], []) for term in russian.terms(text))


def test_an_earlier_version_gives_its_own_stems() -> None:
    assert Analyzer("ru", 2).terms("дефицит дефицитом") == ["дефиц", "дефицит"]
    assert Analyzer("ru").terms("дефицит дефицитом") == ["дефиц", "дефиц"]
