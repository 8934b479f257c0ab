"""Embedding providers on loopback that use the real wire formats, with faults on request.

A vector is the sum of a fixed direction for each word, so that texts with common words are near. A text is read up to
`reads` words; the rest is silently cut, as by Gemini, or the text is refused, as by others.
"""

import base64
import hashlib
import json
import re
import select
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

KEY = "AIza-this-key-must-never-be-seen-0123456789"
HANG = 60.0  # seconds
DIALECTS = ("openai", "ollama", "llama.cpp", "vllm", "tei", "lm studio")

Fault = str  # "" for a proper response; else a fault of `_Handler._apply_fault` or `spoil_vectors`
Faults = Callable[[int], Fault]


def direction(text: str, dimension: int) -> NDArray[np.float64]:
    """Return the unit vector that a text gets."""
    total = np.full(dimension, 1e-3)
    for word in re.findall(r"\w+", text.lower()):
        total = total + _word(word, dimension)
    unit: NDArray[np.float64] = total / np.linalg.norm(total)
    return unit


@lru_cache(100_000)
def _word(word: str, dimension: int) -> NDArray[np.float64]:
    seed = int.from_bytes(hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=4).digest(), "big")
    return np.random.default_rng(seed).standard_normal(dimension)


class RefusedError(Exception):
    """An error response: status and JSON body."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


@dataclass
class FakeProvider:
    """The state of a server. `faults(n)` is the fault of its n-th response, from 0."""

    dialect: str
    faults: Faults = lambda _: ""
    dimension: int = 48  # of the vectors, if the request names none
    reads: int = 2_000  # words of a text
    url: str = ""
    key: str | None = KEY
    requests: list[Any] = field(default_factory=list)  # the JSON bodies, in order
    keys: list[str | None] = field(default_factory=list)  # the key of each request
    answered: Counter[str] = field(default_factory=Counter)  # texts that were embedded, and paid for
    after: Callable[[int], None] = lambda _: None  # called when request n has been answered
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def texts(self) -> list[str]:
        """All texts that were sent, in order."""
        return [text for body in self.requests for text in self.texts_of(body)]

    def texts_of(self, body: Any) -> list[str]:
        if self.dialect != "gemini":
            return list(body["input"])
        return ["".join(part["text"] for part in each["content"]["parts"]) for each in body["requests"]]

    def answer(self, path: str, body: Any, key: str | None, fault: Fault) -> Any:
        """Return the JSON response. Raises RefusedError."""
        if self.dialect == "gemini":
            return self._gemini(path, body, key, fault)
        return self._openai(path, body, key, fault)

    def _gemini(self, path: str, body: Any, key: str | None, fault: Fault) -> Any:
        if key != self.key:
            raise RefusedError(400, _google_error(400, f"API key not valid: {key}. Please pass a valid API key."))
        match = re.fullmatch(r"/v1beta/models/([\w.-]+):batchEmbedContents", path)
        if match is None or match[1] not in {"gemini-embedding-001", "gemini-embedding-2"}:
            raise RefusedError(404, _google_error(404, f"{path} is not found for API version v1beta"))
        if not 1 <= len(body["requests"]) <= 100:
            raise RefusedError(400, _google_error(400, "at most 100 requests can be in one batch"))
        vectors = []
        for each in body["requests"]:
            assert each["model"] == f"models/{match[1]}"
            parts = each["content"]["parts"]
            assert len(parts) == 1, "several texts have become one"
            if not parts[0]["text"].strip():
                raise RefusedError(400, _google_error(400, "content contains an empty Part."))
            task = each.get("taskType", 0)
            assert (task in {"RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT", 1, 2}) == (match[1] == "gemini-embedding-001")
            read = " ".join(parts[0]["text"].split()[: self.reads])
            vectors.append(3 * direction(read, each["outputDimensionality"]))  # not unit length, as the real one's
        return {"embeddings": [{"values": vector} for vector in spoil_vectors([list(each) for each in vectors], fault)]}

    def _openai(self, path: str, body: Any, key: str | None, fault: Fault) -> Any:
        if self.dialect == "openai" and key != self.key:
            raise RefusedError(
                401, {"error": {"message": f"Incorrect API key provided: {key}.", "code": "invalid_api_key"}}
            )
        if path != "/v1/embeddings":
            raise RefusedError(404, {"error": {"message": f"Invalid URL (POST {path})"}})
        texts, dimension = body["input"], self.dimension
        if self.dialect in {"openai", "vllm"}:
            dimension = body.get("dimensions", dimension)
        if self.dialect == "openai" and "" in texts:
            raise RefusedError(400, {"error": {"message": "'$.input' is invalid.", "type": "invalid_request_error"}})
        words = [text.split() for text in texts]
        if self.dialect == "tei" and len(texts) > 32:
            message = f"batch size {len(texts)} > maximum allowed batch size 32"
            raise RefusedError(422, {"error": message, "error_type": "Validation"})
        if self.dialect == "ollama":
            words = [each[: self.reads] for each in words]
        elif longest := max((len(each) for each in words if len(each) > self.reads), default=0):
            raise self._too_long(longest)
        vectors = spoil_vectors([list(direction(" ".join(each), dimension)) for each in words], fault)
        return self._openai_body(body, vectors, sum(map(len, words)))

    def _openai_body(self, body: Any, vectors: list[Any], read: int) -> Any:
        base64_wanted = body.get("encoding_format") == "base64" and self.dialect not in {"ollama", "lm studio"}
        data = [
            {"object": "embedding", "index": number, "embedding": _base64(vector) if base64_wanted else vector}
            for number, vector in enumerate(vectors)
        ]
        if self.dialect == "openai":
            data.reverse()  # clients are to go by the index
        if self.dialect == "llama.cpp":
            data = [{**item, "index": 0} for item in data] if read % 2 else data
        usage = {} if self.dialect == "tei" else {"usage": {"prompt_tokens": read, "total_tokens": read}}
        return {"object": "list", "data": data, "model": body["model"], **usage}

    def _too_long(self, words: int) -> RefusedError:
        match self.dialect:
            case "llama.cpp":
                message = f"input ({words} tokens) is too large to process. increase the physical batch size"
                return RefusedError(500, {"error": {"code": 500, "message": message, "type": "server_error"}})
            case "vllm":
                message = f"This model's maximum context length is {self.reads} tokens. However, you requested {words}"
                return RefusedError(
                    400, {"object": "error", "message": message, "type": "BadRequestError", "code": 400}
                )
            case "tei":
                message = f"Input validation error: `inputs` must have less than {self.reads} tokens. Given: {words}"
                return RefusedError(413, {"error": message, "error_type": "Validation"})
            case "lm studio":
                return RefusedError(400, {"error": "The number of tokens to keep is greater than the context length"})
            case _:
                message = f"This model's maximum context length is {self.reads} tokens, however you requested {words}"
                return RefusedError(400, {"error": {"message": message, "type": "invalid_request_error", "code": None}})


def spoil_vectors(vectors: list[Any], fault: Fault) -> list[Any]:
    """Return the vectors as a server gives them that has a fault without an error status."""
    first, *others = vectors
    wrong: dict[Fault, list[Any]] = {
        "short": others,
        "extra": [first, *others, first],
        "nan": [["NaN", *first[1:]], *others],
        "huge": [[10**400, *first[1:]], *others],
        "zero": [[0.0] * len(first), *others],
        "dimension": [vector[:-1] for vector in vectors],
        "one dimension": [first[:-1], *others],
    }
    return wrong.get(fault, vectors)


def throttled(dialect: str, delay: float | None, **more: str) -> tuple[int, Any, dict[str, str]]:
    """Return status, body and headers of a 429."""
    if dialect != "gemini":
        body = {"error": {"message": "Rate limit reached for requests", "code": "rate_limit_exceeded", **more}}
        return 429, body, {} if delay is None else {"Retry-After": f"{delay:g}"}
    details: list[Any] = [] if delay is None else [_detail("RetryInfo", retryDelay=f"{delay:g}s")]
    if "quotaId" in more:
        details.append(_detail("QuotaFailure", violations=[{"quotaValue": "1000", **more}]))
    return 429, _google_error(429, more.get("message", "You exceeded your current quota"), details), {}


def _google_error(status: int, message: str, details: list[Any] | None = None) -> Any:
    names = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}
    return {"error": {"code": status, "message": message, "status": names[status], "details": details or []}}


def _detail(kind: str, **fields: Any) -> Any:
    return {"@type": f"type.googleapis.com/google.rpc.{kind}", **fields}


def _base64(vector: list[Any]) -> str:
    return base64.b64encode(np.array(vector, dtype=np.float64).astype("<f4").tobytes()).decode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    provider: FakeProvider

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        provider = self.provider
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers.get("x-goog-api-key") or (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        with provider.lock:
            number = len(provider.requests)
            provider.requests.append(body)
            provider.keys.append(key or None)
        fault = provider.faults(number)
        if not self._apply_fault(fault):
            try:
                answer = provider.answer(urlsplit(self.path).path, body, key or None, fault)
            except RefusedError as refused:
                self._send(refused.status, refused.body)
            else:
                if not fault:
                    with provider.lock:
                        provider.answered.update(provider.texts_of(body))
                self._send(200, answer)
        provider.after(number)

    def _apply_fault(self, fault: Fault) -> bool:
        """Respond with the fault. Return False for one that only spoils the vectors of a proper response."""
        kind, _, value = fault.partition(" ")
        gemini = self.provider.dialect == "gemini"
        match kind:
            case "429":
                self._send(*throttled(self.provider.dialect, float(value) if value else None))
            case "day":
                self._send(*throttled(self.provider.dialect, 30, quotaId="EmbedContentRequestsPerDayPerProject"))
            case "limit":
                message = f"Quota exceeded for metric: embed_content_free_tier_requests, limit: 0 ({self.provider.key})"
                more = {"message": message} if gemini else {"code": "insufficient_quota", "message": message}
                self._send(*throttled(self.provider.dialect, None, **more))
            case "500" | "503" | "403":
                words = f"out of order; your key is {self.provider.key}"
                status = int(kind)
                self._send(status, {"error": {"message": words, "code": status, "status": "INTERNAL"}})
            case "hang":
                select.select([self.connection], [], [], HANG)  # until the client gives up
                self.close_connection = True
            case "drop":
                self.close_connection = True
            case "html":
                self._write(200, b"<html><head><title>Sign in</title></head><body>Wi-Fi</body></html>", "text/html")
            case "redirect":
                self._write(307, b"", "text/plain", {"Location": value + self.path})
            case "list":
                self._send(200, [1, 2])
            case "nested":
                self._write(200, b"[" * 200_000 + b"]" * 200_000, "application/json")
            case "truncated":
                self._write(200, b'{"embeddings": [{"values": [0.1, 0.', "application/json", claim=1000)
            case _:
                return False
        return True

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self._write(status, json.dumps(body).encode(), "application/json", headers)

    def _write(
        self, status: int, data: bytes, kind: str, headers: dict[str, str] | None = None, claim: int | None = None
    ) -> None:
        try:
            self.send_response(status)
            for name, value in {
                "Content-Type": kind,
                "Content-Length": str(claim or len(data)),
                **(headers or {}),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)
            self.wfile.flush()
        except OSError:  # the client has gone
            self.close_connection = True
        if claim:
            self.close_connection = True


@contextmanager
def serving(dialect: str, faults: Faults = lambda _: "", **state: Any) -> Iterator[FakeProvider]:
    """Run a provider, "gemini" or one of DIALECTS, while the block runs."""
    provider = FakeProvider(dialect, faults, **state)
    handler = type("Handler", (_Handler,), {"provider": provider})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        root = f"http://127.0.0.1:{server.server_port}"
        provider.url = root if dialect == "gemini" else f"{root}/v1"
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
