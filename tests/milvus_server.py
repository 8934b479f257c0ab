"""Milvus for tests: which packages it takes."""

from importlib.util import find_spec


def missing_for_milvus_lite() -> str | None:
    """Return what a test with Milvus Lite lacks here, or None."""
    missing = [name for name in ("pymilvus", "milvus_lite") if find_spec(name) is None]
    return f"{', '.join(missing)} not installed" if missing else None
