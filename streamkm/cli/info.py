"""What a store, a model, or an unfinished conversion says of itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from streamkm.data.dataset import Dataset
from streamkm.data.spec import CORESET_KEY, KEY
from streamkm.data.store import chunk_file, open_group, stored_bytes, writable_array
from streamkm.errors import StoreError
from streamkm.kernels.summary import Summary


def facts_of(path: Path) -> dict[str, Any]:
    """Return the facts of whatever lies under a path."""
    given, path = str(path), Path(os.path.abspath(path))
    staging = path.with_name(path.name + ".partial")
    if not path.exists() and staging.exists():
        return unfinished_facts(path, staging)
    values = open_group(given).attrs.asdict().get(KEY)
    kind = values.get("kind") if isinstance(values, dict) else None
    if kind == "dataset":
        return dataset_facts(path)
    if kind == "model":
        return model_facts(path)
    raise StoreError(f"{given}: a Zarr group that streamkm did not make")


def dataset_facts(path: Path) -> dict[str, Any]:
    """Return the facts of a complete store."""
    dataset = Dataset(path)
    spec = dataset.spec
    x = dataset.array("X")
    moments = Summary.from_json(dataset.moments)
    names = ["X"] + (["y"] if spec.target_dtype is not None else [])
    names += ["sample_weight"] if dataset.sample_weight is not None else []
    raw = spec.n_rows * spec.row_bytes
    stored = stored_bytes(path, ["X"])
    variance = moments.m2 / moments.weight
    return {
        "store": str(path),
        "complete": True,
        "shape": f"{spec.n_rows} x {spec.n_features}",
        "sample_shape": " x ".join(map(str, spec.sample_shape)) or None,
        "dtype": dataset.dtype.name,
        "chunks": f"{-(-spec.n_rows // spec.chunk_rows)} of {spec.chunk_rows} rows",
        "shards": "none" if x.shards is None else str(x.shards[0]),
        "codec": f"{spec.codec} + crc32c",
        "raw_bytes": raw,
        "stored_bytes": stored,
        "ratio": round(raw / max(stored, 1), 2),
        "arrays": ", ".join(names),
        "labels": spec.target_dtype and np.dtype(spec.target_dtype).name,
        "columns": list(spec.feature_names) or None,
        "classes": list(spec.class_names) or None,
        "range": f"{moments.minimum.min():.6g} to {moments.maximum.max():.6g}",
        "mean": float(moments.mean.mean()),
        "mean_std": float(np.sqrt(variance).mean()),
        "sample_rows": len(dataset.sample()[0]),
        "source": spec.source,
        "shuffled": "no" if spec.shuffle_seed is None else f"seed {spec.shuffle_seed}",
        "dropped_rows": spec.n_dropped,
        "dropped_rows_of_source": list(spec.dropped_rows) or None,
        "coreset": coreset_facts(dataset),
        "fingerprint": spec.fingerprint[:16],
    }


def coreset_facts(dataset: Dataset) -> str | None:
    """Return what a coreset stands for, and how it was made; None for other stores."""
    facts: Any = dataset.group.attrs.get(CORESET_KEY)
    if not isinstance(facts, dict):
        return None
    return (
        f"of {facts['n_rows']:,} rows, for {facts['n_clusters']} clusters; "
        f"{facts['method']}, seed {facts['seed']}"
    )


def model_facts(path: Path) -> dict[str, Any]:
    """Return the facts of a model."""
    from streamkm.cluster.model import load_model
    from streamkm.cluster.names import known_names

    model = load_model(path)
    shape = model.cluster_centers_.shape
    return {
        "model": str(path),
        "algorithm": model.algorithm_name,
        "centers": f"{shape[0]} x {shape[1]}",
        "columns": list(known_names(model)) or None,
        "seed": model.seed_,
        "n_iter": model.n_iter_,
        "inertia": None if np.isnan(model.inertia_) else model.inertia_,
        "cluster_sizes": model.cluster_sizes_.tolist(),
        "passes": len(model.history_),
        "parameters": ", ".join(f"{k}={short(v)}" for k, v in model.json_parameters().items()),
    }


def short(value: Any) -> str:
    """Write a parameter; an array by its shape."""
    if isinstance(value, dict) and "array" in value:
        return " x ".join(str(n) for n in np.shape(value["array"])) + " array"
    return str(value)


def unfinished_facts(path: Path, staging: Path) -> dict[str, Any]:
    """Return how far a conversion came."""
    try:
        x = writable_array(staging, "X")
        n_chunks = -(-x.shape[0] // x.chunks[0])
    except (KeyError, FileNotFoundError) as error:
        raise StoreError(f"{path}: a conversion that has hardly begun; run it again") from error
    done = sum(chunk_file(x, i).exists() for i in range(n_chunks))
    return {
        "store": str(path),
        "complete": False,
        "chunks": f"{done} of {n_chunks} written",
        "next": "run the same convert command again: it goes on from there",
    }
