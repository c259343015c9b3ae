"""`streamkm report`: a run or a model as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from streamkm.cli.options import Running
from streamkm.cli.session import session


def report(
    subject: Path,
    store: str | None = None,
    *,
    target: str | None = None,
    out: Annotated[Path, Parameter(alias="-o")] = Path("report.html"),
    overwrite: Annotated[bool, Parameter(negative=())] = False,
    running: Running = Running(),  # noqa: B008
) -> None:
    """Write a run or a model as one HTML page that needs nothing else.

    Example: streamkm report model.zarr mnist.zarr -o report.html

    Parameters
    ----------
    subject
        Folder of a run, which may still go on, or of a model.
    store
        Rows to judge the model on: measures, classes, members, the map. They
        are read a few times. Without it, only the run or the model is read.
    target
        Labels, where they are not in the store.
    out
        Name of the page.
    overwrite
        Replace the page if it exists.
    """
    from streamkm.report import write_report

    with session(running, "report") as current:
        write_report(
            subject, out, store, target=target, executor=current.executor,
            memory_limit=current.memory_limit, overwrite=overwrite,
        )  # fmt: skip
        current.facts = {"page": str(out), "size_bytes": out.stat().st_size}
