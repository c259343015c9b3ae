"""k-means for data that does not fit in memory.

Convert once to a chunked Zarr store; fit, resume, label and judge it in
streaming passes on one laptop or on a Dask cluster, with the same code and
the same bits.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamkm.cluster.bisecting import BisectingKMeans
    from streamkm.cluster.coreset import Coreset
    from streamkm.cluster.coreset_pass import make_coreset
    from streamkm.cluster.kmeans import KMeans
    from streamkm.cluster.minibatch import MiniBatchKMeans
    from streamkm.cluster.model import load_model
    from streamkm.cluster.resume import resume
    from streamkm.cluster.spectral import SpectralClustering
    from streamkm.cluster.streamkm import StreamKM
    from streamkm.conversion.convert import convert
    from streamkm.conversion.fetch import fetch
    from streamkm.data.dataset import Dataset, open_dataset
    from streamkm.metrics.members import nearest_rows
    from streamkm.metrics.projection import project
    from streamkm.sources import open_source
    from streamkm.sweeping.sweep import sweep

__version__ = "0.1.0"
__all__ = [
    "BisectingKMeans",
    "Coreset",
    "Dataset",
    "KMeans",
    "MiniBatchKMeans",
    "SpectralClustering",
    "StreamKM",
    "convert",
    "fetch",
    "load_model",
    "make_coreset",
    "nearest_rows",
    "open_dataset",
    "open_source",
    "project",
    "resume",
    "sweep",
]

# Loaded when they are first asked for: a worker, or `--version`, pays for nothing else.
_LAZY = {
    "BisectingKMeans": "streamkm.cluster.bisecting",
    "KMeans": "streamkm.cluster.kmeans",
    "StreamKM": "streamkm.cluster.streamkm",
    "Coreset": "streamkm.cluster.coreset",
    "make_coreset": "streamkm.cluster.coreset_pass",
    "MiniBatchKMeans": "streamkm.cluster.minibatch",
    "SpectralClustering": "streamkm.cluster.spectral",
    "load_model": "streamkm.cluster.model",
    "resume": "streamkm.cluster.resume",
    "sweep": "streamkm.sweeping.sweep",
    "convert": "streamkm.conversion.convert",
    "fetch": "streamkm.conversion.fetch",
    "Dataset": "streamkm.data.dataset",
    "open_dataset": "streamkm.data.dataset",
    "nearest_rows": "streamkm.metrics.members",
    "open_source": "streamkm.sources",
    "project": "streamkm.metrics.projection",
}


def __getattr__(name: str) -> Any:
    if name == "metrics":
        return importlib.import_module("streamkm.metrics")
    if name not in _LAZY:
        raise AttributeError(f"module 'streamkm' has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
