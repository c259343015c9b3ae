"""`streamkm bench`: this machine, or a cluster, against the peers that are installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from streamkm.cli.options import Running
from streamkm.cli.plot import FORMATS
from streamkm.cli.session import refuse_crew
from streamkm.cli.sweep import numbers
from streamkm.errors import SourceError, StoreExistsError

WHAT = Group("What is measured", sort_key=1)
HOW = Group("How", sort_key=2)


@Parameter(name="*")
@dataclass(frozen=True)
class What:
    """What is measured."""

    n_clusters: Annotated[
        list[int],
        Parameter(
            alias="-k",
            converter=numbers,
            n_tokens=1,
            negative=(),
            show_default=False,
            group=WHAT,
            help="Numbers of clusters: 64, or 10,64,256 for a case each.",
        ),
    ] = ()  # type: ignore[assignment]
    rows: Annotated[int | None, Parameter(group=WHAT, help="Rows of noise, in memory.")] = None
    features: Annotated[int | None, Parameter(group=WHAT, help="Features of the noise.")] = None
    dtype: Annotated[
        Literal["uint8", "int16", "float16", "float32", "float64"],
        Parameter(group=WHAT, help="Of the noise; the peers get float32 all the same."),
    ] = "float32"
    preset: Annotated[
        Literal["one-pass", "convergence"] | None,
        Parameter(
            group=WHAT,
            help="Cases by name: one-pass (seven shapes, few centers and many), or convergence "
            "(CIFAR-10, MNIST and blobs).",
        ),
    ] = None
    measure: Annotated[
        Literal["pass", "convergence", "both"] | None,
        Parameter(
            group=WHAT,
            help="Seconds of one pass, or until the centers repeat; by default one pass for "
            "noise, both for a store.",
        ),
    ] = None
    data: Annotated[
        Path | None,
        Parameter(
            group=WHAT, env_var="STREAMKM_DATA",
            help="Folder with mnist/ and cifar10/, for the preset convergence.",
        ),
    ] = None  # fmt: skip


@Parameter(name="*")
@dataclass(frozen=True)
class How:
    """How it is measured."""

    peers: Annotated[
        str | None,
        Parameter(
            group=HOW,
            help="Who takes part beside scikit-learn, such as faiss-cpu,dask-ml; by default all "
            "that are installed of dask-ml, faiss-cpu and superkmeans.",
        ),
    ] = None
    repeats: Annotated[int, Parameter(group=HOW, help="Rounds; medians are shown.")] = 5
    load: Annotated[
        bool,
        Parameter(
            group=HOW,
            negative=(),
            help="Load the store into memory for streamkm too; else streamkm streams it.",
        ),
    ] = False
    quick: Annotated[
        bool,
        Parameter(
            group=HOW, negative=(),
            help="Seconds instead of minutes: few rows, two rounds. Shows that it works, no more.",
        ),
    ] = False  # fmt: skip


def bench_command(words: Sequence[str]) -> Callable[..., Any]:
    """Return the command; the page that it writes repeats the words that it was called with."""

    def bench(
        store: str | None = None,
        *,
        what: What = What(),
        how: How = How(),
        out: Annotated[Path | None, Parameter(name=("--out", "-o"))] = None,
        plot: Path | None = None,
        overwrite: Annotated[bool, Parameter(negative=())] = False,
        running: Running = Running(),  # noqa: B008
    ) -> None:
        """Measure streamkm on this machine against the peers that are installed.

        Prints the time of one pass, of the whole call and to convergence, how many
        times as fast as scikit-learn that is, the peak of memory, and the bytes read.
        The programs take turns, each in a process of its own.

        Example: streamkm bench --rows 60000 --features 784 --dtype uint8 -k 10

        Example: streamkm bench mnist.zarr -k 64 -o bench.md --plot bench.png

        Example: streamkm bench --quick

        Parameters
        ----------
        store
            Store of the rows, or any source that convert reads; streamkm streams
            it, the peers get it in memory.
        out
            Where to write a page with the tables, the machine and this command: a
            name ending in .md.
        plot
            Where to draw who is how many times as fast: a name ending in .png,
            .svg or .pdf.
        overwrite
            Replace the page and the picture if they exist.
        """
        from streamkm.cli.bench_run import run_bench

        refuse_outputs(out, plot, overwrite)
        refuse_crew(running)
        run_bench(store, what, how, out, plot, running, ("streamkm", *words))

    return bench


def refuse_outputs(out: Path | None, plot: Path | None, overwrite: bool) -> None:
    """Refuse names that cannot be written, before minutes of work."""
    for path, endings in ((out, ("md",)), (plot, FORMATS)):
        if path is None:
            continue
        if path.suffix.lower().removeprefix(".") not in endings:
            raise SourceError(f"{path}: the ending must be .{', .'.join(endings)}")
        if path.exists() and not overwrite:
            raise StoreExistsError(f"{path} exists; --overwrite replaces it")
        if not path.absolute().parent.is_dir():
            raise SourceError(f"{path}: there is no folder {path.parent}")
