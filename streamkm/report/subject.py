"""What a report is about: a run or a model, as its folder says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamkm.cluster import find_algorithm
from streamkm.cluster.base import Clusterer
from streamkm.cluster.model import load_model
from streamkm.cluster.rundir import REPEATED, RunDir
from streamkm.cluster.runview import RunView, view_run
from streamkm.cluster.state import FitState
from streamkm.errors import StoreError
from streamkm.plots.images import is_image
from streamkm.typing import F64, I64, Json


@dataclass(frozen=True, slots=True)
class Subject:
    """A run or a model.

    Parameters
    ----------
    path
        Its folder.
    algorithm, parameters, seed
        What was run. Arrays among the parameters are {"array": ...}.
    about
        What the rows are: source, n_rows, n_features, dtype, sample_shape; of a
        model without its store, only what it remembers.
    fingerprint
        Of the rows.
    data, target
        Where the rows were, and where the model was to go; None where not known.
    history
        One record a pass.
    n_iter, inertia
        Of the result; of a run that goes on, of its best model so far.
    centers, sizes
        Shape (n_clusters, n_features) and (n_clusters,), None where a run has
        not found them yet.
    model
        Fitted; None for a run that is not finished, or whose model is gone.
    view
        The run directory; None for a model.
    """

    path: Path
    algorithm: str
    parameters: Json
    seed: int | None
    about: Json
    fingerprint: str
    data: str | None
    target: str | None
    history: list[Json]
    n_iter: int | None
    inertia: float | None
    centers: F64 | None
    sizes: I64 | None
    model: Clusterer | None
    view: RunView | None

    @property
    def n_clusters(self) -> int:
        """Clusters that were found, or asked for."""
        asked: int = self.parameters["n_clusters"]
        return asked if self.centers is None else len(self.centers)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of a sample before it was flattened; empty for plain rows."""
        return tuple(self.about.get("sample_shape") or ())

    @property
    def has_images(self) -> bool:
        """Whether the centers can be drawn as the samples can."""
        shape = self.sample_shape
        fits = self.centers is not None and self.centers.shape[1] == math.prod(shape)
        return fits and is_image(shape)

    @property
    def is_finished(self) -> bool:
        """Whether the fit has ended by itself."""
        return self.view is None or self.view.is_finished


def open_subject(path: str | Path) -> Subject:
    """Open a run directory or a saved model.

    Raises
    ------
    StoreError
        If the folder is neither.
    """
    if RunDir(path).exists():
        view = view_run(path)
        if view.run["algorithm"] in REPEATED:
            raise StoreError(f"{path} is the run of a {view.run['algorithm']}, not of a fit")
        return of_run(view)
    try:
        model = load_model(path)
    except StoreError as error:
        raise StoreError(f"{path}: neither a run directory nor a model ({error})") from error
    return of_model(model, Path(path))


def of_model(model: Clusterer, path: Path, view: RunView | None = None) -> Subject:
    """Return a model as a subject, with what its run knows besides."""
    run = view.run if view is not None else {}
    n_rows = int(model.cluster_sizes_.sum())
    known: Json = {
        "n_rows": n_rows,
        "n_features": model.n_features_in_,
        "sample_shape": list(model.sample_shape_),
    }
    return Subject(
        path=path,
        algorithm=model.algorithm_name,
        parameters=model.json_parameters(),
        seed=model.seed_,
        about={**known, **(view.about if view is not None else {})},
        fingerprint=model.fingerprint_,
        data=run.get("_data"),
        target=run.get("_model") or (None if view is not None else str(path)),
        history=model.history_,
        n_iter=model.n_iter_,
        inertia=None if math.isnan(model.inertia_) else model.inertia_,
        centers=_centers_of(model),
        sizes=model.cluster_sizes_,
        model=model,
        view=view,
    )


def of_run(view: RunView) -> Subject:
    """Return a run as a subject: its model where there is one, else its newest checkpoint."""
    model = _model_of(view)
    if model is not None:
        return of_model(model, view.path, view)
    found = RunDir(view.path).peek()
    best = _best(view, () if found is None else found[0])
    is_own = find_algorithm(view.run["algorithm"]).load().can_renumber and best is not None
    shape = (view.run["parameters"]["n_clusters"], view.about.get("n_features"))
    has_centers = is_own and best is not None and best.centers.shape == shape
    return Subject(
        path=view.path,
        algorithm=view.run["algorithm"],
        parameters=view.run["parameters"],
        seed=view.run["parameters"].get("random_state"),
        about=view.about,
        fingerprint=view.run["fingerprint"],
        data=view.run.get("_data"),
        target=view.run.get("_model"),
        history=view.history,
        n_iter=best.n_iter if best else None,
        inertia=best.inertia if best and math.isfinite(best.inertia) else None,
        centers=best.centers if best and has_centers else None,
        sizes=best.counts if best and has_centers and best.counts.any() else None,
        model=None,
        view=view,
    )


def _model_of(view: RunView) -> Clusterer | None:
    """Return the model that a finished run left, if it is still there and still its own."""
    path: Any = view.run.get("_model")
    if not view.is_finished or path is None:
        return None
    try:
        model = load_model(path)
    except StoreError:
        return None
    is_own = (model.fingerprint_, model.seed_, model.json_parameters()["n_clusters"]) == (
        view.run["fingerprint"],
        view.run["parameters"]["random_state"],
        view.run["parameters"]["n_clusters"],
    )
    return model if is_own and model.algorithm_name == view.run["algorithm"] else None


def _best(view: RunView, states: tuple[FitState, ...]) -> FitState | None:
    """Return the state that became the result, or has the least inertia so far."""
    if not states:
        return None
    if view.result is not None:
        chosen = [state for state in states if state.restart == view.result["restart"]]
        states = tuple(chosen) or states
    inertia = [state.inertia if math.isfinite(state.inertia) else math.inf for state in states]
    return states[int(np.argmin(inertia))]


def _centers_of(model: Clusterer) -> F64 | None:
    """Return centers that are points among the rows, in the data's units where they can be."""
    if model.embeds:
        return None
    original = model.centers_in_data_units_
    return model.cluster_centers_ if original is None else original
