"""A project's file, or an index that came from elsewhere, can't choose a model, a provider, an address or a device."""

import json
import shutil
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from process import Vsearch, write_files
from support import WordEmbedder, make_index
from tiny_models import write_static
from vsearch_cli import consent as asking
from vsearch_cli.opening import embedder_opener, open_index

import vsearch_core
from vsearch_core.allowed import _file, allow
from vsearch_core.embed import open as opening
from vsearch_core.embed.model_files import parse_model
from vsearch_core.embed.open import recipient
from vsearch_core.errors import InputError, ModelError
from vsearch_core.index.choices import is_made_here
from vsearch_core.model import EmbedderSpec
from vsearch_core.store.catalog import Catalog

HOSTILE = (  # settings of a project's file, and the one that is named in the refusal
    ({"model": "evil-owner/evil-model"}, "evil-owner/evil-model"),
    ({"model": "evil-model"}, "evil-model"),
    ({"embedder": "static", "model": "evil-owner/evil-model"}, "evil-owner/evil-model"),
    ({"embedder": "static", "model": "m"}, "{clone}/m"),
    ({"model": "m"}, "{clone}/m"),
    ({"model": "./m"}, "{clone}/m"),
    ({"model": "../clone/m"}, "{clone}/m"),
    ({"model": "{clone}/m"}, "{clone}/m"),
    ({"model": "/usr"}, "/usr"),
    ({"embedder": "sentence-transformers"}, "sentence-transformers"),
    ({"embedder": "sentence-transformers", "model": "evil/model"}, "evil/model"),
    ({"embedder": "gemini"}, "gemini"),
    ({"embedder": "openai"}, "openai"),
    ({"embedder": "openai", "base_url": "https://evil.example/v1"}, "https://evil.example/v1"),
    ({"embedder": "openai", "model": "m", "base_url": "http://127.0.0.1:6379"}, "http://127.0.0.1:6379"),
    ({"embedder": "openai", "model": "m", "base_url": "http://localhost:11434/v1"}, "http://localhost:11434/v1"),
    ({"embedder": "gemini", "base_url": "http://[::1]:22"}, "http://[::1]:22"),
    ({"embedder": "nonsense"}, "nonsense"),
)
SPECS = (  # of an index's embedder
    EmbedderSpec("local", "evil-owner/evil-model"),
    EmbedderSpec("local", "{clone}/m"),
    EmbedderSpec("static", "{clone}/m"),
    EmbedderSpec("static", "evil-owner/evil-model"),
    EmbedderSpec("sentence-transformers", "evil-owner/evil-model"),
    EmbedderSpec("sentence-transformers", "sentence-transformers/all-MiniLM-L6-v2"),
    EmbedderSpec("openai", "m", base_url="http://127.0.0.1:6379"),
    EmbedderSpec("openai", "m", base_url="https://evil.example/v1"),
    EmbedderSpec("gemini", "gemini-embedding-001"),
    EmbedderSpec("nonsense", "m"),
)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[EmbedderSpec]:
    """The specs of the embedders that are opened; the user's folders are empty."""
    specs: list[EmbedderSpec] = []

    def record(spec: EmbedderSpec, **_: Any) -> WordEmbedder:
        specs.append(spec)
        embedder = WordEmbedder()
        embedder.fingerprint = replace(embedder.fingerprint, provider=spec.provider)
        return embedder

    monkeypatch.setattr(opening, "open_embedder", record)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.setenv("VSEARCH_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("EMBEDDER", "MODEL", "BASE_URL", "DEVICE"):
        monkeypatch.delenv(f"VSEARCH_{name}", raising=False)
    return specs


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with a document and a model."""
    write_static(write_files(tmp_path / "clone", {"a.txt": "heron weir sluice mill okapi"}) / "m")
    return tmp_path / "clone"


def configure(clone: Path, settings: Mapping[str, object]) -> None:
    lines = [f"{key} = {json.dumps(str(value).format(clone=clone))}\n" for key, value in settings.items()]
    write_files(clone, {".vsearch/config.toml": "".join(lines)})


def forge(clone: Path, spec: EmbedderSpec, *, foreign: bool = True) -> None:
    """Make an index whose settings name the embedder; a foreign one's documents were changed later, as by a clone."""
    make_index(clone, WordEmbedder(), Path())
    for path in clone.rglob("*") if foreign else ():
        path.chmod(path.stat().st_mode)
    with closing(Catalog.open_to_write(clone / ".vsearch")) as catalog, catalog.transaction():
        fingerprint = replace(WordEmbedder().fingerprint, provider=spec.provider)
        catalog.put_setting("fingerprint", json.dumps(asdict(fingerprint)))
        catalog.put_setting("model", str(spec.model).format(clone=clone))
        catalog.put_setting("base_url", spec.base_url or "")


def search(clone: Path, **options: Any) -> None:
    with open_index(clone / ".vsearch", **options) as index:
        index.search("heron")


@pytest.mark.parametrize("yes", [False, True])
@pytest.mark.parametrize(("settings", "named"), HOSTILE, ids=str)
def test_a_projects_file_chooses_nothing(
    clone: Path, opened: list[EmbedderSpec], settings: Mapping[str, str], named: str, yes: bool
) -> None:
    """Neither does --yes let it, which agrees to send text to what the user has named."""
    configure(clone, settings)
    with pytest.raises(InputError, match="never chosen on this machine") as caught:
        open_index(clone / ".vsearch", create=True, yes=yes)
    assert caught.value.code == "not-chosen"
    assert named.format(clone=clone) in str(caught.value)
    assert opened == []
    assert not (clone / ".vsearch/catalog.sqlite").exists()


@pytest.mark.parametrize("call", ["search", "update", "plan", "prepare", "re_embed", "similar", "evaluate"])
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.provider} {spec.model} {spec.base_url}")
def test_an_index_chooses_nothing(clone: Path, opened: list[EmbedderSpec], spec: EmbedderSpec, call: str) -> None:
    forge(clone, spec)
    write_files(clone, {"b.txt": "okapi", "../outside.txt": "quagga"})
    calls: dict[str, Any] = {
        "search": lambda index: index.search("heron"),
        "update": lambda index: index.update(),
        "plan": lambda index: index.plan(),
        "prepare": lambda index: index.prepare(vsearch_core.search_request("heron")),
        "re_embed": lambda index: index.re_embed(),
        "similar": lambda index: index.similar(str(clone.parent / "outside.txt")),
        "evaluate": lambda index: index.evaluate(index.known_item_queries(1)),
    }
    with open_index(clone / ".vsearch", yes=True, create=True) as index:
        if call == "plan" and recipient(spec) is not None:
            index.plan()  # opens no remote embedder
        else:
            with pytest.raises(InputError, match="never chosen on this machine"):
                calls[call](index)
    assert opened == []


@pytest.mark.parametrize("spec", SPECS[:7], ids=lambda spec: f"{spec.provider} {spec.model}")
def test_the_library_refuses_what_an_index_chooses(clone: Path, opened: list[EmbedderSpec], spec: EmbedderSpec) -> None:
    forge(clone, spec)
    with vsearch_core.open_index(clone) as index:
        assert index.search("heron", mode="keyword").hits
        with pytest.raises(InputError, match="never chosen on this machine"):
            index.search("heron")
    assert opened == []


def test_what_the_user_names_in_any_way_is_chosen_and_remembered(
    clone: Path, opened: list[EmbedderSpec], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By an option, a variable, their own file, a question, or `vsearch config`; each once."""
    spec = EmbedderSpec("local", "owner/name")
    forge(clone, spec)
    index = clone / ".vsearch"

    def assert_remembered() -> None:
        search(clone)
        _file(index).unlink()
        with pytest.raises(InputError, match="never chosen"):
            search(clone)

    monkeypatch.setenv("VSEARCH_MODEL", "owner/name")
    search(clone)
    monkeypatch.delenv("VSEARCH_MODEL")
    assert_remembered()
    settings = write_files(tmp_path / "settings/vsearch", {"config.toml": 'model = "owner/name"\n'})
    search(clone)
    (settings / "config.toml").unlink()
    assert_remembered()
    questions: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(asking, "_ask", lambda question: not questions.append(question))  # type: ignore[func-returns-value]
        search(clone)
    assert questions == [f"{index}: names the model owner/name, which you have never chosen on this machine"]
    assert_remembered()
    with vsearch_core.open_index(clone, create=True, model="owner/name") as library:
        library.search("heron")
    assert_remembered()


def test_the_former_choice_of_a_project_does_not_cover_another_value_or_project(
    clone: Path, opened: list[EmbedderSpec], tmp_path: Path
) -> None:
    forge(clone, EmbedderSpec("local", "owner/name"))
    allow(clone / ".vsearch", {"model": ["owner/name"]})
    search(clone)
    with closing(Catalog.open_to_write(clone / ".vsearch")) as catalog, catalog.transaction():
        catalog.put_setting("model", "owner/other")
    with pytest.raises(InputError, match="owner/other"):
        search(clone)
    shutil.copytree(clone, tmp_path / "copy")
    allow(clone / ".vsearch", {"model": ["owner/other"]})
    search(clone)
    with pytest.raises(InputError, match="owner/other"):
        search(tmp_path / "copy")


@pytest.mark.parametrize("model", [None, "all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"])
def test_the_default_model_needs_nothing(clone: Path, opened: list[EmbedderSpec], model: str | None) -> None:
    forge(clone, EmbedderSpec("local", model or "sentence-transformers/all-MiniLM-L6-v2"))
    search(clone)
    assert len(opened) == 1
    assert not _file(clone / ".vsearch").exists()


def test_a_folder_with_the_name_of_a_model_is_not_that_model(
    clone: Path, opened: list[EmbedderSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user's own settings name a model of the hub, and the clone has a folder of that name."""
    write_static(clone / "BAAI/bge-small-en-v1.5")
    write_static(clone / "sentence-transformers/all-MiniLM-L6-v2")
    monkeypatch.chdir(clone)
    monkeypatch.setenv("VSEARCH_MODEL", "BAAI/bge-small-en-v1.5")
    with pytest.raises(InputError, match="never chosen"):
        open_index(clone / ".vsearch", create=True)
    for name in ("BAAI/bge-small-en-v1.5", "sentence-transformers/all-MiniLM-L6-v2", "all-MiniLM-L6-v2", "m"):
        assert parse_model(name).folder is None
    assert parse_model("./m").folder == clone / "m"
    with pytest.raises(ModelError, match="no such folder"):
        parse_model("m/../m")


@pytest.mark.parametrize("path", ["m", "./m", "{clone}/m"])
def test_a_folder_in_the_users_own_settings_is_chosen_if_it_is_written_as_a_path(
    clone: Path, opened: list[EmbedderSpec], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("VSEARCH_MODEL", path.format(clone=clone))
    if path == "m":
        with pytest.raises(InputError, match="never chosen"):
            open_index(clone / ".vsearch", create=True)
    else:
        open_index(clone / ".vsearch", create=True).update([clone / "a.txt"])
        assert opened[0].model == str(clone / "m")


@pytest.mark.parametrize("device", ["cuda", "mps", "cpu"])
def test_a_projects_file_chooses_no_device(clone: Path, opened: list[EmbedderSpec], device: str) -> None:
    configure(clone, {"device": device})
    spec = EmbedderSpec("sentence-transformers")
    with pytest.raises(InputError, match=f"the device {device}, never chosen"):
        embedder_opener(clone / ".vsearch", report=print)(spec)
    embedder_opener(clone / ".vsearch", report=print, device="cpu")(spec)
    allow(clone / ".vsearch", {"device": [device]})
    embedder_opener(clone / ".vsearch", report=print)(spec)
    assert len(opened) == 2


def test_an_index_that_was_made_here_before_there_was_a_record_needs_nothing(
    clone: Path, opened: list[EmbedderSpec], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its times of change are those of the files on this disk, which a clone or a copy can't have."""
    monkeypatch.setattr("vsearch_core.index.sources.SETTLED_NS", -(10**12))  # times of files that are new count, too
    forge(clone, EmbedderSpec("static", "owner/name"), foreign=False)
    if not (clone / "a.txt").stat().st_ctime_ns % 1_000_000_000:
        pytest.skip("this file system has no times below a second")
    shutil.copytree(clone, tmp_path / "copy")
    assert is_made_here(clone / ".vsearch")
    assert not is_made_here(tmp_path / "copy/.vsearch")
    with pytest.raises(InputError, match="never chosen"):
        search(tmp_path / "copy")
    search(clone)
    (clone / "a.txt").unlink()
    search(clone)  # it is on record now
    assert not is_made_here(clone / ".vsearch")
    with closing(Catalog.open_to_write(clone / ".vsearch")) as catalog, catalog.transaction():
        catalog.put_setting("model", "owner/other")
    with pytest.raises(InputError, match="owner/other"):
        search(clone)


def test_an_update_of_a_foreign_index_does_not_make_it_the_users_own(
    clone: Path, opened: list[EmbedderSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stores the times of files on this disk, even where it embeds nothing."""
    forge(clone, EmbedderSpec("local", "owner/name"))
    monkeypatch.setattr("vsearch_core.index.sources.SETTLED_NS", -(10**12))
    with open_index(clone / ".vsearch", create=True) as index:
        assert index.update().embedded == 0
    with closing(Catalog.open_to_read(clone / ".vsearch")) as catalog:
        assert catalog.files(live=True)["a.txt"].ctime_ns == (clone / "a.txt").stat().st_ctime_ns
    with pytest.raises(InputError, match="never chosen"):
        search(clone)


@pytest.mark.parametrize("stored", ["../outside.txt", "{outside}", "link/outside.txt", "link.txt", "a.txt"])
def test_files_outside_and_forged_times_prove_nothing(
    clone: Path, opened: list[EmbedderSpec], monkeypatch: pytest.MonkeyPatch, stored: str
) -> None:
    """The forger knows the times of files outside of the clone, such as those of a system's image."""
    outside = write_files(clone.parent / "outside", {"outside.txt": "x"}) / "outside.txt"
    (clone / "link").symlink_to("../outside")
    (clone / "link.txt").symlink_to("../outside/outside.txt")
    forge(clone, EmbedderSpec("static", "owner/name"))
    times = outside.stat()
    record = next(iter(Catalog.open_to_read(clone / ".vsearch").files(live=True).values()))
    path = stored.format(outside=outside)
    ctime = times.st_ctime_ns + (stored == "a.txt")
    forged = {path: replace(record, path=path, ctime_ns=ctime)}
    monkeypatch.setattr(Catalog, "files", lambda _self, **_: forged)
    assert not is_made_here(clone / ".vsearch")


def test_a_model_that_is_prepared_here_needs_nothing_and_a_changed_folder_does(
    vsearch: Vsearch, tmp_path: Path
) -> None:
    model = write_static(tmp_path / "model")
    for name in ("one", "two"):
        write_files(tmp_path / name, {"a.txt": "the cat"})
        made = vsearch("index", ".", "--embedder", "static", "--model", str(model), cwd=tmp_path / name)
        assert made.status == 0, made
        (tmp_path / name / "a.txt").chmod(0o600)  # the time of its last change is another one now, as in a clone
    other = {"HOME": str(tmp_path / "somebody"), "VSEARCH_CACHE_DIR": str(tmp_path / "cache")}
    assert vsearch("query", "cat", cwd=tmp_path / "one").status == 0
    error = vsearch("query", "cat", cwd=tmp_path / "one", **other).error
    assert error == (
        f"{tmp_path}/one/.vsearch: names the embedder static and the model {model}, never chosen on this machine;"
        " if you trust it, run this once at a terminal, or with"
        f" VSEARCH_EMBEDDER=static VSEARCH_MODEL={model} in the environment"
    )
    named = {"VSEARCH_EMBEDDER": "static", "VSEARCH_MODEL": str(model)}
    assert vsearch("query", "cat", cwd=tmp_path / "one", **other, **named).status == 0
    assert vsearch("query", "cat", cwd=tmp_path / "one", **other).status == 0
    error = vsearch("query", "cat", cwd=tmp_path / "two", **other).error
    assert "names the embedder static, never chosen" in error, (
        "the model is prepared, the embedder is new to the project"
    )
    write_static(model)
    assert "and the model" in vsearch("query", "cat", cwd=tmp_path / "two", **other).error


@pytest.mark.parametrize("command", ["index .", "index --plan .", "index --yes -q ."])
def test_the_command_names_the_model_that_a_clone_has_chosen(vsearch: Vsearch, clone: Path, command: str) -> None:
    configure(clone, {"model": "evil-owner/evil-model"})
    error = vsearch(*command.split(), cwd=clone).error
    assert error.startswith(f"{clone}/.vsearch: names the model evil-owner/evil-model, never chosen on this machine; ")
    assert error.endswith("or with VSEARCH_MODEL=evil-owner/evil-model in the environment")
    assert sorted(path.name for path in (clone / ".vsearch").iterdir()) == ["config.toml"]


def test_what_vsearch_config_writes_is_chosen(vsearch: Vsearch, clone: Path) -> None:
    (clone / ".vsearch").mkdir()
    for key, value in (("embedder", "static"), ("model", "m")):
        assert vsearch("config", key, value, "--index", ".vsearch", cwd=clone).status == 0
    assert vsearch("index", "a.txt", cwd=clone).status == 0


def test_an_evaluation_leaves_no_record_of_its_own_index(vsearch: Vsearch, tmp_path: Path) -> None:
    model = write_static(tmp_path / "model")
    judged = write_files(
        tmp_path / "judged",
        {
            "corpus.jsonl": '{"_id": "1", "title": "", "text": "The cat."}\n',
            "queries.jsonl": '{"_id": "1", "text": "cat"}\n',
            "qrels/test.tsv": "query-id\tcorpus-id\tscore\n1\t1\t1\n",
        },
    )
    named = {"VSEARCH_EMBEDDER": "static", "VSEARCH_MODEL": str(model), "HOME": str(tmp_path / "home")}
    assert vsearch("eval", str(judged), cwd=tmp_path, **named).status == 0
    records = [json.loads(path.read_text()) for path in (tmp_path / "home").glob("**/allowed/*.json")]
    assert [record["index"] for record in records] in ([], [str(judged)])
