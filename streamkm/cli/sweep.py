"""The command `sweep`: many numbers of clusters on shared passes, and which to take."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, Token

from streamkm.cli.derive import derived_parameters, make_command, parameter_texts
from streamkm.cli.options import OVERWRITE_PARAMETER, RUNNING_PARAMETER, Running
from streamkm.cli.plot import FORMATS
from streamkm.cli.session import session
from streamkm.errors import SourceError, StoreExistsError
from streamkm.metrics.measures import TITLES

if TYPE_CHECKING:
    from streamkm.sweeping.sweep import Sweep

SUMMARY = "Fit many numbers of clusters; the rows are read once for all of them."
DOC = f"""{SUMMARY}

Prints a table of every measure, and which number of clusters each criterion
chooses, with its reason. A model has the bits that it has when it is fitted alone.

Example: streamkm sweep mnist.zarr -k 10,16,36,64 --repeats 3 --random-state 0 --out sweep.csv

The options of `--algorithm` are those of `streamkm fit`; say it first, and `--help` shows them.
"""
TEXTS = {
    "store": "Store of the rows, or any source that convert reads.",
    "target": "Labels, where they are not in the store.",
    "test": "Store with labels: accuracy there, clusters standing for their majority classes.",
    "out": "Where to write the table: a name ending in .csv, .parquet or .json.",
    "plot": "Where to draw every measure: a name ending in .png, .svg or .pdf.",
    "models": "Folder for the best model of every number: k10.zarr, k16.zarr, ...",
    "run": "Folder for checkpoints; the same command goes on from them.",
}
# KMeans has an `algorithm` of its own, of the same bits; here it says which estimator is swept.
SKIPPED = (
    "n_clusters", "random_state", "executor", "memory_limit", "run_dir", "half_life", "time_unit",
    "algorithm",
)  # fmt: skip


def numbers(hint: Any, tokens: Sequence[Token]) -> list[int]:
    """Read 10,16,36 or 5:20 (both ends) or any mixture, in one word or several."""
    found: list[int] = []
    for word in ",".join(token.value for token in tokens).split(","):
        first, colon, last = word.partition(":")
        try:
            found += range(int(first), int(last) + 1) if colon else [int(first)]
        except ValueError:
            raise ValueError(
                f"{word!r} is not a number of clusters: write 10,16,36 or 5:20"
            ) from None
    return found


def sweep_command(words: Sequence[str]) -> Any:
    """Return the command, with the options of the algorithm that the words name."""
    from streamkm.cli.sweep_table import show_sweep
    from streamkm.cluster import find_algorithm
    from streamkm.sweeping.sweep import SWEPT, sweep

    def body(
        store: str, n_clusters: list[int], algorithm: str = "kmeans", repeats: int = 3,
        random_state: int | None = None, target: str | None = None, test: str | None = None,
        out: Path | None = None, plot: Path | None = None, models: Path | None = None,
        run: Path | None = None, overwrite: bool = False,
        running: Running = Running(), **parameters: Any,  # noqa: B008
    ) -> None:  # fmt: skip
        from streamkm.cli.fit import number_columns

        number_columns(parameters, store)
        paths = {} if models is None else {k: models / f"k{k}.zarr" for k in n_clusters}
        _refuse(out, plot, paths, overwrite)
        with session(running, "sweep") as current:
            found = sweep(
                store, n_clusters, algorithm=algorithm, repeats=repeats,
                random_state=random_state, y=target, test=test, executor=current.executor,
                memory_limit=current.memory_limit, run_dir=run, **parameters,
            )  # fmt: skip
            _keep(found, out, plot, paths, f"{algorithm}, {PurePath(store).name}", overwrite)
            current.show = partial(show_sweep, found)
            current.facts = {
                **{
                    c.criterion if running.json else TITLES.get(c.criterion, c.criterion): (
                        f"{c.n_clusters} clusters: {c.reason}"
                    )
                    for c in found.choices
                },
                "table": str(out) if out is not None else None,
                "picture": str(plot) if plot is not None else None,
                "models": str(models) if models is not None else None,
                "passes": len(found.history),
                "read_bytes": sum(record["bytes_read"] for record in found.history),
                "decoded_bytes": sum(record["bytes_decoded"] for record in found.history),
            }
            if running.json:
                current.facts["rows"] = found.table

    chosen = _algorithm_in(words, SWEPT)
    cls = find_algorithm(chosen).load()
    derived = derived_parameters(cls.__init__, cls.__doc__ or "", SKIPPED)
    parameters = [*_own(parameter_texts(sweep.__doc__ or ""), SWEPT, chosen), *derived]
    return make_command(body, [*parameters, OVERWRITE_PARAMETER, RUNNING_PARAMETER], "sweep", DOC)


def _refuse(out: Path | None, plot: Path | None, paths: dict[int, Path], overwrite: bool) -> None:
    """Refuse, before hours of work, names that cannot be written."""
    from streamkm.cli.fit import refuse_taken
    from streamkm.sweeping.table import check_table

    if out is not None:
        check_table(out, overwrite=overwrite)
    if plot is not None and plot.suffix.lower().removeprefix(".") not in FORMATS:
        raise SourceError(f"{plot}: the ending must be .{', .'.join(FORMATS)}")
    if plot is not None and plot.exists() and not overwrite:
        raise StoreExistsError(f"{plot} exists; --overwrite replaces it")
    for path in paths.values():
        refuse_taken(path, overwrite)


def _keep(
    found: Sweep, out: Path | None, plot: Path | None, paths: dict[int, Path], title: str,
    overwrite: bool,
) -> None:  # fmt: skip
    """Write what was asked for."""
    from streamkm.plots import draw_measures, save_figure

    if out is not None:
        found.write(out, overwrite=overwrite)
    if plot is not None:
        chosen = {choice.criterion: choice.n_clusters for choice in found.choices}
        save_figure(draw_measures(found.table, chosen=chosen, title=title), plot)
    for k, path in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        found.best(k).save(path, overwrite=overwrite)


def _algorithm_in(words: Sequence[str], known: Sequence[str]) -> str:
    """Return the algorithm that the words name: its options are part of the command."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        name = word.partition("=")[2] if word.startswith("--algorithm=") else following
        if word.partition("=")[0] == "--algorithm" and name in known:
            return name
    return known[0]


def _own(texts: dict[str, str], known: Sequence[str], chosen: str) -> list[inspect.Parameter]:
    from typing import Literal

    algorithm: Any = Literal[tuple(known)]
    kinds: dict[str, tuple[Any, Any, Parameter]] = {
        "n_clusters": (
            list[int],
            inspect.Parameter.empty,
            Parameter(
                alias="-k", converter=numbers, n_tokens=1, negative=(),
                help="The numbers of clusters: 10,16,36, or 5:20 for all of them.",
            ),
        ),
        "algorithm": (algorithm, chosen, Parameter(help=texts["algorithm"])),
        "repeats": (int, 3, Parameter(help=texts["repeats"])),
        "random_state": (int | None, None, Parameter(help=texts["random_state"])),
        "target": (str | None, None, Parameter(help=TEXTS["target"])),
        "test": (str | None, None, Parameter(help=TEXTS["test"])),
        **{
            name: (Path | None, None, Parameter(help=TEXTS[name]))
            for name in ("out", "plot", "models", "run")
        },
    }  # fmt: skip
    store = inspect.Parameter(
        "store",
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        annotation=Annotated[str, Parameter(help=TEXTS["store"])],
    )
    return [store] + [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, said]
        )
        for name, (kind, default, said) in kinds.items()
    ]
