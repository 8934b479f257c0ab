"""Google's Gemini embedding models, through the package google-genai or the older google-generativeai.

Both packages call `POST /v1beta/models/MODEL:batchEmbedContents`. Their own retries are switched off: retry.py retries.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from numpy.typing import ArrayLike

from vsearch_core.embed.providers import GEMINI_ADDRESS
from vsearch_core.embed.remote.credentials import Credentials, checked_url, host_of, same_address
from vsearch_core.embed.remote.embedder import REMOTE_WINDOWING, ProviderModel, Purpose, RemoteEmbedder
from vsearch_core.embed.remote.retry import RequestFailure, RequestPolicy
from vsearch_core.embed.remote.wire import (
    client_setup_error,
    failure_from_status,
    invalid_response,
    missing_extra_error,
    unreachable,
)
from vsearch_core.errors import ArgumentError, InputError, ModelError
from vsearch_core.model import EmbedderSpec

DEFAULT_MODEL = "gemini-embedding-001"
DEFAULT_DIMENSION = 768
DIMENSIONS = range(128, 3073)
TEXTS_PER_REQUEST = 100  # the API's limit
TOKENS_PER_REQUEST = 200_000
WINDOWS = {DEFAULT_MODEL: 2048, "gemini-embedding-2": 8192}  # tokens; the API silently cuts what is longer
TASKS: Mapping[Purpose, str] = {"document": "RETRIEVAL_DOCUMENT", "query": "RETRIEVAL_QUERY"}
RETIRED_MODELS = {"text-embedding-004", "embedding-001"}


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """The address, model, key and timeout (seconds) of requests."""

    model: str
    dimension: int
    base_url: str
    timeout: float
    credentials: Credentials


class _Adapter(Protocol):
    """Sends one request through one of the packages. Raises RequestFailure."""

    def __call__(self, texts: Sequence[str], task: str | None) -> Sequence[ArrayLike]: ...


def open_gemini(spec: EmbedderSpec, policy: RequestPolicy, credentials: Credentials) -> RemoteEmbedder:
    """Return an embedder for a Gemini model. No request is sent yet.

    The API key is sent only to Google's own address or to the trusted URL. Raises InputError if the model or dimension
    is not supported, and ModelError if there is no key, the URL isn't trusted, or no package is installed.
    """
    model = (spec.model or DEFAULT_MODEL).removeprefix("models/")
    if model in RETIRED_MODELS:
        raise InputError(f"model {model}", "Google has shut it down", "model-retired", successor=DEFAULT_MODEL)
    if model not in WINDOWS:
        reason = "isn't supported by the Gemini embedder"
        raise InputError(f"model {model}", reason, "unknown-choice", choices=", ".join(WINDOWS))
    dimension = DEFAULT_DIMENSION if spec.dimension is None else spec.dimension
    if dimension not in DIMENSIONS:
        reason = f"{dimension} is out of range: {model} makes vectors of {DIMENSIONS[0]} to {DIMENSIONS[-1]}"
        raise ArgumentError("dimension", reason, "dimension-out-of-range", default=DEFAULT_DIMENSION)
    base_url = checked_url(spec.base_url or GEMINI_ADDRESS)
    _check_key(base_url, credentials)
    has_tasks = model == DEFAULT_MODEL
    send = _adapter(_Endpoint(model, dimension, base_url, policy.timeout, credentials))
    described = ProviderModel(
        provider="gemini",
        model=model,
        dimension=dimension,
        window=WINDOWS[model],
        texts=TEXTS_PER_REQUEST,
        tokens=TOKENS_PER_REQUEST,
        counts_texts=True,
        pooling=f"{'retrieval task types, ' if has_tasks else ''}{REMOTE_WINDOWING}",
        query_prefix="" if has_tasks else "task: search result | query: ",
        document_prefix="" if has_tasks else "title: none | text: ",
    )
    return RemoteEmbedder(described, lambda texts, purpose: send(texts, TASKS[purpose] if has_tasks else None), policy)


def _check_key(base_url: str, credentials: Credentials) -> None:
    """Raise ModelError if there is no key, or the address must not receive it."""
    if credentials.api_key is None:
        raise ModelError("embedder gemini", "there is no API key", "gemini-key-missing")
    if not same_address(base_url, GEMINI_ADDRESS) and not credentials.allow(base_url):
        subject = f"embedder gemini at {base_url}"
        raise ModelError(subject, "the API key is not sent to an address that isn't trusted", "gemini-url-untrusted")


def _adapter(endpoint: _Endpoint) -> _Adapter:
    """Return the adapter for the installed package, google-genai if both are. Raises ModelError if neither is."""
    for adapter in (_GoogleGenai, _GoogleGenerativeai):
        try:
            import tenacity  # noqa: F401 - retry.py's; missing here is missing there

            return adapter(endpoint)
        except ImportError:
            continue
    raise missing_extra_error("gemini", "gemini")


class _GoogleGenai:
    """Sends requests through google-genai."""

    def __init__(self, endpoint: _Endpoint) -> None:
        from google.genai import Client, errors, types

        self._endpoint, self._types, self._errors = endpoint, types, errors
        key, base_url = endpoint.credentials.api_key, endpoint.base_url
        # No redirect takes the key along to another host; requests to this machine go through no proxy.
        arguments = {"follow_redirects": False, "trust_env": host_of(base_url) is not None}
        timeout = int(endpoint.timeout * 1000)
        options = types.HttpOptions(base_url=base_url, api_version="v1beta", timeout=timeout, client_args=arguments)
        try:
            self._client = Client(api_key=key, vertexai=False, http_options=options)
        except (ImportError, ValueError, OSError) as error:
            raise client_setup_error("gemini", error, key) from None

    def __call__(self, texts: Sequence[str], task: str | None) -> Sequence[ArrayLike]:
        """Send one request. Raises RequestFailure."""
        types, endpoint = self._types, self._endpoint
        # Plain strings would become the parts of one text, with one vector, for gemini-embedding-2.
        contents = [types.Content(parts=[types.Part(text=text)]) for text in texts]
        config = types.EmbedContentConfig(task_type=task, output_dimensionality=endpoint.dimension)
        try:
            response = self._client.models.embed_content(model=endpoint.model, contents=contents, config=config)
            return [embedding.values or [] for embedding in response.embeddings or []]
        except self._errors.APIError as error:
            raise _failure(error.code, error.details, endpoint.credentials) from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:  # not JSON, or other JSON than expected
            raise invalid_response(error) from None
        except Exception as error:  # its HTTP client's errors; which client that is depends on the version
            raise unreachable(error, endpoint.credentials.api_key) from None


class _GoogleGenerativeai:
    """Sends requests through google-generativeai, over REST."""

    def __init__(self, endpoint: _Endpoint) -> None:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that its support has ended, and that of this Python will
            import google.generativeai as package
            from google.ai.generativelanguage import GenerativeServiceClient
            from google.api_core.exceptions import GoogleAPICallError
            from google.protobuf.json_format import ParseError

        self._endpoint, self._package = endpoint, package
        self._call_error, self._parse_error = GoogleAPICallError, ParseError
        options = {"api_key": endpoint.credentials.api_key, "api_endpoint": endpoint.base_url}
        self._client = GenerativeServiceClient(transport="rest", client_options=options)

    def __call__(self, texts: Sequence[str], task: str | None) -> Sequence[ArrayLike]:
        """Send one request. Raises RequestFailure."""
        endpoint = self._endpoint
        try:
            response = self._package.embed_content(
                model=f"models/{endpoint.model}",
                content=list(texts),
                task_type=task,
                output_dimensionality=endpoint.dimension,
                client=self._client,
                request_options={"retry": None, "timeout": endpoint.timeout},
            )
            vectors: list[list[float]] = response["embedding"]
            return vectors
        except self._call_error as error:
            message = re.sub(r"^POST \S+: ", "", str(error.message))
            body = {"error": {"message": message, "details": list(error.details or ())}}
            raise _failure(int(error.code or 500), body, endpoint.credentials) from None
        except OSError as error:  # the base of the requests package's errors, some of which are ValueErrors too
            raise unreachable(error, endpoint.credentials.api_key) from None
        except (self._parse_error, ValueError, KeyError, TypeError, AttributeError) as error:
            raise invalid_response(error) from None
        except Exception as error:  # google.auth's transport errors
            raise unreachable(error, endpoint.credentials.api_key) from None


def _failure(status: int, body: Any, credentials: Credentials) -> RequestFailure:
    """Return the failure for an error response of the API (https://cloud.google.com/apis/design/errors)."""
    while isinstance(body, list) and body:
        body = body[0]
    error = body.get("error", body) if isinstance(body, Mapping) else {}
    error = error if isinstance(error, Mapping) else {}
    message = str(error.get("message", ""))
    details = [detail for detail in error.get("details") or () if isinstance(detail, Mapping)]
    violations = json.dumps([detail.get("violations") for detail in details])
    if status == 429:
        if re.search(r"limit: 0\b", message) or '"quotaValue": "0"' in violations:
            when = "once your plan allows the model"
            return RequestFailure("quota", "your key has no quota for this model", when=when)
        if "PerDay" in violations or "per day" in message.lower():
            return RequestFailure("quota", "the day's quota is used up", when=_next_day())
    delays = [_seconds(detail.get("retryDelay")) for detail in details if "retryDelay" in detail]
    return failure_from_status(status, message, credentials, delay=next(iter(delays), None))


def _seconds(duration: object) -> float | None:
    """Return the seconds of a protobuf duration in JSON, such as "5s" or "0.1s"; None if it isn't one."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)s", str(duration))
    return float(match[1]) if match else None


def _next_day() -> str:
    """Return the time when Google renews daily quotas, which is midnight in California, as text for a message."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        there = datetime.now(ZoneInfo("America/Los_Angeles"))
    except ZoneInfoNotFoundError:  # Windows has no time zones of its own
        return "after midnight Pacific time"
    midnight = (there + timedelta(days=1)).replace(hour=0, minute=0, second=0)
    return f"after {midnight.astimezone():%Y-%m-%d %H:%M} (midnight Pacific time)"
