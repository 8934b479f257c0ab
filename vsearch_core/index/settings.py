"""Define the settings of an index, and refuse options that contradict them.

Vectors, chunks and terms can only be compared if they were made with the same settings.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from vsearch_core import config
from vsearch_core.errors import ArgumentError, IndexCorruptError, IndexMismatchError, InputError
from vsearch_core.json_text import parse_json
from vsearch_core.lexical.analysis import Analysis
from vsearch_core.lexical.analyzer import VERSION
from vsearch_core.model import TEXT, EmbedderSpec, Fingerprint
from vsearch_core.store.catalog import SettingsReader
from vsearch_core.text.chunk import ChunkOptions

CHUNKER = "1"  # version of the chunker: changes when the same document would give other chunks
ANALYZER = "analyzer"  # the setting with the signature of the analysis that made the postings
VECTOR_SCALE = "vector_scale"  # the setting with the range of cosines (`search.vector_scale`) of these vectors
FUSION = "fusion"  # the setting with the tuned fusion (`search.tuned`), which holds for these vectors only
COMING = "coming"  # the setting with the model whose vectors replace these, "" if there is none
COMPATIBLE_ANALYZERS = {"1", "2", "3"}  # earlier analyzers whose terms a query can be analyzed into


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """Options for an index. None means the index's own setting or, for a new index, the default."""

    embedder: str | None = None
    model: str | None = None
    chunk_words: int | None = None
    overlap_words: int | None = None
    language: str | None = None
    dimension: int | None = None
    base_url: str | None = None
    default_base_urls: Mapping[str, str] = field(default_factory=dict)  # by provider, for where no `base_url` is named
    ann: str | None = None
    image_model: str | None = None  # "none" for none
    vectors: str | None = None

    @property
    def spec(self) -> EmbedderSpec:
        """Return the description of the embedder for a new index.

        It includes the default address of a remote embedder, which the index stores, so that queries are sent there,
        too.
        """
        provider = self.embedder or config.EMBEDDER
        base_url = self.base_url or self.default_base_urls.get(provider)
        return EmbedderSpec(provider, self.model, self.dimension, base_url)

    def spec_for(self, settings: "IndexSettings") -> EmbedderSpec:
        """Return the description of an existing index's embedder.

        `model` and `base_url` of these options replace those of the index: the same model may now be in another folder
        or at another address. If the index has interim vectors, it is the embedder whose vectors replace them.
        """
        own = settings.target.spec
        return replace(own, model=self.model or own.model, base_url=self.base_url or own.base_url)


@dataclass(frozen=True, slots=True)
class ComingModel:
    """The local model whose vectors are to replace an index's interim vectors, and its fingerprint."""

    fingerprint: Fingerprint
    model: str

    def to_setting(self) -> str:
        """Return the value as JSON text, which is stored in the index's settings."""
        return json.dumps(asdict(self))

    @classmethod
    def from_setting(cls, stored: str | None) -> "ComingModel | None":
        """Return the stored value, or None if there is none. Raises KeyError, TypeError or ValueError."""
        if not stored:
            return None
        values = parse_json(stored)
        coming = cls(Fingerprint(**values["fingerprint"]), values["model"])
        check_fingerprint(coming.fingerprint)
        if coming.fingerprint.provider != config.EMBEDDER or not isinstance(coming.model, str):
            raise ValueError("the coming model is no local one")
        return coming


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """The settings that an index stores.

    `fingerprint` identifies the embedder that made the vectors; `model` and `base_url` are used to open it again (see
    `EmbedderSpec`). `analyzer` is the version of the analyzer that made the postings. `ann` is one of
    `config.ANN_CHOICES` or "pqN": what large segments get, so that their vectors can be searched faster than by a scan.
    It can be changed at any time. `vectors` is one of `config.VECTORS_CHOICES`: with "none", the index keeps codes of
    its vectors only (docs/adr/0064-archive-indexes.md). `coming` is the model whose vectors are to replace those of the
    embedder, if these are interim vectors (docs/adr/0065-static-vectors-first.md).
    """

    fingerprint: Fingerprint
    model: str
    chunk_words: int
    overlap_words: int
    language: str
    base_url: str | None = None
    analyzer: int = field(default=VERSION, compare=False)  # the version that made the postings
    ann: str = field(default=config.ANN_CHOICES[0], compare=False)
    vectors: str = config.VECTORS_CHOICES[0]
    coming: ComingModel | None = None

    @property
    def target(self) -> "IndexSettings":
        """Return the settings that the index has once its interim vectors are replaced; these, if it has none."""
        if self.coming is None:
            return self
        return replace(self, fingerprint=self.coming.fingerprint, model=self.coming.model, coming=None)

    def with_interim(self, fingerprint: Fingerprint, model: str) -> "IndexSettings":
        """Return the settings of an index whose vectors an interim embedder makes, until this one's replace them."""
        return replace(self, fingerprint=fingerprint, model=model, coming=ComingModel(self.fingerprint, self.model))

    @property
    def keeps_none(self) -> bool:
        """Return True if the index keeps codes of its vectors only."""
        return self.vectors == config.VECTORS_CHOICES[1]

    @property
    def spaces(self) -> Mapping[str, Fingerprint]:
        """Return the fingerprint of the embedder of each vector space, by the name of the space."""
        return {TEXT: self.fingerprint}

    @property
    def spec(self) -> EmbedderSpec:
        """Return the description of the embedder that made the index's vectors."""
        made_by = self.fingerprint
        return EmbedderSpec(made_by.provider, self.model, made_by.dimension, self.base_url)

    @property
    def analysis(self) -> Analysis:
        """Return this version's text analysis, with which new chunks are analyzed."""
        return Analysis(self.language)

    @property
    def query_analysis(self) -> Analysis:
        """Return the text analysis for queries, which produces the same terms as the index's postings."""
        return Analysis(self.language, self.analyzer)

    def to_catalog(self) -> dict[str, str]:
        """Return the settings by name, as strings for the catalog."""
        return {
            "fingerprint": json.dumps(asdict(self.fingerprint)),
            "model": self.model,
            "chunker": CHUNKER,
            "chunk_words": str(self.chunk_words),
            "overlap_words": str(self.overlap_words),
            "language": self.language,
            ANALYZER: self.analysis.signature,
            "base_url": self.base_url or "",
            "ann": self.ann,
            "vectors": self.vectors,
            COMING: "" if self.coming is None else self.coming.to_setting(),
        }

    def refuse_impossible_values(self) -> None:
        """Raise TypeError, ValueError or ArgumentError for values that no index is made with."""
        ChunkOptions(self.chunk_words, self.overlap_words)
        check_fingerprint(self.fingerprint)
        check_ann(self.ann)
        check_vectors(self.vectors)

    @classmethod
    def from_catalog(cls, catalog: SettingsReader, *, renewing: bool = False) -> "IndexSettings":
        """Return the settings that the catalog stores; see `from_values`."""
        return cls.from_values(catalog.settings(), str(catalog.label), renewing=renewing)

    @classmethod
    def from_values(cls, values: Mapping[str, str], label: str, *, renewing: bool = False) -> "IndexSettings":
        """Return the settings that the index `label` stores as strings, as `to_catalog` made them.

        Raises IndexMismatchError if this version has another chunker, or can't analyze queries as the index's analyzer
        does; if the caller is `renewing` the postings, an older analyzer is accepted. Raises IndexCorruptError if
        settings are missing or damaged.
        """
        try:
            settings = cls(
                Fingerprint(**parse_json(values["fingerprint"])),
                values["model"],
                int(values["chunk_words"]),
                int(values["overlap_words"]),
                values["language"],
                values.get("base_url") or None,  # an index of version 0.1 has none
                ann=values.get("ann") or config.ANN_CHOICES[0],  # nor this
                vectors=values.get("vectors") or config.VECTORS_CHOICES[0],  # nor this
                coming=ComingModel.from_setting(values.get(COMING)),
            )
            chunker, signature = values["chunker"], values[ANALYZER]
            ours = settings.analysis.signature
            settings.refuse_impossible_values()
        except (KeyError, ValueError, TypeError, InputError) as error:
            raise IndexCorruptError(label, f"its settings are damaged ({error})") from error
        if chunker != CHUNKER:
            reason = f"made with chunker {chunker}, and this version has chunker {CHUNKER}"
            raise IndexMismatchError(label, reason, "index-too-old")
        _refuse_other_analyzer(label, signature, ours, renewing=renewing)
        return replace(settings, analyzer=int(signature.partition(":")[0]))


def _refuse_other_analyzer(index: str, signature: str, ours: str, *, renewing: bool) -> None:
    (version, _, language), (own, _, own_language) = signature.partition(":"), ours.partition(":")
    if signature == ours or (language == own_language and version in COMPATIBLE_ANALYZERS):
        return
    reason = f"made with analyzer {signature}, and this version has analyzer {ours}"
    if not version.isdecimal() or int(version) > int(own):
        raise IndexMismatchError(index, reason, "index-version")
    if not renewing:
        raise IndexMismatchError(index, reason, "keywords-outdated")


def new_settings(options: IndexOptions, fingerprint: Fingerprint) -> IndexSettings:
    """Return the settings of a new index. Raises ArgumentError if the model doesn't offer the dimension."""
    if options.dimension not in (None, fingerprint.dimension):
        reason = f"{fingerprint.model} makes vectors of {fingerprint.dimension}, not {options.dimension}"
        raise ArgumentError("dimension", reason, "dimension-not-available")
    words, overlap = chunk_sizes(options)
    model = options.model or fingerprint.model
    language = options.language or config.LANGUAGE
    ann = options.ann or config.ANN_CHOICES[0]
    vectors = options.vectors or config.VECTORS_CHOICES[0]
    return IndexSettings(fingerprint, model, words, overlap, language, options.spec.base_url, ann=ann, vectors=vectors)


def check_fingerprint(fingerprint: Fingerprint) -> None:
    """Raise TypeError or ValueError for values that no embedder has."""
    if not 1 <= fingerprint.dimension <= config.MAX_DIMENSION or type(fingerprint.dimension) is not int:
        raise ValueError(f"vectors of dimension {fingerprint.dimension!r}")
    if not all(isinstance(value, str) for name, value in asdict(fingerprint).items() if name != "dimension"):
        raise TypeError("the fingerprint holds other values than texts")


def check_ann(choice: str | None) -> None:
    """Raise ArgumentError if the choice is none of `config.ANN_CHOICES` and no "pqN"; None is allowed."""
    least, _, most = config.PQ_BYTES
    size = pq_bytes(choice or "")
    if choice is not None and choice not in config.ANN_CHOICES and (size is None or not least <= size <= most):
        names = ", ".join(config.ANN_CHOICES)
        raise ArgumentError("ann", f"{choice!r} is not one of {names}, or pqN with N from {least} to {most} bytes")


def check_vectors(choice: str | None) -> None:
    """Raise ArgumentError if the choice is none of `config.VECTORS_CHOICES`; None is allowed."""
    if choice not in (None, *config.VECTORS_CHOICES):
        raise ArgumentError("vectors", f"{choice!r} is not one of {', '.join(config.VECTORS_CHOICES)}")


def pq_bytes(choice: str) -> int | None:
    """Return the size of PQ codes that "pq" or "pqN" stands for, in bytes; None for another choice."""
    found = re.fullmatch(r"pq([1-9][0-9]{0,2})?", choice, re.ASCII)
    return int(found[1] or config.PQ_BYTES[1]) if found else None


def chunk_sizes(options: IndexOptions) -> tuple[int, int]:
    """Return two numbers, from the options or by default: the words in a chunk, and the words of overlap.

    If only the chunk size is given, the overlap is the same share of it as by default.
    """
    words = config.CHUNK_WORDS if options.chunk_words is None else options.chunk_words
    overlap = words * config.OVERLAP_WORDS // config.CHUNK_WORDS
    return words, overlap if options.overlap_words is None else options.overlap_words


def refuse_other_options(index: str, settings: IndexSettings, options: IndexOptions) -> None:
    """Raise IndexMismatchError if an option differs from the index's setting, or from the one that is to come."""
    target = settings.target.fingerprint
    made_with = {"embedder": target.provider, "dimension": target.dimension}
    _refuse_differences(index, made_with, options, "other-embedder")
    if settings.keeps_none and options.vectors == config.VECTORS_CHOICES[0]:
        raise IndexMismatchError(index, "it has kept no vectors so far", "vectors-not-kept")
    refuse_other_chunking(index, settings, options)


def refuse_other_chunking(index: str, settings: IndexSettings, options: IndexOptions) -> None:
    """Raise IndexMismatchError if the options and the index differ in chunk sizes or language.

    To change these, the documents must be read again, because the index stores only their chunks.
    """
    made_with = {name: getattr(settings, name) for name in ("chunk_words", "overlap_words", "language")}
    _refuse_differences(index, made_with, options, "other-chunking")


def _refuse_differences(index: str, made_with: Mapping[str, Any], options: IndexOptions, code: str) -> None:
    for argument, present in made_with.items():
        requested = getattr(options, argument)
        if requested is not None and requested != present:
            reason = f"made with {argument.replace('_', ' ')} {present}, not {requested}"
            raise IndexMismatchError(index, reason, code, argument=argument, present=present, requested=requested)


def refuse_other_model(index: str, settings: IndexSettings, fingerprint: Fingerprint) -> None:
    """Raise IndexMismatchError if the fingerprint is not that of the index's vectors.

    The error names the first difference.
    """
    ours, theirs = asdict(settings.fingerprint), asdict(fingerprint)
    for key, present in ours.items():
        if theirs[key] != present:
            shown = (present[:12], theirs[key][:12]) if key == "weights" else (present, theirs[key])
            reason = (
                f"its vectors were made by {settings.fingerprint.model} ({key} {shown[0]}),"
                f" not by {fingerprint.model} ({key} {shown[1]})"
            )
            details = {"provider": fingerprint.provider, "model": fingerprint.model}
            raise IndexMismatchError(index, reason, "other-model", **details)
