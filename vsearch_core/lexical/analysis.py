"""How the passages of one index become terms, and its questions: in one language, or each passage in its own."""

from collections import Counter
from collections.abc import Collection, Sequence

from vsearch_core.lexical.analyzer import CACHE_SIZE, NO_STEMMING, VERSION, Analyzer
from vsearch_core.lexical.characters import fold_case, unify
from vsearch_core.lexical.language import LANGUAGES, detect
from vsearch_core.lexical.question import Question
from vsearch_core.model import Searched

AUTO = "auto"
UNKNOWN = "en"  # what is analyzed as if it were: code, tables, lists of names


class Analysis:
    """`language` is that of all passages, an ISO 639-1 code or "none", or else "auto": each passage's own.

    Raises InputError for any other. The same passages give the same terms in every process. Belongs to one thread.
    """

    def __init__(self, language: str = AUTO) -> None:
        self._language = language
        self._analyzers: dict[str, Analyzer] = {}
        self._merged: dict[tuple[str, ...], _Merged] = {}
        if language != AUTO:
            self.analyzer(language)

    @property
    def signature(self) -> str:
        """Names this analysis. Equal signatures mean equal terms for every passage."""
        return f"{VERSION}:{self._language}"

    def analyzer(self, language: str) -> Analyzer:
        """The analyzer of one language."""
        if language not in self._analyzers:
            self._analyzers[language] = Analyzer(language)
        return self._analyzers[language]

    def languages(self, passages: Sequence[Searched]) -> list[str]:
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

    def matches(self, text: str, terms: Collection[str]) -> list[tuple[int, int]]:
        """Where a passage has one of the terms, as `Analyzer.matches`."""
        language = (detect(text) or UNKNOWN) if self._language == AUTO else self._language
        return self.analyzer(language).matches(text, terms)

    def passage_terms(self, passage: Searched, language: str) -> list[str]:
        """A passage's terms: its text's, and those of title, heading trail and path as if they stood there too.

        That is BM25F (Robertson et al., "Simple BM25 extension to multiple weighted fields", CIKM 2004) with fields of
        equal weight; a title or heading that is part of the text, too, thus counts twice.
        """
        analyzer = self.analyzer(language)
        return [term for field in passage.fields() for term in analyzer.terms(field)]

    def query_terms(self, question: Question, held: Sequence[str]) -> list[str]:
        """The terms to look for in passages of the languages that are held; `bar*` stands for all that begin so.

        A word gives its different terms in all of them, unless it is a function word in the language that the question
        seems to be in: the one that most of its words are function words of.
        """
        prefixes = [f"{fold_case(unify(prefix))}*" for prefix in question.prefixes]
        if not held:
            return prefixes
        if len(held) == 1:
            terms = self.analyzer(held[0]).query_terms(question.words)
            return terms + prefixes if prefixes else terms
        merged = self._merged.setdefault(tuple(held), _Merged([self.analyzer(each) for each in held]))
        words = [merged[word] for word in question.words.split()]
        votes = [number for _, silent in words for number in silent]
        most = max(map(votes.count, votes), default=0)
        own = {number for number in votes if votes.count(number) == most}
        return [term for terms, silent in words if own.isdisjoint(silent) for term in terms] + prefixes


class _Merged(dict[str, tuple[tuple[str, ...], tuple[int, ...]]]):
    """Word -> its different terms under some analyzers, and the numbers of those to which it is a function word."""

    def __init__(self, analyzers: Sequence[Analyzer]) -> None:
        super().__init__()
        self._analyzers = analyzers

    def __missing__(self, word: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
        found = [analyzer.query_word(word) for analyzer in self._analyzers]
        terms = tuple(dict.fromkeys(term for each in found for term in each))
        silent = tuple(number for number, each in enumerate(found) if not each) if terms else ()
        if len(self) >= CACHE_SIZE:
            self.clear()
        self[word] = terms, silent
        return terms, silent


__all__ = ["AUTO", "NO_STEMMING", "Analysis"]
