"""Compare our keyword search with its peers on the same collections in one run: index time, queries a second, nDCG@10.

Every engine gets the same texts (title and text) and the same queries as plain words, uses one thread, and returns the
best ten documents of each query. A query's time includes its analysis. Each round runs 1,000 queries or more on every
engine in turn; the median of the rounds counts. The peers are used as their documentation says, for the collection's
language if they know it. None of them splits Chinese: they get it as bigrams with blanks between. Engines that are not
installed are left out.

`--scale N` adds a collection of N texts made of sentences of the English collections, with all of their queries. It has
no judgements and so no nDCG.
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
from vsearch_core.evaluate.dataset import load_dataset
from vsearch_core.evaluate.metrics import Judgements, ndcg
from vsearch_core.lexical.analysis import Analysis
from vsearch_core.lexical.bm25 import BM25
from vsearch_core.lexical.maxscore import MaxScore
from vsearch_core.lexical.postings import build
from vsearch_core.lexical.query import plain_query
from vsearch_core.lexical.row_terms import RowTerms
from vsearch_core.model import KeywordFields

K = 10
DATA = Path("../shared/data/ir")
QUERIES_A_TURN = 1000  # least number of queries: fewer would measure the caches as the engine before left them
WORDS_A_TEXT = 150  # of a made-up text

Search = Callable[[Sequence[str]], list[list[int]]]  # queries -> numbers of documents, best first


@dataclass(frozen=True, slots=True)
class KeywordTask:
    """A collection: documents as (title, text), queries, and for each query the grades by document number."""

    name: str
    language: str
    documents: Sequence[tuple[str, str]]
    queries: Sequence[str]
    judgements: Sequence[Judgements] | None


def vsearch(task: KeywordTask) -> Search:
    """Build our postings and return a search by the compiled kernel."""
    analysis = Analysis()
    documents = [
        KeywordFields(f"{title}\n\n{text}".lstrip(), "", title or None, None, None) for title, text in task.documents
    ]
    languages = [analysis.languages([document])[0] for document in documents]
    all_languages = sorted(set(languages))
    terms = map(analysis.chunk_terms, documents, languages)
    engine = MaxScore(BM25([build(map(RowTerms.of, terms), all_languages)]))
    query_analysis = Analysis()  # a new one, as in another process than the one that built the index

    def search(queries: Sequence[str]) -> list[list[int]]:
        found = engine.search((query_analysis.query_terms(plain_query(text), all_languages) for text in queries), K)
        return [rows[:count] for rows, count in zip(found.rows.tolist(), found.counts.tolist(), strict=True)]

    return search


def with_blanks(text: str, language: str) -> str:
    """Return the text with blanks between words; Chinese becomes bigrams with blanks between."""
    if language != "zh":
        return text
    runs = re.findall(r"[^\W\u3400-\u9fff]+|[\u3400-\u9fff]+", text)
    return " ".join(run if len(run) == 1 or run[0] < "\u3400" else " ".join(map(add, run, run[1:])) for run in runs)


def bm25s(task: KeywordTask) -> Search:
    """Build https://github.com/xhluca/bm25s with numba, its own tokenizer and a Snowball stemmer if there is one."""
    import bm25s as engine
    import Stemmer

    stemmer = Stemmer.Stemmer({"en": "english", "ru": "russian"}.get(task.language, "english"))
    stopwords = "en" if task.language == "en" else []

    def tokens(texts: Sequence[str]) -> object:
        cut = [with_blanks(text, task.language) for text in texts]
        return engine.tokenize(cut, stopwords=stopwords, stemmer=stemmer, show_progress=False)

    ranker = engine.BM25(method="lucene", k1=1.2, b=0.75, backend="numba")
    ranker.index(tokens([f"{title} {text}" for title, text in task.documents]), show_progress=False)
    ranker.activate_numba_scorer()

    def search(queries: Sequence[str]) -> list[list[int]]:
        found, scores = ranker.retrieve(
            tokens(queries), k=min(K, len(task.documents)), n_threads=1, show_progress=False
        )
        return [
            [int(row) for row, score in zip(*pair, strict=True) if score > 0]
            for pair in zip(found, scores, strict=True)
        ]

    return search


def tantivy(task: KeywordTask) -> Search:
    """Build https://github.com/quickwit-oss/tantivy-py with one segment and its stemming tokenizer for English."""
    import tantivy as engine

    builder = engine.SchemaBuilder()
    builder.add_text_field("text", stored=False, tokenizer_name="en_stem" if task.language == "en" else "default")
    builder.add_unsigned_field("number", stored=True)
    index = engine.Index(builder.build())
    writer = index.writer(200_000_000, 1)
    for number, (title, text) in enumerate(task.documents):
        document = engine.Document()
        document.add_text("text", with_blanks(f"{title} {text}", task.language))
        document.add_unsigned("number", number)
        writer.add_document(document)
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()

    def search(queries: Sequence[str]) -> list[list[int]]:
        answers = []
        for text in queries:
            words = " ".join(re.findall(r"\w+", with_blanks(text, task.language).lower()))
            query, _ = index.parse_query_lenient(words, ["text"])
            hits = searcher.search(query, K, count=False).hits
            answers.append([searcher.doc(address)["number"][0] for _, address in hits])
        return answers

    return search


def rank_bm25(task: KeywordTask) -> Search:
    """Build https://github.com/dorianbrown/rank_bm25 on words between blanks, as its documentation shows."""
    from rank_bm25 import BM25Okapi

    ranker = BM25Okapi(
        [with_blanks(f"{title} {text}", task.language).lower().split() for title, text in task.documents]
    )

    def search(queries: Sequence[str]) -> list[list[int]]:
        answers = []
        for text in queries:
            scores = ranker.get_scores(with_blanks(text, task.language).lower().split())
            answers.append([int(row) for row in scores.argsort(kind="stable")[::-1][:K] if scores[row] > 0])
        return answers

    return search


ENGINES: dict[str, Callable[[KeywordTask], Search]] = {
    "vsearch": vsearch, "bm25s": bm25s, "tantivy": tantivy, "rank_bm25": rank_bm25
}  # fmt: skip
SLOW = {"rank_bm25"}  # measured once, and not on large collections


def load_task(folder: Path) -> KeywordTask:
    """Load a collection in BEIR's layout."""
    dataset = load_dataset(folder)
    assert dataset.documents is not None
    numbers = {key: number for number, key in enumerate(dataset.documents)}
    return KeywordTask(
        folder.name,
        folder.name.partition("-")[2] or "en",
        [(document.title, document.text) for document in dataset.documents.values()],
        list(dataset.queries.values()),
        [
            {str(numbers[key]): grade for key, grade in dataset.judgements[query].items() if key in numbers}
            for query in dataset.queries
        ],
    )


def made_up(tasks: Sequence[KeywordTask], count: int) -> KeywordTask:
    """Make texts of real sentences in random order, so that word frequencies are realistic."""
    english = [task for task in tasks if task.language == "en"]
    sentences = [
        sentence for task in english for _, text in task.documents for sentence in re.split(r"(?<=[.!?])\s+", text)
    ]
    drawn = random.Random(0)

    def texts() -> Iterator[tuple[str, str]]:
        for _ in range(count):
            words = 0
            chosen = []
            while words < WORDS_A_TEXT:
                chosen.append(drawn.choice(sentences))
                words += chosen[-1].count(" ") + 1
            yield "", " ".join(chosen)

    queries = [query for task in english for query in task.queries]
    return KeywordTask(f"made up, {count:,}", "en", list(texts()), queries, None)


def measure(task: KeywordTask, names: Sequence[str], rounds: int) -> None:
    """Measure the engines on one collection and print its lines of the table."""
    searches: dict[str, Search] = {}
    indexing: dict[str, float] = {}
    for name in names:

        def make(name: str = name) -> None:
            searches[name] = ENGINES[name](task)

        indexing[name] = seconds(make)
    answers = {name: search(task.queries) for name, search in searches.items()}  # compiles and warms up; not counted
    times: dict[str, list[float]] = {name: [] for name in searches}
    gc.collect()
    gc.disable()  # as timeit does: a collection would visit all engines' objects in one engine's time
    for number in range(rounds):
        for name, search in searches.items():
            if name not in SLOW or number == 0:
                repeats = 1 if name in SLOW else -(-QUERIES_A_TURN // len(task.queries))

                def turn(search: Search = search, repeats: int = repeats) -> None:
                    for _ in range(repeats):
                        search(task.queries)

                times[name].append(seconds(turn) / repeats)
    gc.enable()
    for name in searches:
        rate = len(task.queries) / statistics.median(times[name])
        quality = "—" if task.judgements is None else f"{mean_ndcg(answers[name], task.judgements):.4f}"
        print(f"| {task.name} | {name} | {indexing[name]:.2f} | {rate:,.0f} | {quality} |", flush=True)


def mean_ndcg(answers: Sequence[Sequence[int]], judgements: Sequence[Judgements]) -> float:
    """Return the mean nDCG@10."""
    pairs = zip(answers, judgements, strict=True)
    return fmean(ndcg([str(number) for number in ranking], grades) for ranking, grades in pairs)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "collections", type=Path, nargs="*", help="folders in BEIR's layout; default: all of ../shared/data/ir"
    )
    parser.add_argument(
        "--engines", nargs="+", choices=ENGINES, default=[name for name in ENGINES if _is_installed(name)]
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--scale", type=int, help="number of texts of a made-up collection")
    options = parser.parse_args()
    tasks = [load_task(folder) for folder in options.collections or sorted(DATA.iterdir())]
    print(describe())
    print("| collection | engine | index s | queries/s | nDCG@10 |\n|---|---|---|---|---|")
    for task in tasks:
        measure(task, options.engines, options.rounds)
    if options.scale:
        names = [name for name in options.engines if name not in SLOW]
        measure(made_up(tasks, options.scale), names, options.rounds)


def _is_installed(name: str) -> bool:
    return name == "vsearch" or find_spec(name) is not None


if __name__ == "__main__":
    main()
