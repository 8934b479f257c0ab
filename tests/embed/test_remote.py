"""Remote embedders against servers on loopback: the contract, every fault, and many faults at once."""

import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from contracts.embedder import LONG, ODD, TEXTS, EmbedderContract
from providers import DIALECTS, KEY, FakeProvider, Faults, direction, serving

from vsearch_core.embed.base import embed_all
from vsearch_core.embed.open import open_embedder
from vsearch_core.embed.remote import gemini
from vsearch_core.embed.remote.credentials import Credentials
from vsearch_core.embed.remote.embedder import RemoteEmbedder
from vsearch_core.embed.remote.retry import RequestPolicy, RetryClock
from vsearch_core.errors import InputError, ModelError, ProviderError
from vsearch_core.model import EmbedderSpec

WIRES = ("google-genai", "google-generativeai", "openai")
ADAPTERS = {"google-genai": gemini._GoogleGenai, "google-generativeai": gemini._GoogleGenerativeai}
TIMEOUT = 1.0  # seconds, where one is to run out: enough for a slow machine to answer
BAD_BODIES = (
    *("short", "extra", "nan", "huge", "zero", "dimension", "one dimension", "html", "list", "truncated", "nested"),
)


CREDENTIALS = Credentials(KEY, key_name="THE_KEY")


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that the providers' packages would read: the library must pass what it is given."""
    for variable in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(variable, "a-key-from-the-environment")
    for variable in ("GOOGLE_GEMINI_BASE_URL", "OPENAI_BASE_URL"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9/elsewhere")


class FakeTime:
    """A clock whose pauses take no time; the requests' own time is real."""

    def __init__(self) -> None:
        self.slept = 0.0

    def sleep(self, seconds: float) -> None:
        self.slept += seconds

    @property
    def clock(self) -> RetryClock:
        return RetryClock(lambda: self.slept, self.sleep)


@dataclass
class RemoteSetup:
    embedder: RemoteEmbedder
    provider: FakeProvider
    time: FakeTime
    reports: list[str]


@contextmanager
def opened(
    wire: str,
    faults: Faults = lambda _: "",
    *,
    model: str | None = None,
    dimension: int | None = 128,
    dialect: str = "openai",
    trusted: bool = True,
    rpm: int | None = None,
    stop: Callable[[], bool] = lambda: False,
    timeout: float = 30.0,
    **state: Any,
) -> Iterator[RemoteSetup]:
    """Yield an embedder that uses that package, and the server that it sends requests to."""
    time, reports = FakeTime(), list[str]()
    is_gemini = wire in ADAPTERS
    model = model or (None if is_gemini else "text-embedding-3-small")
    with serving("gemini" if is_gemini else dialect, faults, **state) as provider:
        spec = EmbedderSpec("gemini" if is_gemini else "openai", model, dimension, provider.url)
        policy = RequestPolicy(rpm, None, timeout, stop=stop, report=reports.append, clock=time.clock)
        with pytest.MonkeyPatch.context() as patch:
            for other in ADAPTERS.keys() - {wire}:  # as if it were not installed
                patch.setitem(sys.modules, other.replace("google-", "google."), None)
            credentials = Credentials(KEY, provider.url if trusted else None, "THE_KEY")
            embedder = open_embedder(spec, policy=policy, credentials=credentials)
        assert isinstance(embedder, RemoteEmbedder)
        yield RemoteSetup(embedder, provider, time, reports)


@pytest.fixture(params=WIRES)
def wire(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(
    params=[
        *((wire, None) for wire in WIRES),
        pytest.param(("google-genai", "gemini-embedding-2"), marks=pytest.mark.slow),
    ],
    scope="module",
)
def shared(request: pytest.FixtureRequest) -> Iterator[RemoteEmbedder]:
    wire, model = request.param
    with opened(wire, model=model, reads=1500) as each:
        yield each.embedder


class TestContract(EmbedderContract):
    @pytest.fixture
    def embedder(self, shared: RemoteEmbedder) -> RemoteEmbedder:
        return shared


@pytest.mark.parametrize(
    "dialect",
    ["ollama", *(pytest.param(each, marks=pytest.mark.slow) for each in DIALECTS if each not in {"openai", "ollama"})],
)
class TestDialects(EmbedderContract):
    """Servers on one's own machine, of a model that reads 2,000 words."""

    @pytest.fixture
    def embedder(self, dialect: str) -> Iterator[RemoteEmbedder]:
        with opened("openai", dialect=dialect, model="nomic-embed-text", dimension=None) as each:
            yield each.embedder


def test_vectors_belong_to_their_texts_and_requests_are_full(wire: str) -> None:
    texts = [f"passage number {number} of the manual" for number in range(250)]
    with opened(wire) as each:
        vectors = embed_all(each.embedder, texts)
        sizes = [len(each.provider.texts_of(body)) for body in each.provider.requests]
    expected = np.stack([direction(text, 128) for text in texts])
    assert np.abs(vectors - expected).max() < 1e-6
    assert sizes == ([100, 100, 50] if wire != "openai" else [32] * 7 + [26])


@pytest.mark.parametrize("wire", ["google-genai", "google-generativeai"])
def test_requests_fit_each_gemini_model(wire: str) -> None:
    with opened(wire, dimension=None) as each:
        embed_all(each.embedder, ["a document"])
        each.embedder.embed_queries(["a question"])
        document, query = (body["requests"][0] for body in each.provider.requests)
        assert document["taskType"] in {"RETRIEVAL_DOCUMENT", 2}
        assert query["taskType"] in {"RETRIEVAL_QUERY", 1}
        assert document["outputDimensionality"] == 768
        assert document["content"]["parts"] == [{"text": "a document"}]
        first = each.embedder.fingerprint
    with opened(wire, model="gemini-embedding-2", dimension=None) as each:
        embed_all(each.embedder, ["a document"])
        each.embedder.embed_queries(["a question"])
        assert each.provider.texts == ["title: none | text: a document", "task: search result | query: a question"]
        assert not any("taskType" in body["requests"][0] for body in each.provider.requests)
        assert (each.embedder.fingerprint.query_prefix, first.query_prefix) == ("task: search result | query: ", "")


def test_both_packages_have_one_fingerprint_and_one_vector() -> None:
    made = []
    for wire in ADAPTERS:
        with opened(wire) as each:
            made.append((each.embedder.fingerprint, embed_all(each.embedder, TEXTS)))
    assert made[0][0] == made[1][0]
    assert np.abs(made[0][1] - made[1][1]).max() < 1e-6


@pytest.mark.parametrize("fault", [*BAD_BODIES, "429", "429 0.1", "429 5", "500", "503", "hang", "drop"])
def test_a_fault_costs_one_request_and_nothing_else(wire: str, fault: str) -> None:
    texts = [f"text {number}" for number in range(40)]
    with opened(wire, lambda number: fault if number == 0 else "", timeout=TIMEOUT) as each:
        vectors = embed_all(each.embedder, texts)
        assert len(each.provider.requests) == (2 if wire != "openai" else 3)
        assert max(each.provider.answered.values()) == 1
        assert (each.time.slept >= 5) == (fault == "429 5")
    assert np.abs(vectors - np.stack([direction(text, 128) for text in texts])).max() < 1e-6


@pytest.mark.parametrize(
    ("fault", "line", "code", "details"),
    [
        ("html", r"the response isn't a list of embeddings \(\w+\)", "embedding-interrupted", "later"),
        ("short", "the response has 0 vectors for 1 texts", "embedding-interrupted", "later"),
        ("dimension", "the response has vectors of 127 numbers, not 128", "embedding-interrupted", "later"),
        ("503", r"status 503: out of order; your key is \[key\]", "embedding-interrupted", "later"),
        ("drop", r"can't be reached \(\w+: .*\)", "embedding-interrupted", "later"),
        ("403", r"the key was refused \(status 403: .* key is \[key\]\)", "key-refused", "THE_KEY"),
        ("429 121", "status 429: ", "embedding-interrupted", "after 20"),
        ("limit", "(no quota for this model|no credit left)", "embedding-interrupted", "once"),
    ],
)
def test_a_lasting_failure_is_one_line_without_the_key(
    wire: str, fault: str, line: str, code: str, details: str
) -> None:
    with opened(wire, lambda _: fault) as each, pytest.raises(ProviderError, match=line) as caught:
        embed_all(each.embedder, ["text"])
    (detail,) = caught.value.details.values()
    assert caught.value.code == code
    assert str(detail).startswith(details)
    assert KEY not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("wire", ["google-genai", "google-generativeai"])
def test_a_spent_daily_quota_ends_the_run_and_says_when_to_resume(wire: str) -> None:
    with opened(wire, lambda number: "day" if number else "") as each:
        batches = each.embedder.embed_documents([f"text {number}" for number in range(300)])
        assert len(next(batches).indices) == 100
        with pytest.raises(ProviderError, match="day's quota is used up") as caught:
            next(batches)
        assert str(caught.value.details["when"]).startswith("after ")
        assert len(each.provider.requests) == 2


def test_a_query_is_retried_for_less_long(wire: str) -> None:
    with opened(wire, lambda _: "429 5") as each, pytest.raises(ProviderError) as caught:
        each.embedder.embed_queries(["what now"])
    assert caught.value.code == "query-not-embedded"
    assert each.time.slept <= 20


def test_a_stop_while_waiting_ends_the_iteration(wire: str) -> None:
    stopping = threading.Event()

    def faults(number: int) -> str:
        if number:
            stopping.set()
        return "429 100" if number else ""

    with opened(wire, faults, stop=stopping.is_set) as each:
        batches = list(each.embedder.embed_documents([f"text {number}" for number in range(300)]))
        assert len(batches) == 1
        assert each.time.slept < 1


def test_the_rate_limit_counts_texts_at_gemini_and_requests_elsewhere(wire: str) -> None:
    with opened(wire, rpm=40) as each:
        embed_all(each.embedder, [f"text {number}" for number in range(120)])
        sizes = [len(each.provider.texts_of(body)) for body in each.provider.requests]
        assert sizes == ([40, 40, 40] if wire != "openai" else [32, 32, 32, 24])
        assert each.time.slept == pytest.approx(120 if wire != "openai" else 0, abs=1)
        assert all("waiting 60 s" in line for line in each.reports)


def test_texts_of_0_to_100_000_words(wire: str) -> None:
    words = [f"w{number % 3000}" for number in range(100_000)]
    texts = [" ".join(words[:count]) for count in (0, 1, 10, 1000, 10_000, 100_000)]
    with opened(wire, reads=2_000, dialect="openai") as each:
        vectors = embed_all(each.embedder, texts)
        sent = each.provider.texts
        tail = embed_all(each.embedder, [texts[-1] + " volcano"])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert max(len(text.split()) for text in sent) <= 2_000
    assert sum(len(text.split()) for text in sent) >= 111_011
    assert not np.array_equal(vectors[-1], tail[0])


def test_requests_are_json_that_any_server_accepts(wire: str) -> None:
    with opened(wire) as each:
        embed_all(each.embedder, ODD)
        sent = each.provider.texts
    assert all("\x00" not in text and text.strip() for text in sent)
    assert "".join(sent).encode()
    assert "a pair in two halves: 😀" in sent


@pytest.mark.parametrize("dialect", DIALECTS)
def test_texts_that_a_server_finds_too_long_go_in_parts(dialect: str) -> None:
    long = LONG[: len(LONG) // 4]
    texts = [*(f"short text {number}" for number in range(40)), long, "last"]
    with opened("openai", dialect=dialect, model="all-minilm", dimension=None, reads=300) as each:
        vectors = embed_all(each.embedder, texts)
        answered = each.provider.answered
    assert np.abs(vectors[-1] - direction("last", 48)).max() < 1e-6
    assert set(long.split()) <= {word for text in answered for word in text.split()}
    if dialect != "ollama":  # it answers before anybody can see that it has cut
        assert all(answered[text] == 1 for text in texts if text != long)


def test_the_dimension_is_named_to_a_server_that_needs_it() -> None:
    with opened("openai", dialect="vllm", model="matryoshka", dimension=16) as each:
        assert embed_all(each.embedder, ["one", "two"]).shape == (2, 16)
        assert [body.get("dimensions") for body in each.provider.requests] == [None, 16]
    with (
        opened("openai", dialect="llama.cpp", model="rigid", dimension=16) as each,
        pytest.raises(ProviderError, match="the response has vectors of 48 numbers, not 16"),
    ):
        embed_all(each.embedder, ["one"])


def test_an_unknown_dimension_comes_from_the_first_response() -> None:
    faults = ["", "", "dimension", "", ""]
    with opened("openai", faults.__getitem__, dialect="ollama", model="m", dimension=None) as each:
        assert each.embedder.fingerprint.dimension == 48
        vectors = embed_all(each.embedder, [f"text {number}" for number in range(96)])
        assert vectors.shape == (96, 48)
        assert len(each.provider.requests) == len(faults)


def test_a_window_without_visible_text_is_not_sent_empty(wire: str) -> None:
    with opened(wire) as each:
        assert embed_all(each.embedder, ["start" + " " * 40_000 + "end"]).shape == (1, 128)
        assert len(each.provider.texts) > 2
        assert all(text.strip() for text in each.provider.texts)


@pytest.mark.parametrize("wire", ["google-genai", "openai"])
def test_a_redirect_is_not_followed(wire: str) -> None:
    """It would take the texts and the key to whom nobody has agreed."""
    with opened(wire) as stranger:
        place = stranger.provider.url.removesuffix("/v1")
        with opened(wire, lambda _: f"redirect {place}") as each, pytest.raises(ProviderError, match="status 307"):
            each.embedder.embed_queries(["x"])
        assert stranger.provider.requests == []


@pytest.mark.parametrize("wire", ["google-genai", "openai"])
def test_requests_to_this_machine_go_through_no_proxy(wire: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with serving("openai") as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1"))
        with opened(wire) as each:
            each.embedder.embed_queries(["x"])
            assert len(each.provider.requests) == 1
        assert proxy.requests == []


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [("ALL_PROXY", "foo://me:secret@127.0.0.1:1", "Unknown scheme"), ("SSL_CERT_FILE", "/nowhere.pem", "No such file")],
)
@pytest.mark.parametrize("provider", ["gemini", "openai"])
def test_an_environment_that_allows_no_client_is_one_line(
    provider: str, variable: str, value: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ModelError, match=f"embedder {provider}: its HTTP client can't be set up .*{reason}") as caught:
        open_embedder(EmbedderSpec(provider), credentials=CREDENTIALS)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("base_url", ["http://a..b/v1", "http://[::1]x/v1"])
def test_an_address_that_only_the_client_finds_wrong_is_one_line(base_url: str) -> None:
    embedder = open_embedder(EmbedderSpec("openai", "m", 4, base_url))
    with pytest.raises(ProviderError, match="not an address") as caught:
        embedder.embed_queries(["x"])
    assert caught.value.code == "invalid-address"


def test_a_server_that_requires_a_key_gets_its_own_error() -> None:
    line = "the server requires a key, and none was sent .status 401."
    with opened("openai", trusted=False) as each, pytest.raises(ProviderError, match=line) as caught:
        each.embedder.embed_queries(["x"])
    assert caught.value.code == "openai-url-untrusted"


def test_openais_package_can_read_our_server() -> None:
    from openai import OpenAI

    for dialect in DIALECTS:
        with serving(dialect) as provider:
            client = OpenAI(api_key=KEY, base_url=provider.url, max_retries=0)
            answer = client.embeddings.create(input=["a", "b c"], model="m", encoding_format="float")
            by_index = sorted(answer.data, key=lambda item: item.index)
            assert np.abs(np.array([item.embedding for item in by_index])[1] - direction("b c", 48)).max() < 1e-6


def test_the_key_goes_only_to_a_trusted_address() -> None:
    with opened("openai", dialect="ollama", model="m", dimension=None, trusted=False) as each:
        each.embedder.embed_queries(["x"])
        assert each.provider.keys == [None]
    for wire in ADAPTERS:
        with pytest.raises(ModelError, match="not sent to an address that isn't trusted"), opened(wire, trusted=False):
            pass
    with serving("ollama") as provider:
        credentials = Credentials(KEY, provider.url + "/")
        open_embedder(EmbedderSpec("openai", "m", None, provider.url), credentials=credentials).embed_queries(["x"])
        assert provider.keys == [KEY]


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        (EmbedderSpec("gemini", "text-embedding-004"), "Google has shut it down"),
        (EmbedderSpec("gemini", "models/embedding-001"), "Google has shut it down"),
        (EmbedderSpec("gemini", "gemini-9"), "isn't supported by the Gemini embedder"),
        (
            EmbedderSpec("gemini", None, 64),
            "dimension: 64 is out of range: gemini-embedding-001 makes vectors of 128 to 3072",
        ),
        (EmbedderSpec("openai", None, None, "http://127.0.0.1:1/v1"), "has no default model"),
        (EmbedderSpec("openai", "m", 0), "dimension: 0 is too small"),
        (EmbedderSpec("openai", "m", None, "ftp://host/"), "not an http or https address"),
        (EmbedderSpec("openai", "m", None, "http://host:port/"), "not an http or https address"),
        (EmbedderSpec("openai", "m", None, "https://me:secret@host/"), "it contains a user name or a password"),
        (EmbedderSpec("openai", "m", None, "https://me:secret@host:port/"), "it contains a user name or a password"),
        (
            EmbedderSpec("openai", "m", None, "https://host/v1?key=secret"),
            "base_url: it has a query or a fragment after https://host/v1",
        ),
    ],
)
def test_invalid_options_are_refused_before_anything_is_sent(spec: EmbedderSpec, line: str) -> None:
    with pytest.raises(InputError, match=line) as caught:
        open_embedder(spec, credentials=CREDENTIALS)
    assert "secret" not in str(caught.value)


def test_a_missing_key_or_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("google.genai", "google.generativeai", "httpx2"):
        monkeypatch.setitem(sys.modules, module, None)
    for provider in ("gemini", "openai"):
        with pytest.raises(ModelError, match="its package is not installed") as caught:
            open_embedder(EmbedderSpec(provider), credentials=CREDENTIALS)
        assert (caught.value.code, caught.value.details) == ("package-missing", {"extra": provider})
        with pytest.raises(ModelError, match="there is no API key") as caught:
            open_embedder(EmbedderSpec(provider))
        assert caught.value.code == f"{provider}-key-missing"


@pytest.mark.parametrize("key", ["", "not a\tkey", "two words", "schlüssel"])
def test_a_malformed_key_is_named_and_not_repeated(key: str) -> None:
    with pytest.raises(ModelError, match=r"^THE_KEY: contains characters that can't be part of a key$"):
        Credentials(key, key_name="THE_KEY")


def test_the_key_is_not_in_the_repr() -> None:
    assert KEY not in repr(CREDENTIALS)


@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_many_faults_at_once(wire: str, count: int, capfd: pytest.CaptureFixture[str]) -> None:
    """30 % throttled, 10 % each 500 and 503, 5 % timeouts, 10 % bad bodies: every text once, in place, in bounds."""
    chance = random.Random(count)
    bad = dict.fromkeys(BAD_BODIES, 10 / len(BAD_BODIES))
    weights = {"429 0.1": 15, "429 5": 15, "500": 10, "503": 10, "hang": 5, **bad, "": 35}
    texts = [f"passage {number} about topic {number % 97}" for number in range(count)]
    with opened(wire, lambda _: chance.choices([*weights], [*weights.values()])[0], timeout=TIMEOUT) as each:
        batches = list(each.embedder.embed_documents(texts))
        requests, slept = len(each.provider.requests), each.time.slept
        answered = each.provider.answered
        reports = each.reports
    indices = np.concatenate([batch.indices for batch in batches])
    vectors = np.concatenate([batch.vectors for batch in batches])
    assert indices.tolist() == list(range(count))
    assert np.abs(vectors - np.stack([direction(text, 128) for text in texts])).max() < 1e-6
    assert answered == dict.fromkeys(texts, 1)
    needed = len(batches)
    assert requests <= 8 * needed + 20
    assert slept <= 40 * needed + 200
    out, err = capfd.readouterr()
    assert KEY not in out + err + "".join(reports)


@pytest.mark.parametrize("dense", ["84213,", "e[i++]=>{", "QUJDRA+/09ab", "\u2211\u2260\u2264"])
def test_a_dense_line_costs_about_as_much_as_prose_of_its_size(dense: str) -> None:
    """Signs have up to a token each; the requests and the characters sent must not multiply with that."""
    size = 60_000
    costs = []
    for text in ("the hand pump at the well is greased in autumn ", dense):
        chunks = [(text * size)[start : start + 3_000] for start in range(0, size, 3_000)]
        with opened("openai") as each:
            assert len(embed_all(each.embedder, chunks)) == len(chunks)
            costs.append((len(each.provider.requests), sum(map(len, each.provider.texts))))
    (requests, characters), (dense_requests, dense_characters) = costs
    assert dense_requests <= requests + 1
    assert dense_characters <= 1.1 * characters
