"""The table of clusters that ``skglitch discover`` writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..discovery import NewClassFinder
    from ..discovery._clusters import Cluster

# So many classes that are most like a cluster are named.
_N_NEAREST = 3


def tabulate_clusters(
    finder: NewClassFinder, ids: NDArray[Any], of_glitches: Mapping[str, NDArray[Any]]
) -> dict[str, list[Any]]:
    """Make the table of clusters.

    Parameters
    ----------
    finder : NewClassFinder
        Fitted.
    ids : ndarray of shape (n,)
    of_glitches : mapping of str to ndarray of shape (n,)
        Columns of glitches; ``novel`` and ``prediction`` are used where they are there.

    Returns
    -------
    columns : dict of str to list
        One value a cluster.
    """
    clusters = finder.clusters_
    columns: dict[str, list[Any]] = {
        "cluster": [one.label for one in clusters],
        "kind": [_kind(one) for one in clusters],
        "class": ["" if one.known_class is None else str(one.known_class) for one in clusters],
        **{
            name: [getattr(one, name) for one in clusters]
            for name in ("size", "stability", "labeled", "purity")
        },
    }
    members = [np.flatnonzero(finder.labels_ == one.label) for one in clusters]
    if "novel" in of_glitches:
        columns["novel"] = [float(of_glitches["novel"][rows].mean()) for rows in members]
    if "prediction" in of_glitches:
        most = [_most_frequent(of_glitches["prediction"][rows]) for rows in members]
        columns["predicted"] = [name for name, _ in most]
        columns["predicted_share"] = [share for _, share in most]
    nearest = [[*one.nearest_classes, *[("", np.nan)] * _N_NEAREST] for one in clusters]
    for rank in range(_N_NEAREST):
        columns[f"nearest_{rank + 1}"] = [str(classes[rank][0]) for classes in nearest]
        columns[f"cosine_{rank + 1}"] = [classes[rank][1] for classes in nearest]
    for name in ("typical", "borderline"):
        columns[name] = [" ".join(ids[getattr(one, name)]) for one in clusters]
    return columns


def _kind(cluster: Cluster) -> str:
    if cluster.is_new:
        return "new"
    return "mixed" if cluster.known_class is None else "known"


def _most_frequent(names: NDArray[Any]) -> tuple[str, float]:
    found, counts = np.unique(names, return_counts=True)
    return str(found[counts.argmax()]), float(counts.max() / len(names))
