"""Centers in and out: arrays, files, and what scikit-learn and faiss call a model."""

from __future__ import annotations

import warnings
from collections.abc import Container
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from streamkm.cluster.fitted import Fitted
from streamkm.cluster.model import load_model
from streamkm.cluster.names import known_names, refuse_other_names
from streamkm.errors import MissingExtraError, SourceError
from streamkm.kernels.frame import Frame
from streamkm.kernels.tile import unit_rows
from streamkm.kernels.view import View
from streamkm.typing import F64


def centers_of(source: Any) -> F64:
    """Return the centers of whatever has some, as float64.

    Parameters
    ----------
    source
        An array, a .npy file, a saved model's folder, an estimator with
        `cluster_centers_`, a faiss.Kmeans (`centroids`) or a faiss index of
        centers (`reconstruct_n`).

    Raises
    ------
    SourceError
        If it has no centers, such as an estimator that is not fitted.
    StoreError
        If the folder holds no model.
    """
    source = opened(source)
    if hasattr(source, "cluster_centers_"):
        source = source.cluster_centers_
    elif hasattr(source, "get_params"):
        raise SourceError(
            f"{type(source).__name__} has no cluster_centers_: is it fitted? scikit-learn's clone "
            "unfits an estimator that is a parameter; pass its cluster_centers_ instead"
        )
    elif hasattr(source, "centroids"):
        source = source.centroids
    elif hasattr(source, "reconstruct_n"):
        source = source.reconstruct_n(0, int(source.ntotal))
    try:
        return np.array(source, np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise SourceError(f"{type(source).__name__} holds no centers ({error})") from error


def opened(source: Any) -> Any:
    """Return what lies under a path, and anything else as it is."""
    if not isinstance(source, (str, Path)):
        return source
    if not str(source).endswith(".npy"):
        return load_model(source)
    try:
        return np.load(source, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise SourceError(f"{source}: not a .npy array of centers ({error})") from error


def centers_like(like: Any, model: Fitted, *, can_renumber: bool) -> F64:
    """Return the centers whose ids a model is to keep.

    Raises
    ------
    SourceError
        If they cannot be matched with its own.
    """
    if not can_renumber:
        raise SourceError(f"like: the clusters of {type(model).__name__} cannot be renumbered")
    scaling, like = model.scaling, opened(like)
    if isinstance(like, Fitted):
        scaling.refuse_other("like", like)
        refuse_other_names("like", known_names(model), known_names(like))
    old, n_used = centers_of(like), scaling.picks.width(model.n_features_in_)
    if old.ndim != 2 or old.shape[1] != n_used or not np.isfinite(old).all():
        raise SourceError(
            f"like: its centers have shape {old.shape}, the fit looks at {n_used} features"
        )
    return old


def start_of(init: Any, names: Container[str]) -> Any:
    """Return a start as `make_starts` takes it: one of `names`, a callable, or an array."""
    if (isinstance(init, str) and init in names) or callable(init):
        return init
    return centers_of(init)


class Exchange(Fitted):
    """From centers to a fitted model and back; for models that are their centers."""

    @classmethod
    def from_centers(cls, centers: Any, **parameters: Any) -> Self:
        """Return a fitted model with given centers: it predicts, transforms, scores and saves.

        Parameters
        ----------
        centers
            Shape (n_clusters, n_features): an array, a .npy file, a saved
            model's folder, a fitted estimator with `cluster_centers_` (such
            as scikit-learn's), a faiss.Kmeans, or a faiss index of centers.
        **parameters
            Of the estimator. `n_clusters` follows from the centers; `scale`,
            `normalize` and `columns` from a model of ours, with its constants.

        Returns
        -------
        model
            With the sizes and the inertia of `centers` where it knows them,
            else zeros and NaN. `n_iter_` is 0, `history_` empty.

        Raises
        ------
        SourceError
            If there are no centers, or they hold NaN or infinity; if `scale` or
            `columns` need to know rows that only a fitted model knows.
        """
        centers = opened(centers)
        found = centers_of(centers)
        if found.ndim != 2 or found.size == 0 or not np.isfinite(found).all():
            raise SourceError(
                f"centers must be finite, of shape (n_clusters, n_features), got {found.shape}"
            )
        known = centers if isinstance(centers, Fitted) and not centers.embeds else None
        if known is not None:
            parameters = known.scaling_parameters() | parameters
        model = cls(**{"n_clusters": len(found), **parameters})
        if model.n_clusters != len(found):
            raise SourceError(f"n_clusters={model.n_clusters}, but there are {len(found)} centers")
        view, n_features = _seen_by(model, known, found.shape[1])
        if model.metric == "cosine":
            found = unit_rows(found)
        shift = found.mean(axis=0)
        model.cluster_centers_ = found
        model.cluster_sizes_ = _sizes_of(centers, len(found))
        model.inertia_ = float(getattr(centers, "inertia_", np.nan))
        model.n_iter_, model.seed_, model.history_ = 0, 0, []
        frame = Frame.about(shift, float(np.abs(found - shift).max()))
        model.frame_ = replace(frame, view=view, is_cosine=model.metric == "cosine")
        model.sample_shape_ = getattr(centers, "sample_shape_", ())
        model.fingerprint_ = ""
        model.n_features_in_ = n_features
        if known is not None and hasattr(known, "feature_names_in_"):
            model.feature_names_in_ = known.feature_names_in_
        return model

    def to_sklearn(self, dtype: Any = np.float64) -> Any:
        """Return a fitted sklearn.cluster.KMeans with these centers.

        Parameters
        ----------
        dtype
            float64 or float32: what it will predict must be of the same type.

        Returns
        -------
        model
            Its `predict` gives our labels, but for rows whose two nearest
            centers are equally far within its rounding.
        """
        from sklearn.cluster import KMeans

        self._check_exchange()
        centers = self.cluster_centers_.astype(dtype)
        made = KMeans(len(centers), init=centers, n_init=1, max_iter=1)
        with warnings.catch_warnings():  # centers that are equal
            warnings.simplefilter("ignore", ConvergenceWarning)
            made.fit(centers)  # sets what `predict` needs; the rest is replaced
        made.cluster_centers_, made.inertia_, made.n_iter_ = centers, self.inertia_, self.n_iter_
        del made.labels_  # of the centers
        if hasattr(self, "labels_"):
            made.labels_ = self.labels_
        return made

    def _check_exchange(self) -> None:
        check_is_fitted(self)
        if self.metric != "euclidean":
            raise SourceError(
                "a model of metric='cosine' would label rows by other distances there"
            )
        if not self.frame_.view.is_plain:
            raise SourceError(
                "a model with scale, normalize or columns sees other rows than those it is given, "
                "which nothing there would do; fit it to rows that were scaled before"
            )

    def to_faiss(self) -> Any:
        """Return a faiss.IndexFlatL2 of the centers, rounded to float32.

        Raises
        ------
        MissingExtraError
            If faiss is not installed.
        """
        self._check_exchange()
        try:
            import faiss
        except ImportError as error:
            raise MissingExtraError(
                "to_faiss needs faiss; install it with: pip install faiss-cpu"
            ) from error
        index = faiss.IndexFlatL2(self.cluster_centers_.shape[1])
        index.add(self.cluster_centers_.astype(np.float32))
        return index


def _seen_by(model: Fitted, known: Fitted | None, n_used: int) -> tuple[View, int]:
    """Return how a model of given centers sees rows, and how many features these have."""
    scaling = model.scaling
    if known is not None:
        scaling.refuse_other("from_centers", known)
        return replace(known.frame_.view, is_unit=scaling.is_unit), known.n_features_in_
    if scaling.columns is not None:
        raise SourceError("columns: how many features rows have is known of a fitted model alone")
    return scaling.view(n_used), n_used


def _sizes_of(model: Any, n_clusters: int) -> Any:
    """Return the rows of each cluster where a model knows them, else zeros."""
    sizes = getattr(model, "cluster_sizes_", None)
    if sizes is None:
        labels = np.asarray(getattr(model, "labels_", np.empty(0, np.int64)))
        sizes = np.bincount(labels[labels >= 0], minlength=n_clusters)  # some label noise -1
    return np.array(sizes, np.int64)
