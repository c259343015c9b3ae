"""Models on disk: a small Zarr group, no pickle."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import zarr
from zarr.storage import LocalStore

from streamkm.cluster import find_algorithm
from streamkm.cluster.names import known_names
from streamkm.cluster.rundir import NUMERICS_VERSION
from streamkm.cluster.stored import check_stored
from streamkm.data.exchange import put_in_place
from streamkm.data.spec import KEY, check_version
from streamkm.data.store import array_of, check_replaceable, create_array, discard, open_group
from streamkm.errors import StorageError, StoreError, StoreExistsError, StreamKMError
from streamkm.kernels.frame import Frame
from streamkm.kernels.members import MemberMoments
from streamkm.kernels.view import View
from streamkm.typing import F64, Json

if TYPE_CHECKING:
    from streamkm.cluster.base import Clusterer

FORMAT_VERSION: Final = 2
MOST_CHUNKS: Final = 64
UNSCALED_VERSION: Final = 1  # of models that see rows as they are: older streamkm reads them


def save_model(model: Clusterer, path: str | Path, *, overwrite: bool) -> None:
    """Write a fitted model; it appears under its name when it is whole."""
    final = Path(path)
    if final.exists() and not overwrite:
        raise StoreExistsError(f"{final} exists; pass overwrite (--overwrite) to replace it")
    check_replaceable(final, "model")
    temporary = final.with_name(f"{final.name}.{os.getpid()}.partial")
    try:
        discard(temporary)
        group = zarr.create_group(LocalStore(temporary), zarr_format=3)
        arrays: dict[str, Any] = {
            "centers": model.cluster_centers_,
            "counts": model.cluster_sizes_,
            "frame_shift": model.frame_.shift,
            **model.fitted_values(np.ndarray),
            **_members(model),
        }
        for name, values in arrays.items():
            array = create_array(group, name, values.shape, values.dtype, len(values), "none")
            array[:] = values
        group.attrs.update({KEY: _attributes(model)})
        put_in_place(temporary, final)
    except OSError as error:
        raise StorageError(f"{final} cannot be written ({error})") from error
    finally:
        discard(temporary)


def _attributes(model: Clusterer) -> Json:
    return {
        "format_version": FORMAT_VERSION if model.scaling.to_json() else UNSCALED_VERSION,
        "kind": "model",
        "algorithm": model.algorithm_name,
        "numerics_version": NUMERICS_VERSION,
        "parameters": model.json_parameters(),
        "seed": model.seed_,
        "n_iter": model.n_iter_,
        "inertia": None if np.isnan(model.inertia_) else model.inertia_,  # JSON has no NaN
        "history": model.history_,
        "frame_scale": model.frame_.scale,
        "sample_shape": list(model.sample_shape_),
        "fingerprint": model.fingerprint_,
        **model.fitted_values((int, float)),
        **_names(model),
        **_view_of(model),
    }


def _names(model: Clusterer) -> Json:
    names = known_names(model)
    return {"feature_names": list(names)} if names else {}


def _members(model: Clusterer) -> dict[str, Any]:
    """Return what is known of the members, unless the centers have moved since."""
    known = model.members_
    if known is None or not np.array_equal(known.centers, model.cluster_centers_):
        return {}
    return {"member_offsets": known.offsets, "member_spread": known.spread}


def _view_of(model: Clusterer) -> Json:
    """Return how the model sees rows, where its parameters do not say it all."""
    if not model.scaling.to_json():
        return {}
    return {"view": model.frame_.view.to_json(), "n_features": model.n_features_in_}


def _frame(values: Json, shift: F64, model: Clusterer) -> Frame:
    """Return the frame of a saved model."""
    is_cosine = model.metric == "cosine"
    view = View(is_unit=is_cosine)
    if "view" in values:
        view = View.from_json(values["view"], int(values["n_features"]))
    return Frame(shift, float(values["frame_scale"]), view, is_cosine)


def load_model(path: str | Path) -> Clusterer:
    """Load a model that was saved.

    Parameters
    ----------
    path
        Folder or URL of the model.

    Returns
    -------
    model
        Fitted: `predict`, `transform` and `score` work.

    Raises
    ------
    StoreError
        If there is no model, or it is damaged or of a newer format.

    Examples
    --------
    >>> import numpy as np, streamkm
    >>> model = streamkm.KMeans(2, random_state=0).fit(np.eye(4))
    >>> model.save("model.zarr")
    >>> streamkm.load_model("model.zarr").predict(np.eye(4)).shape
    (4,)
    """
    group = open_group(str(path))
    values = check_version(group.attrs, str(path), "model", FORMAT_VERSION)
    try:
        made = find_algorithm(values["algorithm"]).load()(**read_parameters(values["parameters"]))
        made.cluster_centers_ = _read(group, "centers")
        made.cluster_sizes_ = _read(group, "counts")
        made.frame_ = _frame(values, _read(group, "frame_shift"), made)
        made.seed_ = int(values["seed"])
        made.n_iter_ = int(values["n_iter"])
        made.inertia_ = float("nan" if values["inertia"] is None else values["inertia"])
        made.history_ = values["history"]
        made.sample_shape_ = tuple(values["sample_shape"])
        made.fingerprint_ = values["fingerprint"]
        made.n_features_in_ = int(values.get("n_features", len(made.frame_.shift)))
        if "feature_names" in values:
            made.feature_names_in_ = np.array(values["feature_names"], object)
        if "member_offsets" in group:
            made.members_ = MemberMoments(
                made.cluster_centers_, made.cluster_sizes_,
                _read(group, "member_offsets"), _read(group, "member_spread"),
            )  # fmt: skip
        for name in made.stored:
            value = values[name] if name in values else _read(group, name)
            setattr(made, f"{name}_", value)
        check_stored(made)
    except StreamKMError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, MemoryError) as error:
        what = " ".join(str(error).split())[:120]  # it may quote a value of any length
        raise StoreError(f"{path}: damaged model ({what})") from error
    return made


def _read(group: zarr.Group, name: str) -> Any:
    array = array_of(group, name, group.name)
    if array.nchunks > MOST_CHUNKS:  # ours are of one
        raise StoreError(f"{name}: damaged, it has {array.nchunks} chunks")
    return np.asarray(array[...])


def read_parameters(values: Json) -> Json:
    """Return parameters as `Clusterer.json_parameters` wrote them."""
    return {
        name: np.asarray(value["array"]) if isinstance(value, dict) else value
        for name, value in values.items()
    }
