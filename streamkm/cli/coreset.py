"""The command `coreset`: rows in, a few weighted rows out."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from streamkm.cli.derive import derived_parameters, make_command
from streamkm.cli.options import OVERWRITE_PARAMETER, RUNNING_PARAMETER, Running
from streamkm.cli.session import session
from streamkm.errors import SourceError

SUMMARY = "Keep a few weighted rows that stand for all: `fit` takes them, for any K."
DOC = f"""{SUMMARY}

Example: streamkm coreset mnist.zarr coreset.zarr -k 10 --random-state 0
"""
ARGUMENTS = (
    ("store", str, "Store of the rows, or any source that convert reads."),
    (
        "out",
        Path,
        "Folder of the new store; `streamkm fit` takes it, with its weights, like any other.",
    ),
)


def coreset_command() -> Any:
    """Return the command, its options those of `make_coreset`."""
    from streamkm.cli.fit import refuse_taken
    from streamkm.cluster.coreset_pass import make_coreset

    def body(
        store: str, out: Path, overwrite: bool = False, running: Running = Running(),  # noqa: B008
        **parameters: Any,
    ) -> None:  # fmt: skip
        refuse_taken(out, overwrite, "dataset")
        if out.absolute() == Path(store).absolute():
            raise SourceError(f"{out}: the coreset would replace its own rows; choose another name")
        with session(running, "coreset") as run:
            made = make_coreset(
                store, **parameters, executor=run.executor, memory_limit=run.memory_limit
            )
            made.save(out, overwrite=overwrite)
            run.facts = {
                "coreset": str(out),
                "rows": made.n_rows,
                "rows_kept": len(made.rows),
                "total_weight": float(made.weights.sum()),
                "method": made.plan.method,
                "seed": made.plan.seed,
            }

    own = [
        inspect.Parameter(
            name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            annotation=Annotated[kind, Parameter(help=text)],
        )
        for name, kind, text in ARGUMENTS
    ]
    skip = ("X", "sample_weight", "executor", "memory_limit")
    derived = derived_parameters(make_coreset, make_coreset.__doc__ or "", skip)
    parameters = [*own, *derived, OVERWRITE_PARAMETER, RUNNING_PARAMETER]
    return make_command(body, parameters, "coreset", DOC)
