"""How good clusters are, over data of any size."""

from __future__ import annotations

from streamkm.kernels.contingency import Contingency
from streamkm.metrics.evaluation import contingency, evaluate, evaluate_all
from streamkm.metrics.maps import ClassMap, accuracy, fit_map
from streamkm.metrics.measures import MEASURES
from streamkm.metrics.members import FoundRows, nearest_rows
from streamkm.metrics.projection import Projection, project
from streamkm.metrics.scores import Scores

__all__ = [
    "MEASURES",
    "ClassMap",
    "Contingency",
    "FoundRows",
    "Projection",
    "Scores",
    "accuracy",
    "contingency",
    "evaluate",
    "evaluate_all",
    "fit_map",
    "nearest_rows",
    "project",
]
