"""The tools that agents call: the fields of each, and its answer as text and locators. The protocol is elsewhere.

The text is written for a language model. The locators are for programs: they say where the text comes from, and repeat
none of it. Documents may come from anybody, so characters that control a terminal or hide text are replaced.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsearch_core.errors import ExtractionError, InputError
from vsearch_core.printable import one_line, printable
from vsearch_core.serve.fields import READ, SEARCH, SIMILAR, BodyError, Field, parse_body

if TYPE_CHECKING:
    from vsearch_core.search.results import Hit, Results
    from vsearch_core.search.snippets import Snippet
    from vsearch_core.serve.app import ServedIndex
    from vsearch_core.text.files import Thumbnail

IMAGE_SIDE = 1024  # pixels of the longer side of a picture that an agent gets
MOST_TOKENS = 8000  # of the text of one answer, unless the agent asks for more

_FILTERS = ("path", "ext", "since", "until", "where", "images")
_HITS = (*_FILTERS, "k", "offset", "group_by_file", "context", "max_tokens")

_WHY_NOTHING = {
    "empty-index": "The index is empty.",
    "clauses-unmatched": 'No text passes both the filters and the clauses ("quotes", + and -); loosen them.',
    "filtered-out": "No text passes the filters; loosen them.",
    "beyond-last-hit": "There are no further hits; lower offset.",
    "below-min-confidence": "Every confidence is below min_confidence.",
    "stop-words-only": "The query has only function words, which keyword search leaves out; try mode hybrid.",
    "no-term-matches": "No text has these words; try mode hybrid.",
    "no-match": "Nothing matches; rephrase the query.",
}
_STALE = {"gone": "the file no longer exists", "changed": "the file has changed since it was indexed"}


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """The answer of a tool: `text` for a language model, and `locators` (a JSON object) for programs.

    `picture` is a picture that the model has asked for, or None.
    """

    text: str
    locators: Mapping[str, Any]
    picture: "Thumbnail | None" = None


@dataclass(frozen=True, slots=True)
class AgentTool:
    """A tool: its name, a title for people, a description for the model, its fields, and its function.

    The function gets another one, which opens the index or returns the open one. `is_read_only` is False if the tool
    changes the index.
    """

    name: str
    title: str
    about: str
    fields: Mapping[str, Field]
    run: "Callable[[Callable[[], ServedIndex], dict[str, Any]], ToolAnswer]"
    is_read_only: bool = True

    def call(self, open_index: "Callable[[], ServedIndex]", arguments: Mapping[str, Any]) -> ToolAnswer:
        """Return the answer. Raises BodyError for arguments that don't fit the fields, and other errors of vsearch."""
        return self.run(open_index, parse_body(dict(arguments), self.fields))

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of the arguments. Optional ones are left out, not null, which some clients refuse."""
        properties = {name: replace(field, required=True).schema() for name, field in self.fields.items()}
        required = [name for name, field in self.fields.items() if field.required]
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _search(open_index: "Callable[[], ServedIndex]", options: dict[str, Any]) -> ToolAnswer:
    query = options.pop("query")
    whole = _shows_whole_chunks(options)
    results = open_index().search(query, snippets=not whole, **options)
    return _hits_answer(results, has_min_confidence="min_confidence" in options)


def _similar(open_index: "Callable[[], ServedIndex]", options: dict[str, Any]) -> ToolAnswer:
    place = options.pop("place")
    whole = _shows_whole_chunks(options)
    return _hits_answer(open_index().similar(place, snippets=not whole, **options))


def _shows_whole_chunks(options: dict[str, Any]) -> bool:
    """Return True if hits are shown in full, as with context or max_tokens; then also limit their tokens."""
    options["collapse"] = True
    if "context" not in options and "max_tokens" not in options:
        return False
    options.setdefault("max_tokens", MOST_TOKENS)
    return True


def _hits_answer(results: "Results", *, has_min_confidence: bool = False) -> ToolAnswer:
    """Return hits as text: a line with the place of each, then its best sentences or all of it."""
    from vsearch_core.search.confidence import ANSWERED
    from vsearch_core.search.results_json import why_nothing

    parts = []
    if not results.hits:
        parts.append(_WHY_NOTHING[why_nothing(results, has_min_score=False, has_min_confidence=has_min_confidence)])
    elif results.answered is False:
        parts.append(f"Nothing here seems to answer this: every hit is less than {ANSWERED:.0%} likely to be relevant.")
    for number, hit in enumerate(results.hits):
        snippet = results.snippets[number] if results.snippets else None
        parts.append(f"{_headline(hit, snippet)}\n{_text(hit, snippet)}")
    parts += [
        f"{one_line(index)} was searched by keywords only: another model made its vectors."
        for index in results.keyword_only
    ]
    if results.more:
        parts.append(f"More hits follow at offset {results.skipped + len(results.hits)}.")
    hits = [_locator(hit) for hit in results.hits]
    counts = {"generation": results.generation, "answered": results.answered, "more": results.more}
    return ToolAnswer("\n\n".join(parts), {**counts, "hits": hits})


def _readable_path(path: str, index: str | None) -> str:
    """Return the path of a document as the tool `read` takes it: absolute if several indexes are searched."""
    return path if index is None else str(Path(index).parent / path)


def _headline(hit: "Hit", snippet: "Snippet | None") -> str:
    """Return a hit's number, place, heading and confidence, such as "[1] pump.md:12-30 | Valves | 87 %"."""
    from vsearch_core.text.extract.registry import split_member

    heading = hit.heading if snippet is None else hit.as_chunk().heading_at(snippet.start)
    member, heading = split_member(hit.path, heading)
    path = _readable_path(hit.path, hit.index)
    path = f"{path}!{member}" if member else path
    place = f"{path}  {hit.place}" if hit.place and not member else f"{path}:{hit.start_line}-{hit.end_line}"
    notes = [
        heading or hit.title,
        None if hit.confidence is None else f"{hit.confidence:.0%} likely relevant",
        None if hit.stale is None else _STALE[hit.stale],
        None if hit.newer is None else f"newer version: {hit.newer}",
        f"and {hit.alike_count} near-duplicates" if hit.alike_count else None,
    ]
    return " | ".join(one_line(note) for note in (f"[{hit.rank}] {place}", *notes) if note)


def _text(hit: "Hit", snippet: "Snippet | None") -> str:
    if snippet is None:
        return printable((hit.before or "") + hit.text + (hit.after or "")).strip()
    return printable("\n".join(part for part in (snippet.header, snippet.text) if part)).strip()


def _locator(hit: "Hit") -> dict[str, Any]:
    """Return where a hit is, without any of its text."""
    names = ("rank", "path", "chunk", "start_line", "end_line", "start_char", "end_char", "page", "stale", "newer")
    value = {name: getattr(hit, name) for name in names}
    value["confidence"] = None if hit.confidence is None else round(hit.confidence, 3)
    value["alike"] = [
        {"path": each.path, "start_line": each.start_line, "end_line": each.end_line} | _index_named(each.index)
        for each in hit.alike
    ]
    return value | _index_named(hit.index)


def _index_named(index: str | None) -> dict[str, str]:
    """Return the locator of a place's index: none if one index is searched."""
    return {} if index is None else {"index": index}


def _read(open_index: "Callable[[], ServedIndex]", options: dict[str, Any]) -> ToolAnswer:
    if "end_line" in options and "start_line" not in options:
        raise BodyError("/end_line", "needs start_line")
    options.setdefault("max_tokens", MOST_TOKENS)
    index, name, wants_image = open_index(), options.pop("path"), options.pop("image", False)
    found = index.read(name, **options)
    picture, note = None, ""
    if wants_image:
        try:
            picture = index.thumbnail(_picture_name(name, options.get("page")), longest=IMAGE_SIDE)
            note = f"\n\n[the picture follows, {picture.width} x {picture.height} pixels]"
        except (InputError, ExtractionError) as error:
            note = f"\n\n[no picture: {one_line(error.reason)}]"
    place = found.place or f"lines {found.start_line}-{found.end_line} of {found.last_line}"
    heading = f" | {found.heading}" if found.heading else ""
    text = printable(found.before + found.text + found.after)
    rest = ""
    if found.truncated:
        following = found.end_line + 1
        rest = f"\n\n[cut off here; read on at start_line {following}]" if following <= found.last_line else ""
        rest = rest or "\n\n[cut off here; ask for more max_tokens]"
    texts = {"text", "before", "after", "heading"}
    locators = {name: value for name, value in asdict(found).items() if name not in texts}
    if found.index is None:
        del locators["index"]
    path = _readable_path(found.path, found.index)
    return ToolAnswer(f"{one_line(f'{path} | {place}{heading}')}\n{text}{rest}{note}", locators, picture)


def _picture_name(name: str, page: int | None) -> str:
    """Return the name of a picture, with its page as a hit shows it."""
    from vsearch_core.text.extract.registry import is_picture

    return f"{name}  page {page}" if page is not None and is_picture(name) else name


def _status(open_index: "Callable[[], ServedIndex]", options: dict[str, Any]) -> ToolAnswer:
    statuses = open_index().statuses()
    if len(statuses) == 1:
        return _described(statuses[0])
    each = [_described(status) for status in statuses]
    text = "\n".join(f"{one_line(str(one.locators['index']))}: {one.text}" for one in each)
    return ToolAnswer(text, {"indexes": [one.locators for one in each]})


def _described(found: Any) -> ToolAnswer:
    """Return the status of one index as text and values."""
    pending = f"; {found.pending_files} files are not completely indexed yet" if found.pending_files else ""
    text = (
        f"{found.files} files in {found.chunks} chunks, last updated {found.last_commit or 'never'}{pending}."
        f" Indexed folders and files: {', '.join(found.sources) or 'none'}."
    )
    names = ("generation", "files", "chunks", "pending_files", "language")
    values = {name: getattr(found, name) for name in names}
    model = {"provider": found.fingerprint.provider, "model": found.fingerprint.model}
    return ToolAnswer(one_line(text), {"index": str(found.index), **values, "embedder": model})


TOOLS: tuple[AgentTool, ...] = (
    AgentTool(
        "search",
        "Search documents",
        "Search the user's indexed documents (notes, papers, manuals, code, mail) by meaning and by keyword. Ask a"
        ' question or give keywords; "phrases", +required and -excluded words count. Each hit has its place, which'
        " `read` takes, its best sentences, and the probability that it is relevant. If nothing seems to answer, say"
        " so instead of guessing. With context or max_tokens, hits are shown in full.",
        {
            "query": replace(SEARCH["query"], required=True),
            **{name: SEARCH[name] for name in ("mode", "min_confidence", *_HITS)},
        },
        _search,
    ),
    AgentTool(
        "read",
        "Read a document",
        "Read the stored text of an indexed document, or some lines or a page of it, as a hit of `search` names it."
        " Works for PDF, Office and other formats, too. The file itself is not opened, unless you ask for the image.",
        {
            **{name: READ[name] for name in ("path", "start_line", "end_line", "page", "context", "max_tokens")},
            "image": Field("boolean", "Also return the picture, if the place is a picture or a figure, made smaller."),
        },
        _read,
    ),
    AgentTool(
        "similar",
        "Find similar documents",
        "Find the text that is most similar to an indexed document, or to the part of it at a line.",
        {"place": SIMILAR["place"], **{name: SIMILAR[name] for name in _HITS}},
        _similar,
    ),
    AgentTool(
        "status",
        "Describe the index",
        "Tell which folders are indexed, how many documents there are, and how fresh the index is.",
        {},
        _status,
    ),
)
