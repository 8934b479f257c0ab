"""OpenAI's embedding models, and servers with the same HTTP API, such as Ollama, llama.cpp, vLLM, TEI and LM Studio."""

import base64
import math
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any
from weakref import finalize

import numpy as np
from numpy.typing import ArrayLike

from vsearch_core.embed.providers import OPENAI_ADDRESS
from vsearch_core.embed.remote.credentials import Credentials, checked_url, host_of, same_address
from vsearch_core.embed.remote.embedder import REMOTE_WINDOWING, ProviderModel, Purpose, RemoteEmbedder
from vsearch_core.embed.remote.retry import RequestFailure, RequestPolicy
from vsearch_core.embed.remote.wire import (
    client_setup_error,
    excerpt,
    failure_from_status,
    invalid_response,
    missing_extra_error,
    unreachable,
)
from vsearch_core.errors import ArgumentError, InputError, ModelError
from vsearch_core.json_text import parse_json
from vsearch_core.model import EmbedderSpec

DEFAULT_MODEL = "text-embedding-3-small"
NATIVE = {DEFAULT_MODEL: 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}  # dimensions
WINDOW = 8192  # tokens, of OpenAI's models; a server whose model reads less says so, and gets halves
TEXTS_PER_REQUEST = {True: 100, False: 32}  # at OpenAI; elsewhere as many as TEI takes
TOKENS_PER_REQUEST = 250_000  # OpenAI takes 300,000


def open_openai(spec: EmbedderSpec, policy: RequestPolicy, credentials: Credentials) -> RemoteEmbedder:
    """Return an embedder for OpenAI or for a server with the same API. No request is sent yet.

    The API key is sent only to OpenAI's own address or to the trusted URL. Raises InputError if an option is invalid or
    a model must be named, and ModelError if OpenAI's key is missing or a package isn't installed.
    """
    base_url = checked_url(spec.base_url or OPENAI_ADDRESS)
    at_home = same_address(base_url, OPENAI_ADDRESS)
    if spec.model is None and not at_home:
        raise InputError(f"embedder openai at {base_url}", "it has no default model", "model-unnamed")
    model = spec.model or DEFAULT_MODEL
    if spec.dimension is not None and spec.dimension < 1:
        raise ArgumentError("dimension", f"{spec.dimension} is too small", "option-not-applicable")
    if credentials.api_key is None and at_home:
        raise ModelError("embedder openai", "there is no API key", "openai-key-missing")
    if not at_home and not credentials.allow(base_url):
        credentials = Credentials(None, key_name=credentials.key_name)
    described = ProviderModel(
        provider="openai",
        model=model,
        dimension=spec.dimension or NATIVE.get(model),
        window=WINDOW,
        texts=TEXTS_PER_REQUEST[at_home],
        tokens=TOKENS_PER_REQUEST,
        counts_texts=False,
        pooling=REMOTE_WINDOWING,
    )
    return RemoteEmbedder(described, _Server(base_url, credentials, model, spec.dimension, policy.timeout), policy)


class _Server:
    """Sends one `POST /embeddings` request per call."""

    def __init__(
        self, base_url: str, credentials: Credentials, model: str, dimension: int | None, timeout: float
    ) -> None:
        try:
            import httpx2
            import tenacity  # noqa: F401 - retry.py's; missing here is missing there
        except ImportError:
            raise missing_extra_error("openai", "openai") from None
        self._httpx = httpx2
        self._url = f"{base_url}/embeddings"
        self._credentials = credentials
        self._key = credentials.api_key
        self._dimension = dimension
        # base64 is a fifth of the bytes; some servers know floats only.
        encoding = "base64" if base_url == OPENAI_ADDRESS else "float"
        self._body: dict[str, Any] = {"model": model, "encoding_format": encoding}
        if dimension is not None and dimension != NATIVE.get(model, dimension):
            self._body["dimensions"] = dimension
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        # Requests to this machine go through no proxy: nobody has agreed to that.
        try:
            self._client = httpx2.Client(headers=headers, timeout=timeout, trust_env=host_of(base_url) is not None)
        except (ImportError, ValueError, OSError) as error:
            raise client_setup_error("openai", error, self._key) from None
        finalize(self, self._client.close)

    def __call__(self, texts: Sequence[str], purpose: Purpose) -> Sequence[ArrayLike]:
        """Send one request. Raises RequestFailure."""
        try:
            response = self._client.post(self._url, json={**self._body, "input": list(texts)})
        except self._httpx.HTTPError as error:
            raise unreachable(error, self._key) from None
        except (self._httpx.InvalidURL, UnicodeError) as error:
            reason = f"not an address ({excerpt(error, self._key)})"
            raise RequestFailure("refused", reason, code="invalid-address") from None
        if response.status_code != 200:
            raise self._refusal(response.status_code, response.headers, response.text)
        try:
            body = response.json()
            vectors = _in_order(body["data"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise invalid_response(error) from None
        _check_uncut(body, texts)
        self._request_dimension(vectors)
        return vectors

    def _request_dimension(self, vectors: Sequence[Sequence[float]]) -> None:
        """Ask for the dimension in later requests if the vectors have another one.

        It isn't sent at first, because not all servers accept it.
        """
        if self._dimension and vectors and len(vectors[0]) != self._dimension:
            self._body["dimensions"] = self._dimension

    def _refusal(self, status: int, headers: Mapping[str, str], text: str) -> RequestFailure:
        message, code = _error_message(text)
        if status == 429 and code == "insufficient_quota":
            return RequestFailure("quota", "the account has no credit left", when="once it has credit again")
        if status in {401, 403} and self._key is None:
            reason = f"the server requires a key, and none was sent (status {status})"
            return RequestFailure("refused", reason, code="openai-url-untrusted")
        return failure_from_status(status, message, self._credentials, delay=_delay(headers))


def _in_order(data: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return the vectors in the order of their `index`. If a server gives all of them 0, keep the given order."""
    numbered = sorted(((item.get("index", position), position) for position, item in enumerate(data)))
    numbers = [number for number, _ in numbered]
    if numbers != list(range(len(data))) and set(numbers) != {0}:
        raise ValueError("not the numbers of the texts")
    return [_numbers(data[position]["embedding"]) for _, position in numbered]


def _numbers(embedding: object) -> Any:
    """Return a vector. Decode it if it is base64 (little-endian float32); else return it as it is, unchecked."""
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4")
    return embedding


def _check_uncut(body: Mapping[str, Any], texts: Sequence[str]) -> None:
    """Raise RequestFailure if the server read fewer tokens than the texts have words: Ollama silently cuts long texts.

    A word without a letter or a digit may be no token at all: BERT's tokenizer drops U+FFFD and zero-width characters.
    """
    usage = body.get("usage")
    read = usage.get("prompt_tokens") if isinstance(usage, Mapping) else None
    words = sum(any(map(str.isalnum, word)) for text in texts for word in text.split())
    if isinstance(read, int) and 0 < read < words:
        raise RequestFailure("too long", f"the server read {read} tokens of {words} words, so it truncates long texts")


def _error_message(text: str) -> tuple[str, str]:
    """Return the message and the code in the body of an error response. Servers use several formats.

    If the body isn't JSON, the message is the body itself, and the code is "".
    """
    try:
        body = parse_json(text)
    except ValueError:
        return text[:2000], ""
    error = body.get("error", body) if isinstance(body, Mapping) else body
    if isinstance(error, Mapping):
        return str(error.get("message") or error.get("error") or ""), str(error.get("code") or "")
    return str(error), ""


def _delay(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait by the header `Retry-After-Ms` (OpenAI's) or `Retry-After` (seconds or a date)."""
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
