"""The local embedder against the contract and against sentence-transformers."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from contracts.embedder import LONG, ODD, TEXTS, EmbedderContract
from numpy.typing import NDArray

from vsearch_core.embed.base import embed_all
from vsearch_core.embed.late_windows import WINDOW_TOKENS, code_type
from vsearch_core.embed.local import LocalEmbedder
from vsearch_core.embed.onnx.graph import EMBEDDING
from vsearch_core.embed.onnx.runtime import PRECISIONS, Precision
from vsearch_core.embed.prepared import PreparedModel
from vsearch_core.embed.windows import WINDOW_OVERLAP
from vsearch_core.errors import ModelError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

PROSE = (
    "Aspirin inhibits the production of prostaglandins. The tide tables for Brest give high water at 05:12. "
    "A borrow checker rejects aliasing of mutable references; 変数の寿命は文脈で決まる。 Наука не стоит на месте. "
)
VARIED = [
    *TEXTS,
    PROSE,
    PROSE * 2,
    "tab\tseparated\tvalues 1,234.50 €",
    "SELECT name, count(*) FROM files GROUP BY name HAVING count(*) > 1;",
    "naïve café œuvre Straße Ǆ İstanbul",
    "한국어 문장도 있다.",
    "ما هو أفضل وقت للزراعة؟",
    "😀" * 40,
    "x" * 150,
    "How do I retry a failed upload?",
]


@pytest.fixture(scope="module", params=PRECISIONS)
def either(model: PreparedModel, request: pytest.FixtureRequest) -> LocalEmbedder:
    return LocalEmbedder(model, request.param)


@pytest.fixture(scope="module")
def fp32(model: PreparedModel) -> LocalEmbedder:
    return LocalEmbedder(model, "fp32")


class TestContract(EmbedderContract):
    tolerance = 0.0  # a run holds one window: nothing that a neighbour could change

    @pytest.fixture
    def embedder(self, either: LocalEmbedder) -> LocalEmbedder:
        return either


def windows_by_oracle(oracle: "SentenceTransformer", embedder: LocalEmbedder, text: str) -> NDArray[np.float32]:
    """Return the text's vector from sentence-transformers' model, window by window."""
    import torch

    windows = embedder.windows(text)
    full = torch.from_numpy(np.concatenate(windows[:-1]))
    features = [{"input_ids": ids, "attention_mask": torch.ones_like(ids)} for ids in full.split(8)]
    last = torch.from_numpy(windows[-1])
    features.append({"input_ids": last, "attention_mask": torch.ones_like(last)})
    vectors = np.concatenate([oracle(each)["sentence_embedding"].numpy() for each in features])
    mean = np.average(vectors, axis=0, weights=[window.shape[1] for window in windows])
    return np.asarray(mean / np.linalg.norm(mean), np.float32)


def test_fp32_equals_sentence_transformers(oracle: "SentenceTransformer", fp32: LocalEmbedder) -> None:
    expected = oracle.encode(VARIED, normalize_embeddings=True)
    assert max(len(fp32.windows(text)) for text in VARIED) == 1
    assert np.abs(embed_all(fp32, VARIED) - expected).max() <= 1e-4
    assert np.abs(fp32.embed_queries(VARIED) - expected).max() <= 1e-4


@pytest.mark.parametrize("words", [300, 1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_fp32_equals_sentence_transformers_on_long_texts(
    oracle: "SentenceTransformer", fp32: LocalEmbedder, words: int
) -> None:
    source = PROSE.split()
    text = " ".join(source[number % len(source)] + "s" * (number % 3) for number in range(words))
    assert len(fp32.windows(text)) > 1
    expected = windows_by_oracle(oracle, fp32, text)
    assert np.abs(embed_all(fp32, [text])[0] - expected).max() <= 1e-4


def test_int8_is_near_sentence_transformers(oracle: "SentenceTransformer", model: PreparedModel) -> None:
    embedder = LocalEmbedder(model, "int8")
    expected = oracle.encode(VARIED, normalize_embeddings=True)
    cosines = (embed_all(embedder, VARIED) * expected).sum(axis=1)
    assert dict(zip(VARIED, cosines, strict=True)) == {text: pytest.approx(1, abs=0.02) for text in VARIED}
    assert embed_all(embedder, [LONG])[0] @ windows_by_oracle(oracle, embedder, LONG) >= 0.98


def test_tokens_are_those_of_sentence_transformers(oracle: "SentenceTransformer", fp32: LocalEmbedder) -> None:
    for text in [*VARIED, *ODD]:
        windows = fp32.windows(text)
        if len(windows) == 1 and not any("\ud800" <= each <= "\udfff" for each in text):  # it fails on lone surrogates
            assert windows[0][0].tolist() == oracle.tokenizer(text)["input_ids"]


def test_halves_of_a_surrogate_pair_are_joined(fp32: LocalEmbedder) -> None:
    vectors = fp32.embed_queries(["\ud83d\ude00", "😀"])
    assert np.array_equal(vectors[0], vectors[1])


def test_windows_cover_a_text_of_100_000_words(fp32: LocalEmbedder) -> None:
    words = ["river", "stone", "cloud", "water"] * 25_000
    windows = fp32.windows(" ".join(words))
    assert all(window.dtype == np.int64 and window.shape[1] <= 256 for window in windows)
    inner = [window[0, 1:-1].tolist() for window in windows]
    (expected,) = fp32.windows(" ".join(words[:4]))
    assert {token for window in inner for token in window} == set(expected[0, 1:-1].tolist())
    assert sum(map(len, inner)) - 100_000 == WINDOW_OVERLAP * (len(inner) - 1)


def test_batches_come_steadily_and_in_order(model: PreparedModel) -> None:
    batches = list(LocalEmbedder(model, batch_seconds=0.0).embed_documents(VARIED))
    assert [batch.indices.tolist() for batch in batches] == [[number] for number in range(len(VARIED))]


def test_no_worker_is_left_after_an_early_stop(model: PreparedModel) -> None:
    import threading

    batches = LocalEmbedder(model).embed_documents([PROSE] * 5_000)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("embed")]


def test_nothing_is_loaded_before_the_first_text(model: PreparedModel) -> None:
    embedder = LocalEmbedder(model)
    assert embedder.fingerprint.dimension == 384
    assert not vars(embedder).keys() & {"_session", "_tokenizer"}


PROBE = """
import sys
from pathlib import Path
from types import SimpleNamespace
from vsearch_core.embed.open import open_embedder
from vsearch_core.model import EmbedderSpec
vectors = open_embedder(EmbedderSpec("local"), cache_dir=Path(sys.argv[1])).embed_queries(["what is loaded?"])
assert vectors.shape == (1, 384)
print(sorted({"torch", "transformers", "onnx", "safetensors", "huggingface_hub"} & set(sys.modules)))
"""


def test_a_query_with_a_prepared_model_imports_nothing_heavy(cache: Path) -> None:
    command = [sys.executable, "-c", PROBE, str(cache)]
    done = subprocess.run(command, env={"PATH": ""}, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_numbers_that_are_not_finite_are_refused(model: PreparedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    class Overflowing:
        def get_outputs(self) -> list[SimpleNamespace]:
            return [SimpleNamespace(name=EMBEDDING)]

        def run(self, *_: object) -> list[NDArray[np.float32]]:
            return [np.full((1, 384), np.inf, np.float32)]

    embedder = LocalEmbedder(model)
    monkeypatch.setitem(vars(embedder), "_session", Overflowing())
    with pytest.raises(ModelError, match="returns numbers that are not finite"):
        embedder.embed_queries(["x"])


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_damaged_graph_is_named(
    model: PreparedModel, tmp_path: Path, precision: Precision, capfd: pytest.CaptureFixture[str]
) -> None:
    damaged = PreparedModel(tmp_path, model.description)
    damaged.graph(precision).write_bytes(b"not a graph")
    damaged.tokenizer.write_bytes(model.tokenizer.read_bytes())
    with pytest.raises(ModelError, match="can't be loaded"):
        LocalEmbedder(damaged, precision).embed_queries(["x"])
    assert capfd.readouterr().err == ""


def test_late_windows_cover_the_text_and_are_its_parts(model: PreparedModel, fp32: LocalEmbedder) -> None:
    texts = ["short", PROSE * 4, LONG]
    (batch,) = LocalEmbedder(model, "fp32", batch_seconds=600).embed_documents(texts)
    assert batch.windows is not None
    assert batch.windows[0] == b""
    for text, vector, codes in zip(texts[1:], batch.vectors[1:], batch.windows[1:], strict=True):
        windows = np.frombuffer(codes, code_type(len(vector)))
        assert len(windows) == round(sum(len(row) - 2 for row in _own_tokens(fp32, text)) / WINDOW_TOKENS)
        assert (np.diff(windows["stop"]) > 0).all()
        assert windows["stop"][-1] == len(text.rstrip())
        signs = np.unpackbits(windows["signs"], axis=1, count=len(vector)) * np.float32(2) - 1
        mean = (vector + windows["scale"].astype(np.float32)[:, None] * signs).mean(axis=0)
        assert mean @ vector / np.linalg.norm(mean) > 0.95


def _own_tokens(embedder: LocalEmbedder, text: str) -> list[list[int]]:
    """Return the text's windows without the tokens that each shares with the one before."""
    rows = [window[0].tolist() for window in embedder.windows(text)]
    return [rows[0], *(row[WINDOW_OVERLAP:] for row in rows[1:])]
