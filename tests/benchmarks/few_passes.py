"""Coresets, bisecting and spectral clustering beside their peers: medians of five seeds.

Run as `python -m tests.benchmarks.few_passes [coreset] [bisecting] [spectral]`
with STREAMKM_DATA set; prints Markdown tables.
"""

from __future__ import annotations

import sys

import numpy as np
from sklearn.cluster import BisectingKMeans as PeerBisecting
from sklearn.metrics import normalized_mutual_info_score

import streamkm
from tests.benchmarks.shared import SEEDS, cifar, head, mnist, row, run, timed


def coreset() -> None:
    sets = mnist()
    stores = {"MNIST": sets["unshuffled"], "CIFAR-10": cifar()}
    head("data", "K", "coreset", "refine", "inertia over Lloyd's", "passes", "s", "Lloyd's s")
    for data_name, store in stores.items():
        X = store.read(0, store.shape[0])
        for k in (10, 64):
            base = [
                timed(lambda seed=seed: streamkm.KMeans(k, random_state=seed).fit(store))
                for seed in SEEDS
            ]
            lloyd = np.median([model.inertia_ for model, _ in base])
            for kind in ("tree", "sensitivity", "lightweight"):
                for refine in (0, 2):
                    found = []
                    for seed in SEEDS:
                        fresh = streamkm.StreamKM(
                            k, coreset=kind, refine_passes=refine, random_state=seed
                        )
                        model, s = timed(lambda f=fresh: f.fit(store))
                        found.append([-model.score(X) / lloyd, len(model.history_), s])
                    a, b, c = np.median(found, axis=0)
                    row(
                        data_name,
                        k,
                        kind,
                        refine,
                        f"{a:.4f}",
                        int(b),
                        f"{c:.1f}",
                        f"{np.median([s for _, s in base]):.1f}",
                    )


def bisecting() -> None:
    sets = mnist()
    floats = sets["X"].astype(np.float32)
    head(
        "K",
        "inertia",
        "scikit-learn's",
        "ratio of medians",
        "rounds",
        "bound",
        "passes",
        "s",
        "scikit-learn's s",
    )
    for k in (10, 64):
        found = []
        for seed in SEEDS:
            model, s = timed(
                lambda seed=seed: streamkm.BisectingKMeans(k, random_state=seed).fit(
                    sets["unshuffled"]
                )
            )
            peer, t = timed(lambda seed=seed: PeerBisecting(k, random_state=seed).fit(floats))
            found.append(
                [model.inertia_, peer.inertia_, model.n_rounds_, len(model.history_), s, t]
            )
        a, b, _, d, e, f = np.median(found, axis=0)
        row(
            k,
            f"{a:.5g}",
            f"{b:.5g}",
            f"{a / b:.4f}",
            int(max(x[2] for x in found)),
            2 * int(np.ceil(np.log2(k))),
            int(d),
            f"{e:.1f}",
            f"{f:.1f}",
        )


def spectral() -> None:
    sets = mnist()
    head("landmarks", "NMI", "k-means' NMI", "gain", "s", "k-means' s")
    plain = [
        timed(lambda seed=seed: streamkm.KMeans(10, random_state=seed).fit(sets["unshuffled"]))
        for seed in SEEDS
    ]
    base = np.median(
        [normalized_mutual_info_score(sets["y"], m.predict(sets["X"])) for m, _ in plain]
    )
    for p in (500, 1000):
        found = []
        for seed in SEEDS:
            fresh = streamkm.SpectralClustering(10, n_landmarks=p, random_state=seed)
            model, s = timed(lambda f=fresh: f.fit(sets["unshuffled"]))
            found.append([normalized_mutual_info_score(sets["y"], model.predict(sets["X"])), s])
        a, s = np.median(found, axis=0)
        row(
            p,
            f"{a:.3f}",
            f"{base:.3f}",
            f"{a - base:+.3f}",
            f"{s:.1f}",
            f"{np.median([t for _, t in plain]):.1f}",
        )


if __name__ == "__main__":
    run({"coreset": coreset, "bisecting": bisecting, "spectral": spectral}, sys.argv[1:])
