"""`streamkm runs`: what run directories hold, and old ones pruned."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from streamkm.cluster.runview import RunView

DAY_S = 24 * 3600.0


def runs(
    folder: Path,
    *,
    prune: Annotated[float | None, Parameter(name="--prune", negative=())] = None,
    stopped: Annotated[bool, Parameter(negative=())] = False,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """List the runs in a folder and their state, or delete those that are over.

    A run is finished, running, or stopped; one that stopped goes on with
    `streamkm resume`. Saved models are no part of their runs: they stay.

    Example: streamkm runs runs --prune 30

    Parameters
    ----------
    folder
        With run directories in it, at any depth, or a run directory itself.
    prune
        Delete finished runs that were last written to so many days ago or more;
        0 for all of them.
    stopped
        Prune stopped runs as well: they can then not be resumed.
    json
        Print JSON: a list with one object a run.
    """
    from streamkm.cluster.rundir import RunDir
    from streamkm.cluster.runview import find_runs
    from streamkm.errors import StreamKMError

    if prune is None and stopped:
        raise StreamKMError("--stopped says what --prune DAYS deletes; give both")
    found = find_runs(folder)
    if prune is not None:
        states = ("finished", "stopped") if stopped else ("finished",)
        found = [view for view in found if view.state in states and view.idle_s >= prune * DAY_S]
        for view in found:
            RunDir(view.path).remove()
    facts = [_facts(view) for view in found]
    if json:
        print(json_format.dumps(facts))
    else:
        _print(facts, "deleted" if prune is not None else "", folder)


def _facts(view: RunView) -> dict[str, Any]:
    parameters, result = view.run["parameters"], view.result or {}
    return {
        "run": str(view.path),
        "state": view.state,
        "algorithm": view.run["algorithm"],
        "n_clusters": parameters.get("n_clusters"),
        "rows": view.about.get("n_rows"),
        "source": view.about.get("source"),
        "passes": len(view.history),
        "inertia": result.get("inertia"),
        "idle_s": round(view.idle_s, 1),
        "goes_on_by": view.goes_on_by if view.state == "stopped" else None,
    }


def _print(facts: list[dict[str, Any]], verb: str, folder: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not facts:
        what = "no run to delete" if verb else "no runs; `streamkm fit --run DIR` makes one"
        console.print(f"{folder}: {what}", highlight=False)
        return
    table = Table(box=None, pad_edge=False)
    for name in ("run", "state", "what"):
        table.add_column(name, overflow="fold")
    for name in ("passes", "last written"):
        table.add_column(name, justify="right", no_wrap=True)
    colors = {"finished": "green", "running": "cyan", "stopped": "yellow"}
    for fact in facts:
        k = f", {fact['n_clusters']} clusters" if fact["n_clusters"] else ""
        of = f" of {fact['source']}" if fact["source"] else ""
        table.add_row(
            fact["run"],
            f"[{colors[fact['state']]}]{verb or fact['state']}[/]",
            f"{fact['algorithm']}{k}{of}",
            f"{fact['passes']:,}",
            f"{_ago(fact['idle_s'])} ago",
        )
    console.print(table, highlight=False)
    for fact in facts if not verb else ():
        if fact["state"] == "stopped":
            console.print(f"go on: {fact['goes_on_by']}", style="dim", highlight=False)


def _ago(seconds: float) -> str:
    from streamkm.report.words import duration

    days = int(seconds // DAY_S)
    return f"{days} days" if days > 1 else duration(seconds)
