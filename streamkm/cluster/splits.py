"""Rounds of splits: 2-means in many nodes of a tree at once, all in the same passes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from streamkm.cluster.passes import Passes
from streamkm.cluster.split_starts import StartParameters, starts
from streamkm.cluster.state import FitState, next_centers
from streamkm.cluster.tree import KnownTree, Split
from streamkm.kernels.lloyd import Inertia, PartialSums
from streamkm.kernels.summary import Summary
from streamkm.tasks import bisect as tasks
from streamkm.typing import F64, I64, Json

States = tuple[FitState, ...]


@dataclass(frozen=True, slots=True)
class SplitParameters:
    """What steers the rounds: see `BisectingKMeans`.

    Parameters
    ----------
    n_clusters, strategy
        How many leaves, and which is split next.
    starts
        How splits begin.
    max_iter, tol
        When one stops.
    width
        The most nodes that a round splits; None for all that may be wanted.
        The tree is the same for any.
    """

    n_clusters: int
    strategy: str
    starts: StartParameters
    max_iter: int
    tol: float
    width: int | None = None


def split_rounds(passes: Passes, states: States, parameters: SplitParameters) -> Iterator[States]:
    """Yield the tree and the splits that run, after every pass, until no more are wanted.

    A round splits every node that the greedy order, as far as it is known,
    would split: some in vain, but every known level of the tree in one round.
    A split depends on its node's rows and path alone, so that the tree does
    not depend on what shares a round.

    Parameters
    ----------
    passes
        The data and who passes over it.
    states
        The tree's state first, then one for each split that runs and restart.
    parameters
        Limits and rules.
    """
    tree, splits = KnownTree.from_state(states[0]), states[1:]
    while True:
        if not splits:
            order = tree.in_order(parameters.strategy, parameters.n_clusters - 1)
            wanted = [node for node in order if tree.first[node.number] < 0][: parameters.width]
            if not wanted:
                return
            tree, splits = starts(passes, tree, wanted, parameters.starts)
            yield (tree.state(), *splits)
            continue
        while any(_goes_on(state, parameters) for state in splits):
            splits = _iterate(passes, tree, splits, parameters)
            yield (tree.state(), *splits)
        tree, splits = _close(passes, tree, splits), ()
        yield (tree.state(),)


def n_rounds(history: Sequence[Json]) -> int:
    """Return how many rounds were finished."""
    return sum(record["stage"] == "close" for record in history)


def _goes_on(state: FitState, parameters: SplitParameters) -> bool:
    return not state.converged and state.n_iter < parameters.max_iter


def _node(state: FitState) -> int:
    return int(state.extra["node"])


def _by_restart(splits: States, chosen: Sequence[int]) -> list[list[int]]:
    restarts = sorted({splits[i].restart for i in chosen})
    return [[i for i in chosen if splits[i].restart == restart] for restart in restarts]


def _context(
    passes: Passes, tree: KnownTree, splits: States, models: Sequence[Sequence[int]]
) -> tasks.SplitContext:
    data = passes.data
    trees = tuple(
        tree.ended_by(
            [_node(splits[i]) for i in model], [splits[i].centers for i in model], data.frame
        )
        for model in models
    )
    return tasks.SplitContext(data.source, data.weights, trees, data.grids)


def _iterate(
    passes: Passes, tree: KnownTree, splits: States, parameters: SplitParameters
) -> States:
    """Run one pass for all splits that have not stopped."""
    running = [i for i, state in enumerate(splits) if _goes_on(state, parameters)]
    models = _by_restart(splits, running)
    n_round = n_rounds(passes.history) + 1
    n_iter = max(splits[i].n_iter for i in running) + 1
    title = f"round {n_round}, iteration {n_iter}"
    context = _context(passes, tree, splits, models)
    parts = passes.run(tasks.split, context, stage="assign", title=title, n_models=len(running))
    after = list(splits)
    for model, part in zip(models, parts, strict=True):
        moved = _advance([splits[i] for i in model], part, passes.data.summary, parameters.tol)
        for i, state in zip(model, moved, strict=True):
            after[i] = state
    passes.note(
        round=n_round,
        nodes=[_node(after[i]) for i in running],
        restarts=[after[i].restart for i in running],
        n_iter=[after[i].n_iter for i in running],
        center_shift=[after[i].center_shift for i in running],
    )
    return tuple(after)


def _advance(
    states: Sequence[FitState], part: PartialSums, summary: Summary, tol: float
) -> list[FitState]:
    """Return the splits of one restart after a pass.

    No side loses its last row: two means of rows that a plane parts have each
    one of its own rows on its side of the plane between them. (Where rounding
    says otherwise the center stays, and the closing pass finds the empty side.)
    """
    before = np.concatenate([state.centers for state in states])
    centers = next_centers(part, before).reshape(len(states), 2, -1)
    counts = part.counts.reshape(len(states), 2)
    found = []
    for state, moved, count in zip(states, centers, counts, strict=True):
        shift = float(((moved - state.centers) ** 2).sum())
        repeats = np.array_equal(moved, state.centers)
        is_done = repeats or (tol > 0.0 and shift <= tol * summary.mean_variance)
        found.append(
            replace(
                state, centers=moved, counts=count, n_iter=state.n_iter + 1,
                center_shift=shift, converged=is_done,
            )
        )  # fmt: skip
    return found


def _close(passes: Passes, tree: KnownTree, splits: States) -> KnownTree:
    """Take inertia and counts of all sides in one pass; keep the best restart of each node."""
    models = _by_restart(splits, range(len(splits)))
    n_round = n_rounds(passes.history) + 1
    context = _context(passes, tree, splits, models)
    parts: Sequence[Inertia] = passes.run(
        tasks.close_splits, context, stage="close", title=f"closing round {n_round}",
        n_models=len(splits),
    )  # fmt: skip
    best: dict[int, Split] = {}
    for at, i in enumerate(i for model in models for i in model):
        found = _split(splits[i], parts[2 * at], parts[2 * at + 1])
        known = best.get(found.node)
        if known is None or found.inertia.sum() < known.inertia.sum():
            best[found.node] = found
    grown = tree.grown([best[node] for node in sorted(best)])
    leaves = grown.leaves()
    inertia = float(grown.inertia[leaves].sum())
    passes.note(round=n_round, n_leaves=len(leaves), inertia=[inertia])
    return grown


def _split(state: FitState, left: Inertia, right: Inertia) -> Split:
    inertia: F64 = np.array([left.value(), right.value()])
    counts: I64 = np.concatenate([left.counts, right.counts])
    return Split(_node(state), state.centers, counts, inertia, state.n_iter)
