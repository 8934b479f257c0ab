"""ONNX Runtime, imported so that it keeps quiet about it."""

import os
from types import ModuleType


def onnxruntime() -> ModuleType:
    """The module, which must be imported nowhere else.

    Some builds write a device id and an event database into the home folder when they are imported, to be uploaded;
    this variable prevents it, `disable_telemetry_events()` does not. Somebody who sets it keeps their own choice.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime as module

    return module  # type: ignore[no-any-return]
