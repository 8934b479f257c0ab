"""Static models that are distilled from prepared local ones."""

from pathlib import Path

import numpy as np
import pytest
from contracts.embedder import EmbedderContract

from vsearch_core.embed.base import embed_all
from vsearch_core.embed.distilled import distilled_weights, read_word_embeddings, token_vectors, token_weights
from vsearch_core.embed.model_files import DISTILLED
from vsearch_core.embed.models import is_prepared, open_model
from vsearch_core.embed.open import open_embedder
from vsearch_core.embed.prepared import PreparedModel
from vsearch_core.embed.static import StaticEmbedder
from vsearch_core.errors import ModelError
from vsearch_core.model import EmbedderSpec

NAME = f"{DISTILLED}sentence-transformers/all-MiniLM-L6-v2"


@pytest.fixture(scope="module")
def distilled(cache: Path) -> PreparedModel:
    return open_model(NAME, kind="static", cache_dir=cache)


class TestContract(EmbedderContract):
    @pytest.fixture
    def embedder(self, distilled: PreparedModel) -> StaticEmbedder:
        return StaticEmbedder(distilled)


def test_it_is_made_once_and_known_by_its_source(distilled: PreparedModel, model: PreparedModel, cache: Path) -> None:
    lines: list[str] = []
    again = open_model(NAME, lines.append, "static", cache)
    assert (again, lines) == (distilled, [])
    assert is_prepared("static", NAME, cache)
    assert not is_prepared("static", f"{DISTILLED}some/other", cache)
    made_by = distilled.fingerprint
    assert (made_by.provider, made_by.model, made_by.dimension) == ("static", NAME, 384)
    assert made_by.weights == distilled_weights(model)
    embedder = open_embedder(EmbedderSpec("static", NAME), cache_dir=cache)
    assert embedder.fingerprint == made_by


def test_related_texts_are_closer_than_others(distilled: PreparedModel) -> None:
    texts = ["the doctor examined the patient", "a physician in a hospital", "the train to the airport is late"]
    vectors = embed_all(StaticEmbedder(distilled), texts)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.1


def test_frequent_tokens_weigh_little_and_special_ones_nothing(distilled: PreparedModel) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(distilled.tokenizer))
    weights = token_weights(tokenizer, tokenizer.get_vocab_size())
    of = {word: float(weights[tokenizer.token_to_id(word)]) for word in ("the", "[CLS]", ".", "house", "turbine")}
    assert of["[CLS]"] == 0
    assert max(of["the"], of["."]) < 0.02
    assert 0.1 < of["house"] < of["turbine"] <= 1


def test_vectors_do_not_depend_on_the_signs_of_components(distilled: PreparedModel) -> None:
    """Other machines find other signs of the principal components, and queries must still fit the vectors."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(distilled.tokenizer))
    words = np.random.default_rng(1).standard_normal((tokenizer.get_vocab_size(), 8)).astype(np.float32)
    signs = np.array([1, -1] * 4, np.float32)
    plain, turned = token_vectors(words, tokenizer), token_vectors(words * signs, tokenizer)
    assert np.abs(plain * signs - turned).max() < 1e-4


def test_a_model_without_word_embeddings_is_refused(model: PreparedModel, tmp_path: Path) -> None:
    import onnx

    path = model.graph("fp32")
    graph = onnx.ModelProto.FromString(path.read_bytes())
    for node in graph.graph.node:
        if node.op_type == "Gather":
            node.input[1] = "something_else"
    (tmp_path / path.name).write_bytes(graph.SerializeToString())
    with pytest.raises(ModelError, match="no static model can be distilled from it"):
        read_word_embeddings(PreparedModel(tmp_path, model.description))
