"""The command `convert`; its help lists the formats."""

from __future__ import annotations

from typing import Any, Final

from streamkm.cli.derive import derived_parameters, make_command
from streamkm.cli.options import RUNNING_PARAMETER, Running
from streamkm.cli.session import session
from streamkm.sources import SOURCES, SourceRow

DOC: Final = """Convert any source to a chunked Zarr store.

Killed at any moment and started again, it goes on where it stopped.

Example: streamkm convert usps.h5:train/data usps.zarr --target usps.h5:train/target

Example: streamkm convert "parts/*.parquet" trips.zarr --columns longitude,latitude

Formats, known by how a name ends, or said in front of it (csv:measurements.dat):

"""
TEXTS: Final = {
    "src": "The rows: a file, a folder, a glob in quotes, a URL (Zarr and Parquet), or a "
    "description of computed rows. Behind a colon stand the columns of a table (skin.csv:r,g,b), "
    "or the array in an HDF5 file or an .npz archive (usps.h5:train/data).",
    "target": "Labels: a file with one for each row, or a column, as for SRC; a column of the "
    "table itself (skin.csv:skin) is left out of the rows. By default those that the format has.",
    "columns": "Columns of a table that become features, in this order: names between commas. By "
    "default all, which must be numbers.",
}


def convert_command() -> Any:
    """Return the command."""
    from streamkm.conversion.convert import convert

    def body(running: Running = Running(), **arguments: Any) -> None:  # noqa: B008
        with session(running, "convert") as run:
            dataset = convert(**arguments, executor=run.executor, memory_limit=run.memory_limit)
            spec = dataset.spec
            run.facts = {
                "store": str(dataset.path),
                "rows": spec.n_rows,
                "features": spec.n_features,
                "dtype": dataset.dtype.name,
                "labels": spec.target_dtype is not None,
                "dropped_rows": spec.n_dropped or None,
            }

    skip = ("executor", "memory_limit")
    parameters = derived_parameters(convert, convert.__doc__ or "", skip, **TEXTS)
    doc = DOC + "\n".join(f"- {_line(row)}" for row in SOURCES)
    return make_command(body, [*parameters, RUNNING_PARAMETER], "convert", doc)


def _line(row: SourceRow) -> str:
    endings = f" ({', '.join(row.endings)})" if row.endings else ""
    return f"{row.name}{endings}: {row.example}"
