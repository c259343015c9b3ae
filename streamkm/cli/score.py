"""The command that judges a model, and its tables."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from streamkm.cli.options import Running
from streamkm.cli.session import session, written
from streamkm.errors import SourceError

if TYPE_CHECKING:
    from rich.table import Table

    from streamkm.metrics.scores import Scores

MAP = "map"  # in the run directory: that of the rows whose labels decide


def score(
    model: Path, store: str, *,
    target: str | None = None,
    map_from: str | None = None,
    map_target: str | None = None,
    per_cluster: Annotated[bool, Parameter(negative=())] = False,
    run: Path | None = None,
    checkpoint_every_s: float = 300.0,
    running: Running = Running(),  # noqa: B008
) -> None:  # fmt: skip
    """Judge a model on rows: its fit, how far clusters are apart, and labels where there are any.

    Example: streamkm score model.zarr test.zarr --map-from train.zarr

    Parameters
    ----------
    model
        Folder of the model.
    store
        Store of the rows, or any source that convert reads.
    target
        Labels, where they are not in the store.
    map_from
        Store whose labels say what class each cluster stands for; the accuracy on
        the rows under that map is shown beside.
    map_target
        Labels of that store, where they are not in it.
    per_cluster
        Show every cluster too; --json always holds them.
    run
        Folder in which passes that last long leave what they found; killed, the same
        command goes on from there.
    checkpoint_every_s
        Seconds after which they do.
    """
    from streamkm.cluster.rows import as_rows
    from streamkm.metrics.evaluation import evaluate

    if map_from is not None and target is None and as_rows(store).labels is None:
        raise SourceError(f"{store} has no labels that a map could be right about; give --target")
    with session(running, "score") as current:
        options: Any = {
            "executor": current.executor, "memory_limit": current.memory_limit,
            "checkpoint_every_s": checkpoint_every_s,
        }  # fmt: skip
        scores = evaluate(model, store, target, run_dir=run, **options)
        mapped = None
        if map_from is not None:
            options["run_dir"] = run / MAP if run is not None else None
            mapped = _mapped(scores, model, (map_from, map_target), options)
        current.facts = {
            "model": str(model),
            "store": store,
            **scores.to_json(),
            "mapped": mapped,
            "passes": len(scores.history),
            "read_bytes": sum(record["bytes_read"] for record in scores.history),
        }
        current.show = partial(_show, scores, per_cluster)


def _mapped(
    scores: Scores, model: Path, train: tuple[str, str | None], options: Any
) -> dict[str, Any]:
    """Return what maps that other rows decide are right about."""
    from streamkm.metrics.evaluation import contingency
    from streamkm.metrics.maps import HOW, accuracy, fit_map

    assert scores.contingency is not None
    table = contingency(model, *train, **options)
    facts: dict[str, Any] = {"from": train[0]}
    for how in HOW:
        class_map = fit_map(table, how)
        facts[f"{how}_accuracy"] = accuracy(scores.contingency, class_map)
        facts[f"{how}_map"] = class_map.to_json()
    return facts


def _show(scores: Scores, per_cluster: bool, facts: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console()
    sizes = scores.clusters.sizes
    n_empty = int((sizes == 0).sum())
    console.print(
        f"{scores.n_rows:,} rows in {len(sizes):,} clusters of {sizes.min():,} to {sizes.max():,}"
        + (f", {n_empty} without rows" if n_empty else ""),
        highlight=False,
    )
    if scores.space is not None:
        console.print(f"Distances are measured in {scores.space}, not among the rows.")
    console.print(_measures_table(scores, facts["mapped"]), highlight=False)
    if per_cluster:
        console.print(_cluster_table(scores), highlight=False)
        console.print("* of squared distances", style="dim", highlight=False)
    cost = (
        f"{facts['passes']} {'pass' if facts['passes'] == 1 else 'passes'}",
        f"{written('read_bytes', facts['read_bytes'])} read",
        written("seconds", facts["seconds"]),
        f"peak memory {written('peak_memory_bytes', facts['peak_memory_bytes'])}",
    )
    console.print(" · ".join(cost), style="dim", highlight=False)


def _measures_table(scores: Scores, mapped: dict[str, Any] | None) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from streamkm.metrics.measures import SHOWN

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(min_width=30)
    table.add_column(justify="right")
    table.add_column(style="dim")
    values, group = scores.measures(), ""
    for measure in SHOWN:
        if measure.name not in values:
            continue
        if measure.group != group:
            group = measure.group
            table.add_row()
            table.add_row(f"[bold]{group}[/]")
        value = values[measure.name]
        better = f"{measure.better} is better"
        if value is None:
            table.add_row(f"  {measure.title}", "none", scores.undefined[measure.name])
        else:
            table.add_row(f"  {measure.title}", _measure(value), better)
    if mapped is not None:
        table.add_row()
        table.add_row(f"[bold]by the classes of {escape(mapped['from'])}[/]")
        table.add_row("  accuracy by majority", f"{mapped['majority_accuracy']:.6g}")
        table.add_row("  accuracy, one cluster a class", f"{mapped['hungarian_accuracy']:.6g}")
    table.add_row()
    return table


def _cluster_table(scores: Scores) -> Table:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    names = ["cluster", "rows", "share", "distance", "silhouette*", "D-B"]
    clusters, majority = scores.clusters, scores.majority
    rows = clusters.to_json()
    for name in names + (["class", "of rows"] if majority is not None else []):
        table.add_column(name, justify="right", no_wrap=True)
    n_rows = int(clusters.sizes.sum())
    for k, row in enumerate(rows):
        cells = [str(row["cluster"]), f"{row['rows']:,}", f"{row['rows'] / n_rows:.1%}"]
        cells += [_cell(row[name]) for name in ("mean_distance", "silhouette", "davies_bouldin")]
        if majority is not None and row["majority_share"] is not None:
            cells += [escape(majority[k]), f"{row['majority_share']:.1%}"]
        table.add_row(*cells)
    return table


def _measure(value: float) -> str:
    return f"{value:,.0f}" if 1e6 <= abs(value) < 1e12 else f"{value:,.6g}"


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
