"""
Inside a scikit-learn pipeline
==============================

streamkm's estimators are scikit-learn estimators: they sit in a ``Pipeline``,
are cloned and searched over, and their distances to the centers are features
for what follows. Here a logistic regression reads digits from the distances to
K centers, and a grid search looks for K::

    python examples/pipeline.py
"""

# %%
# scikit-learn's own digits, with a part kept for the end.

from __future__ import annotations

import _common
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from streamkm import KMeans

parser = _common.make_parser(__doc__)
parser.add_argument("--clusters", default="5,10,20,40,80")
arguments = parser.parse_args()
numbers = [int(word) for word in arguments.clusters.split(",")]
X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

# %%
# The pipeline: cluster, scale the distances, and read the digit from them.

pipeline = make_pipeline(
    KMeans(random_state=0, executor="serial"), StandardScaler(), LogisticRegression(max_iter=1000)
)
search = GridSearchCV(pipeline, {"kmeans__n_clusters": numbers}, cv=3)
search.fit(X_train, y_train)

pixels = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(X_train, y_train)
scores = search.cv_results_["mean_test_score"]
_common.show_table(
    ["features of the regression", "cross-validated", "test"],
    [
        *(
            [f"distances to {k} centers", f"{score:.3f}", "–"]
            for k, score in zip(numbers, scores, strict=True)
        ),
        [
            f"the best, {search.best_params_['kmeans__n_clusters']} centers",
            f"{search.best_score_:.3f}",
            f"{search.score(X_test, y_test):.3f}",
        ],
        ["the 64 pixels", "–", f"{pixels.score(X_test, y_test):.3f}"],
    ],
)

# %%
# The accuracy against K, with the spread over the three folds.

figure = Figure(figsize=(6, 3.2), layout="constrained", dpi=100)
axes = figure.subplots()
spread = search.cv_results_["std_test_score"]
axes.errorbar(numbers, scores, spread, fmt="o-", color=_common.BLUE, capsize=3, markersize=4)
axes.set_xscale("log")
axes.set_xticks(numbers, [str(k) for k in numbers])
axes.minorticks_off()
axes.set_xlabel("clusters")
axes.set_ylabel("accuracy, cross-validated")
_common.plain(axes)
_common.save(figure, arguments.out, "pipeline.png")
