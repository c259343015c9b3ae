"""Follow a stream whose clusters jump, with a half-life and without.

Eight clusters in two features. After a million rows all centers jump. Two
models take in the same batches; one of them forgets:

    python examples/drifting_stream.py drifting-stream.png
"""

from __future__ import annotations

import argparse

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from streamkm import MiniBatchKMeans

F64 = NDArray[np.float64]

N_CLUSTERS = 8
BATCH_ROWS = 5_000
JUMP = 1_000_000  # rows before the centers jump
HALF_LIFE = 100_000  # rows
AFTER = 400_000  # rows that follow the jump
SETTLED = JUMP + 2 * HALF_LIFE
FORGETS, KEEPS = "half_life=100_000", "no half-life"
HALF_LIVES = {FORGETS: HALF_LIFE, KEEPS: None}
LOOKS = {FORGETS: ("#0072b2", "o"), KEEPS: ("#d55e00", "X")}  # blue and orange of Okabe & Ito
INK, FAINT = "#222222", "#888888"
FOUND = 0.5  # standard deviations


def place_centers(draws: np.random.Generator) -> F64:
    """Draw centers that stand at least six standard deviations apart."""
    while True:
        centers = draws.uniform(-20, 20, (N_CLUSTERS, 2))
        gaps = np.linalg.norm(centers[:, None] - centers, axis=2)
        if gaps[np.triu_indices(N_CLUSTERS, 1)].min() > 6:
            return centers


def draw_rows(centers: F64, draws: np.random.Generator) -> F64:
    """Draw one batch: clusters of one size, with a standard deviation of one."""
    return centers[draws.integers(N_CLUSTERS, size=BATCH_ROWS)] + draws.normal(size=(BATCH_ROWS, 2))


def worst_distance(centers: F64, model: MiniBatchKMeans) -> float:
    """Return how far the worst true center is from its nearest model center."""
    gaps = np.linalg.norm(centers[:, None] - model.cluster_centers_, axis=2)
    return float(gaps.min(axis=1).max())


def follow(models: dict[str, MiniBatchKMeans]) -> tuple[dict[str, F64], F64]:
    """Return the worst distances after each batch, and the last batch."""
    draws = np.random.default_rng(0)
    distances: dict[str, list[float]] = {name: [] for name in models}
    for n_rows in (JUMP, AFTER):
        centers = place_centers(draws)
        for _ in range(n_rows // BATCH_ROWS):
            rows = draw_rows(centers, draws)
            for name, model in models.items():
                model.partial_fit(rows)
                distances[name].append(worst_distance(centers, model))
    return {name: np.array(values) for name, values in distances.items()}, rows


def draw(models: dict[str, MiniBatchKMeans], distances: dict[str, F64], rows: F64) -> Figure:
    """Draw the distances over the stream, and where the models stand at its end."""
    figure = Figure(figsize=(10, 4.4), layout="constrained", dpi=100)
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    draw_distances(left, distances)
    right.scatter(*rows[:2000].T, s=3, color="#cccccc", linewidths=0, label="new rows")
    for name, model in models.items():
        color, marker = LOOKS[name]
        x, y = model.cluster_centers_.T
        right.scatter(x, y, s=75, color=color, marker=marker, edgecolors="white", label=name)
    right.set_aspect("equal", "datalim")
    right.set_xticks([])
    right.set_yticks([])
    right.set_title("The new rows and both models at the end", fontsize=11, color=INK)
    marks = figure.legend(
        *right.get_legend_handles_labels(), loc="outside lower right", ncols=3, frameon=False
    )
    marks.legend_handles[0].set_sizes([30])
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    right.spines[["left", "bottom"]].set_visible(False)
    return figure


def draw_distances(axes: Axes, distances: dict[str, F64]) -> None:
    """Draw the worst distances over the rows, with the jump and two half-lives later."""
    for name, values in distances.items():
        millions = np.arange(1, len(values) + 1) * BATCH_ROWS / 1e6
        axes.plot(millions, values, color=LOOKS[name][0], linewidth=1.8)
        place = (-4, 9 if values[-1] > FOUND else -20)
        axes.annotate(
            name, (millions[-1], values[-1]), place, textcoords="offset points", ha="right",
            color=LOOKS[name][0],
        )  # fmt: skip
    axes.axhline(FOUND, color=FAINT, linewidth=0.8, linestyle=":")
    axes.annotate("found: below 0.5", (0, FOUND), (4, 4), textcoords="offset points", color=FAINT)
    for rows, words, side in (
        (JUMP, "the centers\njump", -1),
        (SETTLED, "two half-\nlives later", 1),
    ):
        axes.axvline(rows / 1e6, color=FAINT, linewidth=0.8, linestyle="--")
        axes.annotate(
            words, (rows / 1e6, 40), (4 * side, 0), textcoords="offset points", color=FAINT,
            ha="right" if side < 0 else "left", va="center",
        )  # fmt: skip
    axes.set_yscale("log")
    axes.set_ylim(0.002, 80)
    axes.set_xlim(0, (JUMP + AFTER) / 1e6)
    axes.set_yticks([0.01, 0.1, 1, 10], ["0.01", "0.1", "1", "10"])
    axes.set_xlabel("rows so far, in millions")
    axes.set_ylabel("standard deviations")
    axes.set_title("The worst true center to its nearest model center", fontsize=11, color=INK)


def main() -> None:
    """Follow the stream; print the numbers and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", help="a new .png file")
    arguments = parser.parse_args()
    models = {
        name: MiniBatchKMeans(
            N_CLUSTERS, half_life=half_life, random_state=0, compute_labels=False, executor="serial"
        )
        for name, half_life in HALF_LIVES.items()
    }
    distances, rows = follow(models)
    places = (("before the jump", JUMP), ("one batch after", JUMP + BATCH_ROWS))
    places += (("two half-lives after", SETTLED), ("at the end", JUMP + AFTER))
    print(f"worst distance{'':10}" + "".join(f"{name:>20}" for name in distances))
    for words, n_rows in places:
        values = [found[n_rows // BATCH_ROWS - 1] for found in distances.values()]
        print(f"{words:24}" + "".join(f"{value:20.3f}" for value in values))
    settled = {name: found[SETTLED // BATCH_ROWS - 1] for name, found in distances.items()}
    after = distances[FORGETS][JUMP // BATCH_ROWS :]
    n_rows = (int(np.argmax(after < FOUND)) + 1) * BATCH_ROWS
    print(f"with a half-life, all new centers were found after {n_rows} rows")
    assert settled[FORGETS] < FOUND <= settled[KEEPS], settled
    draw(models, distances, rows).savefig(arguments.picture)


if __name__ == "__main__":
    main()
