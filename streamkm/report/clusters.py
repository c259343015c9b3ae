"""The sections about the clusters: their centers, sizes, members, and the map."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamkm import plots
from streamkm.metrics.measures import SHOWN, TITLES
from streamkm.metrics.plane import n_looked_at, plane
from streamkm.metrics.profile import profile
from streamkm.report.figures import picture
from streamkm.report.findings import Findings
from streamkm.report.html import Html, join, tag
from streamkm.report.profiles import profiles_picture, profiles_table
from streamkm.report.section import Section
from streamkm.report.subject import Subject
from streamkm.report.tables import Cell, data_table, number
from streamkm.report.words import short_number
from streamkm.typing import I64


def clusters_section(subject: Subject, findings: Findings | None) -> Section | None:
    """Return the centers, the sizes, and a row for every cluster."""
    sizes = findings.scores.clusters.sizes if findings is not None else subject.sizes
    if sizes is None and subject.centers is None:
        return None
    parts = [_centers(subject, findings, sizes)]
    found = None
    if subject.model is not None and not subject.has_images:
        found = profile(subject.model, None if findings is None else findings.projection)
    if found is not None:
        parts += [profiles_picture(found, findings), profiles_table(found)]
    if sizes is not None:
        parts += [_sizes(sizes, findings), _table(sizes, findings)]
    return Section("clusters", "The clusters", join(*parts))


def _centers(subject: Subject, findings: Findings | None, sizes: I64 | None) -> Html | None:
    centers, shape = subject.centers, subject.sample_shape
    if centers is None or not subject.has_images:
        return None
    order, titles, said = np.arange(len(centers)), None, ""
    if findings is not None:
        order, titles, said = findings.order, findings.titles, f": {findings.titled}"
    elif sizes is not None:
        titles, said = plots.center_titles(sizes), ": number and rows, by number"
    alt = (
        f"{len(centers)} cluster centers drawn as images of {' by '.join(map(str, shape))}; the "
        "table of clusters has their sizes."
    )
    return picture(
        "centers",
        lambda theme: plots.draw_centers(centers[order], shape, titles, theme=theme),
        alt,
        f"The centers{said}",
        is_sheet=True,
    )


def _sizes(sizes: I64, findings: Findings | None) -> Html:
    names = findings.scores.majority if findings is not None else None
    alt = (
        f"Bars of the rows of {len(sizes)} clusters, from {sizes.max():,} to {sizes.min():,}, "
        f"median {short_number(float(np.median(sizes)))}."
    )
    return picture(
        "sizes", lambda theme: plots.draw_sizes(sizes, names, theme=theme), alt,
        "Rows of each cluster, the largest first",
    )  # fmt: skip


def _table(sizes: I64, findings: Findings | None) -> Html:
    """Return a row for every cluster."""
    columns = ["cluster", "rows", "share"]
    total = max(int(sizes.sum()), 1)
    rows = [
        [number(k, f"#{k}"), number(n), number(n / total, f"{n / total:.1%}")]
        for k, n in enumerate(sizes.tolist())
    ]
    for name, cells in _judged(findings):
        columns.append(name)
        for row, cell in zip(rows, cells, strict=True):
            row.append(cell)
    return data_table("cluster-table", f"The {len(sizes)} clusters", columns, rows)


def _judged(findings: Findings | None) -> list[tuple[str, list[Cell]]]:
    """Return the columns that need the rows: distances, separation, classes, nearest rows."""
    if findings is None:
        return []
    clusters = findings.scores.clusters
    measured = (
        ("mean distance", clusters.mean_distance),
        (TITLES["silhouette"], clusters.silhouette),
        ("Davies-Bouldin", clusters.davies_bouldin),
    )
    found = [(name, [_short(value) for value in values.tolist()]) for name, values in measured]
    found = [(name, cells) for name, cells in found if any(cell.text for cell in cells)]
    majority = findings.scores.majority
    if majority is not None and clusters.majority_share is not None:
        shares = clusters.majority_share.tolist()
        found.append(("majority class", [_class(name) for name in majority]))
        found.append(("its share", [number(share, f"{share:.1%}") for share in shares]))
    if "nearest" in findings.members:
        nearest: list[Any] = [None] * len(clusters.sizes)
        one = findings.members["nearest"]
        for k, row in zip(one.clusters[::-1].tolist(), one.numbers[::-1].tolist(), strict=True):
            nearest[k] = row  # the nearest of each comes first, here last
        found.append(("nearest row", [number(row) for row in nearest]))
    return found


def _short(value: float) -> Cell:
    return number(value, f"{value:,.4g}")


def _class(name: str) -> Cell:
    try:
        return Cell(name, float(name))
    except ValueError:
        return Cell(name)


def members_section(subject: Subject, findings: Findings | None) -> Section | None:
    """Return the nearest, typical and farthest rows of each cluster."""
    if findings is None or not findings.members:
        return None
    n_clusters = len(findings.scores.clusters.sizes)
    groups, distances = {}, {}
    for kind, found in findings.members.items():
        assert found.rows is not None
        groups[kind] = plots.by_cluster(found.clusters, found.rows, n_clusters)[findings.order]
        values = plots.by_cluster(found.clusters, found.distances, n_clusters)
        distances[kind] = values[findings.order]
    titles = findings.titles
    alt = (
        f"The nearest, a few typical and the farthest rows of each of {n_clusters} clusters; the "
        "table of clusters has the numbers of the nearest rows."
    )
    shape = tuple(findings.about["sample_shape"])
    drawn = picture(
        "members-picture",
        lambda theme: plots.draw_members(groups, shape, titles, distances, theme=theme),
        alt,
        "Rows of each cluster: nearest to its center, drawn at random, farthest from it; "
        + findings.titled,
        is_sheet=True,
    )
    return Section("members", "Who is in them", drawn)


def map_section(subject: Subject, findings: Findings | None) -> Section | None:
    """Return the sample on its principal axes; data of two features as it is."""
    if findings is None:
        return None
    found = findings.projection
    model = subject.model
    if model is not None and n_looked_at(model) == 2:
        seen = plane(model, found)
        alt = f"{len(seen.points):,} rows in the plane, colored by cluster, with the regions."
        drawn = picture(
            "map-picture",
            lambda theme: plots.draw_clusters_2d(
                seen, seen.points, seen.centers, names=seen.names, theme=theme
            ),
            alt,
            "A sample of the rows, and the regions of the clusters",
        )
        return Section("map", "The map", drawn)
    alt = (
        f"{len(found.points):,} rows as points on the two principal axes of the data, which hold "
        f"{found.explained.sum():.1%} of its variance, colored by cluster, with the centers."
    )
    drawn = picture(
        "map-picture", lambda theme: plots.draw_map(found, theme=theme), alt,
        "A sample of the rows, and the centers",
    )  # fmt: skip
    return Section("map", "The map", drawn)


def measures_section(subject: Subject, findings: Findings | None) -> Section | None:
    """Return the measures, and the classes against the clusters."""
    if findings is None:
        return None
    scores = findings.scores
    values = scores.measures()
    rows = []
    for measure in SHOWN:
        if measure.name not in values:
            continue
        value = values[measure.name]
        cell = number(value, None if value is None else short_number(value))
        note = scores.undefined.get(measure.name, f"{measure.better} is better")
        rows.append([Cell(measure.title), cell, Cell(measure.group), Cell(note)])
    n_rows, source = findings.about["n_rows"], findings.about["source"]
    is_own = findings.is_fitted_to
    which = "the rows it was fitted to" if is_own else "not the rows it was fitted to"
    space = f" Distances are measured in {scores.space}." if scores.space is not None else ""
    text = tag("p", f"Taken over {n_rows:,} rows of {source}, {which}.{space}")
    table = data_table("measures-table", "Measures", ["measure", "value", "of what", "note"], rows)
    return Section("measures", "How good it is", join(text, table, _confusion(findings)))


def _confusion(findings: Findings) -> Html | None:
    scores = findings.scores
    found = scores.contingency
    if found is None:
        return None
    n_clusters, n_classes = found.table.shape
    alt = (
        f"How {n_classes} classes are spread over {n_clusters} clusters, clusters by their "
        "majority class; the table of clusters has the majority class and its share."
    )
    return picture(
        "confusion",
        lambda theme: plots.draw_confusion(found.table, scores.class_names, theme=theme),
        alt,
        "Classes against clusters",
    )
