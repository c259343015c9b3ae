"""The pictures of a model: what each needs, and how it is drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from streamkm import plots
from streamkm.cli.fit import use_session
from streamkm.cli.options import Running
from streamkm.cli.session import Session, session
from streamkm.cluster.model import load_model
from streamkm.cluster.names import refuse_other_rows
from streamkm.cluster.rows import as_rows
from streamkm.data.digest import fingerprint
from streamkm.errors import SourceError
from streamkm.kernels.contingency import Contingency
from streamkm.metrics.evaluation import contingency, evaluate
from streamkm.metrics.members import nearest_rows
from streamkm.metrics.plane import n_looked_at, plane
from streamkm.metrics.profile import profile
from streamkm.metrics.projection import Projection, project
from streamkm.metrics.reading import class_names_of, classes_of
from streamkm.metrics.scores import majority_names
from streamkm.plots.confusion import cluster_order
from streamkm.plots.courses import courses
from streamkm.plots.images import is_image
from streamkm.plots.style import ThemeName
from streamkm.typing import I64

N_MEMBERS: Final = 5


class Material:
    """What pictures are drawn from; what takes a pass is done once, when it is first asked for.

    Parameters
    ----------
    model, store, target
        Paths; the last two may be missing.
    current
        The command's session.
    theme
        "light" or "dark".
    """

    def __init__(
        self, model: Path, store: str | None, target: str | None, current: Session,
        theme: ThemeName,
    ) -> None:  # fmt: skip
        self.model = use_session(load_model(model), current)
        self.rows = None if store is None else as_rows(store)
        self.classes = None if self.rows is None else classes_of(self.rows, target)
        if self.rows is not None:
            refuse_other_rows(self.model, self.rows)
        self.theme: ThemeName = theme

    @cached_property
    def contingency(self) -> Contingency | None:
        """Rows by cluster and class, where the rows have classes."""
        if self.classes is None:
            return None
        return contingency(self.model, self.rows, self.classes)

    @cached_property
    def sizes(self) -> I64:
        """Rows of each cluster: of the store, or of what the model was fitted to."""
        if self.contingency is not None:
            sizes: I64 = self.contingency.table.sum(axis=1)
            return sizes
        if self.rows is None or fingerprint(self.rows) == self.model.fingerprint_:
            return self.model.cluster_sizes_
        return evaluate(self.model, self.rows).clusters.sizes

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """One a class of the contingency."""
        known = self.contingency
        return () if known is None else class_names_of(self.classes, known.classes)

    @cached_property
    def order(self) -> I64:
        """Clusters as every picture has them: by majority class, then by size; else by number."""
        known = self.contingency
        return np.arange(len(self.sizes)) if known is None else cluster_order(known.table)

    @property
    def has_images(self) -> bool:
        """Whether the centers can be drawn as the samples can."""
        shape = self.model.sample_shape_
        return is_image(shape) and math.prod(shape) == self.model.cluster_centers_.shape[1]

    @property
    def titles(self) -> list[str]:
        """One a cluster, in their order."""
        known = self.contingency
        table, names = (None, None) if known is None else (known.table, self.class_names)
        titles = plots.center_titles(self.sizes, table, names)
        return [titles[k] for k in self.order]

    @cached_property
    def projection(self) -> Projection:
        """A sample of the rows on their principal axes."""
        return project(self.model, self.rows)


def _centers(of: Material) -> Figure:
    if not of.has_images:
        return _profiles(of)
    titled = "number, majority class, rows" if of.contingency is not None else "number and rows"
    count = len(of.model.cluster_centers_)
    title = f"{count:,} centers · {titled}" if count > 1 else "The center of all rows"
    centers, shape = of.model.cluster_centers_[of.order], of.model.sample_shape_
    return plots.draw_centers(centers, shape, of.titles, title, theme=of.theme)


def _profiles(of: Material) -> Figure:
    found = profile(of.model, None if of.rows is None else of.projection)
    assert found is not None
    return plots.draw_profiles(
        found.deviations[of.order], found.names, of.titles, unit=found.unit, theme=of.theme
    )


def _members(of: Material) -> Figure:
    rows, distances = {}, {}
    n_clusters = of.model.labeler_.n_clusters
    for kind in ("nearest", "typical", "farthest"):
        found = nearest_rows(of.model, of.rows, N_MEMBERS, kind=kind, with_rows=True)
        assert found.rows is not None
        rows[kind] = plots.by_cluster(found.clusters, found.rows, n_clusters)[of.order]
        values = plots.by_cluster(found.clusters, found.distances, n_clusters)
        distances[kind] = values[of.order]
    shape = of.model.sample_shape_
    return plots.draw_members(rows, shape, of.titles, distances, theme=of.theme)


def _confusion(of: Material) -> Figure:
    known = of.contingency
    assert known is not None
    return plots.draw_confusion(known.table, of.class_names, theme=of.theme)


def _sizes(of: Material) -> Figure:
    known = of.contingency
    majority = None if known is None else majority_names(known.table, of.class_names)
    return plots.draw_sizes(of.sizes, majority, theme=of.theme)


def _clusters(of: Material) -> Figure:
    seen = plane(of.model, of.projection)
    return plots.draw_clusters_2d(seen, seen.points, seen.centers, names=seen.names, theme=of.theme)


def _lacks_nothing(of: Material) -> str:
    return ""


def _lacks_centers(of: Material) -> str:
    return "its centers lie in an embedding" if of.model.embeds else ""


def _lacks_rows(of: Material) -> str:
    return "" if of.rows is not None else "it needs the store"


def _lacks_classes(of: Material) -> str:
    return _lacks_rows(of) or ("" if of.classes is not None else "the rows have no labels")


def _lacks_plane(of: Material) -> str:
    is_plane = n_looked_at(of.model) == 2
    return _lacks_rows(of) or ("" if is_plane else "the model does not look at two features")


def _lacks_iterations(of: Material) -> str:
    return "" if courses(of.model.history_) else "the model's history has no iterations"


def _lacks_history(of: Material) -> str:
    return "" if of.model.history_ else "the model has no history"


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture: why it cannot be drawn (empty where it can), and how it is."""

    lacks: Callable[[Material], str]
    draw: Callable[[Material], Figure]


PICTURES: Final[Mapping[str, Picture]] = {
    "centers": Picture(_lacks_centers, _centers),
    "members": Picture(_lacks_rows, _members),
    "convergence": Picture(
        _lacks_iterations, lambda of: plots.draw_convergence(of.model.history_, theme=of.theme)
    ),
    "confusion": Picture(_lacks_classes, _confusion),
    "sizes": Picture(_lacks_nothing, _sizes),
    "map": Picture(_lacks_rows, lambda of: plots.draw_map(of.projection, theme=of.theme)),
    "clusters": Picture(_lacks_plane, _clusters),
    "time": Picture(_lacks_history, lambda of: plots.draw_time(of.model.history_, theme=of.theme)),
}


def draw_all(
    model: Path, store: str | None, target: str | None, paths: Mapping[str, Path],
    theme: ThemeName, running: Running, *, is_asked: bool,
) -> None:  # fmt: skip
    """Draw the pictures of some names, each to its path.

    Raises
    ------
    SourceError
        If one was asked for that cannot be drawn; otherwise it is left out.
    """
    with session(running, "plot") as current:
        material = Material(model, store, target, current, theme)
        reasons = {name: PICTURES[name].lacks(material) for name in paths}
        for name, reason in reasons.items():
            if is_asked and reason:
                raise SourceError(f"{name} cannot be drawn: {reason}")
        drawn = [path for name, path in paths.items() if not reasons[name]]
        for name, path in paths.items():
            if not reasons[name]:
                path.parent.mkdir(parents=True, exist_ok=True)
                plots.save_figure(PICTURES[name].draw(material), path)
        current.facts = {
            "pictures": [str(path) for path in drawn],
            "left_out": {name: reason for name, reason in reasons.items() if reason} or None,
        }
