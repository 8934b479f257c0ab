"""Print results as text, JSON, JSON lines or paths."""

import os
import re
import sys
from itertools import islice, pairwise
from pathlib import Path

from vsearch_core.lexical.bm25 import is_weak
from vsearch_core.model import PAGE_BREAK
from vsearch_core.search import results_json
from vsearch_core.search.confidence import ANSWERED
from vsearch_core.search.results import Hit, NearDuplicate, Results
from vsearch_core.search.snippets import Snippet
from vsearch_core.text.extract.registry import place_of, split_member, unit_of

from .links import linked, wants_links
from .output import (
    DIM,
    PATH,
    RESET,
    emit,
    emit_bytes,
    one_line,
    plural,
    printable,
    say,
    shown_path,
    to_json,
    wants_colour,
)
from .pager import paged
from .search_options import SearchArguments

_RULED_LINE = re.compile(r"(?<!\S)[-=~^*#_+]{3,}(?!\S)")  # an underlined heading, or a ruled line between parts
_BLANKS = re.compile(r"\s+")

_ROWS_SHOWN = 6  # of a table
_ALIKE_SHOWN = 3  # near-duplicates that a terminal names

_STALE = {"gone": "gone: the file no longer exists", "changed": "changed since it was indexed"}

_WHY_NOTHING = {
    "empty-index": "the index is empty; add documents with `vsearch index PATH`",
    "clauses-unmatched": 'none of {chunks} passes both the filters and the clauses ("quotes", + and -); loosen them',
    "filtered-out": "none of {chunks} passes the filters; loosen them",
    "beyond-last-hit": "only {skipped} in all; lower --offset",
    "below-min-confidence": "every confidence is below --min-confidence; lower it",
    "below-min-score": "every score is below --min-score; lower it",
    "stop-words-only": "the query has only function words, which keyword search leaves out; try --mode hybrid",
    "no-term-matches": "no chunk has these words; try --mode hybrid",
    "no-match": "nothing matches; rephrase the query",
}

_BOLD = "\x1b[1;31m"


def show(results: Results, root: Path, arguments: SearchArguments, min_confidence: float | None = None) -> int:
    """Print results in the output format of the arguments. Return the exit status: 0 hits, 1 no hit.

    The hits' paths are relative to the folder `root`, or to the folder around the index that a hit names.
    """
    for index in results.keyword_only:
        say(f"{shown_path(root, index)}: searched by keywords only, because another embedder made its vectors")
    if results.pictures_left_out:
        say(
            "pictures: some are found by their texts only, because their image model isn't prepared on this machine,"
            " or the indexes have different ones; run `vsearch index --image-model MODEL`"
        )
    for file in results.not_reread:
        path = shown_path(root if file.index is None else Path(file.index).parent, file.path)
        say(f"{one_line(path)}: still as it was indexed ({file.reason})")
    if arguments.output == "json":
        emit(to_json(results_json.results_json(results, explain=arguments.explain)))
    elif arguments.output == "jsonl":
        for hit in results.hits:
            emit(to_json(results_json.hit_json(hit)))
    elif arguments.output == "text":
        _say_what_is_coming(results)
        with paged():
            _emit_text(
                results,
                root,
                full=arguments.shows_whole_chunks,
                explain=arguments.explain,
                colour=wants_colour(arguments.color),
            )
        if results.hits and results.answered is False:
            say(f"nothing here seems to answer this: every hit is less than {ANSWERED:.0%} likely to be relevant")
    else:
        _emit_paths(results, root, null=arguments.output == "paths0")
    stale = len({hit.path for hit in results.hits if hit.stale})
    if stale and not arguments.output.startswith("json"):
        are = "is not" if stale == 1 else "are not"
        say(f"{plural(stale, 'file')} {are} as indexed: changed, or no longer there; update with `vsearch index`")
    if not results.hits:
        has_min_score, has_min_confidence = arguments.min_score is not None, min_confidence is not None
        say(_why_nothing(results, has_min_score=has_min_score, has_min_confidence=has_min_confidence))
    return 0 if results.hits else 1


def _say_what_is_coming(results: Results) -> None:
    """Print a line if vectors are still to come, and another one if those there are interim ones."""
    if results.coverage < 1 and results.mode != "keyword" and not results.keyword_only:
        say(f"{int(100 * results.coverage)}% of the chunks are embedded so far; only keywords find the others")
    if results.interim is not None:
        coming = one_line(results.interim.coming)
        say(f"ranked by quick vectors of a static model; `vsearch index` replaces them by those of {coming}")


def _emit_paths(results: Results, root: Path, *, null: bool) -> None:
    """Print the paths of the hits, best first, each once, relative to the working folder."""
    for path in dict.fromkeys(_shown(hit, root) for hit in results.hits):
        # Exactly as they are for other programs; a terminal gets no control characters.
        shown = one_line(path) if sys.stdout.isatty() and not null else path
        emit_bytes(os.fsencode(shown) + (b"\0" if null else b"\n"))


def _emit_text(results: Results, root: Path, *, full: bool, explain: bool, colour: bool) -> None:
    """Print results for people: path:line, heading, score, and the best sentences or (`full`) the whole chunk."""
    links = wants_links(colour=colour)
    for place, (hit, snippet) in enumerate(zip(results.hits, results.snippets, strict=True)):
        if place:
            emit("")
        emit(_headline(hit, root, snippet, colour=colour, links=links, full=full))
        if explain:
            emit("    " + _score_line(hit))
        if full:
            text = (hit.before or "") + hit.text + (hit.after or "")
            emit("\n".join("    " + line for line in printable(text.replace(PAGE_BREAK, "")).split("\n")))
        elif snippet.text:
            if snippet.header:
                emit("    " + _flowing(snippet.header))
            emit("    " + _highlighted(snippet, colour=colour))
        if hit.alike:
            emit("    " + _alike_line(hit, root, links=links))
        if hit.stale is not None:
            emit("    " + (f"{DIM}{_STALE[hit.stale]}{RESET}" if colour else _STALE[hit.stale]))
        if hit.newer is not None:
            newer = one_line(shown_path(_root_of(hit, root), hit.newer))
            newer = f"newer: {linked(newer, _root_of(hit, root) / hit.newer) if links else newer}"
            emit(f"    {DIM}{newer}{RESET}" if colour else f"    {newer}")
    if explain:
        emit("\n" + _explanation(results))


def _root_of(found: Hit | NearDuplicate, root: Path) -> Path:
    """Return the folder that the path of a hit starts from: that around its index, if several were searched."""
    return root if found.index is None else Path(found.index).parent


def _shown(found: Hit | NearDuplicate, root: Path) -> str:
    return shown_path(_root_of(found, root), found.path)


def _alike_line(hit: Hit, root: Path, *, links: bool) -> str:
    """Return the number of a hit's near-duplicates, and the first few of their paths."""
    first: dict[str, NearDuplicate] = {}
    for twin in hit.alike[:_ALIKE_SHOWN]:
        first.setdefault(one_line(_shown(twin, root)), twin)
    paths = [
        linked(path, _root_of(twin, root) / twin.path, _line_in_file(twin)) if links else path
        for path, twin in first.items()
    ]
    more = hit.alike_count - min(_ALIKE_SHOWN, len(hit.alike))
    return f"and {hit.alike_count:,} alike: {', '.join(paths)}" + (f" and {more:,} more" if more else "")


def _why_nothing(results: Results, *, has_min_score: bool, has_min_confidence: bool) -> str:
    """Return the reason why there is no hit, and what can be done about it."""
    reason = results_json.why_nothing(results, has_min_score=has_min_score, has_min_confidence=has_min_confidence)
    text = _WHY_NOTHING[reason].format(chunks=plural(results.searched, "chunk"), skipped=plural(results.skipped, "hit"))
    return f"no hit: {text}"


def _headline(hit: Hit, root: Path, snippet: Snippet, *, colour: bool, links: bool, full: bool) -> str:
    place = one_line(_shown(hit, root))
    whole_heading = hit.heading if full else hit.as_chunk().heading_at(snippet.start)
    member, heading = split_member(hit.path, whole_heading)
    unit, line = unit_of(member or hit.path), None
    if member:
        place += "!" + one_line(member)
    if unit == "line":
        line = hit.start_line if full else hit.line_at(snippet.start)
        place += f":{line}"
    elif not member:
        page = hit.page and hit.page + (0 if full else hit.text.count(PAGE_BREAK, 0, snippet.start))
        part = one_line(place_of(hit.path, page, whole_heading, (hit.start_line, hit.end_line)) or "")
        place += f"  {part}" if part else ""
    if links and hit.stale != "gone":
        place = linked(place, _root_of(hit, root) / hit.path, None if member else line)
    shown = f"  {one_line(heading)}" if heading and unit != "sheet" else ""
    score = f"{hit.score:.3f}" if hit.confidence is None else f"{hit.confidence:.0%}"
    if colour:
        return f"{PATH}{place}{RESET}{shown}  {DIM}{score}{RESET}"
    return f"{place}{shown}  {score}"


def _line_in_file(twin: NearDuplicate) -> int | None:
    """Return the line at which a near-duplicate begins, or None if its format has no lines."""
    return twin.start_line if unit_of(twin.path) == "line" else None


def _highlighted(snippet: Snippet, *, colour: bool) -> str:
    """Return a snippet in one line; if it has rows of a table, its first rows in a line each."""
    cuts = (0, *snippet.rows, len(snippet.text))
    rows = (_highlighted_part(snippet, start, end, colour=colour) for start, end in pairwise(cuts))
    return "\n    ".join(islice(filter(None, map(str.strip, rows)), _ROWS_SHOWN))


def _highlighted_part(snippet: Snippet, start: int, end: int, *, colour: bool) -> str:
    pieces, at = [], start
    for mark in snippet.marks if colour else ():
        left, right = max(mark[0], start), min(mark[1], end)
        if left < right:
            pieces += [_flowing(snippet.text[at:left]), _BOLD, _flowing(snippet.text[left:right]), RESET]
            at = right
    pieces.append(_flowing(snippet.text[at:end]))
    return "".join(pieces)


def _flowing(text: str) -> str:
    """Return a piece of text as part of one line: no line ends, no ruled lines, no terminal controls."""
    return printable(_BLANKS.sub(" ", _RULED_LINE.sub(" ", text)))


def _score_line(hit: Hit) -> str:
    routes = (f"{name} {'none' if score is None else f'{score:.4f}'}" for name, score in hit.scores.items())
    return f"score {hit.score:.4f}: {', '.join(routes)}; chunk {hit.chunk}, characters {hit.start_char}-{hit.end_char}"


def _combination(results: Results) -> str:
    """Return how the routes were combined for this query."""
    assert results.fusion is not None
    legible = 1.0 if results.legible is None else results.legible
    why = "" if legible == 1 else f", as the model can read {legible:.0%} of the query"
    return results.fusion.in_words + why


def _explanation(results: Results) -> str:
    packed = "" if results.tokens is None else f"\npacked into about {plural(results.tokens, 'token')}"
    laps = ", ".join(f"{name} {took:.1f} ms" for name, took in results.took_ms.items())
    method = results_json.vector_method(results)
    exactness = "exact" if results.exact else "approximate"
    ways = [f"graph searched, ef {results.ef_search}"] if results.ef_search is not None else []
    codes = " by PQ codes" if "pq" in results.list_kinds else ""
    ways += [f"inverted lists searched{codes}, nprobe {results.nprobe}"] if results.nprobe is not None else []
    ways += ["all vectors scanned"] if method == "scan" else []
    again = f", {plural(results.re_embedded, 'chunk')} embedded again for exact scores" if results.re_embedded else ""
    ways += [f"codes instead of vectors scanned{again}"] if "codes" in results.list_kinds else []
    exactness += f" ({'; '.join(ways)})" if ways else ""
    combined = "" if results.fusion is None else f" ({_combination(results)})"
    weaker = [term for term in results.terms if is_weak(term)]
    respelled = (
        f"\n~: half the weight, for other marks; ~~: a quarter, for one other letter: {one_line(' '.join(weaker))}"
        if weaker
        else ""
    )
    return (
        f"terms: {one_line(' '.join(results.terms)) or 'none'}{respelled}\n"
        f"mode {results.mode}{combined}, {exactness}, generation {results.generation},"
        f" {results.matched:,} of {plural(results.searched, 'chunk')} allowed\n"
        f"took {laps}{packed}"
    )
