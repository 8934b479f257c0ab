"""A pipe, a socket or a device is refused by name at once, wherever a command takes or finds a file."""

import ast
import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cross_encoders import write_counting
from fork_server import ForkServer, serving
from process import write_files
from support import WordEmbedder, make_index
from tiny_models import add_modules, write_model, write_static

import vsearch_core
from vsearch_core.embed.cross_encoder import open_cross_encoder
from vsearch_core.embed.models import open_model
from vsearch_core.embed.onnx.runtime import open_session
from vsearch_core.embed.tensors import open_weights
from vsearch_core.errors import ModelError
from vsearch_core.regular_files import open_regular

ROOT = Path(__file__).parent.parent.parent
QUICK = 10  # seconds of CPU; a command that waits is ended by a signal
KINDS = ("pipe", "socket", "device")
REFUSED = "not a regular file"


def put(path: Path, kind: str) -> Path:
    """Put a pipe, a socket or a link to an endless device in the path's place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        here = Path.cwd()
        os.chdir(path.parent)  # an address has 107 bytes at most
        try:
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(path.name)
        finally:
            os.chdir(here)
    else:
        path.symlink_to("/dev/zero")
    return path


@contextmanager
def quick() -> Iterator[None]:
    """Fail if the block takes long."""

    def fail(*_: object) -> None:
        raise AssertionError("it waits")

    former = signal.signal(signal.SIGALRM, fail)
    signal.alarm(200)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    with serving(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with an index and a verdict."""
    project = write_files(tmp_path_factory.mktemp("made") / "project", {"a.txt": "heron", "b.txt": "weir"})
    make_index(project, WordEmbedder(), Path())
    with vsearch_core.open_index(project, open_embedder=lambda _: WordEmbedder()) as index:
        index.record_verdict("heron", "a.txt")
    return project


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "project"))


def refuse(server: ForkServer, project: Path, command: list[str], path: Path) -> None:
    """Run the command: it ends at once with status 2, and names the file."""
    done = server.run(command, project, project.parent / "outside")
    assert done.faults() == [], done
    assert done.seconds < QUICK, done
    assert done.status == 2, done
    assert path.name in done.err, done
    assert REFUSED in done.err or (path.is_symlink() and "symbolic link" in done.err), done


# Files that a command takes

JUDGED = {"queries.jsonl": '{"_id": "1", "text": "heron"}\n', "qrels/test.tsv": "query-id\tcorpus-id\tscore\n1\td\t1\n"}
DATASET = {**JUDGED, "corpus.jsonl": '{"_id": "d", "text": "heron"}\n'}
TAKEN = [["verify"], ["import"], ["import", "--replace"], ["eval"], ["tune"], ["eval", "judged.jsonl", "--compare"]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", TAKEN, ids=" ".join)
def test_a_file_that_a_command_takes_is_refused(
    server: ForkServer, project: Path, command: list[str], kind: str
) -> None:
    write_files(project, {"judged.jsonl": '{"text": "heron", "paths": ["a.txt"]}\n'})
    refuse(server, project, [*command, "special"], put(project / "special", kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DATASET)
@pytest.mark.parametrize("command", ["eval", "tune"])
def test_a_file_of_judged_queries_is_refused(
    server: ForkServer, project: Path, command: str, name: str, kind: str
) -> None:
    write_files(project / "judged", JUDGED if command == "tune" and name != "corpus.jsonl" else DATASET)
    refuse(server, project, [command, "judged"], put(project / "judged" / name, kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["special", ".gitignore"])
def test_a_document_or_an_ignore_file_is_named_and_passed_over(
    server: ForkServer, project: Path, name: str, kind: str
) -> None:
    put(project / name, kind)
    done = server.run(["index", "-v", "." if name == ".gitignore" else name], project, project.parent / "outside")
    assert done.faults() == [], done
    assert done.seconds < QUICK, done
    assert name in done.err, done


SETTINGS = [["config"], ["config", "k"], ["config", "--user", "k", "7"], ["query", "heron"]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", SETTINGS, ids=" ".join)
def test_settings_of_the_users_are_refused(project: Path, tmp_path: Path, command: list[str], kind: str) -> None:
    with serving(tmp_path / "home") as own:
        path = put(tmp_path / "home/.config/vsearch/config.toml", kind)
        refuse(own, project, command, path)


# Files that a command finds in an index

READING = [
    ["status"],
    ["query", "heron"],
    ["check", "--full"],
    ["similar", "a.txt"],
    ["read", "a.txt"],
    ["export", "o"],
]
WRITING = [["index"], ["remove", "a.txt"], ["compact"], ["repair"], ["config", "k", "7"]]
JUDGING = [["feedback", "heron", "a.txt"], ["tune"], ["check", "--full"]]
NEEDED = {
    "catalog.sqlite": [*READING, *WRITING[:-1]],
    "catalog.sqlite-wal": [*READING, *WRITING[:-1]],
    "catalog.sqlite-journal": [*READING, *WRITING[:-1]],
    "catalog.sqlite-shm": [*READING, *WRITING[:-1]],
    "config.toml": [["query", "heron"], ["index"], ["config", "k", "7"]],
    "writer.lock": WRITING[:-1],
    "feedback.jsonl": JUDGING,
    "SEGMENT/vectors.npy": [["query", "heron"], ["check", "--full"], ["export", "o"]],
}
CASES = [(name, command) for name, commands in NEEDED.items() for command in commands]


@pytest.mark.parametrize("kind", ["pipe", "socket"])
@pytest.mark.parametrize(("name", "command"), CASES, ids=str)
def test_a_file_of_an_index_is_refused(
    server: ForkServer, project: Path, name: str, command: list[str], kind: str
) -> None:
    index = project / ".vsearch"
    (segment,) = (index / "segments").iterdir()
    path = put(index / name.replace("SEGMENT", f"segments/{segment.name}"), kind)
    done = server.run(command, project, project.parent / "outside")
    assert done.faults() == [], done
    assert done.seconds < QUICK, done
    assert path.name in done.out + done.err, done
    assert "regular file" in done.out + done.err or kind == "socket", done


@pytest.mark.parametrize("kind", ["pipe", "socket", "link to a pipe"])
@pytest.mark.parametrize("command", WRITING[:-1], ids=" ".join)
def test_what_stands_in_the_place_of_a_segment_is_deleted_unopened(
    server: ForkServer, project: Path, command: list[str], kind: str
) -> None:
    place = project / ".vsearch/segments" / ("0" * 32)
    if kind == "link to a pipe":
        place.symlink_to(put(project.parent / "outside" / "pipe", "pipe"))
    else:
        put(place, kind)
    put(project / ".vsearch/writer.json", "pipe")  # is replaced
    done = server.run(command, project, project.parent / "outside")
    assert (done.faults(), done.status) == ([], 0), done
    assert not os.path.lexists(place)


# Models

Opening = Callable[[Path, Path], object]
MODELS: dict[str, tuple[Callable[[Path], Path], Opening]] = {
    "static": (write_static, lambda folder, cache: open_model(str(folder), kind="static", cache_dir=cache)),
    "local": (
        lambda folder: add_modules(write_model(folder)),
        lambda folder, cache: open_model(str(folder), kind="local", cache_dir=cache),
    ),
    "cross-encoder": (write_counting, lambda folder, _: open_cross_encoder(str(folder))),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name, (write, _) in MODELS.items():
        write(folder / name)
    return folder


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", MODELS)
def test_each_file_of_a_model_is_refused(models: Path, tmp_path: Path, model: str, kind: str) -> None:
    names = [path.relative_to(models / model) for path in (models / model).rglob("*") if path.is_file()]
    for number, name in enumerate([*names, Path("modules.json")]):
        folder = tmp_path / str(number)
        shutil.copytree(models / model, folder)
        path = put(folder / name, kind)
        with quick(), pytest.raises(ModelError, match=REFUSED) as caught:
            MODELS[model][1](folder, tmp_path / "cache")
        assert caught.value.subject == str(path)


@pytest.mark.parametrize("opening", [open_regular, open_weights, lambda path: open_session(path, optimised=False)])
@pytest.mark.parametrize("kind", KINDS)
def test_no_way_to_open_a_file_waits(tmp_path: Path, opening: Callable[[Path], object], kind: str) -> None:
    with quick(), pytest.raises((OSError, ModelError), match=REFUSED):
        opening(put(tmp_path / "special", kind))


# No module opens files for reading in another way

ALLOWED = {  # file -> why it may
    "vsearch_core/regular_files.py": "is the module",
    "vsearch_core/own_files.py": "is the module for files of an index",
    "vsearch_core/store/scratch.py": "maps a file that it has just made",
    "vsearch_core/evaluate/corpus.py": "lists the folder in which it keeps a corpus",
    "vsearch_core/embed/preparation.py": "lists the folder that it has just written",
    "vsearch_core/embed/model_files.py": "refuses special files in a model's folder",
    "vsearch_core/embed/torch_model.py": "lists a model's folder without special files",
    "vsearch_core/embed/torch_files.py": "lists a model's folder without special files",
    "vsearch_core/embed/cross_encoder.py": "lists a model's folder without special files",
    "vsearch_core/embed/models.py": "lists and deletes models that it has prepared in the user's cache",
    "vsearch_core/embed/static.py": "reads a model that it has prepared",
    "vsearch_core/embed/local.py": "reads a model that it has prepared",
    "vsearch_core/embed/distilled.py": "reads a prepared model, and lists the folder that it has just written",
    "vsearch_core/embed/images/embedder.py": "reads a model that it has prepared",
    "vsearch_core/embed/onnx/quantize.py": "reads the graph and the tokenizer that it has just written",
    "vsearch_core/embed/onnx/shipped.py": "reads the graph that it has just written",
    "vsearch_core/embed/onnx/runtime.py": "refuses special files; reads /proc/cpuinfo",
    "vsearch_core/embed/tensors.py": "refuses special files",
    "vsearch_core/kernel_cache.py": "reads its own package, and the folder of compiled kernels",
    "vsearch_core/machine.py": "reads what the system tells about batteries",
    "vsearch_core/store/milvus/reading.py": "adds up the sizes in the folder of Milvus Lite",
    "vsearch_core/store/segment.py": "maps a file that is open",
    "vsearch_core/text/discover.py": "refuses special files; lists the user's folders",
    "vsearch_core/text/worker.py": "deletes its temporary folder",
    "cli/output.py": "opens the null device",
    "vsearch_core/text/extract/ocr.py": "reads the file that a program has just written for it",
    "vsearch_core/library/opening.py": "lists a folder that the user named",
    "vsearch_core/serve/page.py": "reads the page's files, which are in its own package",
    "vsearch_core/serve/warm_server.py": "lists the folders of its own code",
}
METHODS = {"read_text", "read_bytes", "iterdir", "glob", "rglob"}  # of paths
FUNCTIONS = {"open", "io.open", "os.scandir", "os.listdir", "os.walk", "rmtree", "shutil.rmtree", "mmap.mmap"}
FUNCTIONS |= {"np.load", "np.fromfile", "np.memmap", "safe_open", "onnx.load", "Tokenizer.from_file"}
FUNCTIONS |= {"ort.InferenceSession"}


def reads(source: str) -> Iterator[str]:
    """Yield each call of a source that opens a file or lists a folder by its name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            last = name.rpartition(".")[2]
            if name in FUNCTIONS or ("." in name and last in METHODS) or (last == "open" and _has_mode(node)):
                yield ast.unparse(node)


def _has_mode(call: ast.Call) -> bool:
    """Return True if the arguments of a method `open` are those of a path's."""
    first = call.args[0] if call.args else None
    modes = isinstance(first, ast.Constant) and isinstance(first.value, str) and set(first.value) <= set("rwxabt+")
    return modes or any(word.arg in {"mode", "encoding", "buffering"} for word in call.keywords)


SOURCES = sorted([*ROOT.glob("vsearch_core/**/*.py"), *ROOT.glob("cli/**/*.py")])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_opened_for_reading_by_two_modules(path: Path) -> None:
    if str(path.relative_to(ROOT)) not in ALLOWED:
        assert list(reads(path.read_text(encoding="utf-8"))) == []


def test_each_exception_is_one() -> None:
    for name in ALLOWED:
        assert list(reads((ROOT / name).read_text(encoding="utf-8"))), name


READS: tuple[str, ...] = (
    "open(p)",
    "p.open('rb')",
    "p.open(encoding='utf-8')",
    "p.read_text()",
    "f.iterdir()",
    "shutil.rmtree(p)",
)
READS += ("rmtree(p)", "np.load(p)", "os.scandir(p)", "f.rglob('*')", "safe_open(p)", "ort.InferenceSession(p)")


@pytest.mark.parametrize("source", READS)
def test_the_checker_finds_a_read(source: str) -> None:
    assert list(reads(source))


@pytest.mark.parametrize("source", ["open_file(p, 'rb')", "trail.open(1, 'a')", "index.open(spec)", "open_regular(p)"])
def test_the_checker_accepts_other_calls(source: str) -> None:
    assert list(reads(source)) == []
