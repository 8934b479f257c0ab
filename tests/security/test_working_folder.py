"""The working folder, which may be a clone, steers nothing: no settings file in it is read, and nothing is imported."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from process import Vsearch, write_files

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


@pytest.mark.parametrize(
    "arguments",
    [("index", "."), ("query", "heron", "--json"), ("query", "heron", "--ef", "9"), ("check", "--full"), ("status",)],
    ids=" ".join,
)
def test_files_of_the_working_folder_are_documents_only(
    vsearch: Vsearch, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    plain = write_files(tmp_path / "plain", {"a.md": "A heron by the weir."})
    clone = write_files(tmp_path / "clone", {"a.md": "A heron by the weir.", **TRAPS})
    answers = []
    for folder in (plain, clone):
        made = vsearch("index", "a.md", cwd=folder)
        assert made.status == 0, made
        ran = vsearch(*(("index", "a.md") if arguments[0] == "index" else arguments), cwd=folder)
        answers.append((ran.status, ran.err))
        if "--json" in arguments:
            assert [hit["path"] for hit in ran.json["hits"]] == ["a.md"]
    assert answers[0] == answers[1]
    assert not (clone / "ran").exists()
    assert not (clone / "victim").exists()


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
