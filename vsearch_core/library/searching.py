"""The methods of `Index` that search, which several indexes that are searched as one have, too."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Generic, Self, TypeVar, Unpack, overload

from vsearch_core.errors import ArgumentError, InputError
from vsearch_core.library.embedders import Embedders, EmbeddingAhead
from vsearch_core.library.options import FilterOptions, SearchOptions, parse_filters, search_request
from vsearch_core.library.readers import IndexReader, ReaderPool

if TYPE_CHECKING:
    from vsearch_core.embed.images.embedder import ImageEmbedder
    from vsearch_core.index.named_files import FileFinder
    from vsearch_core.index.originals import Original
    from vsearch_core.index.settings import IndexSettings
    from vsearch_core.index.snapshot import OpenSnapshot
    from vsearch_core.library.thumbnails import Thumbnails
    from vsearch_core.model import Fingerprint
    from vsearch_core.search.duplicates import Duplicates
    from vsearch_core.search.pipeline import EmbeddedQuery, EmbedQuery
    from vsearch_core.search.request import SearchRequest
    from vsearch_core.search.results import Results
    from vsearch_core.search.stored_text import StoredText
    from vsearch_core.search.verify import FoundText, Verification
    from vsearch_core.store.catalog import StoredChunk
    from vsearch_core.text.files import Thumbnail

F = TypeVar("F", "StoredText", "FoundText", "StoredChunk")
S = TypeVar("S", bound="OpenSnapshot")


class Searching(Generic[S]):
    """Searches the snapshots that a pool of readers has open. Use it in a `with` statement, or call `close`."""

    def __init__(self, embedders: Embedders, readers: ReaderPool[S], *, read_examples: bool = True) -> None:
        """Search with the readers; queries are embedded by the `embedders`.

        With `read_examples`, an example of what hits should be like may be a file that is not in the index.
        """
        self._read_examples = read_examples
        self._embedders = embedders
        self._readers = readers
        self._thumbnails: Thumbnails | None = None
        self._thumbnails_lock = Lock()

    def __enter__(self) -> Self:
        """Return the object itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Release the index's files. Searches under way end as usual; later calls raise InputError."""
        self._readers.close()
        with self._thumbnails_lock:
            if self._thumbnails is not None:
                self._thumbnails.close()

    @property
    def root(self) -> Path:
        """The folder that relative paths of files start from."""
        raise NotImplementedError

    @property
    def generation(self) -> int:
        """The number of the generation that searches see. Each commit increases it."""
        with self._readers.lend() as reader:
            return reader.snapshot.generation

    @property
    def fingerprint(self) -> "Fingerprint":
        """The identity of the embedder that made the vectors; of several indexes, those of the first."""
        with self._readers.lend() as reader:
            return reader.snapshot.settings.fingerprint

    @property
    def coming(self) -> "Fingerprint | None":
        """The identity of the embedder whose vectors are to replace interim ones; None if there are none of these."""
        with self._readers.lend() as reader:
            coming = reader.snapshot.settings.coming
            return None if coming is None else coming.fingerprint

    def refresh(self) -> bool:
        """Make the newest committed generation visible to later searches. Return True if there is a newer one."""
        return self._readers.refresh()

    @overload
    def search(self, query: "SearchRequest", *, snippets: bool = False) -> "Results": ...

    @overload
    def search(self, query: str, *, snippets: bool = False, **options: Unpack[SearchOptions]) -> "Results": ...

    def search(
        self, query: "str | SearchRequest", *, snippets: bool = False, **options: Unpack[SearchOptions]
    ) -> "Results":
        """Search the index for the chunks that answer a query best. Return them, best first.

        Args:
            query: The text of a query, or a complete request.
            snippets: Also select the best sentences of each hit, for `Results.snippets`.
            options: See `SearchOptions`.

        Raises:
            InputError: The query is empty, or an example in `more_like` or `less_like` is not found.
            ArgumentError: An option has an invalid value.
            FilterError: `where`, `since` or `until` can't be parsed.
            IndexMismatchError: The embedder is not the one that made the index's vectors.
            ModelError: The embedder or the reranker fails.
        """
        if options and not isinstance(query, str):
            raise ArgumentError(", ".join(options), "can't be combined with a SearchRequest", "conflicting-arguments")
        request = search_request(query, **options) if isinstance(query, str) else query

        def search_newest() -> "Results":
            with self._readers.lend() as reader:
                return self._search(reader, self._with_examples(reader, request), snippets=snippets)

        if request.fresh is None:
            return search_newest()
        from vsearch_core.library.freshness import search_fresh

        return search_fresh(search_newest, self._reread, request.fresh)

    def _reread(self, index: str | None, paths: "Sequence[str]", deadline: float) -> "Mapping[str, str]":
        """Bring files of an index up to date; see `freshness.search_fresh`."""
        raise NotImplementedError

    def search_many(
        self, queries: "Iterable[str | SearchRequest]", **options: Unpack[SearchOptions]
    ) -> "Iterator[Results]":
        """Search for several queries, and yield the results of each, all from the same generation.

        `options` apply to the queries that are text, not to those that are a `SearchRequest`. Examples in the options
        are read once. Raises the same errors as `search`, and ArgumentError for the option `fresh`.
        """
        with self._readers.lend() as reader:
            template = None
            for query in queries:
                if isinstance(query, str):
                    if template is None:
                        template = self._with_examples(reader, search_request(query, **options))
                    request = replace(template, text=query)
                else:
                    request = self._with_examples(reader, query)
                if request.fresh is not None:
                    raise ArgumentError("fresh", "all results are to be from the same generation")
                yield self._search(reader, request)

    def similar(self, place: str, *, snippets: bool = False, **options: Unpack[SearchOptions]) -> "Results":
        """Return the chunks that are most similar to a file ("FILE"), or to the chunk at "FILE:LINE".

        Chunks are compared by their vectors. A file that isn't indexed is read and embedded. Raises the same errors as
        `search`.
        """
        options = {"mode": "vector", "more_like": (place,), **options}
        return self.search(replace(search_request(place, **options), examples_only=True), snippets=snippets)

    def duplicates(self, threshold: float = 0.8, **options: Unpack[FilterOptions]) -> "Duplicates":
        """Return groups of chunks that are equal except for small edits.

        Two chunks are near-duplicates if both similarities reach `threshold`, from 0.5 to 1: the share of five-word
        sequences that they have in common, and the cosine of their vectors. Pictures are compared by perceptual hashes
        and, in an index with an image model, by its vectors, too. Takes about 100 MB of memory. Raises
        ArgumentError and FilterError.
        """
        from vsearch_core.search.duplicates import find_duplicates

        if not 0.5 <= threshold <= 1:
            raise ArgumentError("threshold", f"{threshold} is not between 0.5 and 1")
        filters = parse_filters(options)
        with self._readers.lend() as reader:
            found = find_duplicates(reader.searcher, filters, threshold)
            groups = (
                tuple(replace(each, stored=self._placed(reader, each.stored)) for each in group)
                for group in found.groups
            )
            return replace(found, groups=tuple(groups))

    def read(
        self,
        path: str,
        start_line: int | None = None,
        end_line: int | None = None,
        *,
        page: int | None = None,
        context: int = 0,
        max_tokens: int | None = None,
    ) -> "StoredText":
        """Return the text of an indexed file as the index stores it. The file itself is not read.

        Without line numbers, return all its text. With line numbers, return these lines. If the text is not stored line
        by line, as that of a PDF, return the text that may be from these lines. Lines that are not stored are blank.

        Args:
            path: The file, by its path on disk or as a hit names it. Without lines, also "FILE:LINE", "FILE:LINE-LINE"
                or "FILE:LINE-", and a page or rows as a hit shows them: "FILE  page 3".
            start_line: The first line, from 1.
            end_line: The last line, inclusive; `start_line` by default.
            page: Only this page, slide, sheet, message or cell.
            context: The number of lines to return in `before` and `after`.
            max_tokens: The most tokens, about, of the text and its context; the rest is cut off.

        Raises:
            InputError: The file is not indexed, or the index stores no text of the lines or the page.
        """
        from vsearch_core.search.stored_text import read_stored_text

        with self._readers.lend() as reader:
            finder = self._finder(reader)
            found = read_stored_text(
                reader.searcher,
                finder,
                path,
                start_line,
                end_line,
                page=page,
                context=context,
                max_tokens=max_tokens,
            )
            return self._placed(reader, found)

    def thumbnail(self, place: str, *, longest: int = 320) -> "Thumbnail":
        """Return an indexed picture, or a figure of an indexed document, made smaller. Its file is read.

        It is a new JPEG of the pixels, upright and without metadata. A worker process decodes the picture, within
        limits on time and memory.

        Args:
            place: The picture, by its path on disk or as a hit names it: "photo.jpg", "scan.tiff  page 2", or
                "report.pdf  page 3, figure 2".
            longest: The most pixels of the longer side, from 16 to 2048.

        Raises:
            InputError: There is no such picture in the index. Or its file is gone, has changed since, or is not in a
                folder that the index is made from and that the user has named on this machine.
            ArgumentError: `longest` is out of range.
            ExtractionError: The picture can't be decoded, or not within the limits.
        """
        from vsearch_core.library.thumbnails import PicturePlace, Thumbnails, check_side
        from vsearch_core.text.extract.registry import figure_number, is_picture

        check_side(longest)
        with self._readers.lend() as reader:
            path, named = self._finder(reader).find_place(place)
            figure = None if named.shown is None else figure_number(path, named.shown)
            if not is_picture(path) and figure is None:
                raise InputError(place, "is neither a picture nor a figure", "not-a-picture")
            original = self._original(reader, path)
        with self._thumbnails_lock:
            if self._thumbnails is None:
                self._thumbnails = Thumbnails()
            thumbnails = self._thumbnails
        return thumbnails.make(original, PicturePlace(named.page, figure), longest)

    def _original(self, reader: IndexReader[S], path: str) -> "Original":
        """Return the original of an indexed file; see `originals.find_original`."""
        raise InputError(path, "originals are read by local indexes only", "not-on-servers")

    def verify(self, text: str) -> "Verification":
        """Check the quotes and the citations of a text against the index. No model is loaded.

        A quote, between quotation marks or in lines that begin with ">", is *supported* if the index has its words,
        where it is cited if it is; *misattributed* if they stand elsewhere than cited; *altered* if the index has
        nearly these words; else *absent*. A citation, such as "notes/pump.md:12", is supported if the index has text
        there, else absent. Quotes of less than four words without a citation are *unchecked*.
        """
        from vsearch_core.search.verify import verify_text

        with self._readers.lend() as reader:
            verification = verify_text(reader.searcher, self._finder(reader), text)
            claims = (
                claim if claim.found is None else replace(claim, found=self._placed(reader, claim.found))
                for claim in verification.claims
            )
            return replace(verification, claims=tuple(claims))

    def _placed(self, reader: IndexReader[S], found: F) -> F:
        """Return a text that was found in the index, with its path as the index stores it."""
        return found

    def prepare(self, request: "SearchRequest") -> "SearchRequest":
        """Check a request that will be used for many queries, and return it with its examples loaded.

        An error in the filters, the examples or the embedder concerns every query. This method raises it before the
        first search. Raises the same errors as `search`.
        """
        with self._readers.lend() as reader:
            reader.searcher.select(request.filters)
            found = self._with_examples(reader, request)
            if request.mode != "keyword":
                self._embedders.open_for(reader.snapshot.settings)
            return found

    def embed_query(self, text: str) -> "EmbeddedQuery":
        """Embed a text as `search` does: return its vector, and the share of it that the model can read.

        Raises IndexMismatchError if the embedder is not the one that made the index's vectors, and ModelError.
        """
        with self._readers.lend() as reader:
            settings = reader.snapshot.settings
        return self._embedders.embed_query(settings, text)

    def _search(self, reader: IndexReader[S], request: "SearchRequest", *, snippets: bool = False) -> "Results":
        from vsearch_core.search.pipeline import search
        from vsearch_core.search.snippets import WIDTH
        from vsearch_core.search.stale import with_staleness

        embed = self._query_embedding(reader.snapshot.settings, request)
        images = self._image_embedder(reader, request)
        results = search(
            reader.searcher, request, embed, None if images is None else lambda text: images.embed_texts([text])[0]
        )
        if request.parsed.semantic_text and self._has_unseen_pictures(reader, request, images):
            results = replace(results, pictures_left_out=True)
        if self._has_sources(reader):
            results = replace(results, hits=with_staleness(self.root, results.hits))
        if snippets:
            found = reader.searcher.excerpts(request, [hit.text for hit in results.hits], WIDTH)
            results = replace(results, snippets=tuple(found))
        return results

    def _image_embedder(self, reader: IndexReader[S], request: "SearchRequest") -> "ImageEmbedder | None":
        """Return the embedder of the index's image model; None if there is none, or none is needed."""
        from vsearch_core.search.pipeline import is_about_pictures

        if not is_about_pictures(request) or reader.searcher.image_model is None:
            return None
        return self._embedders.images.open_for(reader.searcher.image_model)

    def _has_unseen_pictures(
        self, reader: IndexReader[S], request: "SearchRequest", images: "ImageEmbedder | None"
    ) -> bool:
        """Return True if the request is also about what pictures show, and an index has another image model."""
        from vsearch_core.index.pictures import image_models
        from vsearch_core.search.pipeline import is_about_pictures

        if not is_about_pictures(request):
            return False
        models = image_models(reader.snapshot.catalogs)
        return any(images is None or model.fingerprint != images.fingerprint for model in models)

    def _has_sources(self, reader: IndexReader[S]) -> bool:
        """Return True if the indexes have sources on this machine. An imported index has none."""
        return all(catalog.sources() for catalog in reader.snapshot.catalogs)

    def _query_embedding(self, settings: "IndexSettings", request: "SearchRequest") -> "EmbedQuery | None":
        """Return a function that embeds the request's text, or None if no text needs to be embedded."""
        if request.mode == "keyword" or request.examples_only:
            return None
        spec = self._embedders.spec_for(settings)
        # The caller's own thread asks the user: another one could not be interrupted.
        self._embedders.require_permission(spec)
        embed = partial(self._embedders.embed_query, settings)
        return embed if self._embedders.is_open(spec) else EmbeddingAhead(embed, request.parsed.semantic_text)

    def _finder(self, reader: IndexReader[S]) -> "FileFinder":
        """Return a finder of files by the names that a user or a hit gives.

        They are relative to the working folder, then to the root. The working folder of a server, which serves users
        elsewhere and reads no examples from files, says nothing.
        """
        from vsearch_core.index.named_files import FileFinder

        return FileFinder(reader.snapshot.catalog, self.root, Path.cwd() if self._read_examples else self.root)

    def _with_examples(self, reader: IndexReader[S], request: "SearchRequest") -> "SearchRequest":
        """Return the request with its examples loaded, instead of their names."""
        if not request.more_like and not request.less_like:
            return request
        from vsearch_core.search.examples import ExampleSources, resolve_examples
        from vsearch_core.text.chunk import ChunkOptions

        settings = reader.snapshot.settings
        sources = ExampleSources(
            self._finder(reader).find,
            Path.cwd() if self._read_examples else None,
            ChunkOptions(settings.chunk_words, settings.overlap_words),
            lambda: self._embedders.open_for(settings),
            lambda: self._image_embedder(reader, request),
        )
        return resolve_examples(request, reader.searcher, sources)
