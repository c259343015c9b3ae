"""Where the splits of a bisecting fit begin: two rows of each node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from streamkm.cluster.passes import Passes
from streamkm.cluster.rows import take
from streamkm.cluster.state import FitState
from streamkm.cluster.tree import KnownTree, Node
from streamkm.kernels.seeding import distances, plus_plus
from streamkm.kernels.select import SelectedRows
from streamkm.keyed import BISECTING, generator, row_key
from streamkm.tasks import bisect as tasks
from streamkm.typing import F64, I64, Rows

INITS: Final = ("k-means++", "random")
# Fewer rows of the sample than this in a node, and as many of its rows are drawn. 16 rows of
# up to 8 bytes a value are no more than the sums of two centers take (`passes.SUM_BYTES`).
ENOUGH_ROWS: Final = 16


@dataclass(frozen=True, slots=True)
class StartParameters:
    """How splits begin: `init` (one of INITS), restarts of each, and the seed."""

    init: str
    n_init: int
    seed: int


@dataclass(frozen=True, slots=True)
class Candidates:
    """Rows of one node that its split may begin at, with their weights, all positive."""

    rows: Rows
    weights: F64 | None

    @classmethod
    def of(cls, rows: Rows, weights: F64 | None) -> Candidates:
        """Keep the rows that weigh something."""
        if weights is None:
            return cls(rows, None)
        return cls(rows[weights > 0.0], weights[weights > 0.0])

    @property
    def are_two(self) -> bool:
        """Whether two rows differ."""
        return len(self.rows) > 1 and bool(distances(self.rows, self.rows[:1]).any())


def starts(
    passes: Passes, tree: KnownTree, nodes: Sequence[Node], parameters: StartParameters
) -> tuple[KnownTree, tuple[FitState, ...]]:
    """Return where the splits of some nodes begin, for every restart.

    Candidates are the rows of the stored sample that fall in the node; where
    they are few, rows drawn from the node in one pass; where they are all the
    same, one of them and the row farthest from it, by one more pass. Passes
    are shared by the nodes; what a node gets depends on its own rows alone.

    Returns
    -------
    tree
        With the nodes marked that hold but one distinct row.
    states
        Node by node, restart by restart.
    """
    numbers = [node.number for node in nodes]
    found = _from_sample(passes, tree, numbers)
    few = [
        i
        for i, number in enumerate(numbers)
        if len(found[i].rows) < min(ENOUGH_ROWS, tree.counts[number])
    ]
    if few:
        centers = [np.repeat(tree.centers[[numbers[i]]], 2, axis=0) for i in few]
        key = row_key(parameters.seed, BISECTING)
        picked = _pick(passes, tree, [numbers[i] for i in few], centers, ENOUGH_ROWS, key)
        for i, candidates in zip(few, _weighed(passes, picked), strict=True):
            found[i] = candidates
    same = [i for i, rows in enumerate(found) if len(rows.rows) and not rows.are_two]
    if same:
        centers = [np.repeat(found[i].rows[:1], 2, axis=0).astype(np.float64) for i in same]
        picked = _pick(passes, tree, [numbers[i] for i in same], centers, 1, None)
        for i, part in zip(same, picked, strict=True):
            found[i] = Candidates(np.concatenate([found[i].rows[:1], part.rows]), None)
    whole = [number for number, rows in zip(numbers, found, strict=True) if not rows.are_two]
    states = tuple(
        FitState(
            _start(rows, parameters.init, generator(parameters.seed, BISECTING, restart, node.key)),
            np.zeros(2, np.int64),
            restart=restart,
            extra={"node": np.array(node.number)},
        )
        for node, rows in zip(nodes, found, strict=True)
        if rows.are_two
        for restart in range(parameters.n_init)
    )
    return tree.without(whole), states


def _start(candidates: Candidates, init: str, draws: np.random.Generator) -> F64:
    """Return two rows that differ: by squared distance, or at random, both by weight."""
    rows, weights = candidates.rows, candidates.weights
    if init == "k-means++":
        return rows[plus_plus(rows, weights, 2, draws)].astype(np.float64)
    keys = draws.standard_exponential(len(rows))
    order: I64 = np.argsort(keys if weights is None else keys / weights, kind="stable")
    first = order[0]
    differs = distances(rows, rows[first : first + 1])[0, order] > 0.0
    return rows[[first, order[int(np.argmax(differs))]]].astype(np.float64)


def _from_sample(passes: Passes, tree: KnownTree, numbers: Sequence[int]) -> list[Candidates]:
    data = passes.data
    leaves = tree.leaf_finder(data.sample_frame).label(data.sample)
    found = []
    for number in numbers:
        mine = leaves == number
        weights = None if data.sample_weight is None else data.sample_weight[mine]
        found.append(Candidates.of(data.sample[mine], weights))
    return found


def _pick(
    passes: Passes, tree: KnownTree, numbers: Sequence[int], centers: Sequence[F64],
    capacity: int, key: np.uint64 | None,
) -> tuple[SelectedRows, ...]:  # fmt: skip
    data = passes.data
    ended = tree.ended_by(numbers, centers, data.frame)
    context = tasks.SplitContext(
        data.source, data.weights, (ended,), data.grids, capacity=capacity, key=key
    )
    title = "drawing rows of nodes" if key is not None else "finding rows that differ"
    parts = passes.run(tasks.pick, context, stage="seed", title=title, n_models=len(numbers))
    passes.note()
    return tuple(replace(part, rows=data.seen(part.rows)) for part in parts)


def _weighed(passes: Passes, parts: Sequence[SelectedRows]) -> list[Candidates]:
    """Return drawn rows with their weights, which are read in one go."""
    weights = passes.data.weights
    chosen: list[Any] = [part.by_row() for part in parts]
    if weights is None:
        return [Candidates(part.rows, None) for part in chosen]
    indices = np.concatenate([part.indices for part in chosen])
    order = np.argsort(indices)
    values = np.empty(len(indices))
    values[order] = take(weights, indices[order])
    edges = np.cumsum([len(part.indices) for part in chosen])[:-1]
    pairs = zip(chosen, np.split(values, edges), strict=True)
    return [Candidates(part.rows, own) for part, own in pairs]
