"""How the passages of one index become terms, and its questions: in one language, or each passage in its own."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import chain

from vsearch_core.lexical.analyzer import CACHE_SIZE, LONGEST_CACHED, VERSION, Analyzer, Match
from vsearch_core.lexical.characters import fold_case, normalize_characters
from vsearch_core.lexical.language import LANGUAGES, detect
from vsearch_core.lexical.query import ParsedQuery
from vsearch_core.model import KeywordFields
from vsearch_core.scripts import FIRST_UNSPACED

AUTO = "auto"
UNKNOWN = "en"  # what is analyzed as if it were: code, tables, lists of names


class Analysis:
    """`language` is that of all passages, an ISO 639-1 code or "none", or else "auto": each passage's own.

    `version` is that of the analyzer which made the postings that questions are for, if it is an older one. Raises
    InputError for any other language. The same passages give the same terms in every process. Belongs to one thread.
    """

    def __init__(self, language: str = AUTO, version: int = VERSION) -> None:
        self._language = language
        self._version = version
        self._analyzers: dict[str, Analyzer] = {}
        self._words: dict[tuple[str, ...], _QueryWords] = {}
        if language != AUTO:
            self.analyzer(language)

    @property
    def signature(self) -> str:
        """Names this analysis. Equal signatures mean equal terms for every passage."""
        return f"{self._version}:{self._language}"

    def analyzer(self, language: str) -> Analyzer:
        """The analyzer of one language."""
        if language not in self._analyzers:
            self._analyzers[language] = Analyzer(language, self._version)
        return self._analyzers[language]

    def languages(self, passages: Sequence[KeywordFields]) -> list[str]:
        """The language that each of a file's passages is analyzed in.

        One that does not tell, a table say, is taken to be in the language of most of the others, or in the declared.
        """
        if self._language != AUTO:
            return [self._language] * len(passages)
        found = [detect(passage.text) for passage in passages]
        told = Counter(language for language in found if language is not None)
        if told:
            rest = told.most_common(1)[0][0]
        else:
            declared = next((passage.language for passage in passages), None)
            rest = detect(" ".join(passage.text for passage in passages)) or declared or UNKNOWN
        rest = rest if rest in LANGUAGES else UNKNOWN
        return [language or rest for language in found]

    def matches(self, text: str, terms: Collection[str]) -> list[Match]:
        """Where a passage has some of the terms, as `Analyzer.matches`."""
        language = (detect(text) or UNKNOWN) if self._language == AUTO else self._language
        return self.analyzer(language).matches(text, terms)

    def chunk_terms(self, passage: KeywordFields, language: str) -> list[str]:
        """A passage's terms: its text's, and those of title, heading trail and path as if they stood there too.

        That is BM25F (Robertson et al., "Simple BM25 extension to multiple weighted fields", CIKM 2004) with fields of
        equal weight; a title or heading that is part of the text, too, thus counts twice.
        """
        analyzer = self.analyzer(language)
        return [term for field in passage.fields() for term in analyzer.terms(field)]

    def query_terms(self, question: ParsedQuery, held: Sequence[str]) -> list[str]:
        """The terms to look for in passages of the languages that are held; `bar*` stands for all that begin so.

        A word gives its different terms in all of them, unless it is a function word in the language that the question
        seems to be in: the one that most of its words are function words of.
        """
        key = tuple(held)
        if key not in self._words:
            self._words[key] = _QueryWords([self.analyzer(language) for language in key])
        known, words = self._words[key], question.words.split()
        terms = list(chain.from_iterable(map(known.__getitem__, words)))
        if known.silent and not known.silent.keys().isdisjoint(words):
            terms = [term for word in _without_function_words(words, known.silent) for term in known[word]]
        return (
            terms + [f"{fold_case(normalize_characters(prefix))}*" for prefix in question.prefixes]
            if question.prefixes
            else terms
        )


class _QueryWords(dict[str, tuple[str, ...]]):
    """What stands between two blanks -> its different terms under some analyzers.

    `silent` are words that only some of these have terms of, and the numbers of those to which they are function words.
    """

    def __init__(self, analyzers: Sequence[Analyzer]) -> None:
        super().__init__()
        self._analyzers = analyzers
        self.silent: dict[str, tuple[int, ...]] = {}

    def __missing__(self, word: str) -> tuple[str, ...]:
        found = [analyzer.query_word(word) for analyzer in self._analyzers]
        terms = found[0] if len(found) == 1 else tuple(dict.fromkeys(term for each in found for term in each))
        unspaced = not word.isascii() and max(word) >= FIRST_UNSPACED
        if unspaced or len(word) > LONGEST_CACHED:  # these hardly ever repeat: not worth remembering
            return terms
        if len(self) >= CACHE_SIZE:
            self.clear()
            self.silent.clear()
        self[word] = terms
        if terms and not all(found):
            self.silent[word] = tuple(number for number, each in enumerate(found) if not each)
        return terms


def _without_function_words(words: Sequence[str], silent: Mapping[str, tuple[int, ...]]) -> list[str]:
    """The words that are no function words in the language, or languages, in which most of them are."""
    votes = [number for word in words for number in silent.get(word, ())]
    most = max(map(votes.count, votes))
    own = {number for number in votes if votes.count(number) == most}
    return [word for word in words if own.isdisjoint(silent.get(word, ()))]
