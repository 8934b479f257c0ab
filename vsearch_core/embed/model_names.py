"""Find the names under which a model is known, whatever its folder is called."""

from hashlib import sha256
from pathlib import Path

from vsearch_core.embed.model_files import WEIGHTS
from vsearch_core.embed.settings import read_optional
from vsearch_core.embed.tensors import TensorReader, open_weights
from vsearch_core.errors import ModelError

_FINGERPRINT = "embeddings.LayerNorm.weight"  # a small tensor, which quantisation leaves alone
_KNOWN_WEIGHTS = {  # sha256 of that tensor in 16 bits -> name
    "ef7b5b163ce1f007cdbeb945bc7e7d87": "intfloat/multilingual-e5-small",
}
_DIGITS = 32  # of a sha256
_SNAPSHOTS, _CACHED = "snapshots", "models--"  # the hub's cache: models--OWNER--NAME/snapshots/COMMIT


def known_names(name: str, folder: Path) -> list[str]:
    """Return the names that a model in a folder may be known by, the most certain one first.

    These are `name`, the name in the path of the hub's cache, the one that config.json gives, and that of a known model
    whose weights it has. A name with "instruct" is the only one: such a model is made from another one, and differs.
    Raises ModelError for a damaged config.json.
    """
    names = [name]
    if folder.parent.name == _SNAPSHOTS and folder.parent.parent.name.startswith(_CACHED):
        names.append(folder.parent.parent.name.removeprefix(_CACHED).replace("--", "/", 1))
    said = read_optional(folder / "config.json").get("_name_or_path")
    if isinstance(said, str):
        names.append(said)
    if any("instruct" in each.lower() for each in names):
        return [each for each in names if "instruct" in each.lower()]
    by_weights = _name_by_weights(folder / WEIGHTS)
    return names if by_weights is None else [*names, by_weights]


def _name_by_weights(path: Path) -> str | None:
    if not path.is_file():
        return None
    try:
        with open_weights(path) as file:
            tensor = TensorReader(path, file, _FINGERPRINT)(_FINGERPRINT, (-1,))
    except ModelError:  # another architecture, or damaged weights, which the caller reads and names
        return None
    return _KNOWN_WEIGHTS.get(sha256(tensor.astype("<f2").tobytes()).hexdigest()[:_DIGITS])
