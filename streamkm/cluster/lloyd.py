"""Lloyd's algorithm as a generator of states, several models a pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from streamkm.cluster.active import tally_for
from streamkm.cluster.empty import updated
from streamkm.cluster.passes import Passes
from streamkm.cluster.state import FitState, advance
from streamkm.cluster.tally import Tally
from streamkm.kernels.members import MemberMoments
from streamkm.tasks import fit as tasks
from streamkm.typing import I32, I64

PROVES_INERTIA: Final = 1e-4  # share of the total variance above which 1 - x loses no 1e-9


@dataclass(frozen=True, slots=True)
class LloydParameters:
    """What steers the loop: see `KMeans`."""

    max_iter: int
    tol: float
    empty_cluster: str
    seed: int
    algorithm: str = "auto"


@dataclass(frozen=True, slots=True)
class Closed:
    """A finished model: its state, and what follows from its final centers.

    Inertia and counts, and where they are known, members and the labels of all rows.
    """

    state: FitState
    inertia: float
    counts: I64
    members: MemberMoments | None = None
    labels: I32 | None = None

    def reordered(self, order: I64) -> Closed:
        """Return the same model with cluster `order[i]` as cluster `i`."""
        state = replace(
            self.state, centers=self.state.centers[order], counts=self.state.counts[order]
        )
        members = None if self.members is None else self.members.reordered(order)
        labels = None if self.labels is None else np.argsort(order).astype(np.int32)[self.labels]
        return Closed(state, self.inertia, self.counts[order], members, labels)


def lloyd(
    passes: Passes, states: tuple[FitState, ...], parameters: LloydParameters
) -> Iterator[tuple[FitState, ...]]:
    """Yield the states of all models after every pass, until each has stopped.

    Parameters
    ----------
    passes
        The data and who passes over it.
    states
        Where the models begin: starts, or the states of a checkpoint.
    parameters
        Limits and rules.

    References
    ----------
    Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 28(2),
    1982, section IV (method I).
    """
    running = [i for i, state in enumerate(states) if _goes_on(state, parameters)]
    tally = tally_for(passes, len(states), parameters.algorithm)
    stop_shift = parameters.tol * passes.data.summary.mean_variance
    while running:
        n_iter = max(states[i].n_iter for i in running) + 1
        parts, found = tally.sums(
            running, [states[i].centers for i in running], f"iteration {n_iter}"
        )
        record = len(passes.history) - 1
        after = list(states)
        for i, part in zip(running, parts, strict=True):
            centers = updated(passes, states[i], part, parameters.empty_cluster, parameters.seed)
            after[i] = advance(states[i], part, centers, passes.data.summary, parameters.tol)
        states = tuple(after)
        passes.history[record].update(
            restarts=[states[i].restart for i in running],
            n_iter=[states[i].n_iter for i in running],
            inertia=[states[i].inertia for i in running],
            center_shift=[states[i].center_shift for i in running],
            stop_shift=stop_shift,
            **found,
        )
        passes.note()
        running = [i for i in running if _goes_on(states[i], parameters)]
        if not running and isinstance(tally, Tally):
            passes.labels = tally.labels()
        yield states


def _goes_on(state: FitState, parameters: LloydParameters) -> bool:
    return not state.converged and state.n_iter < parameters.max_iter


def closed(passes: Passes, states: tuple[FitState, ...]) -> list[Closed]:
    """Return inertia and counts of the final centers of every model.

    A model whose last pass repeated its centers has both from that pass, and
    its labels, where the inertia is not lost in the total variance; the others share one
    closing pass. Over a store it takes their members too, which costs it a
    twentieth and saves whoever judges the model a pass.
    """
    total = float(passes.data.summary.m2.sum())
    found: dict[int, Closed] = {}
    for i, state in enumerate(states):
        is_proven = state.center_shift == 0.0 and state.inertia > PROVES_INERTIA * total
        if is_proven:
            found[i] = Closed(state, state.inertia, state.counts, labels=passes.labels.get(i))
    rest = [i for i in range(len(states)) if i not in found]
    if rest:
        centers = [states[i].centers for i in rest]
        grids = tuple(map(passes.data.members_grid, centers)) if passes.is_stored else ()
        parts = passes.run_models(
            tasks.close, centers, stage="close", title="closing pass", members=grids
        )
        for i, part in zip(rest, parts, strict=True):
            members = part.members and part.members.moments(states[i].centers)
            found[i] = Closed(states[i], part.inertia.value(), part.inertia.counts, members)
        passes.note(
            restarts=[states[i].restart for i in rest], inertia=[found[i].inertia for i in rest]
        )
    return [found[i] for i in range(len(states))]


def best_of(models: list[Closed]) -> Closed:
    """Return the model with the smallest inertia, ties to the first restart."""
    return models[int(np.argmin([model.inertia for model in models]))]
