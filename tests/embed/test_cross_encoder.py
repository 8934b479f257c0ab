"""Cross-encoders: every word of a text is read, and the best window counts."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from contracts.reranker import RerankerContract
from cross_encoders import BAD, BIAS, GOOD, WORDS, write_counting, write_tokenizer

from vsearch_core.embed.cross_encoder import CrossEncoder, open_cross_encoder
from vsearch_core.embed.windows import WINDOW_OVERLAP
from vsearch_core.errors import InputError, ModelError


def logistic(value: float) -> float:
    return float(1 / (1 + np.exp(-value)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_counting(tmp_path_factory.mktemp("cross") / "counting", max_tokens=128)


@pytest.fixture(scope="module")
def counting(folder: Path) -> CrossEncoder:
    return open_cross_encoder(str(folder))


class TestCrossEncoderContract(RerankerContract):
    @pytest.fixture
    def reranker(self, counting: CrossEncoder) -> CrossEncoder:
        return counting


def test_a_score_is_the_logistic_of_the_output(counting: CrossEncoder) -> None:
    scores = counting.score("question", ["good pump good", "bad pump", "", "pump \ud800"])
    expected = [logistic(2 * GOOD + BIAS), logistic(BAD + BIAS), logistic(BIAS), logistic(BIAS)]
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    assert scores.dtype == np.float32


@pytest.mark.parametrize("at", [0, 100, 123, 124, 200, 333, 499])
def test_no_word_of_a_long_text_is_cut_and_the_best_window_counts(counting: CrossEncoder, at: int) -> None:
    words = ["filler"] * 500
    words[at] = "good"
    (score,) = counting.score("question", [" ".join(words)])
    assert score == pytest.approx(logistic(GOOD + BIAS), rel=1e-5)


def test_bad_windows_of_a_long_text_do_not_count(counting: CrossEncoder) -> None:
    text = " ".join(["bad"] * 300 + ["good"] * 2 + ["filler"] * 150)
    assert counting.score("question", [text])[0] >= logistic(BIAS) - 1e-6


def test_texts_keep_their_order_among_windows(counting: CrossEncoder) -> None:
    long = " ".join(["filler"] * 400)
    scores = counting.score("question", [long, "good", long + " good good", "bad"])
    expected = [BIAS, GOOD + BIAS, 2 * GOOD + BIAS, BAD + BIAS]
    np.testing.assert_allclose(scores, [logistic(value) for value in expected], rtol=1e-5)


def test_a_query_that_leaves_no_room_is_refused(counting: CrossEncoder) -> None:
    counting.score(" ".join(["question"] * (128 - 2 - 2 * WINDOW_OVERLAP)), ["pump"])
    with pytest.raises(InputError, match=r"which reads 128 of query and text together$"):
        counting.score("question " * 63, ["pump"])


def test_more_outputs_than_one_are_refused(tmp_path: Path) -> None:
    several = open_cross_encoder(str(write_counting(tmp_path / "several", outputs=3)))
    with pytest.raises(ModelError, match="returns 3 scores per text, not one"):
        several.score("question", ["pump"])


def test_the_smallest_limit_holds(tmp_path: Path) -> None:
    model = write_counting(tmp_path / "limits", max_tokens=512)
    (model / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 100}))
    with pytest.raises(InputError, match="which reads 100 of"):
        open_cross_encoder(str(model)).score("question " * 60, ["pump"])


def damage(model: Path, kind: str) -> None:
    if kind == "graph":
        (model / "onnx" / "model.onnx").write_bytes(b"none")
    elif kind == "tokenizer":
        (model / "tokenizer.json").write_text("none")
    else:
        (model / "config.json").write_text("none")


@pytest.mark.parametrize("kind", ["graph", "tokenizer", "config"])
def test_a_damaged_model_is_named(folder: Path, tmp_path: Path, kind: str) -> None:
    model = tmp_path / "damaged"
    shutil.copytree(folder, model)
    damage(model, kind)
    with pytest.raises(ModelError, match="damaged"):
        open_cross_encoder(str(model)).score("question", ["pump"])


def test_a_folder_without_a_cross_encoder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no tokenizer\.json"):
        open_cross_encoder(str(tmp_path))


def test_a_model_that_can_not_be_scores_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="neither a folder nor a name"):
        open_cross_encoder("no such/folder/here")


@pytest.fixture(scope="module")
def torch_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A tiny BERT classifier as transformers saves it, without a graph."""
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("torch cross")
    torch.manual_seed(1)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.BertConfig(vocab_size=len(WORDS), max_position_embeddings=128, num_labels=1, **sizes)
    model = transformers.BertForSequenceClassification(config)
    torch.nn.init.normal_(model.classifier.weight, std=3.0)
    model.save_pretrained(folder)
    write_tokenizer(folder)
    specials = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), **specials).save_pretrained(
        folder
    )
    yield folder


def test_a_model_without_a_graph_is_run_by_sentence_transformers(torch_folder: Path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    ours = open_cross_encoder(str(torch_folder))
    texts = ["good pump good", "bad pump", "filler"]
    oracle = sentence_transformers.CrossEncoder(str(torch_folder), local_files_only=True)
    expected = oracle.predict([("question", text) for text in texts], show_progress_bar=False)
    np.testing.assert_allclose(ours.score("question", texts), expected, atol=1e-5)
    long = " ".join(["filler"] * 300)
    window = " ".join(["filler"] * 124)  # 128 without [CLS], the question and two [SEP]
    assert ours.score("question", [long])[0] >= ours.score("question", [window])[0] - 1e-5
