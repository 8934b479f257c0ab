"""ONNX Runtime, imported so that it keeps quiet about it, and how its graphs are run here."""

import os
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def onnxruntime() -> ModuleType:
    """The module, which must be imported nowhere else.

    Some builds write a device id and an event database into the home folder when they are imported, to be uploaded;
    this variable prevents it, `disable_telemetry_events()` does not. Somebody who sets it keeps their own choice.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime as module

    return module  # type: ignore[no-any-return]


def open_session(graph: Path, *, optimised: bool, cores: int = 1) -> "InferenceSession":
    """A graph on the CPU. A run uses one core: as many runs as there are cores, side by side, are 1.35 times as fast as
    all cores on one after another. `cores` 0 is for those who make one run at a time: it takes all.

    `optimised`: ONNX Runtime rewrites the graph first, which those that we write fused do not need. It prints nothing;
    failures arrive as exceptions, which share no narrower base than Exception.
    """
    ort = onnxruntime()
    levels = ort.GraphOptimizationLevel
    options = ort.SessionOptions()
    options.intra_op_num_threads = cores
    options.inter_op_num_threads = 1
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
    options.log_severity_level = 4
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
