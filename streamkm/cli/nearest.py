"""The command that names a few members of every cluster."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from cyclopts import Parameter

from streamkm.cli.options import Running
from streamkm.cli.session import session, written
from streamkm.errors import SourceError, StorageError, StoreExistsError

if TYPE_CHECKING:
    from streamkm.metrics.members import FoundRows

ENDINGS: Final = (".csv", ".json")


def nearest(
    model: Path, store: str, *,
    m: Annotated[int, Parameter(name=("-m", "--rows"))] = 5,
    kind: Literal["nearest", "farthest", "typical"] = "nearest",
    random_state: int = 0,
    out: Path | None = None,
    overwrite: Annotated[bool, Parameter(negative=())] = False,
    running: Running = Running(),  # noqa: B008
) -> None:  # fmt: skip
    """Name a few rows of every cluster: the nearest to its center, the farthest, or typical ones.

    Example: streamkm nearest model.zarr mnist.zarr -m 5 --kind farthest --out far.csv

    Parameters
    ----------
    model
        Folder of the model.
    store
        Store of the rows, or any source that convert reads.
    m
        Rows of each cluster.
    kind
        "nearest" or "farthest" by the distance to the center of the row's own cluster;
        "typical" draws members, each with the same chance.
    random_state
        Seed of that draw.
    out
        Where to write cluster, rank, row and distance: a name ending in .csv or .json.
    overwrite
        Replace `out` if it exists.
    """
    from streamkm.metrics.members import nearest_rows

    if out is not None:
        _check(out, overwrite)
    with session(running, "nearest") as current:
        found = nearest_rows(
            model, store, m, kind=kind, random_state=random_state,
            executor=current.executor, memory_limit=current.memory_limit,
        )  # fmt: skip
        current.facts = {"kind": kind, "found": len(found.numbers)}
        if out is None:
            current.facts["rows"] = found.to_json()
            current.show = partial(_show, found)
        else:
            _write(found, out)
            current.facts["out"] = str(out)


def _check(out: Path, overwrite: bool) -> None:
    if out.suffix.lower() not in ENDINGS:
        raise SourceError(f"{out}: the ending must be {' or '.join(ENDINGS)}")
    if out.exists() and not overwrite:
        raise StoreExistsError(f"{out} exists; --overwrite replaces it")


def _write(found: FoundRows, out: Path) -> None:
    import json

    from streamkm.data.atomic import write_atomically

    rows = found.to_json()
    if out.suffix.lower() == ".json":
        text = json.dumps(rows)
    else:
        lines = [",".join(repr(value) for value in row.values()) for row in rows]
        text = "\n".join(["cluster,rank,row,distance", *lines])
    try:
        write_atomically(out, f"{text}\n".encode())
    except OSError as error:
        raise StorageError(f"{out} cannot be written ({error})") from error


def _show(found: FoundRows, facts: dict[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("cluster", justify="right")
    table.add_column(f"{facts['kind']} rows (distance)", overflow="fold")
    for cluster in dict.fromkeys(found.clusters.tolist()):
        mine = found.of(cluster)
        pairs = zip(mine.numbers.tolist(), mine.distances.tolist(), strict=True)
        table.add_row(str(cluster), "  ".join(f"{row} ({far:.4g})" for row, far in pairs))
    console = Console()
    console.print(table, highlight=False)
    cost = [written("seconds", facts["seconds"])]
    cost.append(f"peak memory {written('peak_memory_bytes', facts['peak_memory_bytes'])}")
    console.print(" · ".join(cost), style="dim", highlight=False)
