"""Convert results to values for JSON (schema vsearch.results/1), and find the reason if there is no hit."""

from dataclasses import asdict, fields
from typing import Any

from vsearch_core.search.results import Hit, Results

SCHEMA = "vsearch.results/1"  # keys are never removed or renamed within it
DIGITS = 6  # of scores
_HIT_KEYS = tuple(field.name for field in fields(Hit))


def results_json(results: Results, *, explain: bool = False) -> dict[str, Any]:
    """Return the results as a dict for JSON. `explain` adds how the query was understood and searched."""
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
        "answered": results.answered,
        "reranking": None if results.reranking is None else asdict(results.reranking),
        "more": results.more,
        "coverage": round(results.coverage, DIGITS),
        "hits": [hit_json(hit) for hit in results.hits],
    }
    if results.keyword_only:
        value["keyword_only"] = list(results.keyword_only)
    if results.pictures_left_out:
        value["pictures_left_out"] = True
    if results.interim is not None:
        value["interim"] = asdict(results.interim)
    if results.re_embedded is not None:
        value["re_embedded"] = results.re_embedded
    if results.not_reread:
        value["not_reread"] = [_without_single_index(asdict(each)) for each in results.not_reread]
    if explain:
        value["explain"] = _explanation(results)
    return value


def hit_json(hit: Hit) -> dict[str, Any]:
    """Return a hit as a dict for JSON, with rounded scores."""
    values = _without_single_index({key: getattr(hit, key) for key in _HIT_KEYS})  # `asdict` copies all values
    values["alike"] = [_without_single_index(asdict(each)) for each in hit.alike]
    values["window"] = None if hit.window is None else asdict(hit.window)
    if hit.box is None:  # not recognised in a picture
        del values["box"]
    else:
        values["box"] = asdict(hit.box)
    if hit.image is None:
        del values["image"]
    else:
        values["image"] = asdict(hit.image)
    values["meta"] = dict(hit.meta)
    values["sections"] = [{"start_char": each.start_char, "heading": each.heading} for each in hit.sections]
    values["score"] = round(hit.score, DIGITS)
    values["scores"] = {name: None if score is None else round(score, DIGITS) for name, score in hit.scores.items()}
    values["confidence"] = None if hit.confidence is None else round(hit.confidence, DIGITS)
    return values


def _without_single_index(located: dict[str, Any]) -> dict[str, Any]:
    """Delete the key "index" of a location if one index was searched. Return the dict."""
    if located["index"] is None:
        del located["index"]
    return located


def error_json(query: str, message: str) -> dict[str, Any]:
    """Return a dict for JSON about a query that failed: like results without hits, and with the error's message."""
    keys = (
        "mode",
        "exact",
        "generation",
        "searched",
        "matched",
        "took_ms",
        "tokens",
        "answered",
        "reranking",
        "more",
        "coverage",
    )
    unknown = dict.fromkeys(keys)
    return {"schema": SCHEMA, "query": query, **unknown, "hits": [], "error": message}


def vector_method(results: Results) -> str | None:
    """Return the way vectors were searched, or None if the mode is "keyword".

    It is "scan", "graph", "ivf" (inverted lists of sketches), "pq" (of PQ codes) or "codes" (a scan of codes that are
    kept instead of vectors); "graph and ivf" and the like if segments were searched in several ways.
    """
    if results.mode == "keyword":
        return None
    graphs = () if results.ef_search is None else ("graph",)
    return " and ".join((*graphs, *results.list_kinds)) or "scan"


def why_nothing(results: Results, *, has_min_score: bool, has_min_confidence: bool = False) -> str:
    """Return a code for the reason why results have no hit.

    The codes are "empty-index", "filtered-out" (no chunk passes the filters), "clauses-unmatched" (no chunk passes
    filters and clauses), "beyond-last-hit" (the offset left out all hits), "below-min-score", "below-min-confidence",
    "stop-words-only", "no-term-matches" and "no-match".
    """
    if not results.searched:
        return "empty-index"
    if not results.matched:
        return "clauses-unmatched" if results.parsed.required or results.parsed.excluded else "filtered-out"
    if results.skipped:
        return "beyond-last-hit"
    if has_min_score or has_min_confidence:
        return "below-min-score" if has_min_score else "below-min-confidence"
    if results.mode != "keyword":
        return "no-match"
    return "no-term-matches" if results.terms else "stop-words-only"


def _explanation(results: Results) -> dict[str, Any]:
    value: dict[str, Any] = {
        "terms": list(results.terms),
        "vectors": vector_method(results),
        "ef": results.ef_search,
        "nprobe": results.nprobe,
    }
    if results.fusion is not None:
        alpha = results.fusion.alpha if results.fusion.method == "convex" else None
        value["fusion"] = {
            "method": results.fusion.method,
            "alpha": alpha,
            "tuned": results.fusion.tuned,
            "legible": results.legible,
        }
    return value
