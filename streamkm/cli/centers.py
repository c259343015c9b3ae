"""The command that writes a model's centers for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from streamkm.cli.session import report
from streamkm.errors import SourceError, StorageError, StoreExistsError


def centers(
    model: Path,
    out: Path,
    *,
    data_units: Annotated[bool, Parameter(negative=())] = False,
    overwrite: Annotated[bool, Parameter(negative=())] = False,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Write the centers of a model as a .npy array, one row a cluster, in float64.

    Example: streamkm centers model.zarr centers.npy

    Parameters
    ----------
    model
        Folder of the model.
    out
        Where to: a name ending in .npy.
    data_units
        Take back what `fit --scale` did: centers in the data's own units.
    overwrite
        Replace `out` if it exists.
    json
        Print one JSON object.
    """
    import io

    import numpy as np

    from streamkm.cluster.model import load_model
    from streamkm.data.atomic import write_atomically

    if out.suffix.lower() != ".npy":
        raise SourceError(f"{out}: the ending must be .npy")
    if out.exists() and not overwrite:
        raise StoreExistsError(f"{out} exists; --overwrite replaces it")
    fitted = load_model(model)
    found = fitted.centers_in_data_units_ if data_units else fitted.cluster_centers_
    if found is None:
        raise SourceError(
            f"{model}: centers of rows at unit length, or of an embedding, have no data units; "
            "leave out --data-units"
        )
    data = fitted.centers_in_data_units_
    is_scaled = not data_units and data is not None and not np.array_equal(found, data)
    buffer = io.BytesIO()
    np.save(buffer, found)
    try:
        write_atomically(out, buffer.getvalue())
    except OSError as error:
        raise StorageError(f"{out} cannot be written ({error})") from error
    facts = {
        "command": "centers",
        "out": str(out),
        "centers": f"{found.shape[0]} x {found.shape[1]}",
        "units": "scaled, as they were fitted; --data-units takes that back" if is_scaled else None,
    }
    report(facts, as_json=json)
