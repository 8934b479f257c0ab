"""Turn an index's chunks, and the queries for it, into terms: in one language, or in each chunk's own language."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import chain

from vsearch_core.lexical.analyzer import CACHE_SIZE, LONGEST_CACHED, VERSION, Analyzer, Match
from vsearch_core.lexical.characters import fold_case, normalize_characters
from vsearch_core.lexical.language import LANGUAGES, SAMPLE, detect, detect_by_words
from vsearch_core.lexical.query import ParsedQuery
from vsearch_core.lexical.question_words import without_question_words
from vsearch_core.lexical.row_terms import RowTerms
from vsearch_core.model import KeywordFields
from vsearch_core.scripts import FIRST_UNSPACED

AUTO = "auto"
UNKNOWN = "en"  # the language assumed for code, tables and lists of names
_MOST_QUERY_CACHES = 8  # one for each set of languages that queries were analyzed in


class Analysis:
    """Turns the chunks of one index, and the queries for it, into terms. Only one thread may use it at a time.

    The same text gives the same terms in every process.
    """

    def __init__(self, language: str = AUTO, version: int = VERSION) -> None:
        """Set the language for all chunks: an ISO 639-1 code, "none", or "auto" for each chunk's own language.

        `version` is the version of the analyzer that made the index's postings. Raises ArgumentError for an unsupported
        language.
        """
        self._language = language
        self._version = version
        self._analyzers: dict[str, Analyzer] = {}
        self._query_words: dict[tuple[str, ...], _QueryWords] = {}
        if language != AUTO:
            self.analyzer(language)

    @property
    def signature(self) -> str:
        """Return a text that identifies the analysis. Analyses with equal signatures give equal terms."""
        return f"{self._version}:{self._language}"

    @classmethod
    def from_signature(cls, signature: str) -> "Analysis":
        """Return an analysis with this signature. Raises ArgumentError for an unsupported language."""
        version, _, language = signature.partition(":")
        return cls(language, int(version))

    def analyzer(self, language: str) -> Analyzer:
        """Return the analyzer for a language. Raises ArgumentError for an unsupported one."""
        if language not in self._analyzers:
            self._analyzers[language] = Analyzer(language, self._version)
        return self._analyzers[language]

    def languages(self, chunks: Sequence[KeywordFields]) -> list[str]:
        """Return, for each of a file's chunks, the language to analyze it in.

        If the language of a chunk can't be detected (such as a table), it is the most frequent one in the file, or else
        the one that the file declares.
        """
        if self._language != AUTO:
            return [self._language] * len(chunks)
        detected = [detect(chunk.text) for chunk in chunks]
        default = self._default_language(chunks, detected)
        return [language or default for language in detected]

    def _default_language(self, chunks: Sequence[KeywordFields], detected: Sequence[str | None]) -> str:
        """Return the language for those of a file's chunks whose own language can't be detected."""
        counts = Counter(language for language in detected if language is not None)
        if counts:
            default: str | None = counts.most_common(1)[0][0]
        else:
            declared = next((chunk.language for chunk in chunks), None)
            default = detect(" ".join(chunk.text for chunk in chunks)) or declared or UNKNOWN
        return default if default in LANGUAGES else UNKNOWN

    def counted_terms(self, chunks: Sequence[KeywordFields]) -> list[tuple[RowTerms, str]]:
        """Return the counted terms of each of a file's chunks, and the language in which it was analyzed.

        They are those of `languages` and `chunk_terms`, but each text is split at white space only once.
        """
        detected: list[str | None] = []
        counted: list[RowTerms | None] = []
        for chunk in chunks:
            pieces = chunk.text.split()
            language: str | None = self._language
            if language == AUTO:
                is_short = len(chunk.text) <= SAMPLE
                language = detect_by_words(pieces) if is_short else detect(chunk.text)
            detected.append(language)
            counted.append(None if language is None else self._counted(chunk, pieces, language))
        default = self._default_language(chunks, detected) if None in detected else ""
        return [
            (terms or self._counted(chunk, chunk.text.split(), default), language or default)
            for chunk, terms, language in zip(chunks, counted, detected, strict=True)
        ]

    def _counted(self, chunk: KeywordFields, pieces: Sequence[str], language: str) -> RowTerms:
        """Count the terms of a chunk, whose text was split at white space."""
        analyzer = self.analyzer(language)
        _, *others = chunk.fields()
        return RowTerms.of(chain(analyzer.terms_of_words(pieces), *map(analyzer.terms, filter(None, others))))

    def matches(self, text: str, terms: Collection[str]) -> list[Match]:
        """Return the positions of the terms in a chunk's text, as `Analyzer.matches` does."""
        language = (detect(text) or UNKNOWN) if self._language == AUTO else self._language
        return self.analyzer(language).matches(text, terms)

    def chunk_terms(self, chunk: KeywordFields, language: str) -> list[str]:
        """Return the terms of a chunk's text, title, headings and path, as if these were one text.

        This is BM25F (Robertson et al., "Simple BM25 extension to multiple weighted fields", CIKM 2004) with equal
        weights for all fields. A title or heading that is also part of the text counts twice.
        """
        analyzer = self.analyzer(language)
        return [term for field in chunk.fields() for term in analyzer.terms(field)]

    def query_terms(self, query: ParsedQuery, languages: Sequence[str]) -> list[str]:
        """Return the terms to search for in chunks of these languages.

        Each word gives its distinct terms in all the languages. The query's own language is taken to be the one with
        most of its function words (such as "the"); function words of this language give no terms. Neither do question
        words of Chinese, Japanese, Korean and Thai. A term such as `bar*` stands for all terms that start with "bar".
        """
        cache, words = self._query_cache(tuple(languages)), without_question_words(query.words).split()
        terms = list(chain.from_iterable(map(cache.__getitem__, words)))
        if cache.function_words and not cache.function_words.keys().isdisjoint(words):
            terms = [term for word in _without_function_words(words, cache.function_words) for term in cache[word]]
        if not query.prefixes:
            return terms
        return terms + [f"{fold_case(normalize_characters(prefix))}*" for prefix in query.prefixes]

    def _query_cache(self, languages: tuple[str, ...]) -> "_QueryWords":
        if languages not in self._query_words:
            if len(self._query_words) >= _MOST_QUERY_CACHES:
                self._query_words.clear()
            self._query_words[languages] = _QueryWords([self.analyzer(language) for language in languages])
        return self._query_words[languages]


class _QueryWords(dict[str, tuple[str, ...]]):
    """A cache from a query's words, as blanks separate them, to their distinct terms under some analyzers.

    `function_words` maps the words for which only some of the analyzers have terms to the numbers of the others.
    """

    def __init__(self, analyzers: Sequence[Analyzer]) -> None:
        super().__init__()
        self._analyzers = analyzers
        self.function_words: dict[str, tuple[int, ...]] = {}

    def __missing__(self, word: str) -> tuple[str, ...]:
        by_analyzer = [analyzer.query_word(word) for analyzer in self._analyzers]
        distinct = dict.fromkeys(chain.from_iterable(by_analyzer))
        terms = by_analyzer[0] if len(by_analyzer) == 1 else tuple(distinct)
        unspaced = not word.isascii() and max(word) >= FIRST_UNSPACED
        if unspaced or len(word) > LONGEST_CACHED:  # these rarely recur
            return terms
        if len(self) >= CACHE_SIZE:
            self.clear()
            self.function_words.clear()
        self[word] = terms
        if terms and not all(by_analyzer):
            self.function_words[word] = tuple(number for number, found in enumerate(by_analyzer) if not found)
        return terms


def _without_function_words(words: Sequence[str], function_words: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Drop the function words of the language, or languages, of which the query has most."""
    votes = [number for word in words for number in function_words.get(word, ())]
    most = max(map(votes.count, votes))
    likely = {number for number in votes if votes.count(number) == most}
    return [word for word in words if likely.isdisjoint(function_words.get(word, ()))]
