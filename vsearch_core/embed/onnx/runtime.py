"""ONNX Runtime: how it is imported and run, and the arithmetic that suits this CPU."""

import os
import platform
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Precision = Literal["int8", "fp32"]
PRECISIONS: tuple[Precision, ...] = ("int8", "fp32")
CPU_INFO = Path("/proc/cpuinfo")
VNNI = {"avx512_vnni", "avx_vnni"}  # as Linux names them


def onnxruntime() -> ModuleType:
    """Import ONNX Runtime and return it; it must be imported nowhere else.

    Some builds write a device id and an event database into the home folder when they are imported, to be uploaded.
    Only this variable prevents it, `disable_telemetry_events()` does not. A user's own setting is kept.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime as module

    return module  # type: ignore[no-any-return]


def open_session(graph: Path, *, optimised: bool, cores: int = 1) -> "InferenceSession":
    """Return a session that runs a graph on the CPU. Errors are exceptions without a narrower base than Exception.

    Args:
        graph: The graph's file.
        optimised: Let ONNX Runtime rewrite the graph first; those that we write don't need it.
        cores: The cores that a run uses; 0 takes all, for one run at a time. One core a run, with as many runs at a
            time as there are cores, is 1.35 times as fast as all cores on one run after another.
    """
    ort = onnxruntime()
    levels = ort.GraphOptimizationLevel
    options = ort.SessionOptions()
    options.intra_op_num_threads = cores
    options.inter_op_num_threads = 1
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
    options.log_severity_level = 4
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


@cache
def best_precision() -> tuple[Precision, str]:
    """Return the precision to use on this CPU, and why.

    x86 without VNNI adds pairs of uint8 × int8 products in 16 bits, which saturate: int8 would be wrong there, not only
    slow. ARM widens before it adds.
    """
    if platform.machine().lower() in {"arm64", "aarch64"}:
        return "int8", "ARM CPUs multiply int8 exactly"
    if not sys.platform.startswith("linux"):
        return "fp32", "the CPU's VNNI flag can't be read on this system"
    found = sorted(VNNI & _cpu_flags())
    return ("int8", f"the CPU has {found[0]}") if found else ("fp32", "the CPU lacks VNNI")


def _cpu_flags() -> set[str]:
    """Return the feature flags of the first core; the file repeats them for every core."""
    try:
        with CPU_INFO.open(encoding="utf-8", errors="replace") as lines:
            return next((set(line.split()) for line in lines if line.startswith("flags")), set())
    except OSError:
        return set()
