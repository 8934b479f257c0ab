"""A model's prefixes are found whatever its folder is called."""

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_models import write_model

from vsearch_core.embed.model_names import known_names
from vsearch_core.embed.models import open_model

E5 = ("query: ", "passage: ")


def write_config(folder: Path, **values: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(values))
    return folder


@pytest.mark.parametrize(
    ("folder", "said", "names"),
    [
        ("model", {}, ["model"]),
        ("models--intfloat--e5-base/snapshots/0a1b", {}, ["0a1b", "intfloat/e5-base"]),
        ("models--a--b--c/snapshots/0a1b", {}, ["0a1b", "a/b--c"]),
        ("snapshots/0a1b", {}, ["0a1b"]),
        ("model", {"_name_or_path": "intfloat/e5-base"}, ["model", "intfloat/e5-base"]),
        ("models--x--e5-instruct/snapshots/0a1b", {"_name_or_path": "intfloat/e5-base"}, ["x/e5-instruct"]),
        ("model", {"_name_or_path": "intfloat/e5-large-instruct"}, ["intfloat/e5-large-instruct"]),
    ],
)
def test_a_model_has_the_names_of_its_folder_the_cache_and_its_config(
    tmp_path: Path, folder: str, said: dict[str, str], names: list[str]
) -> None:
    path = write_config(tmp_path / folder, **said)
    assert known_names(path.name, path) == names


def test_a_known_model_is_told_by_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hashlib import sha256

    from safetensors.numpy import load_file

    folder = write_model(tmp_path / "model")
    norm = load_file(folder / "model.safetensors")["embeddings.LayerNorm.weight"]
    digest = sha256(norm.astype(np.float16).tobytes()).hexdigest()[:32]
    assert known_names("model", folder) == ["model"]
    monkeypatch.setattr("vsearch_core.embed.model_names._KNOWN_WEIGHTS", {digest: "intfloat/multilingual-e5-small"})
    assert known_names("model", folder) == ["model", "intfloat/multilingual-e5-small"]
    description = open_model(str(folder), cache_dir=tmp_path / "cache").description
    assert (description.query_prefix, description.document_prefix) == E5


def test_one_line_says_that_no_prefix_is_known(tmp_path: Path) -> None:
    lines: list[str] = []
    for name, said in (("plain", {}), ("named", {"_name_or_path": "intfloat/e5-small"})):
        folder = write_model(tmp_path / name)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | said))
        open_model(str(folder), lines.append, cache_dir=tmp_path / "cache")
    preparing = [f"preparing {name} (once per machine) …" for name in ("plain", "named")]
    assert lines == [preparing[0], "model plain: no prefix of queries or documents is known for it", preparing[1]]
