"""The embedder for remote providers. It sends texts in batches, splits long texts, and checks the responses."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vsearch_core.embed.base import Batch
from vsearch_core.embed.remote.retry import (
    INDEXING_PATIENCE,
    QUERY_PATIENCE,
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

PLACEHOLDER = "."  # sent for a text without a visible character, which providers refuse
MIN_HALVED = 16  # characters; shorter texts are not halved

REMOTE_WINDOWING = f"{WINDOWING}, estimate {ESTIMATE}"  # for `ProviderModel.pooling`


class SendRequest(Protocol):
    """A function that sends one request to a provider."""

    def __call__(self, texts: Sequence[str], purpose: Purpose) -> Sequence[ArrayLike]:
        """Send the texts in one request. Return their vectors in the same order, unchecked. Raises RequestFailure."""


@dataclass(frozen=True, slots=True)
class ProviderModel:
    """The limits and properties of a provider's model.

    Attributes:
        provider: The provider's name.
        model: The model's name.
        dimension: The length of its vectors; None if it isn't known before the first response.
        window: The maximum number of tokens that the model reads of a text.
        texts: The maximum number of texts in a request.
        tokens: The maximum number of tokens in a request.
        counts_texts: True if the provider's rate limit counts each text as a request.
        pooling: The text for the fingerprint's `pooling`. It names everything that affects the vectors apart from the
            model and the prefixes, such as the way to split long texts.
        query_prefix: The text that is put before each window of a query.
        document_prefix: The text that is put before each window of a document.
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
        """Return the text that is put before each window of a query or of a document."""
        return self.query_prefix if purpose == "query" else self.document_prefix


@dataclass(frozen=True, slots=True)
class _TextWindow:
    """A text, or a part of one, that is short enough for the model; and its estimated tokens, prefix included."""

    text: str
    tokens: float


TextWindows = list[_TextWindow]


class RemoteEmbedder:
    """Embeds texts with a remote provider's model. It sends one request at a time. Not thread-safe.

    If the process is killed, at most one request is wasted. Several requests at once would gain little: a provider's
    quota is reached first (a hundred chunks are 60,000 tokens), and a local server computes on one machine anyway.
    """

    def __init__(self, model: ProviderModel, send: SendRequest, policy: RequestPolicy) -> None:
        """Set the model, the function that sends a request, and the rate limits and timeout of requests."""
        self._model = model
        self._send = send
        self._dimension = model.dimension  # if None, the first response sets it
        self._client = RetryingClient(policy)
        self._max_texts = min(model.texts, policy.rpm or model.texts) if model.counts_texts else model.texts
        self._max_tokens = min(model.tokens, policy.tpm or model.tokens)

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """Return the model's fingerprint.

        If the model's dimension isn't known yet, it is found by a request. Raises ProviderError if that fails.
        """
        model = self._model
        dimension = self._dimension or self.embed_queries(["dimension"]).shape[1]
        return Fingerprint(
            provider=model.provider,
            model=model.model,
            weights=model.model,  # providers tell no version beyond the name
            dimension=dimension,
            pooling=model.pooling,
            query_prefix=model.query_prefix,
            document_prefix=model.document_prefix,
        )

    def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        """Yield the vectors of the texts in batches, in the order of the texts.

        The vector of a text that is split into windows is the mean of their vectors. If the policy's `stop` returns
        True, the iteration ends early. Raises ProviderError.
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
            raise self._error(failure, "embedding-interrupted") from None

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the queries' unit vectors, float32 (len(texts), dimension). Raises ProviderError."""
        if not texts:
            return np.empty((0, self.fingerprint.dimension), dtype=np.float32)
        try:
            return self._vectors([self._windows(text, "query") for text in texts], "query", QUERY_PATIENCE)
        except RequestStopped:
            raise self._error(RequestFailure("refused", "stopped", code="request-stopped"), "") from None
        except RequestFailure as failure:
            raise self._error(failure, "query-not-embedded") from None

    def legible_share(self, query: str) -> float:
        """Return 1. Providers don't publish their tokenizers, but their models read most languages."""
        return 1.0

    def _windows(self, text: str, purpose: Purpose) -> TextWindows:
        extra = float(token_costs(self._model.prefix(purpose)).sum())
        sendable = clean(text).replace("\x00", " ")  # some servers can't take a NUL
        pieces = text_windows(sendable, SHARE * self._model.window - extra)
        return [_TextWindow(_visible(piece), tokens + extra) for piece, tokens in pieces]

    def _groups(self, texts: Sequence[str]) -> Iterator[list[TextWindows]]:
        """Yield the windows of as many texts as fit into one request; a text that is too long for one comes alone."""
        group: list[TextWindows] = []
        count, tokens = 0, 0.0
        for text in texts:
            windows = self._windows(text, "document")
            more = sum(window.tokens for window in windows)
            if group and (count + len(windows) > self._max_texts or tokens + more > self._max_tokens):
                yield group
                group, count, tokens = [], 0, 0.0
            group.append(windows)
            count, tokens = count + len(windows), tokens + more
        if group:
            yield group

    def _vectors(self, group: Sequence[TextWindows], purpose: Purpose, patience: float) -> NDArray[np.float32]:
        """Return a unit vector for each text, shape (len(group), dimension)."""
        windows = [window for text in group for window in text]
        vectors = np.concatenate([self._request(batch, purpose, patience) for batch in self._batches(windows)])
        ends = np.cumsum([len(text) for text in group])
        parts = np.split(vectors, ends[:-1])
        return np.stack([mean_of_windows([*rows], _tokens(text)) for rows, text in zip(parts, group, strict=True)])

    def _batches(self, windows: TextWindows) -> Iterator[TextWindows]:
        """Yield the windows in groups that fit into one request."""
        batch: TextWindows = []
        tokens = 0.0
        for window in windows:
            if batch and (len(batch) == self._max_texts or tokens + window.tokens > self._max_tokens):
                yield batch
                batch, tokens = [], 0.0
            batch.append(window)
            tokens += window.tokens
        yield batch

    def _request(self, windows: TextWindows, purpose: Purpose, patience: float) -> NDArray[np.float32]:
        """Return the windows' unit vectors. A request that the provider rejects as too long is sent in two halves.

        Raises RequestFailure and RequestStopped.
        """
        texts = [self._model.prefix(purpose) + window.text for window in windows]
        try:
            vectors = self._client.request(
                lambda: _checked(self._send(texts, purpose), len(texts), self._dimension),
                requests=len(texts) if self._model.counts_texts else 1,
                tokens=int(sum(window.tokens for window in windows)) + 1,
                patience=patience,
            )
            self._dimension = vectors.shape[1]
            return vectors
        except RequestFailure as failure:
            if failure.kind != "too long" or (len(windows) == 1 and len(windows[0].text) < MIN_HALVED):
                raise
        if len(windows) > 1:
            middle = len(windows) // 2
            return np.concatenate(
                [self._request(half, purpose, patience) for half in (windows[:middle], windows[middle:])]
            )
        text, tokens_per_character = windows[0].text, windows[0].tokens / len(windows[0].text)
        parts = [_TextWindow(_visible(part), tokens_per_character * len(part)) for part in halves(text)]
        return mean_of_windows([*self._request(parts, purpose, patience)], _tokens(parts))[None, :]

    def _error(self, failure: RequestFailure, code: str) -> ProviderError:
        """Return the error for the failure. Its code is `code` unless the failure has one.

        The error's detail `when` states when another try can succeed.
        """
        subject = f"{self._model.provider} {self._model.model}"
        if failure.kind == "quota":
            return ProviderError(subject, failure.reason, code, when=failure.when or _after(failure.delay or 0))
        if failure.code:
            return ProviderError(subject, failure.reason, failure.code, **failure.details)
        return ProviderError(subject, failure.reason, code, when="later")


def _visible(text: str) -> str:
    """Return `text`, or a placeholder if it has no visible character."""
    return text if any(not letter.isspace() and letter.isprintable() for letter in text) else PLACEHOLDER


def _checked(response: Sequence[ArrayLike], count: int, dimension: int | None) -> NDArray[np.float32]:
    """Return the response as unit vectors, float32 (count, dimension). Raises RequestFailure if it is anything else."""
    if len(response) != count:
        raise RequestFailure("answer", f"the response has {len(response)} vectors for {count} texts")
    try:
        vectors = np.array(response, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        reason = "the response has vectors of unequal length, or values that are not numbers"
        raise RequestFailure("answer", reason) from error
    if vectors.ndim != 2 or vectors.shape[1] != (dimension or vectors.shape[1]) or not vectors.size:
        reason = f"the response has vectors of {vectors.shape[-1]} numbers, not {dimension or 'some'}"
        raise RequestFailure("answer", reason)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not lengths.all():
        raise RequestFailure("answer", "the response has a vector without direction (nan, infinite or zero)")
    unit: NDArray[np.float32] = (vectors / lengths).astype(np.float32)
    return unit


def _tokens(windows: TextWindows) -> list[float]:
    return [window.tokens for window in windows]


def _after(delay: float) -> str:
    """Return "after 2026-11-21 14:32", in local time, for a delay in seconds."""
    return f"after {datetime.now() + timedelta(seconds=delay + 60):%Y-%m-%d %H:%M}"
