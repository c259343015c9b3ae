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
    found = load_model(model).cluster_centers_
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
    }
    report(facts, as_json=json)
