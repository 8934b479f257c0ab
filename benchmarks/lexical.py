"""Our keyword search and its peers on the same judged collections, in one run: index time, queries a second, nDCG@10.

Every engine gets the same texts (title and text) and the same questions as plain words, one thread, and gives the best
ten documents of each. The clock of the queries runs from their text to the documents' numbers: analysis is part of it.
Engines answer in turn, every round each of them, 1,000 questions or more at a time, and the median of the rounds
counts. The peers are used as their documentation says, for the collection's language where they know it; Chinese, which
none of them cuts, they get as bigrams with blanks between. An engine that is not installed is left out.

`--scale N` adds a collection of N passages, made of sentences drawn from the English collections, whose questions are
theirs; nobody has judged it, so it has no nDCG.
"""

import argparse
import gc
import random
import re
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from operator import add
from pathlib import Path
from statistics import fmean

from benchmarks.machine import describe, seconds
from vsearch_core.evaluate.dataset import load
from vsearch_core.evaluate.metrics import Judgements, ndcg
from vsearch_core.lexical.analysis import Analysis
from vsearch_core.lexical.bm25 import BM25
from vsearch_core.lexical.maxscore import MaxScore
from vsearch_core.lexical.postings import build
from vsearch_core.lexical.query import plain_query
from vsearch_core.model import KeywordFields

K = 10
DATA = Path("../shared/data/ir")
TURN = 1000  # questions at least: fewer would measure what the engine before left in the caches
PASSAGE_WORDS = 150  # of a made-up passage

Ask = Callable[[Sequence[str]], list[list[int]]]  # questions -> numbers of documents, best first


@dataclass(frozen=True, slots=True)
class Task:
    """A collection: documents as (title, text), questions, and per question the grades by document number."""

    name: str
    language: str
    documents: Sequence[tuple[str, str]]
    questions: Sequence[str]
    judgements: Sequence[Judgements] | None


def vsearch(task: Task) -> Ask:
    """Ours, as a process asks that has started its engine."""
    analysis = Analysis()
    passages = [
        KeywordFields(f"{title}\n\n{text}".lstrip(), "", title or None, None, None) for title, text in task.documents
    ]
    languages = [analysis.languages([passage])[0] for passage in passages]
    held = sorted(set(languages))
    terms = map(analysis.chunk_terms, passages, languages)
    engine = MaxScore(BM25([build(terms, held)]))
    asked = Analysis()  # that of another process than the one that made the index

    def ask(questions: Sequence[str]) -> list[list[int]]:
        found = engine.search((asked.query_terms(plain_query(text), held) for text in questions), K)
        return [rows[:count] for rows, count in zip(found.rows.tolist(), found.counts.tolist(), strict=True)]

    return ask


def blanks(text: str, language: str) -> str:
    """The text with blanks where its language's words, or at least bigrams, end."""
    if language != "zh":
        return text
    runs = re.findall(r"[^\W\u3400-\u9fff]+|[\u3400-\u9fff]+", text)
    return " ".join(run if len(run) == 1 or run[0] < "\u3400" else " ".join(map(add, run, run[1:])) for run in runs)


def bm25s(task: Task) -> Ask:
    """https://github.com/xhluca/bm25s with numba, its own tokenizer and, where there is one, a Snowball stemmer."""
    import bm25s as engine
    import Stemmer

    stemmer = Stemmer.Stemmer({"en": "english", "ru": "russian"}.get(task.language, "english"))
    stopwords = "en" if task.language == "en" else []

    def tokens(texts: Sequence[str]) -> object:
        cut = [blanks(text, task.language) for text in texts]
        return engine.tokenize(cut, stopwords=stopwords, stemmer=stemmer, show_progress=False)

    ranker = engine.BM25(method="lucene", k1=1.2, b=0.75, backend="numba")
    ranker.index(tokens([f"{title} {text}" for title, text in task.documents]), show_progress=False)
    ranker.activate_numba_scorer()

    def ask(questions: Sequence[str]) -> list[list[int]]:
        found, scores = ranker.retrieve(
            tokens(questions), k=min(K, len(task.documents)), n_threads=1, show_progress=False
        )
        return [
            [int(row) for row, score in zip(*pair, strict=True) if score > 0]
            for pair in zip(found, scores, strict=True)
        ]

    return ask


def tantivy(task: Task) -> Ask:
    """https://github.com/quickwit-oss/tantivy-py, one segment, with the stemming tokenizer that it has for English."""
    import tantivy as engine

    builder = engine.SchemaBuilder()
    builder.add_text_field("text", stored=False, tokenizer_name="en_stem" if task.language == "en" else "default")
    builder.add_unsigned_field("number", stored=True)
    index = engine.Index(builder.build())
    writer = index.writer(200_000_000, 1)
    for number, (title, text) in enumerate(task.documents):
        document = engine.Document()
        document.add_text("text", blanks(f"{title} {text}", task.language))
        document.add_unsigned("number", number)
        writer.add_document(document)
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()

    def ask(questions: Sequence[str]) -> list[list[int]]:
        answers = []
        for text in questions:
            words = " ".join(re.findall(r"\w+", blanks(text, task.language).lower()))
            query, _ = index.parse_query_lenient(words, ["text"])
            hits = searcher.search(query, K, count=False).hits
            answers.append([searcher.doc(address)["number"][0] for _, address in hits])
        return answers

    return ask


def rank_bm25(task: Task) -> Ask:
    """https://github.com/dorianbrown/rank_bm25, words by blanks as its documentation shows."""
    from rank_bm25 import BM25Okapi

    ranker = BM25Okapi([blanks(f"{title} {text}", task.language).lower().split() for title, text in task.documents])

    def ask(questions: Sequence[str]) -> list[list[int]]:
        answers = []
        for text in questions:
            scores = ranker.get_scores(blanks(text, task.language).lower().split())
            answers.append([int(row) for row in scores.argsort(kind="stable")[::-1][:K] if scores[row] > 0])
        return answers

    return ask


ENGINES: dict[str, Callable[[Task], Ask]] = {
    "vsearch": vsearch, "bm25s": bm25s, "tantivy": tantivy, "rank_bm25": rank_bm25
}  # fmt: skip
SLOW = {"rank_bm25"}  # asked once, and not about large collections


def judged(folder: Path) -> Task:
    """A collection in BEIR's layout."""
    dataset = load(folder)
    assert dataset.documents is not None
    numbers = {key: number for number, key in enumerate(dataset.documents)}
    return Task(
        folder.name,
        folder.name.partition("-")[2] or "en",
        [(passage.title, passage.text) for passage in dataset.documents.values()],
        list(dataset.queries.values()),
        [
            {str(numbers[key]): grade for key, grade in dataset.judgements[query].items() if key in numbers}
            for query in dataset.queries
        ],
    )


def made_up(tasks: Sequence[Task], passages: int) -> Task:
    """Passages of real sentences in a random order: their words are as frequent as in what people write."""
    english = [task for task in tasks if task.language == "en"]
    sentences = [
        sentence for task in english for _, text in task.documents for sentence in re.split(r"(?<=[.!?])\s+", text)
    ]
    drawn = random.Random(0)

    def texts() -> Iterator[tuple[str, str]]:
        for _ in range(passages):
            words = 0
            chosen = []
            while words < PASSAGE_WORDS:
                chosen.append(drawn.choice(sentences))
                words += chosen[-1].count(" ") + 1
            yield "", " ".join(chosen)

    questions = [question for task in english for question in task.questions]
    return Task(f"made up, {passages:,}", "en", list(texts()), questions, None)


def measure(task: Task, names: Sequence[str], rounds: int) -> None:
    """Print one collection's rows of the table."""
    asks: dict[str, Ask] = {}
    indexing: dict[str, float] = {}
    for name in names:

        def make(name: str = name) -> None:
            asks[name] = ENGINES[name](task)

        indexing[name] = seconds(make)
    answers = {name: ask(task.questions) for name, ask in asks.items()}  # compiles, warms, and is not counted
    times: dict[str, list[float]] = {name: [] for name in asks}
    gc.collect()
    gc.disable()  # as timeit does: it would look through all engines' objects in any one's time
    for number in range(rounds):
        for name, ask in asks.items():
            if name not in SLOW or number == 0:
                repeats = 1 if name in SLOW else -(-TURN // len(task.questions))

                def turn(ask: Ask = ask, repeats: int = repeats) -> None:
                    for _ in range(repeats):
                        ask(task.questions)

                times[name].append(seconds(turn) / repeats)
    gc.enable()
    for name in asks:
        rate = len(task.questions) / statistics.median(times[name])
        quality = "—" if task.judgements is None else f"{quality_of(answers[name], task.judgements):.4f}"
        print(f"| {task.name} | {name} | {indexing[name]:.2f} | {rate:,.0f} | {quality} |", flush=True)


def quality_of(answers: Sequence[Sequence[int]], judgements: Sequence[Judgements]) -> float:
    """Mean nDCG@10."""
    pairs = zip(answers, judgements, strict=True)
    return fmean(ndcg([str(number) for number in ranking], grades) for ranking, grades in pairs)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collections", type=Path, nargs="*", help="folders in BEIR's layout; default: all given ones")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=[name for name in ENGINES if _is_here(name)])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--scale", type=int, help="passages of a made-up collection")
    options = parser.parse_args()
    tasks = [judged(folder) for folder in options.collections or sorted(DATA.iterdir())]
    print(describe())
    print("| collection | engine | index s | queries/s | nDCG@10 |\n|---|---|---|---|---|")
    for task in tasks:
        measure(task, options.engines, options.rounds)
    if options.scale:
        names = [name for name in options.engines if name not in SLOW]
        measure(made_up(tasks, options.scale), names, options.rounds)


def _is_here(name: str) -> bool:
    return name == "vsearch" or find_spec(name) is not None


if __name__ == "__main__":
    main()
