"""Going on with a run that was interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamkm.cluster import find_algorithm
from streamkm.cluster.base import Clusterer
from streamkm.cluster.model import read_parameters
from streamkm.cluster.rundir import REPEATED, RunDir
from streamkm.errors import StoreError
from streamkm.runtime.base import Executor


def resume(
    run_dir: str | Path,
    *,
    X: Any = None,
    sample_weight: Any = None,
    executor: str | Executor | None = None,
    memory_limit: int | str | None = None,
) -> Clusterer:
    """Go on with an interrupted fit; the result has the bits of an uninterrupted one.

    Parameters
    ----------
    run_dir
        Folder that `fit` was given as `run_dir` (`--run`).
    X
        The rows, where they were in memory: the run remembers a path.
    sample_weight
        The weights, where the fit was given some.
    executor, memory_limit
        May differ from those of the interrupted fit.

    Returns
    -------
    model
        Fitted.

    Raises
    ------
    StoreError
        If the folder holds no run, or the data has changed.
    """
    run = RunDir(run_dir).read()
    if run["algorithm"] in REPEATED:
        raise StoreError(
            f"{run_dir} holds a {run['algorithm']}, not a fit; the command that began it goes on"
        )
    rows = X if X is not None else run.get("_data")
    if rows is None:
        raise StoreError(f"{run_dir}: the rows were in memory; pass them again as X")
    parameters = read_parameters(run["parameters"])
    if "_checkpoint_every_s" in run:
        parameters["checkpoint_every_s"] = run["_checkpoint_every_s"]
    made = find_algorithm(run["algorithm"]).load()(
        **parameters, executor=executor, memory_limit=memory_limit, run_dir=run_dir
    )
    like = read_parameters({"like": run.get("_like")})["like"]
    return made.fit(rows, sample_weight=sample_weight, like=like)
