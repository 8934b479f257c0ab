"""The options of searches and updates, and what they stand for."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from vsearch_core.errors import ArgumentError

if TYPE_CHECKING:
    from datetime import datetime

    from vsearch_core.index.sources import Source
    from vsearch_core.model import RawDocument
    from vsearch_core.search.filters import Filters
    from vsearch_core.search.request import SearchRequest
    from vsearch_core.search.rerank import Rerank
    from vsearch_core.search.rocchio import Example


_FILTER_NAMES = frozenset(("where", "path", "ext", "since", "until", "images"))


class UpdateOptions(TypedDict, total=False):
    """The options of `Index.update`.

    Attributes:
        include: Globs as in .gitignore; only files that match one are indexed.
        exclude: Globs of files to leave out; they take precedence over `include`.
        use_ignore_files: Obey .gitignore, .ignore and .vsearchignore files; True by default.
        max_file_size: The size in bytes above which a file is left out; 50 MB by default.
        walk_defaults: Any of the four options above. They apply to paths of earlier calls that were added without
            these options. Without `walk_defaults`, such paths keep the options of their last update.
        retry: Read again all files that an earlier update couldn't read, or read only in part.
        password: A password to try on encrypted files.
        ocr: Recognise text in pictures, and in PDF pages that are only images, with the package rapidocr; in such pages
            with the program ocrmypdf where it is installed.
        secrets: Also index files that contain private keys.
        source_archives: Also index archives whose files are mostly source code.
        positions: Keep in the metadata of photos where they were taken, and the names of places in their text.
        quick: Give the chunks of an index without vectors interim vectors by a static model at once, and replace them
            when the index's own model, which must be a local one, has embedded all chunks.
        documents: Documents to index that are no files, instead of paths. The index keeps them as files in its own
            folder, and replaces one of the same name. Only `Index.remove` removes them.
    """

    include: Sequence[str]
    exclude: Sequence[str]
    use_ignore_files: bool
    max_file_size: int
    walk_defaults: "Mapping[str, Any]"
    retry: bool
    password: str
    ocr: bool
    secrets: bool
    source_archives: bool
    positions: bool
    quick: bool
    documents: "Sequence[RawDocument]"


class FilterOptions(TypedDict, total=False):
    """Options that restrict a search to some files.

    Attributes:
        where: An SQL condition on path, name, ext, dir, size, mtime, language, title and the files' metadata, such as
            "ext = 'md' AND size < 9000".
        path: Globs as in a .gitignore, relative to `Index.root`, such as "docs/*" or ["*.md", "!drafts/"].
        ext: File extensions: ["md", "py"], or "md,py". A file needs one of them.
        since: The earliest modification time: "2026-01-31", "30d" (30 days ago) or a datetime.
        until: The latest modification time, in the same forms.
        images: True for picture files, and figures that an image model has seen; False for everything else.
    """

    where: str | None
    path: str | Sequence[str] | None
    ext: str | Sequence[str]
    since: "str | datetime | None"
    until: "str | datetime | None"
    images: bool | None


class SearchOptions(FilterOptions, total=False):
    """Options of a search, in addition to those of `FilterOptions`.

    Attributes:
        k: The maximum number of hits to return; 10 by default.
        offset: The number of best hits to leave out before those; 0 by default. `Results.more` tells if more follow.
        mode: "hybrid" (the default), "vector" or "keyword".
        fusion: The way in which hybrid search combines vector and keyword scores: "convex" (a weighted sum) or "rrf"
            (reciprocal rank fusion). By default the fusion that the index was tuned with, else "convex".
        alpha: The weight of vector scores in convex fusion, from 0 to 1.
        min_score: The minimum score of a hit.
        min_confidence: The minimum confidence of a hit, from 0 to 1, in mode "hybrid" without examples.
        group_by_file: Return only the best hit of each file.
        plain: Treat quotes, +, - and * in the query as punctuation, not as operators.
        more_like: Examples that hits should resemble: files ("FILE"), single chunks ("FILE:LINE") or documents
            that are no files (`RawDocument`).
        less_like: Examples that hits should not resemble.
        collapse: Return only the best of several near-duplicate hits.
        diversity: A number from 0 (order by score alone) to 1 (prefer hits that differ from the hits above them).
        context: The number of chunks to return from before and after each hit.
        max_tokens: The maximum number of tokens of all hits together; further hits are shortened or left out.
        rerank: A cross-encoder from `open_reranker`, which scores the best candidates again.
        rerank_budget: The seconds that scoring may take; loading the model doesn't count. Candidates that it doesn't
            suffice for are no hits. If fewer than `k` are scored, the order without reranking stays, and
            `Results.reranking` says so.
        exact: Compare the query with every vector, instead of searching a graph or inverted lists.
        ef_search: The number of candidates that a graph search keeps; more make it slower and more accurate.
        nprobe: The number of inverted lists to search; more make it slower and more accurate.
        fresh: Seconds in which files of hits that have changed, or are gone, are brought up to date in the index before
            the search is repeated. `Results.not_reread` has those for which this wasn't possible.
    """

    k: int
    offset: int
    mode: str
    fusion: str | None
    alpha: float | None
    min_score: float | None
    min_confidence: float | None
    group_by_file: bool
    plain: bool
    more_like: "Sequence[str | RawDocument | Example]"
    less_like: "Sequence[str | RawDocument | Example]"
    collapse: bool
    diversity: float
    context: int
    max_tokens: int | None
    rerank: "Rerank | None"
    rerank_budget: float | None
    exact: bool
    ef_search: int | None
    nprobe: int | None
    fresh: float | None


def search_request(text: str, **options: Unpack[SearchOptions]) -> "SearchRequest":
    """Make a `SearchRequest` from a query's text and the options that `Index.search` takes.

    If the text is empty, search only for chunks that resemble `more_like`. Raises InputError, ArgumentError and
    FilterError.
    """
    from vsearch_core.search.request import SearchRequest

    fields: dict[str, Any] = {name: value for name, value in options.items() if name not in _FILTER_NAMES}
    for name in ("more_like", "less_like"):
        fields[name] = tuple(fields.get(name, ()))
    examples_only = bool(fields["more_like"]) and not text
    return SearchRequest(text, filters=parse_filters(options), examples_only=examples_only, **fields)


def parse_filters(options: FilterOptions) -> "Filters":
    """Return the filters among the options. Raises FilterError."""
    from vsearch_core.search.filters import Filters, parse_date, parse_extensions, parse_globs

    def moment(name: Literal["since", "until"]) -> "datetime | None":
        value = options.get(name)
        return parse_date(value, argument=name, end_of_day=name == "until") if isinstance(value, str) else value

    return Filters(
        options.get("where"),
        parse_globs(options.get("path")),
        parse_extensions(options.get("ext", ())),
        moment("since"),
        moment("until"),
        options.get("images"),
    )


def check_alpha(alpha: float | None) -> None:
    """Raise ArgumentError if the weight is outside 0 to 1."""
    if alpha is not None and not 0 <= alpha <= 1:
        raise ArgumentError("alpha", f"{alpha} is not between 0 and 1")


def parse_run_options(paths: Iterable[str | Path], options: UpdateOptions) -> "tuple[list[Source], dict[str, Any]]":
    """Return the sources of an update, and its options as keyword arguments of `update_index`."""
    from vsearch_core.index.kept_documents import check_documents
    from vsearch_core.index.sources import WalkOptions
    from vsearch_core.text.extract.ocr import require_engine
    from vsearch_core.text.extract.options import ExtractOptions

    if options.get("ocr"):
        require_engine()
    defaults = options.get("walk_defaults")
    walk = WalkOptions(_walk_options(options), None if defaults is None else _walk_options(defaults))
    reading = ExtractOptions(
        options.get("password", ""),
        options.get("ocr", False),
        options.get("secrets", False),
        options.get("source_archives", False),
        options.get("positions", False),
    )
    sources = [walk.for_new_source(absolute(path)) for path in paths]
    documents = tuple(options.get("documents", ()))
    check_documents(documents, sources)
    run = {"walk": walk, "reading": reading, "documents": documents}
    return sources, run | {name: options.get(name, False) for name in ("retry", "quick")}


def _walk_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the options that decide which files are found, as fields of DiscoverOptions."""
    names = ("include", "exclude", "use_ignore_files", "max_file_size")
    values = {name: options[name] for name in names if name in options}
    return {name: value if isinstance(value, int) else tuple(value) for name, value in values.items()}


def absolute(path: str | Path) -> Path:
    """Return the absolute path without ".."; symbolic links are not resolved."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve follows links
