"""An embedder at the other end of a wire: requests of many texts, windows of long ones, answers that are checked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vsearch_core.embed.base import Batch
from vsearch_core.embed.remote.retry import (
    ASKING_PATIENCE,
    INDEXING_PATIENCE,
    RequestFailure,
    RequestPolicy,
    RequestStopped,
    RetryingClient,
)
from vsearch_core.embed.tokens import ESTIMATE, SHARE, token_costs
from vsearch_core.embed.windows import WINDOWING, clean, halves, mean_of_windows, text_windows
from vsearch_core.errors import ProviderError
from vsearch_core.model import Fingerprint

Purpose = Literal["document", "query"]

EMPTY = "."  # stands for a text with nothing to see in it, which providers refuse
SHORTEST = 16  # characters of a text that is not halved any more

REMOTE_WINDOWING = f"{WINDOWING}, estimate {ESTIMATE}"  # for `ProviderModel.pooling`


class SendRequest(Protocol):
    """One request: the vectors of `texts`, in order, as the provider answers them. Raises RequestFailure."""

    def __call__(self, texts: Sequence[str], purpose: Purpose) -> Sequence[ArrayLike]: ...


@dataclass(frozen=True, slots=True)
class ProviderModel:
    """What a provider's model takes and gives.

    `window` is the most tokens of a text, `texts` and `tokens` the most of a request. `counts_texts`: the provider
    counts each text as a request. `dimension` None has to be asked. `pooling` is for the fingerprint: all that decides
    the vectors beside the model and the prefixes.
    """

    provider: str
    model: str
    dimension: int | None
    window: int
    texts: int
    tokens: int
    counts_texts: bool
    pooling: str
    query_prefix: str = ""
    document_prefix: str = ""

    def prefix(self, purpose: Purpose) -> str:
        """What goes before each window."""
        return self.query_prefix if purpose == "query" else self.document_prefix


@dataclass(frozen=True, slots=True)
class _Window:
    """A text, or a part of one, that fits into the model, and its estimated tokens, prefix included."""

    text: str
    tokens: float


Windows = list[_Window]


class RemoteEmbedder:
    """Asks a provider for vectors, one request under way at a time, so that a kill wastes one request at most.

    More at once would gain little: quotas bind first (a hundred chunks are 60,000 tokens), or the one machine that a
    local server computes on. Not to be shared by threads.
    """

    def __init__(self, offer: ProviderModel, ask: SendRequest, policy: RequestPolicy) -> None:
        self._model = offer
        self._ask = ask
        self._dimension = offer.dimension  # what nobody knows yet is what the first answer has
        self._caller = RetryingClient(policy)
        self._texts = min(offer.texts, policy.rpm or offer.texts) if offer.counts_texts else offer.texts
        self._tokens = min(offer.tokens, policy.tpm or offer.tokens)

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """Asks the provider for the dimension where nobody knows it yet. Raises ProviderError then."""
        offer = self._model
        dimension = self._dimension or self.embed_queries(["dimension"]).shape[1]
        return Fingerprint(
            provider=offer.provider,
            model=offer.model,
            weights=offer.model,  # the providers tell no version beyond the name
            dimension=dimension,
            pooling=offer.pooling,
            query_prefix=offer.query_prefix,
            document_prefix=offer.document_prefix,
        )

    def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        """Yield a batch for each request, in the texts' order; ends early when the run is stopped while it waits.

        A text of several windows gets the mean of their vectors, each weighted by its tokens, at unit length.
        Raises ProviderError.
        """
        start = 0
        try:
            for group in self._groups(texts):
                vectors = self._vectors(group, "document", INDEXING_PATIENCE)
                yield Batch(np.arange(start, start + len(group), dtype=np.int64), vectors)
                start += len(group)
        except RequestStopped:
            return
        except RequestFailure as failure:
            raise self._error(failure, "what is embedded is kept; run the same command again") from None

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """float32 (len(texts), dimension), unit rows. Raises ProviderError."""
        if not texts:
            return np.empty((0, self.fingerprint.dimension), dtype=np.float32)
        try:
            return self._vectors([self._windows(text, "query") for text in texts], "query", ASKING_PATIENCE)
        except RequestStopped:
            raise self._error(RequestFailure("refused", "stopped", next_step="ask again"), "") from None
        except RequestFailure as failure:
            raise self._error(failure, "keywords alone need no provider (`query --mode keyword`); try again") from None

    def legible_share(self, query: str) -> float:
        """1: providers keep their tokenizers to themselves, and their models read most languages."""
        return 1.0

    def _windows(self, text: str, purpose: Purpose) -> Windows:
        extra = float(token_costs(self._model.prefix(purpose)).sum())
        sendable = clean(text).replace("\x00", " ")  # some servers can't take a NUL
        pieces = text_windows(sendable, SHARE * self._model.window - extra)
        return [_Window(_visible(piece), tokens + extra) for piece, tokens in pieces]

    def _groups(self, texts: Sequence[str]) -> Iterator[list[Windows]]:
        """The texts' windows, as many texts at a time as one request holds; a text too long for one is a group."""
        group: list[Windows] = []
        count, tokens = 0, 0.0
        for text in texts:
            windows = self._windows(text, "document")
            more = sum(window.tokens for window in windows)
            if group and (count + len(windows) > self._texts or tokens + more > self._tokens):
                yield group
                group, count, tokens = [], 0, 0.0
            group.append(windows)
            count, tokens = count + len(windows), tokens + more
        if group:
            yield group

    def _vectors(self, group: Sequence[Windows], purpose: Purpose, patience: float) -> NDArray[np.float32]:
        """A unit vector for each text, shape (len(group), dimension)."""
        windows = [window for text in group for window in text]
        vectors = np.concatenate([self._request(some, purpose, patience) for some in self._requests(windows)])
        ends = np.cumsum([len(text) for text in group])
        parts = np.split(vectors, ends[:-1])
        return np.stack([mean_of_windows([*rows], _tokens(text)) for rows, text in zip(parts, group, strict=True)])

    def _requests(self, windows: Windows) -> Iterator[Windows]:
        """`windows` in runs that one request holds."""
        some: Windows = []
        tokens = 0.0
        for window in windows:
            if some and (len(some) == self._texts or tokens + window.tokens > self._tokens):
                yield some
                some, tokens = [], 0.0
            some.append(window)
            tokens += window.tokens
        yield some

    def _request(self, windows: Windows, purpose: Purpose, patience: float) -> NDArray[np.float32]:
        """The windows' unit vectors. What the provider finds too long goes in halves. Raises RequestFailure and RequestStopped."""
        texts = [self._model.prefix(purpose) + window.text for window in windows]
        requests = len(texts) if self._model.counts_texts else 1
        tokens = int(sum(window.tokens for window in windows)) + 1
        try:
            vectors = self._caller(
                lambda: _checked(self._ask(texts, purpose), len(texts), self._dimension),
                requests=requests,
                tokens=tokens,
                patience=patience,
            )
            self._dimension = vectors.shape[1]
            return vectors
        except RequestFailure as failure:
            if failure.kind != "too long" or (len(windows) == 1 and len(windows[0].text) < SHORTEST):
                raise
        if len(windows) > 1:
            middle = len(windows) // 2
            runs = [self._request(some, purpose, patience) for some in (windows[:middle], windows[middle:])]
            return np.concatenate(runs)
        text, tokens_a_character = windows[0].text, windows[0].tokens / len(windows[0].text)
        parts = [_Window(_visible(part), tokens_a_character * len(part)) for part in halves(text)]
        return mean_of_windows([*self._request(parts, purpose, patience)], _tokens(parts))[None, :]

    def _error(self, failure: RequestFailure, again: str) -> ProviderError:
        thing = f"{self._model.provider} {self._model.model}"
        if failure.kind == "quota":
            when = failure.next_step or _after(failure.delay or 0)
            return ProviderError(thing, failure.reason, f"{again} {when}")
        return ProviderError(thing, failure.reason, failure.next_step or f"{again} later")


def _visible(text: str) -> str:
    """`text`, or what stands for it where there is nothing to see in it."""
    return text if any(not letter.isspace() and letter.isprintable() for letter in text) else EMPTY


def _checked(answer: Sequence[ArrayLike], count: int, dimension: int | None) -> NDArray[np.float32]:
    """The answer as unit vectors, float32 (count, dimension). Raises RequestFailure where it is not `count` of them."""
    if len(answer) != count:
        raise RequestFailure("answer", f"answered {len(answer)} vectors to {count} texts")
    try:
        vectors = np.array(answer, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise RequestFailure(
            "answer", "answered vectors of unequal length, or of something else than numbers"
        ) from error
    if vectors.ndim != 2 or vectors.shape[1] != (dimension or vectors.shape[1]) or not vectors.size:
        raise RequestFailure("answer", f"answered vectors of {vectors.shape[-1]} numbers, not {dimension or 'some'}")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not lengths.all():
        raise RequestFailure("answer", "answered a vector that has no direction (nan, infinite or zero)")
    unit: NDArray[np.float32] = (vectors / lengths).astype(np.float32)
    return unit


def _tokens(windows: Windows) -> list[float]:
    return [window.tokens for window in windows]


def _after(delay: float) -> str:
    """ "after 2026-11-21 14:32", local time."""
    return f"after {datetime.now() + timedelta(seconds=delay + 60):%Y-%m-%d %H:%M}"
