"""The main job from end to end on real digits, larger than its own memory limit."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from streamkm.cluster.kmeans import KMeans
from streamkm.conversion.convert import convert
from streamkm.data.dataset import Dataset
from streamkm.metrics.evaluation import evaluate
from streamkm.metrics.scores import Scores
from streamkm.runtime.base import Executor

N_ROWS: Final = 4_400_000  # 1.05 GiB of float32: more than either limit
CHUNK_ROWS: Final = 1 << 15  # 8 MiB: the limit is the smallest that there is
N_CLUSTERS: Final = 10
N_INIT: Final = 3
MAX_ITER: Final = 10
SEED: Final = 0
THREADS_LIMIT: Final = "512MiB"
CLUSTER_LIMIT: Final = "1GiB"
MEASURES: Final = ("homogeneity", "majority_accuracy", "silhouette")  # those that are shown


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what was done, how long it took, what it read."""

    name: str
    seconds: float
    what: str
    bytes_read: int


@dataclass
class Demo:
    """What the demo did.

    Parameters
    ----------
    steps
        In order.
    inertia, checksum
        Of the best restart; the checksum is of the centers' bits.
    measures
        Of the clusters, and against the true digits.
    """

    steps: list[Step] = field(default_factory=list)
    inertia: float = 0.0
    checksum: str = ""
    measures: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[Callable[[str, int], None]]:
        """Time a step; call what it yields with what was done and the bytes read."""
        begin = time.perf_counter()
        said: list[tuple[str, int]] = []
        yield lambda what, bytes_read: said.append((what, bytes_read))
        what, bytes_read = said[0]
        self.steps.append(Step(name, time.perf_counter() - begin, what, bytes_read))


def run(
    folder: Path, picture: Path, executor: Executor, memory_limit: str, n_rows: int = N_ROWS
) -> Demo:
    """Convert, fit, label, judge and draw.

    Parameters
    ----------
    folder
        Where the store, the model and the labels go.
    picture
        Where the centers are drawn, as PNG.
    executor, memory_limit
        Who runs it, and under what limit.
    n_rows
        Digits to make.
    """
    demo = Demo()
    with demo.step("convert") as done:
        store = convert(
            f"digits:{n_rows}?seed={SEED}",
            folder / "digits.zarr",
            overwrite=True,
            chunk_rows=CHUNK_ROWS,
            executor=executor,
            memory_limit=memory_limit,
        )
        done(f"{n_rows:,} digits of 8 x 8 to {store.spec.codec} chunks", 0)
    with demo.step("fit") as done:
        model = _fit(store, executor, memory_limit)
        read = sum(record["bytes_read"] for record in model.history_)
        done(f"K = {N_CLUSTERS}, {N_INIT} restarts, {len(model.history_)} shared passes", read)
    model.save(folder / "model.zarr", overwrite=True)
    with demo.step("label") as done:
        model.predict(store, out=folder / "labels.zarr", overwrite=True)
        done("one label a row, to Zarr", _stored(store))
    with demo.step("judge") as done:
        scores = evaluate(model, store, executor=executor, memory_limit=memory_limit)
        known = scores.measures().items()
        demo.measures = {name: v for name, v in known if name in MEASURES and v is not None}
        read = sum(record["bytes_read"] for record in scores.history)
        done("every measure, and clusters against the true digits", read)
    with demo.step("draw") as done:
        _draw(model, scores, picture)
        done(str(picture), 0)
    demo.inertia = model.inertia_
    demo.checksum = hashlib.sha256(model.cluster_centers_.tobytes()).hexdigest()[:16]
    return demo


def _fit(store: Dataset, executor: Executor, memory_limit: str) -> KMeans:
    return KMeans(
        N_CLUSTERS,
        n_init=N_INIT,
        max_iter=MAX_ITER,
        random_state=SEED,
        executor=executor,
        memory_limit=memory_limit,
    ).fit(store)


def _draw(model: KMeans, scores: Scores, picture: Path) -> None:
    clusters = scores.clusters
    digits, shares = clusters.majority_class, clusters.majority_share
    assert digits is not None
    assert shares is not None
    order = np.lexsort((-clusters.sizes, digits))
    titles = [f"{digits[k]} · {shares[k]:.0%}" for k in order]
    title = f"Ten centers of {scores.n_rows:,} digits · majority class and its share"
    from streamkm.plots.centers import draw_centers  # matplotlib, when the blocks are gone

    figure = draw_centers(model.cluster_centers_[order], model.sample_shape_, titles, title)
    figure.savefig(picture)


def _stored(store: Dataset) -> int:
    from streamkm.data.store import stored_bytes

    return stored_bytes(store.path, ["X"])
