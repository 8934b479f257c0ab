"""OpenAI's embeddings, and every server that speaks its HTTP: Ollama, llama.cpp, vLLM, TEI, LM Studio."""

import base64
import json
import math
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any
from weakref import finalize

import numpy as np
from numpy.typing import ArrayLike

from vsearch_core.config import BASE_URL_VARIABLES
from vsearch_core.embed.remote.embedder import REMOTE_WINDOWING, ProviderModel, Purpose, RemoteEmbedder
from vsearch_core.embed.remote.retry import RequestFailure, RequestPolicy
from vsearch_core.embed.remote.wire import (
    checked_url,
    client_setup_error,
    excerpt,
    failure_from_status,
    find_key,
    host_of,
    invalid_response,
    missing_extra_error,
    same_address,
    unreachable,
)
from vsearch_core.errors import InputError, ModelError
from vsearch_core.model import EmbedderSpec

HOME = "https://api.openai.com/v1"
KEY = "OPENAI_API_KEY"
DEFAULT_MODEL = "text-embedding-3-small"
NATIVE = {DEFAULT_MODEL: 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}  # dimensions
WINDOW = 8192  # tokens, of OpenAI's models; a server whose model reads less says so, and gets halves
TEXTS_A_REQUEST = {True: 100, False: 32}  # at OpenAI; elsewhere as many as TEI takes
NAME_IT = f"if you trust it, set {BASE_URL_VARIABLES['openai']} to that address and {KEY} to its key"
TOKENS_A_REQUEST = 250_000  # OpenAI takes 300,000


def open_openai(spec: EmbedderSpec, policy: RequestPolicy, named_url: str | None) -> RemoteEmbedder:
    """The embedder; nothing is sent yet. The key goes to OpenAI's own address or to `named_url`, the user's word.

    Raises InputError and ModelError.
    """
    base_url = checked_url(spec.base_url or HOME)
    at_home = same_address(base_url, HOME)
    if spec.model is None and not at_home:
        raise InputError(f"embedder openai at {base_url}", "it doesn't say which model", "name one with --model")
    model = spec.model or DEFAULT_MODEL
    if spec.dimension is not None and spec.dimension < 1:
        raise InputError(f"--dimensions {spec.dimension}", "too few", "leave it out")
    found = find_key([KEY])
    if found is None and at_home:
        raise ModelError("embedder openai", f"{KEY} is not set", "set it to your key, or name a server with --base-url")
    key = found[1] if found is not None and (at_home or same_address(base_url, named_url)) else None
    offer = ProviderModel(
        provider="openai",
        model=model,
        dimension=spec.dimension or NATIVE.get(model),
        window=WINDOW,
        texts=TEXTS_A_REQUEST[at_home],
        tokens=TOKENS_A_REQUEST,
        counts_texts=False,
        pooling=REMOTE_WINDOWING,
    )
    return RemoteEmbedder(offer, _Server(base_url, key, model, spec.dimension, policy.timeout), policy)


class _Server:
    """`POST /embeddings`, asked once a call."""

    def __init__(self, base_url: str, key: str | None, model: str, dimension: int | None, timeout: float) -> None:
        try:
            import httpx2
            import tenacity  # noqa: F401 - retry.py's; missing here is missing there
        except ImportError:
            raise missing_extra_error("openai", "openai") from None
        self._httpx = httpx2
        self._url = f"{base_url}/embeddings"
        self._key = key
        self._dimension = dimension
        # A fifth of the bytes; some servers know floats only.
        self._body: dict[str, Any] = {"model": model, "encoding_format": "base64" if base_url == HOME else "float"}
        if dimension is not None and dimension != NATIVE.get(model, dimension):
            self._body["dimensions"] = dimension
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        # What is meant for this machine goes through no proxy: nobody was asked about that one.
        try:
            self._client = httpx2.Client(headers=headers, timeout=timeout, trust_env=host_of(base_url) is not None)
        except (ImportError, ValueError, OSError) as error:
            raise client_setup_error("openai", error, key) from None
        finalize(self, self._client.close)

    def __call__(self, texts: Sequence[str], purpose: Purpose) -> Sequence[ArrayLike]:
        try:
            response = self._client.post(self._url, json={**self._body, "input": list(texts)})
        except self._httpx.HTTPError as error:
            raise unreachable(error, self._key) from None
        except (self._httpx.InvalidURL, UnicodeError) as error:
            reason = f"not an address ({excerpt(error, self._key)})"
            raise RequestFailure("refused", reason, next_step="check --base-url") from None
        if response.status_code != 200:
            raise self._refusal(response.status_code, response.headers, response.text)
        try:
            answer = response.json()
            vectors = _in_order(answer["data"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise invalid_response(error) from None
        _refuse_cut(answer, texts)
        self._want_dimension(vectors)
        return vectors

    def _want_dimension(self, vectors: Sequence[Sequence[float]]) -> None:
        """SendRequest for the dimension by name once a server's model turns out to have another: not all let it be named."""
        if self._dimension and vectors and len(vectors[0]) != self._dimension:
            self._body["dimensions"] = self._dimension

    def _refusal(self, status: int, headers: Mapping[str, str], text: str) -> RequestFailure:
        words, code = _error_words(text)
        if status == 429 and code == "insufficient_quota":
            return RequestFailure("quota", "the account has no credit left", next_step="once it has")
        if status in {401, 403} and self._key is None:
            return RequestFailure("refused", f"it wants a key, and got none (status {status})", next_step=NAME_IT)
        return failure_from_status(status, excerpt(words, self._key), delay=_delay(headers), key_variable=KEY)


def _in_order(data: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The vectors by their `index`; where all have the same (some servers number nothing), as they come."""
    numbered = sorted(((item.get("index", place), place) for place, item in enumerate(data)))
    numbers = [number for number, _ in numbered]
    if numbers != list(range(len(data))) and set(numbers) != {0}:
        raise ValueError("not the numbers of the texts")
    return [_numbers(data[place]["embedding"]) for _, place in numbered]


def _numbers(embedding: object) -> Any:
    """A vector from base64 (little-endian float32) or as it is; what it is not shows when it is checked."""
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4")
    return embedding


def _refuse_cut(answer: Mapping[str, Any], texts: Sequence[str]) -> None:
    """Raise RequestFailure where fewer tokens were read than the texts have words: Ollama cuts long texts and says nothing.

    A word without a letter or a digit may be no token at all: BERT's tokenizer drops U+FFFD and zero-width characters.
    """
    usage = answer.get("usage")
    read = usage.get("prompt_tokens") if isinstance(usage, Mapping) else None
    words = sum(any(map(str.isalnum, word)) for text in texts for word in text.split())
    if isinstance(read, int) and 0 < read < words:
        raise RequestFailure("too long", f"read {read} tokens of {words} words, so it cuts long texts")


def _error_words(text: str) -> tuple[str, str]:
    """The message and the code of an error body in any of the servers' dialects; the body itself where it has none."""
    try:
        body = json.loads(text)
    except ValueError:
        return text[:2000], ""
    error = body.get("error", body) if isinstance(body, Mapping) else body
    if isinstance(error, Mapping):
        return str(error.get("message") or error.get("error") or ""), str(error.get("code") or "")
    return str(error), ""


def _delay(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by `Retry-After-Ms` (OpenAI's) or `Retry-After`, which is seconds or a date."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) / unit
        except ValueError:
            continue
        if math.isfinite(seconds):
            return max(seconds, 0.0)
    try:
        return max(parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time.time(), 0.0)
    except ValueError:
        return None
