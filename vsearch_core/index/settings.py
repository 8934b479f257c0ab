"""What an index was made with; vectors, chunks and terms are comparable only while it stays the same."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from vsearch_core import config
from vsearch_core.errors import IndexCorruptError, IndexMismatchError, InputError
from vsearch_core.lexical.analysis import Analysis
from vsearch_core.lexical.analyzer import VERSION
from vsearch_core.model import TEXT, EmbedderSpec, Fingerprint
from vsearch_core.store.catalog import Catalog

CHUNKER = "1"  # changes when the same document would be cut otherwise
ANALYZER = "analyzer"  # the setting that names the analysis which the postings were made by
FUSION = "fusion"  # the setting that holds what `vsearch tune` has learned (`search.tuned`): true of these vectors only
READABLE = {"1", "2"}  # earlier analyzers whose terms questions can be made into


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """What the user asked for; None leaves the choice to the index, or to the default where there is none yet."""

    embedder: str | None = None
    model: str | None = None
    chunk_words: int | None = None
    overlap_words: int | None = None
    language: str | None = None
    dimension: int | None = None
    base_url: str | None = None
    default_base_urls: Mapping[str, str] = field(default_factory=dict)  # by provider, for where no `base_url` is named

    @property
    def spec(self) -> EmbedderSpec:
        """Return the spec of a new index's embedder, with the default address, so that queries go there too."""
        provider = self.embedder or config.EMBEDDER
        base_url = self.base_url or self.default_base_urls.get(provider)
        return EmbedderSpec(provider, self.model, self.dimension, base_url)

    def spec_for(self, settings: "IndexSettings") -> EmbedderSpec:
        """Return the spec of an existing index's embedder, found where these options say it is now."""
        own = settings.spec
        return replace(own, model=self.model or own.model, base_url=self.base_url or own.base_url)


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """The settings that an index keeps for life. `model` and `base_url` open the embedder again: see `EmbedderSpec`."""

    fingerprint: Fingerprint
    model: str
    chunk_words: int
    overlap_words: int
    language: str
    base_url: str | None = None
    analyzer: int = field(default=VERSION, compare=False)  # of the postings, until they are made anew

    @property
    def spaces(self) -> Mapping[str, Fingerprint]:
        """Return the fingerprint of each vector space's embedder, by the space's name."""
        return {TEXT: self.fingerprint}

    @property
    def spec(self) -> EmbedderSpec:
        """The embedder that made the vectors."""
        made_by = self.fingerprint
        return EmbedderSpec(made_by.provider, self.model, made_by.dimension, self.base_url)

    @property
    def analysis(self) -> Analysis:
        """The analysis of passages, and of questions once all postings are made by it."""
        return Analysis(self.language)

    @property
    def query_analysis(self) -> Analysis:
        """The analysis of questions."""
        return Analysis(self.language, self.analyzer)

    def to_catalog(self) -> dict[str, str]:
        """The settings as the catalog stores them."""
        return {
            "fingerprint": json.dumps(asdict(self.fingerprint)),
            "model": self.model,
            "chunker": CHUNKER,
            "chunk_words": str(self.chunk_words),
            "overlap_words": str(self.overlap_words),
            "language": self.language,
            ANALYZER: self.analysis.signature,
            "base_url": self.base_url or "",
        }

    @classmethod
    def from_catalog(cls, catalog: Catalog, *, renewing: bool = False) -> "IndexSettings":
        """Read them back.

        Raises IndexMismatchError when this version would cut text otherwise, or analyze it in a way that does not find
        what the index holds (unless the caller is `renewing` its postings), and IndexCorruptError.
        """
        values = catalog.settings()
        try:
            settings = cls(
                Fingerprint(**json.loads(values["fingerprint"])),
                values["model"],
                int(values["chunk_words"]),
                int(values["overlap_words"]),
                values["language"],
                values.get("base_url") or None,  # an index of version 0.1 has none
            )
            chunker, signature = values["chunker"], values[ANALYZER]
            ours = settings.analysis.signature
        except (KeyError, ValueError, TypeError, RecursionError, InputError) as error:
            raise IndexCorruptError(str(catalog.label), f"its settings are damaged ({error})") from error
        if chunker != CHUNKER:
            reason = f"it was made with chunker {chunker}, this vsearch has {CHUNKER}"
            raise IndexMismatchError(str(catalog.label), reason, "index again into a new folder with --index")
        _refuse_other_analyzer(str(catalog.label), signature, ours, renewing=renewing)
        return replace(settings, analyzer=int(signature.partition(":")[0]))


def _refuse_other_analyzer(index: str, signature: str, ours: str, *, renewing: bool) -> None:
    (version, _, language), (own, _, own_language) = signature.partition(":"), ours.partition(":")
    if signature == ours or (language == own_language and version in READABLE):
        return
    reason = f"it was made with analyzer {signature}, this vsearch has {ours}"
    if not version.isdecimal() or int(version) > int(own):
        raise IndexMismatchError(index, reason, "index-version")
    if not renewing:
        raise IndexMismatchError(index, reason, "run `vsearch index`: it makes the keywords anew and embeds nothing")


def new_settings(options: IndexOptions, fingerprint: Fingerprint) -> IndexSettings:
    """The settings of a new index. Raises InputError where the model has not the dimension that was asked for."""
    if options.dimension not in (None, fingerprint.dimension):
        raise InputError(
            f"--dimensions {options.dimension}",
            f"{fingerprint.model} makes vectors of {fingerprint.dimension}",
            "leave --dimensions out, or choose another model",
        )
    words, overlap = chunk_sizes(options)
    model = options.model or fingerprint.model
    language = options.language or config.LANGUAGE
    return IndexSettings(fingerprint, model, words, overlap, language, options.spec.base_url)


def chunk_sizes(options: IndexOptions) -> tuple[int, int]:
    """Words a chunk and words of overlap, as asked for or by default."""
    words = config.CHUNK_WORDS if options.chunk_words is None else options.chunk_words
    # Somebody who asks for small chunks and says nothing of the overlap keeps the default's proportion.
    overlap = words * config.OVERLAP_WORDS // config.CHUNK_WORDS
    return words, overlap if options.overlap_words is None else options.overlap_words


def refuse_other_options(index: str, settings: IndexSettings, options: IndexOptions) -> None:
    """Raise IndexMismatchError when what is asked for is not what the index has."""
    pairs = (
        ("--embedder", options.embedder, settings.fingerprint.provider),
        ("--dimensions", options.dimension, settings.fingerprint.dimension),
    )
    for option, asked, has in pairs:
        if asked is not None and asked != has:
            raise IndexMismatchError(
                index,
                f"it was made with {option} {has}, not {asked}",
                f"leave {option} out, or embed it again with `vsearch index --re-embed {option} {asked}`",
            )
    refuse_other_chunking(index, settings, options)


def refuse_other_chunking(index: str, settings: IndexSettings, options: IndexOptions) -> None:
    """Raise IndexMismatchError for what only reading the documents again could change: the index has chunks only."""
    pairs = (
        ("--chunk-words", options.chunk_words, settings.chunk_words),
        ("--overlap-words", options.overlap_words, settings.overlap_words),
        ("--language", options.language, settings.language),
    )
    for option, asked, has in pairs:
        if asked is not None and asked != has:
            raise IndexMismatchError(
                index,
                f"it was made with {option} {has}, not {asked}",
                f"leave {option} out, or index again into a new folder with --index",
            )


def refuse_other_model(index: str, settings: IndexSettings, fingerprint: Fingerprint) -> None:
    """Raise IndexMismatchError, naming the difference, when vectors of the two could not be compared."""
    ours, theirs = asdict(settings.fingerprint), asdict(fingerprint)
    for part, has in ours.items():
        if theirs[part] != has:
            shown = (has[:12], theirs[part][:12]) if part == "weights" else (has, theirs[part])
            raise IndexMismatchError(
                index,
                f"its vectors were made by {settings.fingerprint.model} ({part} {shown[0]}),"
                f" not by {fingerprint.model} ({part} {shown[1]})",
                "use that model, or embed it again with"
                f" `vsearch index --re-embed --embedder {fingerprint.provider} --model {fingerprint.model}`",
            )
