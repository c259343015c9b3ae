"""Who takes part. `CONTESTANTS` is the complete list."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from streamkm.bench.cases import Measure
from streamkm.errors import SourceError

REFERENCE: Final = "scikit-learn"
BOTH: Final[tuple[Measure, ...]] = ("pass", "convergence")


@dataclass(frozen=True, slots=True)
class Contestant:
    """One program, run in one way.

    Parameters
    ----------
    name
        What it is called in the table.
    package, distribution
        What Python imports, and what pip installs.
    maker
        "module:function" of a context manager that takes a Task and gives a
        function of the number of iterations.
    measures
        What it can be asked for.
    way
        Passed to the maker: which algorithm, which dtype.
    note
        What a reader must know of it.
    """

    name: str
    package: str
    distribution: str
    maker: str
    measures: tuple[Measure, ...]
    way: str = ""
    note: str = ""


CONTESTANTS: Final = (
    Contestant("streamkm", "streamkm", "streamkm", "streamkm.bench.ours:streamkm", BOTH),
    Contestant(
        "streamkm, float32", "streamkm", "streamkm", "streamkm.bench.ours:streamkm",
        ("convergence",), "float32", "streamkm on the float32 array that the peers get",
    ),
    Contestant(
        REFERENCE, "sklearn", "scikit-learn", "streamkm.bench.peers:scikit_learn", BOTH, "lloyd",
        'KMeans(algorithm="lloyd")',
    ),
    Contestant(
        "scikit-learn, elkan", "sklearn", "scikit-learn", "streamkm.bench.peers:scikit_learn",
        ("convergence",), "elkan", 'KMeans(algorithm="elkan")',
    ),
    Contestant(
        "dask-ml", "dask_ml", "dask-ml", "streamkm.bench.peer_dask_ml:dask_ml", ("pass",), "",
        "from the store itself where there is one; else from an array in memory, two chunks a core",
    ),
    Contestant(
        "faiss", "faiss", "faiss-cpu", "streamkm.bench.peers:faiss", ("pass",), "",
        "all rows, without its sampling",
    ),
    Contestant(
        "SuperKMeans", "superkmeans", "superkmeans", "streamkm.bench.peers:superkmeans", ("pass",),
        "", "approximate; all rows, without its sampling; from a start of its own",
    ),
)  # fmt: skip
PEERS: Final = tuple(dict.fromkeys(c.distribution for c in CONTESTANTS if c.package != "streamkm"))


def check_peers(names: Sequence[str]) -> None:
    """Refuse names of peers that are not known.

    Raises
    ------
    SourceError
        Names those that are.
    """
    for name in names:
        if name not in PEERS:
            raise SourceError(f"--peers {name} is unknown; known are {', '.join(PEERS)}")


def asked(
    measure: Measure, peers: Sequence[str] | None, *, is_loaded: bool, dtype: str
) -> tuple[Contestant, ...]:
    """Return who is asked for a measure; streamkm and scikit-learn always are.

    Parameters
    ----------
    measure
        What is measured.
    peers
        Distributions of the peers; None for all.
    is_loaded, dtype
        Of the rows: a float32 copy of them is a case of its own where they are
        in memory and of another dtype.
    """
    found = []
    for contestant in CONTESTANTS:
        is_copy = contestant.package == "streamkm" and contestant.way == "float32"
        is_wanted = contestant.distribution in ("streamkm", REFERENCE, *(peers or PEERS))
        if measure in contestant.measures and is_wanted:
            if is_copy and (dtype == "float32" or not is_loaded):
                continue
            found.append(contestant)
    return tuple(found)


def missing(contestant: Contestant) -> str | None:
    """Return how to install what cannot be imported here; None where it can."""
    if importlib.util.find_spec(contestant.package) is not None:
        return None
    return f"not installed: pip install {contestant.distribution}"


def version_of(distribution: str) -> str | None:
    """Return the version of what is installed, or None."""
    if distribution == "streamkm":
        import streamkm

        return streamkm.__version__
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
