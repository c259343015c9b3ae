"""The commands, and how they hang together."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

import streamkm
from streamkm.cli.bench import bench_command
from streamkm.cli.centers import centers
from streamkm.cli.compile import compile_kernels
from streamkm.cli.convert import convert_command
from streamkm.cli.coreset import SUMMARY, coreset_command
from streamkm.cli.derive import derived_parameters, make_command
from streamkm.cli.fetch import datasets, fetch
from streamkm.cli.nearest import nearest
from streamkm.cli.options import LIKE_PARAMETER, OVERWRITE_PARAMETER, RUNNING_PARAMETER, Running
from streamkm.cli.plan import SUMMARY as PLAN
from streamkm.cli.plan import plan_command
from streamkm.cli.plot import plot
from streamkm.cli.report import report as report_command
from streamkm.cli.runs import runs
from streamkm.cli.score import score
from streamkm.cli.session import report
from streamkm.cli.sweep import SUMMARY as SWEEP
from streamkm.cli.sweep import sweep_command
from streamkm.cli.watch import watch
from streamkm.cluster import ALGORITHMS, AlgorithmRow

ENDLESS = ("half_life", "time_unit")  # of partial_fit, which has no command
DESCRIPTION = """k-means for data that does not fit in memory.

Convert once, then fit, resume, label and judge in streaming passes:

    streamkm convert train-images-idx3-ubyte.gz mnist.zarr
    streamkm fit kmeans mnist.zarr model.zarr -k 10 --random-state 0
    streamkm predict model.zarr mnist.zarr labels.npy

`streamkm demo` shows it all, with no download.
"""

FIT = """Fit clusters to a store and save the model.

Example: streamkm fit kmeans mnist.zarr model.zarr -k 10 --n-init 4 --random-state 0
"""


def make_app(words: Sequence[str]) -> App:
    """Return the command line; the algorithms are loaded only where `words` ask for one."""
    app = App(
        name="streamkm",
        help=DESCRIPTION,
        version=f"streamkm {streamkm.__version__}",
        help_format="markdown",
        suppress_keyboard_interrupt=False,  # `main` says how to go on
    )
    app.command(convert_command(), name="convert")
    app.command(info)
    fit = App(name="fit", help=FIT)
    for row in ALGORITHMS if "fit" in words[:1] else ():
        fit.command(_fit_command(row), name=row.name)
    app.command(fit)
    is_coreset = "coreset" in words[:1]
    app.command(coreset_command() if is_coreset else App(help=SUMMARY), name="coreset")
    is_sweep = "sweep" in words[:1]
    app.command(sweep_command(words) if is_sweep else App(help=SWEEP), name="sweep")
    is_plan = "plan" in words[:1]
    app.command(plan_command() if is_plan else App(help=PLAN), name="plan")
    app.command(resume)
    app.command(runs)
    what = "Write the cluster of every row."
    app.command(_write_command("predict", what, "labels.csv"), name="predict")
    what = "Write the distances of every row to all centers."
    app.command(_write_command("transform", what, "distances.zarr"), name="transform")
    app.command(score)
    app.command(nearest)
    app.command(centers)
    app.command(datasets)
    app.command(fetch)
    app.command(plot)
    app.command(watch)
    app.command(report_command, name="report")
    app.command(bench_command(words))
    app.command(compile_kernels, name="compile")
    app.command(demo)
    return app


def _fit_command(row: AlgorithmRow) -> Any:
    def body(
        store: str, model: Path, run: Path | None = None, like: Path | None = None,
        overwrite: bool = False, running: Running = Running(), **parameters: Any,  # noqa: B008
    ) -> None:  # fmt: skip
        from streamkm.cli.fit import run_fit

        run_fit(row, store, model, run, overwrite, like, running, parameters)

    cls = row.load()
    own = [
        inspect.Parameter(
            name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            annotation=Annotated[kind, Parameter(help=text)],
        )
        for name, kind, text in (
            ("store", str, "Store of the rows, or any source that convert reads."),
            ("model", Path, "Folder of the new model."),
        )
    ]
    run = inspect.Parameter(
        "run",
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[
            Path | None,
            Parameter(help="Folder for a checkpoint after every pass; `streamkm resume` goes on."),
        ],
    )
    skip = ("executor", "memory_limit", "run_dir", *ENDLESS)
    derived = derived_parameters(cls.__init__, cls.__doc__ or "", skip)
    doc = f"""{row.summary}

    Example: streamkm fit {row.name} mnist.zarr model.zarr -k 10 --n-init 4 --random-state 0
    """
    like = [LIKE_PARAMETER] if cls.can_renumber else []
    parameters = [*own, *derived, run, *like, OVERWRITE_PARAMETER, RUNNING_PARAMETER]
    return make_command(body, parameters, row.name, doc)


def info(store: Path, *, json: Annotated[bool, Parameter(negative=())] = False) -> None:
    """Show what a store or a model is.

    Example: streamkm info mnist.zarr

    Parameters
    ----------
    store
        Folder of the store, the model, or a conversion that was not finished.
    json
        Print one JSON object.
    """
    from streamkm.cli.info import facts_of

    report(facts_of(store), as_json=json)


def resume(run: Path, *, overwrite: Annotated[bool, Parameter(negative=())] = False,
           running: Running = Running()) -> None:  # noqa: B008  # fmt: skip
    """Go on with an interrupted fit; the same bits, under any executor.

    Example: streamkm resume runs/mnist

    Parameters
    ----------
    run
        Folder that `fit --run` was given.
    overwrite
        Replace the model if it exists.
    """
    from streamkm.cli.fit import run_resume

    run_resume(run, overwrite, running)


def _write_command(verb: str, what: str, out: str) -> Any:
    def command(
        model: Path,
        store: str,
        out: Path,
        *,
        overwrite: Annotated[bool, Parameter(negative=())] = False,
        running: Running = Running(),  # noqa: B008
    ) -> None:
        from streamkm.cli.fit import run_write

        run_write(verb, model, store, out, overwrite, running)

    command.__doc__ = f"""{what}

    Example: streamkm {verb} model.zarr mnist.zarr {out}

    Parameters
    ----------
    model
        Folder of the model.
    store
        Store of the rows, or any source that convert reads.
    out
        Where to: a folder (Zarr), or a name ending in .npy, .csv or .parquet.
    overwrite
        Replace `out` if it exists.
    """
    return command


def demo(
    *,
    cluster: Annotated[bool, Parameter(negative=())] = False,
    folder: Path | None = None,
    json: Annotated[bool, Parameter(negative=())] = False,
    verbose: Annotated[bool, Parameter(name=("--verbose", "-v"), negative=())] = False,
) -> None:
    """Run the whole job on real digits, larger than its memory limit, with no download.

    Example: streamkm demo --cluster

    Parameters
    ----------
    cluster
        On a local Dask cluster of two workers, with its dashboard.
    folder
        Where to leave the store, the model, the labels and the picture; by
        default only the picture stays, as streamkm-demo.png.
    json
        Print one JSON object.
    verbose
        Show tracebacks of errors.
    """
    from streamkm.cli.demo import run_demo

    run_demo(cluster, folder, as_json=json)
