"""Gemini's embedding models through Google's packages: google-genai, else google-generativeai, which it succeeds.

Both speak `POST /v1beta/models/M:batchEmbedContents`. Each adapter is told to ask once: retry.py asks again.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from numpy.typing import ArrayLike

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

HOME = "https://generativelanguage.googleapis.com"
KEYS = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
DEFAULT_MODEL = "gemini-embedding-001"
DEFAULT_DIMENSION = 768
DIMENSIONS = range(128, 3073)
TEXTS_A_REQUEST = 100  # the API's limit
TOKENS_A_REQUEST = 200_000
WINDOWS = {DEFAULT_MODEL: 2048, "gemini-embedding-2": 8192}  # tokens; what is longer the API cuts without a word
TASKS: Mapping[Purpose, str] = {"document": "RETRIEVAL_DOCUMENT", "query": "RETRIEVAL_QUERY"}
GONE = {"text-embedding-004", "embedding-001"}


class _Adapter(Protocol):
    """One request through one of the packages. Raises RequestFailure."""

    def __call__(self, texts: Sequence[str], task: str | None) -> Sequence[ArrayLike]: ...


def open_gemini(spec: EmbedderSpec, policy: RequestPolicy, named_url: str | None) -> RemoteEmbedder:
    """The embedder; nothing is sent yet. The key goes to Google's own address or to `named_url`, the user's word.

    Raises InputError and ModelError.
    """
    model = (spec.model or DEFAULT_MODEL).removeprefix("models/")
    if model in GONE:
        raise InputError(f"model {model}", "Google has shut it down", f"use {DEFAULT_MODEL}")
    if model not in WINDOWS:
        raise InputError(f"model {model}", "unknown to the Gemini embedder", f"choose one of: {', '.join(WINDOWS)}")
    dimension = DEFAULT_DIMENSION if spec.dimension is None else spec.dimension
    if dimension not in DIMENSIONS:
        raise InputError(f"--dimensions {dimension}", f"{model} makes 128 to 3072", f"use {DEFAULT_DIMENSION}")
    base_url = checked_url(spec.base_url or HOME)
    variable, key = _key_for(base_url, named_url)
    has_tasks = model == DEFAULT_MODEL
    adapter = _adapter(model, dimension, key, base_url, policy.timeout, variable)
    offer = ProviderModel(
        provider="gemini",
        model=model,
        dimension=dimension,
        window=WINDOWS[model],
        texts=TEXTS_A_REQUEST,
        tokens=TOKENS_A_REQUEST,
        counts_texts=True,
        pooling=f"{'retrieval task types, ' if has_tasks else ''}{REMOTE_WINDOWING}",
        query_prefix="" if has_tasks else "task: search result | query: ",
        document_prefix="" if has_tasks else "title: none | text: ",
    )
    return RemoteEmbedder(offer, lambda texts, purpose: adapter(texts, TASKS[purpose] if has_tasks else None), policy)


def _key_for(base_url: str, named_url: str | None) -> tuple[str, str]:
    found = find_key(KEYS)
    if found is None:
        raise ModelError("embedder gemini", f"neither {KEYS[0]} nor {KEYS[1]} is set", f"set {KEYS[0]} to your key")
    if not same_address(base_url, HOME) and not same_address(base_url, named_url):
        raise ModelError(
            f"embedder gemini at {base_url}",
            "the key goes only to Google or where you say",
            "set GOOGLE_GEMINI_BASE_URL to that address if you trust it",
        )
    return found


def _adapter(model: str, dimension: int, key: str, base_url: str, timeout: float, variable: str) -> _Adapter:
    """The adapter to the package that is installed; the successor where both are."""
    for adapter in (_Genai, _Generativeai):
        try:
            import tenacity  # noqa: F401 - retry.py's; missing here is missing there

            return adapter(model, dimension, key, base_url, timeout, variable)
        except ImportError:
            continue
    raise missing_extra_error("gemini", "gemini")


class _Genai:
    """Through google-genai."""

    def __init__(self, model: str, dimension: int, key: str, base_url: str, timeout: float, variable: str) -> None:
        from google.genai import Client, errors, types

        self._model, self._dimension, self._key, self._variable = model, dimension, key, variable
        self._types, self._errors = types, errors
        # No redirect takes the key along to another host; what is meant for this machine goes through no proxy.
        arguments = {"follow_redirects": False, "trust_env": host_of(base_url) is not None}
        options = types.HttpOptions(
            base_url=base_url, api_version="v1beta", timeout=int(timeout * 1000), client_args=arguments
        )
        try:
            self._client = Client(api_key=key, vertexai=False, http_options=options)
        except (ImportError, ValueError, OSError) as error:
            raise client_setup_error("gemini", error, key) from None

    def __call__(self, texts: Sequence[str], task: str | None) -> Sequence[ArrayLike]:
        types = self._types
        # Plain strings would become the parts of one text, with one vector, where the model takes more than text.
        contents = [types.Content(parts=[types.Part(text=text)]) for text in texts]
        config = types.EmbedContentConfig(task_type=task, output_dimensionality=self._dimension)
        try:
            answer = self._client.models.embed_content(model=self._model, contents=contents, config=config)
            return [embedding.values or [] for embedding in answer.embeddings or []]
        except self._errors.APIError as error:
            raise _failure(error.code, error.details, self._key, self._variable) from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:  # no JSON, or not the JSON that it knows
            raise invalid_response(error) from None
        except Exception as error:  # its HTTP client's errors; which client that is depends on the version
            raise unreachable(error, self._key) from None


class _Generativeai:
    """Through google-generativeai, over REST."""

    def __init__(self, model: str, dimension: int, key: str, base_url: str, timeout: float, variable: str) -> None:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that its support has ended, and that of this Python will
            import google.generativeai as package
            from google.ai.generativelanguage import GenerativeServiceClient
            from google.api_core.exceptions import GoogleAPICallError
            from google.protobuf.json_format import ParseError

        self._model, self._dimension, self._key, self._variable = model, dimension, key, variable
        self._package, self._call_error, self._parse_error = package, GoogleAPICallError, ParseError
        self._options = {"retry": None, "timeout": timeout}
        self._client = GenerativeServiceClient(
            transport="rest", client_options={"api_key": key, "api_endpoint": base_url}
        )

    def __call__(self, texts: Sequence[str], task: str | None) -> Sequence[ArrayLike]:
        try:
            answer = self._package.embed_content(
                model=f"models/{self._model}",
                content=list(texts),
                task_type=task,
                output_dimensionality=self._dimension,
                client=self._client,
                request_options=self._options,
            )
            vectors: list[list[float]] = answer["embedding"]
            return vectors
        except self._call_error as error:
            words = re.sub(r"^POST \S+: ", "", str(error.message))
            body = {"error": {"message": words, "details": list(error.details or ())}}
            raise _failure(int(error.code or 500), body, self._key, self._variable) from None
        except OSError as error:  # the base of the requests package's errors
            raise unreachable(error, self._key) from None
        except (self._parse_error, ValueError, KeyError, TypeError, AttributeError) as error:
            raise invalid_response(error) from None
        except Exception as error:  # google.auth's transport errors
            raise unreachable(error, self._key) from None


def _failure(status: int, body: Any, key: str, variable: str) -> RequestFailure:
    """What an error of the API means: https://cloud.google.com/apis/design/errors."""
    while isinstance(body, list) and body:
        body = body[0]
    error = body.get("error", body) if isinstance(body, Mapping) else {}
    error = error if isinstance(error, Mapping) else {}
    words = str(error.get("message", ""))
    details = [detail for detail in error.get("details") or () if isinstance(detail, Mapping)]
    violations = json.dumps([detail.get("violations") for detail in details])
    if status == 429:
        if re.search(r"limit: 0\b", words) or '"quotaValue": "0"' in violations:
            return RequestFailure(
                "quota", "your key has no quota for this model", next_step="once its plan allows the model"
            )
        if "PerDay" in violations or "per day" in words.lower():
            return RequestFailure("quota", "the day's quota is used up", next_step=_next_day())
    delays = [_seconds(detail.get("retryDelay")) for detail in details if "retryDelay" in detail]
    return failure_from_status(status, excerpt(words, key), delay=next(iter(delays), None), key_variable=variable)


def _seconds(duration: object) -> float | None:
    """A protobuf duration as JSON has it: "5s", "0.1s"."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)s", str(duration))
    return float(match[1]) if match else None


def _next_day() -> str:
    """When Google's daily quotas start anew: at midnight in California."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        there = datetime.now(ZoneInfo("America/Los_Angeles"))
    except ZoneInfoNotFoundError:  # Windows has no time zones of its own
        return "after midnight Pacific time"
    midnight = (there + timedelta(days=1)).replace(hour=0, minute=0, second=0)
    return f"after {midnight.astimezone():%Y-%m-%d %H:%M} (midnight Pacific time)"
