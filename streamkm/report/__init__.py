"""A run or a model as one page that needs nothing else, and as it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from streamkm.errors import StorageError, StoreError, StoreExistsError

if TYPE_CHECKING:
    from streamkm.runtime.base import Executor

__all__ = ["write_report"]


def write_report(
    subject: str | Path,
    out: str | Path,
    store: str | Path | None = None,
    *,
    target: str | None = None,
    executor: str | Executor | None = None,
    memory_limit: int | str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write what is known of a run or a model as one self-contained HTML page.

    Parameters
    ----------
    subject
        Folder of a run (`fit(..., run_dir=...)`), which may still go on, or of
        a saved model.
    out
        Name of the page.
    store
        Rows to judge the model on; they are read a few times. Without them the
        page has what the run or the model knows.
    target
        Path of the rows' labels, where they are not in the store.
    executor, memory_limit
        As for `KMeans`.
    overwrite
        Replace `out` if it exists.

    Returns
    -------
    out
        The page. It refers to nothing outside itself.

    Raises
    ------
    StoreError
        If the folder is neither a run nor a model, or rows are given to a run
        that has no model yet.
    StoreExistsError
        If the page exists and `overwrite` is False.

    Examples
    --------
    >>> import numpy as np, streamkm
    >>> from streamkm.report import write_report
    >>> streamkm.KMeans(2, random_state=0).fit(np.eye(4)).save("two.zarr")
    >>> write_report("two.zarr", "two.html").name
    'two.html'
    """
    from streamkm.data.atomic import write_atomically
    from streamkm.report.findings import findings_of
    from streamkm.report.page import report_page
    from streamkm.report.subject import open_subject

    out = Path(out)
    if out.exists() and not overwrite:
        raise StoreExistsError(f"{out} exists; pass overwrite (--overwrite) to replace it")
    found = open_subject(subject)
    findings = None
    if store is not None:
        if found.model is None:
            raise StoreError(f"{subject}: the run has no model yet; leave the rows out until then")
        options = {"executor": executor, "memory_limit": memory_limit}
        findings = findings_of(found.model, store, target, options)
    try:
        write_atomically(out, report_page(found, findings).encode())
    except OSError as error:
        raise StorageError(f"{out} cannot be written ({error})") from error
    return out
