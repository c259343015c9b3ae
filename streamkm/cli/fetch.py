"""`streamkm datasets` and `streamkm fetch`: public data by name."""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from streamkm.cli.options import Running
from streamkm.cli.session import report, session
from streamkm.runtime.memory import format_bytes


def datasets(
    name: str | None = None, *, json: Annotated[bool, Parameter(negative=())] = False
) -> None:
    """Show the public datasets that `fetch` knows, or one of them with its terms and citation.

    Example: streamkm datasets cifar10

    Parameters
    ----------
    name
        Name of one of them.
    json
        Print one JSON object.
    """
    from streamkm.data.catalog import CATALOG, find_dataset

    if name is not None:
        report(_facts(find_dataset(name)), as_json=json)
    elif json:
        print(jsonlib.dumps([_facts(dataset) for dataset in CATALOG]))
    else:
        _print_catalog(CATALOG)


def fetch(
    name: str,
    store: Path | None = None,
    *,
    split: str | None = None,
    download_only: Annotated[bool, Parameter(negative=())] = False,
    shuffle: Annotated[bool, Parameter(negative=())] = False,
    overwrite: Annotated[bool, Parameter(negative=())] = False,
    cache: Path | None = None,
    keep: bool = True,
    running: Running = Running(),  # noqa: B008
) -> None:
    """Download a public dataset, straight into a store.

    What broke off goes on where it stopped; every file is held to its published checksum.

    Example: streamkm fetch mnist mnist.zarr

    Parameters
    ----------
    name
        Name of the dataset; `streamkm datasets` shows them.
    store
        Folder of the new store.
    split
        Which part, such as test; the first by default.
    download_only
        Leave the files in the cache and make no store.
    shuffle
        Put the rows into a random order, as mini-batches want them.
    overwrite
        Replace the store if it exists.
    cache
        Folder where downloads are kept; STREAMKM_CACHE or the system's place by default.
    keep
        Keep the downloads for the next time.
    """
    from streamkm.conversion.convert import convert
    from streamkm.conversion.fetch import fetch_files, refuse_taken
    from streamkm.data.catalog import find_dataset
    from streamkm.errors import StreamKMError

    if store is None and not download_only:
        raise StreamKMError(f"say where to: streamkm fetch {name} {name}.zarr, or --download-only")
    found_split = find_dataset(name).split(split)
    if store is not None and not download_only:
        refuse_taken(store, overwrite)
    with _Bars() as bars:
        found = fetch_files(name, split, cache, bars)
    for file in found.files:
        if not file.is_verified:
            warning = f"{file.path.name} has no published checksum; it is sha256:{file.sha256}"
            print(f"streamkm: warning: {warning}", file=sys.stderr)
    facts = {"dataset": name, "split": found_split.name, "cache": str(found.folder)}
    if store is None or download_only:
        files = {file.path.name: f"sha256:{file.sha256}" for file in found.files}
        report({"command": "fetch", **facts, **files, "source": found.source}, as_json=running.json)
        return
    with session(running, "fetch") as run:
        made = convert(
            found.source, store, shuffle=shuffle, overwrite=overwrite,
            executor=run.executor, memory_limit=run.memory_limit,
        )  # fmt: skip
        run.facts = {
            **facts,
            "store": str(made.path),
            "rows": made.spec.n_rows,
            "features": made.spec.n_features,
            "dtype": made.dtype.name,
            "labels": made.spec.target_dtype is not None,
        }
    if not keep:
        found.remove()


class _Bars:
    """One bar a file, on stderr, cleared at the end."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=32 if console.width >= 100 else 12),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, Any] = {}

    def __call__(self, name: str, done: int, total: int | None) -> None:
        """Take what has come."""
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total)
        self._bars.update(self._tasks[name], completed=done, total=total)

    def __enter__(self) -> _Bars:
        self._bars.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._bars.stop()


def _facts(dataset: Any) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "what": f"{dataset.title}: {dataset.what}; {dataset.details}",
        "splits": {split.name: split.n_rows for split in dataset.splits},
        "features": dataset.n_features,
        "download_bytes": dataset.split().size_bytes,
        "licence": dataset.licence,
        "cite": dataset.citation,
        "homepage": dataset.homepage,
    }


def _print_catalog(catalog: Any) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name, justify in (
        ("name", "left"), ("what", "left"), ("rows x features", "right"),
        ("download", "right"), ("licence", "left"),
    ):  # fmt: skip
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for dataset in catalog:
        first = dataset.split()
        size = f"{first.n_rows:,} x {dataset.n_features}"
        table.add_row(
            dataset.name, dataset.what, size, format_bytes(first.size_bytes), dataset.licence
        )
    Console().print(table, highlight=False)
    print("streamkm fetch NAME NAME.zarr makes a store; streamkm datasets NAME says what to cite.")
