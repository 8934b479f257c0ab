"""Imports ONNX Runtime without telemetry, opens sessions, and chooses int8 or fp32 for this CPU."""

import os
import platform
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from vsearch_core.regular_files import refuse_special

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Precision = Literal["int8", "fp32"]
PRECISIONS: tuple[Precision, ...] = ("int8", "fp32")
CPU_INFO = Path("/proc/cpuinfo")
VNNI = {"avx512_vnni", "avx_vnni"}  # as Linux names them


def onnxruntime() -> ModuleType:
    """Import ONNX Runtime with telemetry switched off, and return the module. Import it nowhere else.

    When some builds are imported, they write a device id and an event database into the home folder, for upload. Only
    the environment variable ORT_DISABLE_TELEMETRY prevents it; `disable_telemetry_events()` does not. If the user has
    set the variable, it is left as it is.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime as module

    return module  # type: ignore[no-any-return]


def open_session(graph: Path, *, optimised: bool, cores: int = 1) -> "InferenceSession":
    """Open a session that runs a graph on the CPU.

    Args:
        graph: The graph's file.
        optimised: True to let ONNX Runtime optimise the graph first. Graphs that vsearch wrote don't need it.
        cores: The number of cores that each run uses; 0 means all. With 1, the caller can run a window on each core at
            once, which is 1.35 times as fast as one window after another on all cores.

    Raises:
        OSError: The graph is a pipe, a socket or a device.
        Exception: The graph can't be loaded. ONNX Runtime's errors have no narrower base class.
    """
    refuse_special(graph)
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
    """Return the precision to use on this CPU, "int8" or "fp32", and the reason.

    An x86 CPU without VNNI adds pairs of uint8 × int8 products in 16 bits, which can overflow. int8 would be inaccurate
    there, not only slow. ARM CPUs add in wider numbers.
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
