"""Results as text, JSON, JSON lines and paths."""

import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vsearch_core.errors import VsearchError
from vsearch_core.model import PAGE_BREAK, Hit, Results
from vsearch_core.search.fusion import Fusion
from vsearch_core.search.snippets import Snippet
from vsearch_core.text.extract.registry import place_of, unit_of

from .advice import describe
from .output import emit, emit_bytes, one_line, plural, printable, shown_path, to_json, wants_colour

SCHEMA = "vsearch.results/1"  # keys are never removed or renamed within it
DIGITS = 6

_RULED_LINE = re.compile(r"(?<!\S)[-=~^*#_+]{3,}(?!\S)")  # what underlines a heading, or parts a page
_BLANKS = re.compile(r"\s+")

_BOLD, _PATH, _DIM, _RESET = "\x1b[1;31m", "\x1b[35m", "\x1b[2m", "\x1b[0m"


def results_json(results: Results, terms: Sequence[str] | None, fusion: Fusion) -> str:
    """The answer as one JSON object; `terms` adds what `--explain` tells."""
    value: dict[str, Any] = {
        "schema": SCHEMA,
        "query": results.query,
        "mode": results.mode,
        "exact": results.exact,
        "generation": results.generation,
        "searched": results.searched,
        "matched": results.matched,
        "took_ms": {name: round(took, 1) for name, took in results.took_ms.items()},
        "tokens": results.tokens,
        "hits": [_hit_values(hit) for hit in results.hits],
    }
    if terms is not None:
        value["explain"] = {"terms": list(terms), "vectors": _way(results), "ef": results.ef}
        if results.mode == "hybrid":
            convex = fusion.method == "convex"
            alpha = fusion.for_question(_legible(results)).alpha if convex else None
            how = {"method": fusion.method, "alpha": alpha, "tuned": fusion.tuned, "legible": results.legible}
            value["explain"]["fusion"] = how
    return to_json(value)


def error_json(query: str, error: VsearchError) -> str:
    """What batch mode writes for a query that can't be answered."""
    unknown = dict.fromkeys(("mode", "exact", "generation", "searched", "matched", "took_ms", "tokens"))
    return to_json({"schema": SCHEMA, "query": query, **unknown, "hits": [], "error": describe(error)})


def emit_hits_jsonl(results: Results) -> None:
    """One JSON object a hit."""
    for hit in results.hits:
        emit(to_json(_hit_values(hit)))


def emit_paths(results: Results, root: Path, *, null: bool) -> None:
    """The paths of the hits, best first, each once, as the working folder sees them."""
    for path in dict.fromkeys(shown_path(root, hit.path) for hit in results.hits):
        # Exactly as they are for other programs; a terminal gets what can't steer it.
        shown = one_line(path) if sys.stdout.isatty() and not null else path
        emit_bytes(os.fsencode(shown) + (b"\0" if null else b"\n"))


def emit_text(
    results: Results,
    root: Path,
    terms: Sequence[str],
    excerpt: Callable[[str], Snippet],
    *,
    full: bool,
    explain: Fusion | None,
) -> None:
    """The answer for people: path:line, heading, score, and the best sentence (`excerpt`) or the whole passage."""
    colour = wants_colour()
    for hit in results.hits:
        if hit.rank > 1:
            emit("")
        snippet = excerpt(hit.text)
        emit(_headline(hit, root, snippet, colour=colour, full=full))
        if explain:
            emit("    " + _score_line(hit))
        if full:
            passage = (hit.before or "") + hit.text + (hit.after or "")
            emit("\n".join("    " + line for line in printable(passage.replace(PAGE_BREAK, "")).split("\n")))
        elif snippet.text:
            emit("    " + _highlighted(snippet, colour=colour))
        if hit.alike:
            paths = dict.fromkeys(one_line(shown_path(root, twin.path)) for twin in hit.alike)
            emit(f"    and {len(hit.alike):,} alike: {', '.join(paths)}")
    if explain:
        emit("\n" + _explanation(results, terms, explain))


def why_nothing(results: Results, terms: Sequence[str], *, floor: bool, conditions: bool) -> str:
    """Why there is no hit, and what could be done about it.

    `floor`: whether a least score was asked for; `conditions`: whether the query has quotes, + or -.
    """
    if not results.searched:
        return "no hit: the index is empty; add documents with `vsearch index PATH`"
    if not results.matched:
        what = 'filter, or what "quotes", + and - ask for,' if conditions else "filter"
        return f"no hit: the {what} leaves none of {plural(results.searched, 'chunk')}; loosen it"
    if floor:
        return "no hit: every score is below --min-score; lower it"
    if results.mode == "keyword" and not terms:
        return "no hit: the query has only function words, which keyword search leaves out; try --mode hybrid"
    if results.mode == "keyword":
        return "no hit: no chunk has these words; try --mode hybrid"
    return "no hit: nothing here is like it; ask otherwise"


def _hit_values(hit: Hit) -> dict[str, Any]:
    values = asdict(hit)
    values["score"] = round(hit.score, DIGITS)
    values["scores"] = {name: None if score is None else round(score, DIGITS) for name, score in hit.scores.items()}
    return values


def _headline(hit: Hit, root: Path, snippet: Snippet, *, colour: bool, full: bool) -> str:
    place = one_line(shown_path(root, hit.path))
    unit = unit_of(hit.path)
    if unit == "line":
        place += f":{hit.start_line if full else _line_of(hit, snippet)}"
    elif hit.page is not None:
        page = hit.page + (0 if full else hit.text.count(PAGE_BREAK, 0, snippet.start))
        place += "  " + one_line(place_of(hit.path, page, hit.heading, (hit.start_line, hit.end_line)) or "")
    heading = f"  {one_line(hit.heading)}" if hit.heading and unit != "sheet" else ""
    score = f"{hit.score:.3f}"
    if colour:
        return f"{_PATH}{place}{_RESET}{heading}  {_DIM}{score}{_RESET}"
    return f"{place}{heading}  {score}"


def _line_of(hit: Hit, snippet: Snippet) -> int:
    """The snippet's line, where the passage's lines are the file's, or a header and those; else the passage's first."""
    more = hit.text.count("\n") - (hit.end_line - hit.start_line)
    if more not in {0, 1}:
        return hit.start_line
    return hit.start_line + max(0, hit.text.count("\n", 0, snippet.start) - more)


def _highlighted(snippet: Snippet, *, colour: bool) -> str:
    pieces, at = [], 0
    for start, end in snippet.marks if colour else ():
        pieces += [_flowing(snippet.text[at:start]), _BOLD, _flowing(snippet.text[start:end]), _RESET]
        at = end
    pieces.append(_flowing(snippet.text[at:]))
    return "".join(pieces)


def _flowing(text: str) -> str:
    """A piece of a passage within a line: no line ends, no ruled lines, nothing that steers a terminal."""
    return printable(_BLANKS.sub(" ", _RULED_LINE.sub(" ", text)))


def _score_line(hit: Hit) -> str:
    routes = (f"{name} {'none' if score is None else f'{score:.4f}'}" for name, score in hit.scores.items())
    return f"score {hit.score:.4f}: {', '.join(routes)}; chunk {hit.chunk}, characters {hit.start_char}-{hit.end_char}"


def _way(results: Results) -> str | None:
    """How vectors were looked for: "scan" or "graph", None where they were not."""
    if results.mode == "keyword":
        return None
    return "scan" if results.exact else "graph"


def _legible(results: Results) -> float:
    return 1.0 if results.legible is None else results.legible


def _combination(results: Results, fusion: Fusion) -> str:
    """How the routes were combined for this question."""
    legible = _legible(results)
    why = "" if legible == 1 else f", as the model can read {legible:.0%} of the question"
    return fusion.for_question(legible).in_words + why


def _explanation(results: Results, terms: Sequence[str], fusion: Fusion) -> str:
    packed = "" if results.tokens is None else f"\npacked into about {plural(results.tokens, 'token')}"
    laps = ", ".join(f"{name} {took:.1f} ms" for name, took in results.took_ms.items())
    way = _way(results)
    exactness = "exact" if results.exact else "approximate"
    exactness += {None: "", "scan": " (all vectors scanned)", "graph": f" (graph walked, ef {results.ef})"}[way]
    combined = f" ({_combination(results, fusion)})" if results.mode == "hybrid" else ""
    return (
        f"terms: {one_line(' '.join(terms)) or 'none'}\n"
        f"mode {results.mode}{combined}, {exactness}, generation {results.generation},"
        f" {results.matched:,} of {plural(results.searched, 'chunk')} allowed\n"
        f"took {laps}{packed}"
    )
