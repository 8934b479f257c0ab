"""The working folder, which may be a clone, steers nothing: no settings file in it is read, and nothing is imported."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from process import DEADLINE, Vsearch, write_files
from samples import SAMPLES
from serve_client import running_server

ROOT = Path(__file__).parent.parent.parent
MARK = "import pathlib; pathlib.Path('ran').touch(); raise SystemExit('ran')"
TRAPS = {  # name -> content: what a tool or a library is known to read from the working folder
    ".numba_config.yaml": "chrome_trace: victim\ndebug: 1\ndisable_jit: 1\ncache_locator_classes: this.x\n",
    ".env": "VSEARCH_K=1\nHF_ENDPOINT=http://127.0.0.1:9\n",
    **dict.fromkeys(("sitecustomize.py", "usercustomize.py", "numba.py", "yaml.py", "numpy.py", "json.py"), MARK),
    **dict.fromkeys(("llvmlite.py", "tokenizers.py", "onnxruntime.py", "pathspec.py", "filelock.py"), MARK),
    "pyproject.toml": "[tool.vsearch]\nk = 1\n[tool.numba]\ndebug = 1\n",
    "setup.cfg": "[vsearch]\nk = 1\n",
    "pyvenv.cfg": "home = .\n",
    "python311._pth": ".\n",
    "config.toml": "k = 1\n",
    "onnxruntime.json": "{}",
    "tokenizers.json": "{}",
    "matplotlibrc": "backend: nowhere\n",
    ".netrc": "machine 127.0.0.1 login a password b\n",
}
_KERNEL = """
import json, os, sys
opened = []
def watch(event, arguments):
    if event in ("open", "os.listdir", "os.scandir") and arguments and isinstance(arguments[0], (str, bytes)):
        path = os.path.abspath(os.fsdecode(arguments[0]))
        if path.startswith(os.getcwd() + os.sep):
            opened.append(path)
sys.addaudithook(watch)
from vsearch_core.kernels.jit import kernel, numba
from numba.core import config
@numba.njit
def add(a, b):
    return a + b
assert add(1, 2) == 3
print(json.dumps([opened, config.DEBUG, config.DISABLE_JIT, config.CHROME_TRACE, config.NUMBA_NUM_THREADS]))
"""


def test_numba_reads_nothing_from_the_working_folder(tmp_path: Path) -> None:
    """It is imported and compiles in a folder whose file would switch its debugging on and its compiler off."""
    folder = write_files(tmp_path / "clone", {**TRAPS, "victim": "precious"})
    done = subprocess.run(
        [sys.executable, "-P", "-c", _KERNEL],
        cwd=folder,
        env={"HOME": str(tmp_path), "NUMBA_NUM_THREADS": "1"},  # the environment is the user's, and counts
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == [[], 0, 0, "", 1]
    assert (folder / "victim").read_text() == "precious"


IMPORTED = (
    "numpy",
    "tqdm",
    "typer",
    "tokenizers",
    "onnxruntime",
    "onnx",
    "safetensors",
    "huggingface_hub",
    "httpx2",
    "torch",
)
SPAWNING = {  # files that other tools read where they are run
    **{f"{name}/__init__.py": MARK for name in IMPORTED},
    **{f"{name}.so": "" for name in ("numpy", "_sqlite3", "libonnxruntime")},
    **{f"{name}.pth": f"{MARK}\n" for name in ("distutils-precedence", "evil")},
    **dict.fromkeys((".python-version", "pip.conf", ".pdbrc", ".coveragerc", "tox.ini", "logging.conf"), "[x]\n"),
    **dict.fromkeys(("sentencepiece.model", "vocab.txt", "merges.txt", "tokenizer_config.json"), "{}"),
    **dict.fromkeys((".sqliterc", "huggingface.yaml", ".huggingface/token", ".cache/huggingface/token"), "x\n"),
    **dict.fromkeys(("openssl.cnf", "cacert.pem", "resolv.conf", "magic.mgc", "mime.types", "terminfo/x/xterm"), "x\n"),
}


@pytest.fixture(scope="module")
def made(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two indexed ones of one document each: `plain`, and `clone`, which also has traps."""
    base = tmp_path_factory.mktemp("made")
    for name, traps in (("plain", {}), ("clone", {**SPAWNING, **TRAPS})):
        folder = write_files(base / name, {**traps, "a.md": "A heron by the weir."})
        done = vsearch("index", "a.md", cwd=folder)
        assert done.status == 0, done
    return base


@pytest.fixture
def clone(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "clone", tmp_path / "clone"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("index", "a.md"),
        ("query", "heron", "--json"),
        ("query", "heron", "--ef", "9"),
        ("check", "--full"),
        ("status",),
    ],
    ids=" ".join,
)
def test_files_of_the_working_folder_are_documents_only(
    vsearch: Vsearch, made: Path, clone: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    answers = []
    for folder in (Path(shutil.copytree(made / "plain", tmp_path / "plain")), clone):
        ran = vsearch(*arguments, cwd=folder)
        answers.append((ran.status, ran.err))
        if "--json" in arguments:
            assert [hit["path"] for hit in ran.json["hits"]] == ["a.md"]
    assert answers[0] == answers[1]
    assert not (clone / "ran").exists()
    assert not (clone / "victim").exists()


_OPENED = re.compile(
    r'(?:open|openat|openat2|creat|execve|readlink|readlinkat)\((?:AT_FDCWD[^,]*, |\d+<([^>]*)>, )?"([^"]*)"'
)
_OURS = (".vsearch/", "a.md", "all/", ".gitignore", ".ignore", ".vsearchignore")  # indexes, documents, ignore files


def tracer(log: Path, *options: str) -> tuple[str, ...]:
    """Return the beginning of a command that writes the file system calls of a process and its children to `log`.

    With "-D" in `options`, signals reach the process itself, and not strace.
    """
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed; another test watches from inside")
    prefix = (strace, *options, "-f", "-qq", "-y", "-s", "4096", "-e", "trace=%file", "-o", str(log))
    probe = subprocess.run([*prefix, "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip(f"strace can't trace here: {probe.stderr.decode()}")
    return prefix


@pytest.mark.parametrize(
    "command", ["index a.md", "query heron --ef 9", "query heron --mode keyword", "check --full", "status"]
)
def test_a_command_opens_only_documents_ignore_files_and_the_index_in_the_working_folder(
    vsearch: Vsearch, clone: Path, tmp_path: Path, command: str
) -> None:
    """Watched from outside, as the system calls of the command and its workers."""
    log = tmp_path / "calls"
    ran = replace(vsearch, prefix=tracer(log))(*command.split(), cwd=clone)
    assert ran.status in {0, 1}, ran
    assert sorted(set(_opened(log.read_text(errors="replace"), clone))) == []
    assert not (clone / "ran").exists()


LATER = {  # what the libraries of readers and servers are known to read, or could import
    **dict.fromkeys(("py7zr.py", "pypdf.py", "pypdfium2.py", "starlette.py", "uvicorn.py", "h11.py", "anyio.py"), MARK),
    **dict.fromkeys(
        ("pydantic.py", "mcp.py", "lxml.py", "PIL.py", "cryptography.py", "readline.py", "olefile.py"), MARK
    ),
    **dict.fromkeys(
        (".uvicorn.env", "log_config.yaml", "uvicorn.json", "logging.ini", ".inputrc", "fonts.conf"), "x\n"
    ),
    **dict.fromkeys(("pypdfium2.ini", "libpdfium.so", "liblzma.so.5", "fastmcp.json", ".mcp.json", "mcp.json"), "{}"),
    "FASTMCP_.env": "FASTMCP_DEBUG=1\n",
}


def test_the_readers_of_all_formats_open_only_documents(vsearch: Vsearch, clone: Path, tmp_path: Path) -> None:
    write_files(clone, LATER)
    (clone / "all").mkdir()
    for name, data in SAMPLES.items():
        (clone / "all" / name).write_bytes(data)
    log = tmp_path / "calls"
    ran = replace(vsearch, prefix=tracer(log))("index", "all", cwd=clone)
    assert ran.status in {0, 2}, ran
    assert sorted(set(_opened(log.read_text(errors="replace"), clone))) == []
    assert not (clone / "ran").exists()


def test_a_server_opens_only_its_index(vsearch: Vsearch, clone: Path, tmp_path: Path) -> None:
    pytest.importorskip("uvicorn")
    write_files(clone, LATER)
    log = tmp_path / "calls"
    with running_server(replace(vsearch, prefix=tracer(log, "-D")), clone, tmp_path / "log") as server:
        assert server.post("/v1/search", query="heron", snippets=True).json["hits"][0]["path"] == "a.md"
        assert server.post("/v1/read", path=".env").code == "not-indexed"
        assert server.post("/v1/similar", place="./.netrc").code == "no-such-example"
        assert server.get("/openapi.json").status == server.get("/v1/status").status == 200
    calls = log.read_text(errors="replace")
    assert "catalog.sqlite" in calls
    assert sorted(set(_opened(calls, clone))) == []
    assert not (clone / "ran").exists()


def test_an_mcp_server_opens_only_its_index(vsearch: Vsearch, clone: Path, tmp_path: Path) -> None:
    pytest.importorskip("mcp")
    write_files(clone, LATER)
    log = tmp_path / "calls"
    client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}}
    messages = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
    ]
    lines = "".join(json.dumps(message) + "\n" for message in messages)
    ran = replace(vsearch, prefix=tracer(log))("mcp", cwd=clone, stdin=lines)
    assert ran.status == 0 and '"id":1' in ran.out.replace(" ", ""), ran
    assert sorted(set(_opened(log.read_text(errors="replace"), clone))) == []
    assert not (clone / "ran").exists()


def _opened(calls: str, clone: Path) -> Iterator[str]:
    """Yield the files in the clone that were opened, read as a link or run, but for those that may be."""
    for folder, name in _OPENED.findall(calls):
        path = os.path.normpath(clone / folder / name)
        inside = os.path.relpath(path, clone)
        if inside != "." and not inside.startswith("..") and not f"{inside}/".startswith(_OURS):
            yield inside


def test_an_opened_trap_is_seen_in_a_trace(tmp_path: Path) -> None:
    calls = f"""1 openat(AT_FDCWD<{tmp_path}>, ".env", O_RDONLY) = 3<{tmp_path}/.env>
2 openat(5<{tmp_path}/numpy>, "__init__.py", O_RDONLY) = -1 ENOENT (No such file or directory)
3 execve("{tmp_path}/evil", ["evil"], 0x1 /* 2 vars */) = 0
4 readlink("/elsewhere", 0x1, 4096) = -1 EINVAL (Invalid argument)
5 openat(6<{tmp_path}/.vsearch>, "catalog.sqlite", O_RDWR) = 7
6 openat(AT_FDCWD<{tmp_path}>, "a.md", O_RDONLY) = 7
"""
    assert list(_opened(calls, tmp_path)) == [".env", "numpy/__init__.py", "evil"]


_WATCH = """
import json, os, sys
root, log = sys.argv[1], sys.argv[2]
seen = set()
def watch(event, arguments):
    if event in ("open", "os.listdir", "os.scandir", "os.chdir", "exec", "import", "ctypes.dlopen", "subprocess.Popen"):
        for each in arguments[:1] if event != "import" else arguments[1:2]:
            if isinstance(each, (str, bytes, os.PathLike)):
                path = os.path.abspath(os.fsdecode(each))
                if path.startswith(root + os.sep):
                    seen.add(os.path.relpath(path, root))
sys.addaudithook(watch)
import atexit
atexit.register(lambda: open(log, "w").write(json.dumps(sorted(seen))))
assert root not in sys.path and "" not in sys.path
sys.argv = ["vsearch", *sys.argv[3:]]
from vsearch_cli.main import main
main()
"""


@pytest.mark.parametrize("command", ["index a.md", "query heron --ef 9", "check --full"])
def test_the_interpreter_opens_none_of_the_traps_in_the_working_folder(
    vsearch: Vsearch, clone: Path, tmp_path: Path, command: str
) -> None:
    """Watched from inside, where there is no strace."""
    log = tmp_path / "seen"
    done = subprocess.run(
        [sys.executable, "-P", "-c", _WATCH, str(clone), str(log), *command.split()],
        cwd=clone,
        env=dict(vsearch.environment),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    # A file that is opened by its folder's descriptor has only its name here, as .vsearch/config.toml has.
    planted = {*SPAWNING, *TRAPS} - {"config.toml"}
    assert [path for path in json.loads(log.read_text()) if path in planted] == []
    assert not (clone / "ran").exists()


@pytest.mark.parametrize("path", sorted([*ROOT.glob("vsearch_core/**/*.py"), *ROOT.glob("cli/**/*.py")]), ids=str)
def test_numba_is_imported_by_its_loader_only(path: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            imported.add(str(node.module).partition(".")[0])
    assert "numba" not in imported


def test_another_name_of_numbas_file_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import ModuleType

    from vsearch_core.numba_loader import _ConfigLoader

    class Renamed:
        def get_code(self, name: str) -> object:
            return compile("_file_name = '.numba.yaml'", name, "exec")

    with pytest.raises(ImportError, match="no longer has _config_fname"):
        _ConfigLoader(Renamed()).exec_module(ModuleType("numba.core.config"))  # type: ignore[arg-type]
