"""A model's files are data: none of them runs code, takes for ever, fills the memory or ends in a traceback."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cross_encoders import write_counting
from process import Vsearch, write_files
from tiny_models import add_modules, write_json, write_model, write_static

from vsearch_core.embed.base import LockedEmbedder
from vsearch_core.embed.cross_encoder import open_cross_encoder
from vsearch_core.embed.foreign_errors import model_errors
from vsearch_core.embed.models import open_model
from vsearch_core.embed.tokenizer_file import KNOWN_PATTERNS, check_tokenizer, is_linear, load_tokenizer
from vsearch_core.embed.torch_files import refuse_code
from vsearch_core.errors import ModelError

BACKTRACKING = (
    *("(a|aa)+$x", "(a+)+b", "(a*)*", "(?:a|a)*b", "a*a*b", ".*.*.*x", r"(\w+\s?)+$", "(a|b)*", "(?>a+)+", "(?=a+)+"),
    *(
        "a?" * 40 + "a{40}",
        "(a|aa)" * 40 + "b",
        "(?:a?){30}a{30}",
        "((a{1000}){1000}){1000}",
        "a{500}b{500}",
        "a{9999}",
    ),
    *(r"(a)\1", r"(?<x>a)\k<x>", "(?R)", r"\g<0>", "x*" * 9, "a+" * 1000, "[", "(", "*", "(?i:a)+", "a{,}{,}b{,}"),
)
HARMLESS = (
    *(" {2,}", r"\s+", r"[ \t]+", "[0-9][0-9][0-9]", r"\p{N}{1,3}", r" ?[^(\s|[.,!?…。，、।۔،])]+", r"[\r\n]", r"\s+$"),
    *("[一-龥]+", "(?i:'s|'t)?", r"[\!\"\#\$]", r"'s|'t| ?\p{L}+", *KNOWN_PATTERNS),
)


@pytest.mark.parametrize("pattern", BACKTRACKING, ids=lambda pattern: pattern[:20])
def test_a_regular_expression_that_could_backtrack_for_long_is_refused(tmp_path: Path, pattern: str) -> None:
    assert not is_linear(pattern)
    folder = with_tokenizer(tmp_path, lambda tokenizer: tokenizer.update(pre_tokenizer=split(pattern)))
    with pytest.raises(ModelError, match="could take very long"):
        open_model(str(folder), kind="static", cache_dir=tmp_path / "cache")


@pytest.mark.parametrize("pattern", HARMLESS, ids=lambda pattern: pattern[:20])
def test_regular_expressions_of_real_tokenizers_are_accepted_and_quick(tmp_path: Path, pattern: str) -> None:
    folder = with_tokenizer(tmp_path, lambda tokenizer: tokenizer.update(pre_tokenizer=split(pattern)))
    tokenizer = load_tokenizer(folder / "tokenizer.json")
    started = time.monotonic()
    for text in ("a" * 20_000, " " * 20_000, "1" * 20_000, "a b" * 7_000, "é" * 20_000):
        tokenizer.encode(text)
    assert time.monotonic() - started < 20


def split(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def replace(pattern: dict[str, str], content: str, times: int = 1) -> dict[str, Any]:
    step = {"type": "Replace", "pattern": pattern, "content": content}
    return {"type": "Sequence", "normalizers": [step] * times}


def with_tokenizer(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Return a static model's folder, whose tokenizer is changed."""
    folder = write_static(tmp_path / "m")
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    change(tokenizer)
    write_json(folder / "tokenizer.json", tokenizer)
    return folder


BOMBS = (
    replace({"String": "a"}, "aa", 60),
    replace({"String": "ab"}, "abab", 60),
    replace({"String": "e"}, "e" * 1_000_000),
    replace({"Regex": "[a-z]"}, "ab", 60),
    replace({"Regex": "."}, "x" * 10_000),
    replace({"String": ""}, "xx", 60),
    replace({"String": "a"}, "b", 5_000),
)


@pytest.mark.parametrize("bomb", range(len(BOMBS)))
def test_replacements_that_multiply_a_text_are_refused(tmp_path: Path, bomb: int) -> None:
    folder = with_tokenizer(tmp_path, lambda tokenizer: tokenizer.update(normalizer=BOMBS[bomb]))
    with pytest.raises(ModelError, match="very much of a short text"):
        open_model(str(folder), kind="static", cache_dir=tmp_path / "cache")


def test_replacements_around_each_mark_are_accepted(tmp_path: Path) -> None:
    """Some static models put blanks around each mark, by one replacement for each."""
    steps = [{"type": "Replace", "pattern": {"String": mark}, "content": f" {mark} "} for mark in ".,;:!?()[]{}'\"-_/"]
    normalizer = {"type": "Sequence", "normalizers": steps}
    folder = with_tokenizer(tmp_path, lambda tokenizer: tokenizer.update(normalizer=normalizer))
    assert load_tokenizer(folder / "tokenizer.json").normalizer.normalize_str("a.b") == "a . b"


@pytest.mark.parametrize("raw", [b'{"normalizer": {"Re\\u0067ex": "(a+)+"}}', b'{"\\u0052egex": "(a|aa)+$x"}'])
def test_an_escaped_name_does_not_hide_a_regular_expression(raw: bytes) -> None:
    with pytest.raises(ModelError, match="could take very long"):
        check_tokenizer("it", raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b'{"Regex": ' + b"[" * 100_000,
        b"\xff\xfe",
        b"null",
        b'{"model": {"type": "BPE"}}',
        b"\0" * 99,
    ],
    ids=range(8),
)
def test_a_tokenizer_that_is_none_is_an_error_in_one_line(tmp_path: Path, raw: bytes) -> None:
    (write_static(tmp_path / "m") / "tokenizer.json").write_bytes(raw)
    with pytest.raises(ModelError) as caught:
        open_model(str(tmp_path / "m"), kind="static", cache_dir=tmp_path / "cache")
    assert "\n" not in str(caught.value)


def test_a_mapping_that_multiplies_the_table_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    """A mapping of zeros is small in a clone, and would need 381 GB of memory with a wide table."""
    folder = write_static(
        tmp_path / "m", embeddings=np.zeros((1, 8192), np.float32), mapping=np.zeros(2_000_000, np.uint8)
    )
    with pytest.raises(ModelError, match="need more than 4 GB"):
        open_model(str(folder), kind="static", cache_dir=tmp_path / "cache")


def test_other_tensors_of_a_static_model_are_not_loaded(tmp_path: Path) -> None:
    folder = write_static(tmp_path / "m", other=np.zeros((3, 3), np.float32))
    assert open_model(str(folder), kind="static", cache_dir=tmp_path / "cache").fingerprint.dimension == 16


HEADERS = (
    b"\xff" * 16,
    (1 << 40).to_bytes(8, "little") + b"{}",
    (2).to_bytes(8, "little") + b"{}",
    (70_000).to_bytes(8, "little") + b"[" * 70_000,
    (90).to_bytes(8, "little")
    + b'{"embeddings": {"dtype": "F32", "shape": [1000000000, 1000000], "data_offsets": [0, 4]}}  ',
)


@pytest.mark.parametrize("header", range(len(HEADERS)))
@pytest.mark.parametrize("kind", ["static", "local"])
def test_a_forged_header_of_weights_is_an_error_in_one_line(tmp_path: Path, header: int, kind: Any) -> None:
    folder = write_static(tmp_path / "m")
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 4, "max_position_embeddings": 64}
    write_json(folder / "config.json", {"model_type": "bert", **shape})
    (folder / "model.safetensors").write_bytes(HEADERS[header])
    with pytest.raises(ModelError) as caught:
        open_model(str(folder), kind=kind, cache_dir=tmp_path / "cache")
    assert "\n" not in str(caught.value)


FORGED_SETTINGS: tuple[tuple[str, Any], ...] = (
    ("config.json", {"num_hidden_layers": 10**9}),
    ("config.json", {"hidden_size": 10**12}),
    ("config.json", {"max_position_embeddings": 10**15}),
    ("config.json", {"max_position_embeddings": 1e400}),
    ("config.json", {"num_attention_heads": "four"}),
    ("config.json", {"layer_norm_eps": []}),
    ("config.json", {"hidden_act": ["gelu"]}),
    ("config.json", {"model_type": {"a": 1}}),
    ("modules.json", ["Transformer"]),
    ("modules.json", [{"type": 5}]),
    ("modules.json", [{"path": "1_Pooling"}]),
    ("modules.json", [{"type": "evil.Transformer", "path": ""}]),
    ("modules.json", [{"type": "sentence_transformers.models.Pooling", "path": "../elsewhere"}]),
    ("modules.json", [{"type": "sentence_transformers.models.Pooling", "path": "/etc"}]),
    ("config_sentence_transformers.json", {"prompts": {"query": "x" * 1_000_000}}),
    ("1_Pooling/config.json", {"pooling_mode": {"deep": [1]}}),
)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder."""
    return add_modules(write_model(tmp_path_factory.mktemp("encoder") / "tiny"))


@pytest.mark.parametrize(("file", "value"), FORGED_SETTINGS, ids=lambda each: str(each)[:40])
def test_forged_settings_are_an_error_in_one_line(encoder: Path, tmp_path: Path, file: str, value: Any) -> None:
    folder = copy_with(encoder, tmp_path, {file: value})
    started = time.monotonic()
    with pytest.raises(ModelError) as caught:
        open_model(str(folder), kind="local", cache_dir=tmp_path / "cache")
    assert "\n" not in str(caught.value)
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("raw", [b"[" * 200_000, b"{" * 200_000, b" " * 25_000_000, b"\xff", b"1" * 10_000])
def test_settings_that_are_nested_or_long_are_an_error_in_one_line(encoder: Path, tmp_path: Path, raw: bytes) -> None:
    folder = copy_with(encoder, tmp_path, {})
    (folder / "config.json").write_bytes(raw)
    with pytest.raises(ModelError, match=r"config\.json"):
        open_model(str(folder), kind="local", cache_dir=tmp_path / "cache")


def copy_with(model: Path, tmp_path: Path, files: dict[str, Any]) -> Path:
    """Return a copy of a model's folder in which values of JSON files are changed; lists replace them."""
    folder = tmp_path / "copy"
    shutil.copytree(model, folder)
    for name, value in files.items():
        path = folder / name
        former = json.loads(path.read_text()) if path.exists() and isinstance(value, dict) else {}
        write_json(path, former | value if isinstance(value, dict) else value)
    return folder


class Panic(BaseException):
    """An exception such as a panic in Rust raises: not a subclass of Exception."""


class Panicking:
    """An embedder whose libraries panic, or ask for too much memory."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    @property
    def fingerprint(self) -> Any:
        raise self._error

    def embed_documents(self, texts: Any) -> Any:
        raise self._error
        yield

    def embed_queries(self, texts: Any) -> Any:
        raise self._error

    def legible_share(self, query: str) -> float:
        raise self._error


@pytest.mark.parametrize("error", [Panic("retry-limit-in-match over\nat src/lib.rs:5"), MemoryError()])
def test_a_panic_or_a_lack_of_memory_is_a_models_error_wherever_it_happens(error: BaseException) -> None:
    embedder = LockedEmbedder(Panicking(error))
    calls: tuple[Callable[[], object], ...] = (
        lambda: embedder.fingerprint,
        lambda: list(embedder.embed_documents(["a"])),
        lambda: embedder.embed_queries(["a"]),
        lambda: embedder.legible_share("a"),
    )
    for call in calls:
        with pytest.raises(ModelError) as caught:
            call()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), OSError(28, "full")])
def test_interrupts_and_errors_of_the_system_are_no_models_errors(error: BaseException) -> None:
    with pytest.raises(type(error)), model_errors("it", "failed"):
        raise error
    with pytest.raises(type(error)):
        LockedEmbedder(Panicking(error)).embed_queries(["a"])


def test_a_hostile_model_ends_a_command_with_one_line(vsearch: Vsearch, tmp_path: Path) -> None:
    folder = with_tokenizer(tmp_path, lambda tokenizer: tokenizer.update(pre_tokenizer=split("(a|aa)+$x")))
    clone = write_files(tmp_path / "clone", {"a.txt": "a" * 200})
    result = vsearch("index", ".", "--embedder", "static", "--model", str(folder), "-q", cwd=clone)
    assert "could take very long to match" in result.error


def test_a_panic_ends_a_command_with_one_line(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from vsearch_cli import main

    for error, expected in ((Panic("out of range"), "internal error: "), (MemoryError(), "not enough memory")):
        monkeypatch.setattr(main, "make_app", lambda *_, error=error: _raising(error))
        assert main._run() == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        assert expected in lines[0]


def _raising(error: BaseException) -> Callable[..., int]:
    def app(*_: object, **__: object) -> int:
        raise error

    return app


# torch

MARKER = "import pathlib; pathlib.Path({path!r}).touch()\n\nclass {name}: pass\n"


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """The file that code of a model would make."""
    return tmp_path / "ran"


CODE: tuple[dict[str, Any], ...] = (
    {"modules.json": [{"idx": 0, "name": "0", "path": "", "type": "evil.Evil"}]},
    {"modules.json": [{"idx": 0, "name": "0", "path": "", "type": "custom.evil.Evil"}]},
    {"modules.json": [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Asym"}]},
    {"modules.json": [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Router"}]},
    {"modules.json": [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.WordEmbeddings"}]},
    {"modules.json": [{"idx": 0, "name": "0", "path": "..", "type": "sentence_transformers.models.Transformer"}]},
    {"config.json": {"auto_map": {"AutoModel": "evil.Evil", "AutoConfig": "evil.Evil"}}},
    {"config.json": {"auto_map": {"AutoModel": "someone/else--evil.Evil"}, "model_type": "evil"}},
    {"tokenizer_config.json": {"auto_map": {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}, "tokenizer_class": "Evil"}},
    {"config.json": {"trust_remote_code": True}},
    {"config.json": {"sentence_transformers": {"activation_fn": "evil.Evil"}}},
    {"1_Pooling/config.json": {"auto_map": {"AutoModel": "evil.Evil"}}},
    {"2_Dense/config.json": {"activation_function": "evil.Evil"}},
    {"2_Dense/config.json": {"activation_function": "torch.hub.load"}},
    {"2_Dense/config.json": {"activation_function": "os.abort"}},
    {"adapter_config.json": {"base_model_name_or_path": "evil/evil", "peft_type": "LORA"}},
)


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder with a dense layer."""
    return add_modules(write_model(tmp_path_factory.mktemp("dense") / "tiny"), dense=8)


@pytest.mark.parametrize("files", CODE, ids=lambda files: str(files)[:70])
def test_code_of_a_model_is_refused_and_never_run(
    dense: Path, tmp_path: Path, marker: Path, files: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sentence_transformers")
    from vsearch_core.embed.torch_model import load_model

    folder = copy_with(dense, tmp_path, files)
    for name in ("evil.py", "custom/evil.py", "modeling_evil.py", "custom/__init__.py"):
        write_files(folder, {name: MARKER.format(path=str(marker), name="Evil")})
    monkeypatch.chdir(folder)
    with pytest.raises(ModelError):
        load_model(str(folder), "cpu")
    with pytest.raises(ModelError):
        refuse_code(folder)
    assert not marker.exists()


@pytest.mark.parametrize("files", [CODE[0], CODE[6], CODE[8], CODE[10]], ids=lambda files: str(files)[:70])
def test_code_of_a_cross_encoder_is_refused_and_never_run(
    tmp_path: Path, marker: Path, files: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sentence_transformers")
    model = write_counting(tmp_path / "counting")
    shutil.rmtree(model / "onnx")  # so that torch runs it
    write_model(model, max_position_embeddings=200)
    folder = copy_with(model, tmp_path, files)
    write_files(folder, {"evil.py": MARKER.format(path=str(marker), name="Evil")})
    monkeypatch.chdir(folder)
    with pytest.raises(ModelError):
        open_cross_encoder(str(folder)).score("the cat", ["the dog"])
    assert not marker.exists()


@pytest.mark.parametrize("place", ["", "2_Dense"])
@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pkl", "pytorch_model-00001-of-00001.bin"])
def test_pickled_weights_are_never_loaded(dense: Path, tmp_path: Path, marker: Path, place: str, name: str) -> None:
    pytest.importorskip("sentence_transformers")
    import pickle

    from vsearch_core.embed.torch_model import load_model

    folder = copy_with(dense, tmp_path, {})
    (folder / place / "model.safetensors").unlink()

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (marker,)

    (folder / place / name).write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ModelError, match="pickle"):
        load_model(str(folder), "cpu")
    assert not marker.exists()


def test_a_plain_model_is_no_code(dense: Path) -> None:
    refuse_code(dense)


# ONNX graphs that a model ships


def _graph(tmp_path: Path, nodes: list[Any], initializers: list[Any]) -> Path:
    import onnx
    from onnx import TensorProto, helper

    folder = write_static(tmp_path / "m")
    (folder / "onnx").mkdir()
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, "tokens"])
    out = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [1, "tokens", 4])
    graph = helper.make_graph(nodes, "g", [ids], [out], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    (folder / "onnx/model.onnx").write_bytes(onnx.ModelProto.SerializeToString(model))
    write_json(folder / "config.json", {"model_type": "new", "max_position_embeddings": 64})
    return folder


def test_graphs_with_loops_or_with_numbers_elsewhere_are_refused(tmp_path: Path) -> None:
    from onnx import TensorProto, helper, numpy_helper

    body = helper.make_graph([], "body", [], [])
    far = numpy_helper.from_array(np.zeros((9, 4), np.float32), "far")
    far.ClearField("raw_data")
    far.data_location = TensorProto.EXTERNAL
    entry = far.external_data.add()
    entry.key, entry.value = "location", "../../../../etc/passwd"
    gather = helper.make_node("Gather", ["far", "input_ids"], ["last_hidden_state"])
    inner = helper.make_graph([helper.make_node("Constant", [], ["c"], value=far)], "inner", [], [])
    cases = {
        "loop": ([helper.make_node("Loop", ["", ""], ["last_hidden_state"], body=body)], []),
        "scan": ([helper.make_node("Scan", ["input_ids"], ["last_hidden_state"], body=body, num_scan_inputs=1)], []),
        "initializer": ([gather], [far]),
        "constant": ([helper.make_node("Constant", [], ["far"], value=far), gather], []),
        "branch": ([helper.make_node("If", ["c"], ["last_hidden_state"], then_branch=inner, else_branch=inner)], []),
    }
    for name, (nodes, initializers) in cases.items():
        folder = _graph(tmp_path / name, nodes, initializers)
        with pytest.raises(ModelError, match=r"isn't supported|outside its folder"):
            open_model(str(folder), kind="local", cache_dir=tmp_path / "cache")


@pytest.mark.parametrize(
    "raw", [b"", b"\x00" * 64, b"\x08" * 100_000, b"\xff" * 4096, b"\x3a\xff\xff\xff\xff\x0f" + b"\0" * 99]
)
def test_a_graph_that_is_none_is_an_error_in_one_line(tmp_path: Path, raw: bytes) -> None:
    folder = _graph(tmp_path, [], [])
    (folder / "onnx/model.onnx").write_bytes(raw)
    with pytest.raises(ModelError) as caught:
        open_model(str(folder), kind="local", cache_dir=tmp_path / "cache")
    assert "\n" not in str(caught.value)
