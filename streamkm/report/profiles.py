"""The centers of rows that are no images: a picture, and a table in the data's units."""

from __future__ import annotations

import numpy as np

from streamkm import plots
from streamkm.metrics.profile import Profile
from streamkm.report.figures import picture
from streamkm.report.findings import Findings
from streamkm.report.html import Html
from streamkm.report.tables import data_table, number
from streamkm.report.words import short_number

MOST_FEATURES = 30  # columns that can still be read beside each other


def profiles_picture(found: Profile, findings: Findings | None) -> Html:
    """Return what sets the clusters apart, as a picture."""
    n_clusters, n_features = found.deviations.shape
    order = np.arange(n_clusters) if findings is None else findings.order
    titles = None if findings is None else findings.titles
    alt = (
        f"How far {n_clusters} centers are from the mean of all rows in each of {n_features} "
        f"features, in {found.unit}."
    )
    said = "" if findings is None else f"; {findings.titled}"
    return picture(
        "profiles",
        lambda theme: plots.draw_profiles(
            found.deviations[order], found.names, titles, unit=found.unit, theme=theme
        ),
        alt,
        f"The centers against the mean of all rows{said}",
    )


def profiles_table(found: Profile) -> Html | None:
    """Return the centers, a row each; none where there are too many features."""
    if len(found.names) > MOST_FEATURES:
        return None
    are_numbers = all(name.isdigit() for name in found.names)
    names = [f"feature {name}" if are_numbers else name for name in found.names]
    rows = [
        [number(k, f"#{k}"), *(number(value, short_number(value)) for value in center)]
        for k, center in enumerate(found.values.tolist())
    ]
    return data_table("centers-table", "The centers by feature", ["cluster", *names], rows)
