"""The options that all commands share: who runs the tasks, under what limit, how to report."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

RUNNING = Group("Running", sort_key=10)


@Parameter(name="*")
@dataclass(frozen=True)
class Running:
    """How a command is run."""

    executor: Annotated[
        Literal["serial", "threads", "processes"] | None,
        Parameter(group=RUNNING, help="Who runs the tasks; threads by default."),
    ] = None
    scheduler: Annotated[
        str | None,
        Parameter(group=RUNNING, help="Address of a running Dask scheduler, tcp://HOST:8786."),
    ] = None
    scheduler_file: Annotated[
        Path | None,
        Parameter(group=RUNNING, help="File that a Dask scheduler wrote its address to."),
    ] = None
    workers: Annotated[
        int | None,
        Parameter(
            group=RUNNING, help="Start a local Dask cluster of so many workers for this call."
        ),
    ] = None
    memory_limit: Annotated[
        str | None,
        Parameter(
            group=RUNNING, help="Memory in all, such as 1GiB; half of what is free by default."
        ),
    ] = None
    json: Annotated[
        bool,
        Parameter(
            group=RUNNING, negative=(), help="Print one JSON object: what was done, and its cost."
        ),
    ] = False
    verbose: Annotated[
        bool,
        Parameter(
            name=("--verbose", "-v"), group=RUNNING, negative=(), help="Show tracebacks of errors."
        ),
    ] = False


RUNNING_PARAMETER = inspect.Parameter(
    "running", inspect.Parameter.KEYWORD_ONLY, default=Running(), annotation=Running
)
OVERWRITE_PARAMETER = inspect.Parameter(
    "overwrite",
    inspect.Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[bool, Parameter(negative=(), help="Replace what has the name.")],
)
LIKE_PARAMETER = inspect.Parameter(
    "like",
    inspect.Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[
        Path | None,
        Parameter(help="An older model: clusters are numbered so that an id keeps its cluster."),
    ],
)
