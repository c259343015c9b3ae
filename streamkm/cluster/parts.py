"""What tasks return as bytes, and back: an archive of arrays without pickles."""

from __future__ import annotations

import io
import json
from dataclasses import fields
from typing import Any, Final

import numpy as np

from streamkm.kernels.binned_sum import BinnedSum
from streamkm.kernels.contingency import Contingency
from streamkm.kernels.exact_sum import ExactSum
from streamkm.kernels.judge import Judged
from streamkm.kernels.lloyd import Inertia, PartialSums
from streamkm.kernels.members import Closing, Members
from streamkm.kernels.moments import Moments
from streamkm.kernels.select import SelectedRows
from streamkm.tasks.base import PassResult, PassStats
from streamkm.tasks.judge import Extent
from streamkm.typing import Json

# Nothing else is ever made of what a file says.
KINDS: Final[dict[str, type]] = {
    kind.__name__: kind
    for kind in (
        BinnedSum, Closing, Contingency, ExactSum, Extent, Inertia, Judged, Members, Moments,
        PartialSums, PassResult, PassStats, SelectedRows,
    )
}  # fmt: skip
ABOUT: Final = "about"


def pack(about: Json, result: PassResult) -> bytes:
    """Return a result, and what is to be said of it."""
    arrays: list[Any] = []
    tree = _taken_apart(result, arrays)
    text = json.dumps({**about, "result": tree})
    buffer = io.BytesIO()
    named: dict[str, Any] = {f"array_{i}": array for i, array in enumerate(arrays)}
    named[ABOUT] = np.frombuffer(text.encode(), np.uint8)
    np.savez(buffer, **named)
    return buffer.getvalue()


def unpack(content: bytes) -> tuple[Json, PassResult]:
    """Return what was packed; a damaged archive raises whatever it leads NumPy to."""
    with np.load(io.BytesIO(content)) as archive:
        about: Json = json.loads(archive[ABOUT].tobytes())
        result = _put_together(about.pop("result"), archive)
    if not isinstance(result, PassResult):
        raise TypeError("holds no result of a pass")
    return about, result


def _taken_apart(value: Any, arrays: list[Any]) -> Any:
    """Return a value as JSON, its arrays as their numbers in a list that they are added to."""
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple):
        return [_taken_apart(part, arrays) for part in value]
    if value is None or isinstance(value, int | float):
        return value
    kind = KINDS[type(value).__name__]
    parts = {f.name: _taken_apart(getattr(value, f.name), arrays) for f in fields(kind)}
    return {"kind": kind.__name__, "parts": parts}


def _put_together(tree: Any, archive: Any) -> Any:
    if isinstance(tree, list):
        return tuple(_put_together(part, archive) for part in tree)
    if not isinstance(tree, dict):
        return tree
    if "array" in tree:
        return archive[f"array_{int(tree['array'])}"]
    parts = {name: _put_together(part, archive) for name, part in tree["parts"].items()}
    return KINDS[tree["kind"]](**parts)
