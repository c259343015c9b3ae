"""The command that compiles the kernels before they are needed."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from streamkm.cli.session import report
from streamkm.errors import SourceError

KNOWN = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64",
         "float16", "float32", "float64")  # fmt: skip


def compile_kernels(
    *,
    dtypes: str = "uint8,float32,float64",
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Compile the kernels for this machine, so that no first fit waits for it.

    The compiled code is kept beside the package, in NUMBA_CACHE_DIR where that is set, or, where
    the package cannot be written to, in the user's own cache. Run it once on every kind of machine
    that works for you: in the image of a worker, after an upgrade.

    Example: streamkm compile --dtypes uint8

    Parameters
    ----------
    dtypes
        Types of rows to compile for, separated by commas.
    json
        Print one JSON object.
    """
    import time

    names = dtypes.replace(" ", "").split(",")
    for name in names:
        if name not in KNOWN:
            raise SourceError(f"{name!r} is no type of rows; known are {', '.join(KNOWN)}")
    begin = time.perf_counter()
    for name in names:
        _go_through(name)
    from streamkm.kernels.compiled import cache_folder
    from streamkm.kernels.panels import score_panels

    facts = {
        "dtypes": ", ".join(names),
        "seconds": round(time.perf_counter() - begin, 1),
        "kept_in": cache_folder(score_panels),
    }
    report(facts, as_json=json)


def _go_through(dtype: str) -> None:
    """Fit, label and judge a few rows of a dtype, in every way that has code of its own."""
    import numpy as np

    from streamkm import KMeans, MiniBatchKMeans, StreamKM
    from streamkm.kernels.bounds import widen
    from streamkm.kernels.centers import prepare
    from streamkm.kernels.kept_rows import LEAST_FEATURES, KeptRows
    from streamkm.kernels.motion import motion_of
    from streamkm.kernels.narrowing import NarrowedMoments
    from streamkm.kernels.sketch import Sketch
    from streamkm.metrics import evaluate

    values = np.random.default_rng(0).random((400, LEAST_FEATURES))
    wide = values > 0.5 if dtype == "bool" else (values * 100).astype(dtype)
    rows = np.ascontiguousarray(wide[:, :6])
    if wide.itemsize > 1 and dtype != "float16":
        NarrowedMoments(np.zeros(6)).add(rows, np.empty(rows.shape, np.uint8))
    seen = KMeans(3, random_state=0, executor="threads").fit(wide)
    centers = prepare(seen.cluster_centers_, seen.frame_)
    sketch = Sketch.make(len(wide), centers, centers.exact)
    kept, every = KeptRows.make(len(wide), centers.exact, 1), np.arange(len(wide))
    known = kept.part(0, len(wide))
    there = sketch.see(wide, every)
    sketch.assign(wide, every, there, known)
    sketch.foresee(there, known[0])
    sketch.is_settled(centers)
    widen(motion_of(sketch.steps, centers, 1), centers, known)
    model = KMeans(3, random_state=0, executor="threads").fit(rows)
    KMeans(3, random_state=0, executor="threads", algorithm="lloyd", max_iter=2).fit(rows)
    if rows.itemsize <= 2:  # integers are summed in int32, but not at unit length
        turned = rows.copy()
        turned[:, 0] = 1  # else some may have no direction
        KMeans(3, random_state=0, executor="threads", metric="cosine").fit(turned)
    evaluate(model, rows)
    MiniBatchKMeans(3, random_state=0, executor="threads").fit(rows)
    StreamKM(3, random_state=0, executor="threads").fit(rows)
