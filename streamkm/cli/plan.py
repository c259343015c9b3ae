"""The command that says what a fit will cost."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from streamkm.cli.derive import derived_parameters, make_command
from streamkm.cli.options import RUNNING_PARAMETER, Running
from streamkm.cli.session import report, session

SUMMARY = "Say what `fit kmeans` will cost: measured for about a second, and planned as it plans."
DOC = f"""{SUMMARY}

Example: streamkm plan mnist.zarr -k 64 --memory-limit 1GiB
"""


def plan_command() -> Any:
    """Return the command, its options those of KMeans."""
    from streamkm.cluster.kmeans import KMeans

    def body(store: str, running: Running = Running(), **parameters: Any) -> None:  # noqa: B008
        from streamkm.cli.fit import number_columns
        from streamkm.cluster.planning import plan_fit

        number_columns(parameters, store)
        with session(running, "plan") as run:
            model = KMeans(**parameters, executor=run.executor, memory_limit=run.memory_limit)
            found = plan_fit(model, store)
            run.facts = facts_of(found)
            run.show = show

    store = inspect.Parameter(
        "store",
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        annotation=Annotated[str, Parameter(help="Store of the rows.")],
    )
    skip = ("executor", "memory_limit", "run_dir", "checkpoint_every_s")
    derived = derived_parameters(KMeans.__init__, KMeans.__doc__ or "", skip)
    return make_command(body, [store, *derived, RUNNING_PARAMETER], "plan", DOC)


def facts_of(plan: Any) -> dict[str, Any]:
    """Return what a plan says."""
    kept = "nothing"
    if plan.n_groups is not None:
        bounds = f"labels and bounds, {plan.n_groups + 1} a row" if plan.n_groups else "labels"
        kept = f"{bounds} ({plan.kept_bytes / 2**20:,.1f} MiB)"
    cost = plan.measured
    total = cost.read_s + cost.decode_s + cost.compute_s
    parts = {
        name: seconds / total if total else 0.0
        for name, seconds in (
            ("reading", cost.read_s), ("decoding", cost.decode_s), ("computing", cost.compute_s),
        )
    }  # fmt: skip
    return {
        "rows": plan.n_rows,
        "features": plan.n_features,
        "dtype": plan.dtype,
        "crew": plan.crew,
        "tasks_at_once": plan.n_workers,
        "limit_bytes": plan.limit_bytes,
        "planned_peak_bytes": plan.peak_bytes,
        "block_bytes": plan.block_bytes,
        "rows_measured": cost.n_rows,
        "first_pass_s": round(plan.first_pass_s, 3),
        "later_pass_s": round(plan.later_pass_s, 3),
        "pass_bytes": plan.pass_bytes,
        "of_a_pass": ", ".join(f"{name} {share:.0%}" for name, share in parts.items()),
        "stays_decoded": f"{plan.cached_share:.0%} of the rows",
        "kept_of_rows": kept,
        "iterations_of_a_sample": plan.n_iter,
        "total_s": round(plan.total_s, 1),
        "faster": plan.advice(),
    }


def show(facts: dict[str, Any]) -> None:
    """Print the plan for people: a table, and what would make it faster."""
    table = {name: value for name, value in facts.items() if name != "faster"}
    for name in ("first_pass_s", "later_pass_s", "total_s"):
        table[name] = f"{table[name]:,.2f} s"
    table["total_s"] += f", if it takes {facts['iterations_of_a_sample']} iterations too"
    report(table, as_json=False)
    for line in facts["faster"]:
        Console().print(f"- {line}", highlight=False, soft_wrap=True)
