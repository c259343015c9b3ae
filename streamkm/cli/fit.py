"""fit, resume, predict and transform: from words to the library and back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from streamkm.cli.options import Running
from streamkm.cli.session import Session, session
from streamkm.cluster import AlgorithmRow
from streamkm.cluster.base import Clusterer
from streamkm.cluster.exchange import opened
from streamkm.cluster.model import load_model
from streamkm.cluster.resume import resume
from streamkm.cluster.rows import as_rows
from streamkm.cluster.rundir import RunDir
from streamkm.data.store import check_replaceable
from streamkm.errors import SourceError, StoreError, StoreExistsError
from streamkm.sources.fields import listed
from streamkm.sources.locators import read_columns
from streamkm.typing import F64


def run_fit(
    row: AlgorithmRow, store: str, model: Path, run: Path | None, overwrite: bool,
    like: Path | None, running: Running, parameters: dict[str, Any],
) -> None:  # fmt: skip
    """Fit and save."""
    refuse_taken(model, overwrite)
    if isinstance(parameters.get("init"), Path):
        parameters["init"] = opened(parameters["init"])
    number_columns(parameters, store)
    with session(running, "fit") as current:
        made = row.load()(
            **parameters,
            executor=current.executor,
            memory_limit=current.memory_limit,
            run_dir=run,
        )
        made.model_path = str(model.absolute())
        made.fit(store, like=like)
        made.save(model, overwrite=overwrite)
        current.facts = fit_facts(made, model)


def number_columns(parameters: dict[str, Any], store: str) -> None:
    """Write feature numbers for the names of a store's columns, in place.

    Raises
    ------
    SourceError
        If it has no column of a name.
    """
    words = read_columns(parameters.get("columns") or "")
    if all(re.fullmatch(r"\d+(:\d+)?", word) for word in words):
        return
    names = as_rows(store).info.feature_names
    missing = [word for word in words if word not in names]
    if missing:
        has = f"it has {listed(names)}" if names else "its columns have no names, only numbers"
        raise SourceError(f"{store}: there is no column {listed(missing)}; {has}")
    parameters["columns"] = ",".join(str(names.index(word)) for word in words)


def run_resume(run: Path, overwrite: bool, running: Running) -> None:
    """Go on and save where the fit was told to."""
    path = RunDir(run).read().get("_model")
    if path is None:
        raise StoreError(
            f"{run}: this run was not started by `streamkm fit`; what began it goes on with it"
        )
    if Path(path).exists() and not overwrite:
        raise StoreExistsError(
            f"{path} exists: the run is finished, or something else has its name; --overwrite "
            "writes the model again"
        )
    check_replaceable(Path(path), "model")
    with session(running, "resume") as current:
        made = resume(run, executor=current.executor, memory_limit=current.memory_limit)
        made.save(path, overwrite=overwrite)
        current.facts = fit_facts(made, Path(path))


def run_write(
    verb: str, model: Path, store: str, out: Path, overwrite: bool, running: Running
) -> None:
    """Write labels or distances."""
    with session(running, verb) as current:
        made = use_session(load_model(model), current)
        getattr(made, verb)(store, out=out, overwrite=overwrite)
        current.facts = {"out": str(out), "rows": as_rows(store).shape[0]}


def use_session(model: Clusterer, current: Session) -> Clusterer:
    """Give a loaded model the session's executor and limit."""
    made: Clusterer = model.set_params(executor=current.executor, memory_limit=current.memory_limit)
    return made


def fit_facts(model: Clusterer, path: Path) -> dict[str, Any]:
    """Return what a fit has to say."""
    return {
        "model": str(path),
        "clusters": len(model.cluster_centers_),
        "seed": model.seed_,
        "n_iter": model.n_iter_,
        "stopped": None if getattr(model, "converged_", True) else "before it converged",
        "inertia": model.inertia_,
        "inertia_of": model.inertia_of,
        "cluster_sizes": model.cluster_sizes_.tolist(),
        "passes": len(model.history_),
        "read_bytes": sum(record["bytes_read"] for record in model.history_),
        "decoded_bytes": sum(record["bytes_decoded"] for record in model.history_),
        "moved": _moved(getattr(model, "center_moves_", None)),
    }


def _moved(moves: F64 | None) -> dict[str, Any] | None:
    """Return how far the centers went from a start that was given."""
    if moves is None:
        return None
    most = int(np.argmax(moves))
    return {"median": float(np.median(moves)), "most": float(moves[most]), "cluster": most}


def refuse_taken(path: Path, overwrite: bool, kind: str = "model") -> None:
    """Refuse before hours of work a name that is taken."""
    if path.exists() and not overwrite:
        raise StoreExistsError(f"{path} exists; --overwrite replaces it")
    check_replaceable(path, kind)
