"""Nothing is written, truncated, locked or created through a link in an index, or in a folder of the program's own."""

import ast
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import pytest
from hostile import contents, plant
from process import Vsearch, write_files
from support import WordEmbedder, make_index

import vsearch_core
from vsearch_core.errors import StorageError, VsearchError
from vsearch_core.own_files import (
    connect_database,
    copy_file,
    file_lock,
    make_own_folder,
    make_own_folders,
    open_file,
    replace_file,
)
from vsearch_core.store.tables import CATALOG_FILE, SUFFIXES
from vsearch_core.store.vectors import re_embedding_file

ROOT = Path(__file__).parent.parent.parent
PRECIOUS = b"k = 5\n"  # TOML, so that a file of settings could be rewritten in its place
DATABASES = (CATALOG_FILE, f"{CATALOG_FILE}.new", f"{CATALOG_FILE}.salvage")
PLACES = [  # where a writer writes, or once wrote
    *(
        "writer.json",
        "writer.json.new",
        "writer.lock",
        "run.json",
        "run.json.new",
        "index.log",
        "feedback.jsonl",
        "feedback.size",
        "config.toml",
        "config.toml.new",
    ),
    *(f"{name}{suffix}" for name in DATABASES for suffix in ("", *SUFFIXES[1:])),
    *("RE-EMBED", "RE-EMBED-wal", "RE-EMBED-journal", "segments", "damaged", ""),
]


def _open(project: Path, model: str = "words") -> "vsearch_core.Index":
    return vsearch_core.open_index(project, create=True, open_embedder=lambda _: WordEmbedder(model))


def _update(project: Path, _: Path) -> None:
    make_index(project, WordEmbedder(), Path())


def _re_embed(project: Path, _: Path) -> None:
    with vsearch_core.open_index(project, model="other", open_embedder=lambda _: WordEmbedder("other")) as index:
        index.re_embed()


def _remove(project: Path, _: Path) -> None:
    with _open(project) as index:
        index.remove([project / "a.txt"])


def _repair(project: Path, _: Path) -> None:
    vsearch_core.repair_index(project)


def _damage(index: Path) -> None:
    for path in (index / "segments").rglob("vectors.npy"):
        path.write_bytes(path.read_bytes()[:-40])
    os.truncate(index / CATALOG_FILE, (index / CATALOG_FILE).stat().st_size - 5000)


def _import(project: Path, archive: Path) -> None:
    vsearch_core.import_index(archive, project, replace=True)


def _feedback(project: Path, _: Path) -> None:
    with _open(project) as index:
        index.record_verdict("heron", "a.txt")


def _with_index(method: Callable[["vsearch_core.Index"], object]) -> Callable[[Path, Path], None]:
    def command(project: Path, _: Path) -> None:
        with _open(project) as index:
            method(index)

    return command


COMMANDS: Mapping[str, Callable[[Path, Path], None]] = {
    "update": _update,
    "remove": _remove,
    "re-embed": _re_embed,
    "repair": _repair,
    "repair damage": _repair,
    "import": _import,
    "feedback": _feedback,
    "compact": _with_index(lambda index: index.compact()),
    "reset tuning": _with_index(lambda index: index.reset_tuning()),
    "check": _with_index(lambda index: index.check(full=True)),
    "search": _with_index(lambda index: index.search("heron")),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a project, its index, and an archive of it."""
    folder = tmp_path_factory.mktemp("made")
    project = write_files(folder / "project", {"a.txt": "heron", "b.txt": "weir"})
    make_index(project, WordEmbedder(), Path())
    with _open(project) as index:
        index.export(folder / "archive")
    write_files(project, {"c.txt": "a new file"})
    return folder


def _place(index: Path, name: str) -> Path:
    unfinished = re_embedding_file(index, {"fingerprint": json.dumps(asdict(WordEmbedder("other").fingerprint))})
    return Path(str(index / name.replace("RE-EMBED", unfinished.name))) if name else index


@pytest.mark.parametrize("kind", ["file", "dangling"])
@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_writes_through_a_link(made: Path, tmp_path: Path, command: str, kind: str) -> None:
    for number, name in enumerate(PLACES):
        here = tmp_path / str(number)
        shutil.copytree(made / "project", here / "project")
        outside = here / "outside"
        outside.mkdir()
        if command == "repair damage":
            _damage(here / "project" / ".vsearch")
        place = _place(here / "project" / ".vsearch", name)
        target = outside / "target"
        if not place.is_dir() and kind == "file":
            target.write_bytes(PRECIOUS)
        plant(place, target)
        before = contents(outside)
        with suppress(VsearchError):
            COMMANDS[command](here / "project", made / "archive")
        assert contents(outside) == before, f"{command} with a link in the place of {name or '.vsearch'}"
        shutil.rmtree(here)


def test_the_error_names_the_link(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "project", tmp_path / "project")
    index = tmp_path / "project" / ".vsearch"
    index.rename(tmp_path / "outside")
    index.symlink_to("../outside")
    with pytest.raises(StorageError, match="is a symbolic link") as caught:
        make_index(index.parent, WordEmbedder(), Path())
    assert (caught.value.subject, caught.value.code) == (str(index), "is-a-link")


def test_an_index_named_by_a_link_of_the_users_is_used(made: Path, tmp_path: Path) -> None:
    """Only what lies in the index is from elsewhere; the user chose the way to it."""
    shutil.copytree(made / "project", tmp_path / "project")
    (tmp_path / "way").symlink_to("project")
    with _open(tmp_path / "way") as index:
        index.compact()
        assert index.search("heron").hits


@pytest.mark.parametrize("name", ["config.toml", "config.toml.new"])
def test_settings_are_not_written_through_a_link(vsearch: Vsearch, tmp_path: Path, name: str) -> None:
    write_files(tmp_path, {"project/.vsearch/config.toml": "k = 5\n", "outside/target": PRECIOUS})
    plant(tmp_path / "project/.vsearch" / name, tmp_path / "outside/target")
    ran = vsearch("config", "k", "7", cwd=tmp_path / "project")
    assert (ran.status, (tmp_path / "outside/target").read_bytes()) == (2 if name == "config.toml" else 0, PRECIOUS)
    vsearch("config", "--user", "k", "7", cwd=tmp_path, XDG_CONFIG_HOME=str(tmp_path / "settings"))
    plant(tmp_path / "settings/vsearch" / name, tmp_path / "outside/target")
    vsearch("config", "--user", "k", "9", cwd=tmp_path, XDG_CONFIG_HOME=str(tmp_path / "settings"))
    assert (tmp_path / "outside/target").read_bytes() == PRECIOUS


def test_settings_that_are_a_device_or_too_large_are_refused(vsearch: Vsearch, tmp_path: Path) -> None:
    path = tmp_path / "project/.vsearch/config.toml"
    write_files(path.parent, {"config.toml": ""})
    os.truncate(path, 3_000_000_000)
    assert "larger than" in vsearch("config", cwd=tmp_path / "project").error
    path.unlink()
    path.symlink_to("/proc/self/environ")
    assert "symbolic link" in vsearch("config", cwd=tmp_path / "project").error


# The module


@pytest.fixture
def link(tmp_path: Path) -> Path:
    """A link to a precious file, which must stay as it is."""
    write_files(tmp_path, {"outside/target": PRECIOUS, "own/file": "mine"})
    (tmp_path / "own/link").symlink_to("../outside/target")
    (tmp_path / "own/dangling").symlink_to("../outside/new")
    (tmp_path / "own/folder").symlink_to("../outside")
    return tmp_path / "own/link"


WRITES: Mapping[str, Callable[[Path], object]] = {
    "xb": lambda path: open_file(path, "xb").close(),
    "r+b": lambda path: open_file(path, "r+b").close(),
    "ab+": lambda path: open_file(path, "ab+").close(),
    "rb": lambda path: open_file(path, "rb").close(),
    "lock": file_lock,
    "database": connect_database,
    "read-only database": lambda path: connect_database(path, query="mode=ro"),
    "copy": lambda path: copy_file(path.with_name("file"), path),
    "folder": make_own_folder,
}


@pytest.mark.parametrize("name", ["link", "dangling", "folder/target", "folder/new"])
@pytest.mark.parametrize("write", WRITES)
def test_a_link_is_refused(link: Path, write: str, name: str) -> None:
    own = link.parent
    path = own / name
    before = contents(own.parent)
    with pytest.raises(OSError) as caught:
        if write in {"copy", "lock", "database", "read-only database", "folder"} and "/" in name:
            WITHIN[write](path, own)
        elif "/" in name:
            open_file(path, write, within=own)  # type: ignore[arg-type]
        else:
            WRITES[write](path)
    assert "symbolic link" in str(caught.value) or isinstance(caught.value, FileExistsError)
    assert contents(own.parent) == before


WITHIN: Mapping[str, Callable[[Path, Path], object]] = {
    "lock": lambda path, own: file_lock(path, within=own),
    "database": lambda path, own: connect_database(path, within=own),
    "read-only database": lambda path, own: connect_database(path, query="mode=ro", within=own),
    "copy": lambda path, own: copy_file(own / "file", path, within=own),
    "folder": lambda path, own: make_own_folder(path, within=own),
}


def test_a_link_is_replaced_and_its_target_is_not(link: Path) -> None:
    replace_file(link, b"new")
    assert not link.is_symlink()
    assert link.read_bytes() == b"new"
    assert (link.parent.parent / "outside/target").read_bytes() == PRECIOUS


def test_a_replacement_that_fails_leaves_the_file(link: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="no space"):
        replace_file(link.with_name("file"), b"new")
    assert {path.name for path in link.parent.iterdir()} == {"file", "link", "dangling", "folder"}
    assert link.with_name("file").read_bytes() == b"mine"


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for mode in ("rb", "r+b", "ab+"):
        with pytest.raises(OSError, match="not a regular file"):
            open_file(tmp_path / "pipe", mode)


def test_nothing_stays_open(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").is_dir() else 0
    (tmp_path / "link").symlink_to("file")
    for _ in range(20):
        with suppress(OSError):
            open_file(tmp_path / "link", "rb")
        with suppress(OSError):
            open_file(tmp_path / "missing" / "file", "rb", within=tmp_path)
    open_file(tmp_path / "file", "xb").close()
    assert (len(list(Path("/proc/self/fd").iterdir())) if before else 0) == before


def test_folders_of_the_users_are_made_through_links_of_the_users(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "cache").symlink_to("disk")
    make_own_folders(tmp_path / "cache" / "vsearch" / "models", 0o700)
    assert (tmp_path / "disk/vsearch/models").stat().st_mode & 0o777 == 0o700


def test_without_descriptors_links_are_refused_by_name(link: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsearch_core.own_files._HAS_DESCRIPTORS", False)
    for write in WRITES.values():
        with pytest.raises(OSError, match=r"symbolic link|exists"):
            write(link)
    open_file(link.with_name("more"), "xb").close()
    make_own_folder(link.with_name("deep"))


# No other module opens files for writing

ALLOWED = {  # file -> why it may
    "vsearch_core/own_files.py": "is the module",
    "vsearch_core/evaluate/corpus.py": "writes where the user says",
    "vsearch_core/evaluate/dataset.py": "writes where the user says",
    "vsearch_core/evaluate/trec.py": "writes where the user says",
    "vsearch_core/text/extract/ocr.py": "writes into a temporary folder of its own",
    "vsearch_core/text/worker.py": "opens its streams, and the null device",
    "vsearch_core/regular_files.py": "opens files to read them",
    "vsearch_core/text/discover.py": "opens the user's documents to read them",
    "vsearch_core/store/files.py": "opens folders, to sync them",
    "vsearch_core/store/server/reading.py": "opens a database in memory",
    "vsearch_core/store/tables.py": "opens a database in memory",
    "vsearch_core/index/repair.py": "keeps copies of links as links",
    "cli/output.py": "opens the null device",
}
OPENERS = {"os.open", "os.fdopen", "sqlite3.connect", "os.truncate", "os.mkfifo", "os.mknod"}
WRITERS = {"write_text", "write_bytes", "touch", "symlink_to", "hardlink_to", "FileLock", "SoftFileLock", "tofile"}
COPIERS = {"copy", "copy2", "copyfile", "copytree", "move"}  # of shutil
SAVERS = {"np.save", "np.savez", "onnx.save"}


def writes(source: str) -> Iterator[str]:
    """Yield each call of a source that opens a file for writing, or in a way that can't be told."""
    tree = ast.parse(source)
    from_shutil = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "shutil"
        for alias in node.names
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        last = name.rpartition(".")[2]
        copies = last in COPIERS and (name.startswith("shutil.") or name in from_shutil)
        saves = name in SAVERS and not _is_handle(node.args)
        opens = last == "open" and name not in OPENERS and _opens_to_write(node)
        if copies or saves or opens or name in OPENERS or (last in WRITERS and not name.startswith("self.")):
            yield ast.unparse(node)


def _opens_to_write(call: ast.Call) -> bool:
    modes = [*call.args, *(word.value for word in call.keywords if word.arg == "mode")]
    texts = [each.value for each in modes if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return any(len(text) <= 3 and set(text) <= set("rwxabt+") and set(text) & set("wxa+") for text in texts)


def _is_handle(arguments: Sequence[ast.expr]) -> bool:
    return any(isinstance(each, ast.Name) and each.id == "file" for each in arguments)


SOURCES = sorted([*ROOT.glob("vsearch_core/**/*.py"), *ROOT.glob("cli/**/*.py")])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_opened_for_writing_by_one_module(path: Path) -> None:
    if str(path.relative_to(ROOT)) not in ALLOWED:
        assert list(writes(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        *("open(p, 'w')", "p.open('ab')", "p.open(mode='r+b')", "io.open(p, 'xb')", "p.write_text('')", "p.touch()"),
        *("os.open(p, 0)", "sqlite3.connect(p)", "FileLock(p)", "shutil.copyfile(a, b)", "np.save(path, a)"),
        "from shutil import copy2\ncopy2(a, b)",
    ],
)
def test_the_checker_finds_a_write(source: str) -> None:
    assert list(writes(source))


@pytest.mark.parametrize("source", ["open(p)", "p.open('rb')", "np.save(file, a)", "index.open(spec)", "a.copy()"])
def test_the_checker_accepts_a_read(source: str) -> None:
    assert list(writes(source)) == []
