"""All searches of this package in one call."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.cluster import HDBSCAN
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from .._labels import as_labels, encode_labels
from .._validation import check_gps, check_ifo, unmask, validated
from ._clusters import describe_clusters, subsample_size
from ._label_issues import find_label_issues
from ._new_classes import NewClassFinder, cluster_size, has_enough_labels
from ._novelty import NoveltyDetector, compare_all
from ._onsets import find_onsets

if TYPE_CHECKING:
    from pandas import DataFrame


class Discovery(NamedTuple):
    """The tables that :func:`discover` returns."""

    glitches: DataFrame
    clusters: DataFrame
    label_issues: DataFrame | None
    onsets: DataFrame | None


@validated(
    {
        "embeddings": ["array-like"],
        "y": ["array-like", None],
        "gps": ["array-like", None],
        "ifo": ["array-like", str, None],
        "is_reference": ["array-like", None],
        "segments": "no_validation",
        "runs": [Mapping, StrOptions({"LIGO"}), None],
        "unlabeled": "no_validation",
        "detector": [NoveltyDetector, None],
        "clusterer": [HasMethods("fit_predict"), None],
        "min_cluster_size": [Interval(Integral, 2, None, closed="left"), StrOptions({"auto"})],
        "label_issues": ["boolean"],
        "n_resamples": [Interval(Integral, 0, None, closed="left")],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }
)
def discover(
    embeddings: ArrayLike,
    y: ArrayLike | None = None,
    *,
    gps: ArrayLike | None = None,
    ifo: ArrayLike | str | None = None,
    is_reference: ArrayLike | None = None,
    segments: Any = None,
    runs: Any = None,
    unlabeled: Any = None,
    detector: NoveltyDetector | None = None,
    clusterer: Any = None,
    min_cluster_size: int | str = "auto",
    label_issues: bool = False,
    n_resamples: int = 20,
    n_jobs: int | None = None,
    random_state: Any = None,
) -> Discovery:
    """Find new classes, novel glitches, doubtful labels and onsets.

    Parameters
    ----------
    embeddings : array-like of shape (n_samples, n_features)
        Embeddings of labeled and unlabeled glitches.
    y : array-like of shape (n_samples,), default=None
        The classes of the labeled glitches. None, NaN, ``""`` and -1 stand for no label.
    gps : array-like of shape (n_samples,), default=None
        GPS times in s, NaN if unknown. Onsets need them.
    ifo : array-like of shape (n_samples,) or str, default=None
        The interferometer of each glitch, such as "H1".
    is_reference : array-like of shape (n_samples,), dtype bool, default=None
        Glitches that are used for their labels only, and left out of onsets.
    segments, runs : object, default=None
        As in :func:`find_onsets`. Onsets leave out glitches outside of these, with a warning.
    unlabeled : object or list of objects, default=None
        More labels that stand for no label.
    detector : NoveltyDetector, default=None
        The detector that is fitted to the labeled glitches. None is
        ``NoveltyDetector(random_state=random_state)``.
    clusterer : estimator, default=None
        An unsupervised clusterer. None is :class:`NewClassFinder` if there are enough labels for
        it, else ``make_pipeline(Normalizer(), PCA(10), HDBSCAN(min_samples=3))``.
    min_cluster_size : int or "auto", default="auto"
        As in :class:`NewClassFinder`, if `clusterer` is None.
    label_issues : bool, default=False
        Whether to look for doubtful labels.
    n_resamples, n_jobs
        As in :class:`NewClassFinder`.
    random_state : int, RandomState instance or None, default=None
        The seed. With an int, results are the same as by separate calls with that int.

    Returns
    -------
    discovery : Discovery
        A named tuple of the data frames ``glitches``, ``clusters`` (see :func:`describe_clusters`),
        ``label_issues`` (see :func:`find_label_issues`; None if not requested) and ``onsets`` (see
        :func:`find_onsets`; None without GPS times). The columns of ``glitches`` are

        - ``ifo``, ``gps``, ``label``, ``is_reference``: as passed;
        - ``is_labeled``: whether the glitch counts as labeled;
        - ``cluster``: the cluster, -1 for none;
        - ``probability``: the ``probabilities_`` of the clusterer, NaN if it has none;
        - ``is_new``: whether the cluster is a new class;
        - ``novelty_p_value``, ``is_novel``: see :class:`NoveltyDetector`. Labeled glitches are
          compared with the other labeled ones. Missing if there are fewer than two.

        ``clusters`` also has ``novel``, the fraction of novel members, and, with GPS times,
        ``first_gps`` and ``last_gps``, without reference glitches. The index of ``label_issues``
        is the row of `embeddings`.

    Raises
    ------
    ValueError
        If lengths differ, a value is invalid, segments or runs leave no glitch for onsets, or
        `label_issues` is True and there is no label.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch.discovery import discover
    >>> rng = np.random.default_rng(0)
    >>> X = np.repeat(np.eye(4), 20, axis=0) + rng.normal(0, 0.05, (80, 4))
    >>> y = np.repeat(["Blip", "Chirp", "Tomte", ""], 20)
    >>> found = discover(X, y, random_state=0)
    >>> found.clusters["kind"].tolist()
    ['known', 'known', 'known', 'new']
    """
    from pandas import DataFrame, Series

    if isinstance(clusterer, NewClassFinder):
        raise ValueError(
            "clusterer must take no labels. With None it is NewClassFinder, given enough labels."
        )
    if clusterer is not None and min_cluster_size != "auto":
        raise ValueError(f"min_cluster_size={min_cluster_size} needs clusterer=None.")
    X = check_array(unmask(embeddings), dtype=[np.float64, np.float32], ensure_min_samples=2)
    n_samples = len(X)
    classes, codes = encode_labels(y, n_samples, unlabeled)
    labeled = codes >= 0
    glitches = DataFrame(index=np.arange(n_samples))
    if ifo is not None:
        glitches["ifo"] = check_ifo(ifo, n_samples)
    if gps is not None:
        times = check_gps(gps)
        check_consistent_length(X, times)
        glitches["gps"] = times
    if y is not None:
        # Integers with gaps stay integers.
        glitches["label"] = Series(as_labels(y), dtype=object)
    if is_reference is not None:
        flags = as_labels(is_reference, "is_reference")
        check_consistent_length(X, flags)
        wrong = [v for v in flags if not (isinstance(v, Real) and v in (0, 1))]
        if wrong:
            raise ValueError(f"is_reference must hold True and False only, got {wrong[0]!r}.")
        glitches["is_reference"] = np.array(flags, dtype=bool)
    glitches["is_labeled"] = labeled
    # Clustering takes the longest, so errors and warnings come first.
    search = _prepare_onsets(glitches, segments, runs)
    issues = None
    shared: Any = {"n_jobs": n_jobs, "random_state": random_state}
    if label_issues:
        rows = np.flatnonzero(labeled)
        if not len(rows):
            raise ValueError("label_issues=True: no glitch has a label that could be wrong.")
        issues = find_label_issues(X[rows], classes[codes[rows]], **shared)
        issues = issues.set_axis(rows[issues.index], axis="index")
    options: Any = {"n_resamples": n_resamples, "unlabeled": unlabeled, **shared}
    p_values = is_novel = probabilities = None
    if clusterer is None and has_enough_labels(codes):
        finder = NewClassFinder(detector=detector, min_cluster_size=min_cluster_size, **options)
        finder.fit(X, y)
        labels, clusters, probabilities = finder.labels_, finder.clusters_, finder.probabilities_
        p_values, is_novel = finder.novelty_p_values_, finder.is_novel_
    else:
        if labeled.sum() >= 2:
            detector = clone(detector or NoveltyDetector(random_state=random_state))
            detector.fit(X[labeled], classes[codes[labeled]])
            p_values, is_novel = compare_all(detector, X, labeled)
        if clusterer is None:
            # It must work for the subsamples of the stability, too.
            most = subsample_size(n_samples)
            size = min(cluster_size(min_cluster_size, n_samples), n_samples)
            # With more neighbors, more glitches are in no cluster. These stay there, as assigning
            # them to the nearest cluster lowers the purity if some are of no class.
            hdbscan = HDBSCAN(size, min_samples=min(3, most), copy=True)
            pca = PCA(min(10, most, X.shape[1]), random_state=random_state)
            clusterer = make_pipeline(Normalizer(), pca, hdbscan)
        fitted = clone(clusterer)
        labels = np.asarray(fitted.fit_predict(X))
        last = fitted[-1] if isinstance(fitted, Pipeline) else fitted
        probabilities = getattr(last, "probabilities_", None)
        clusters = describe_clusters(
            X, labels, y, probabilities=probabilities, clusterer=clusterer, **options
        )
    glitches["cluster"] = labels
    glitches["probability"] = np.nan if probabilities is None else probabilities
    new = clusters.index[clusters["kind"] == "new"]
    glitches["is_new"] = np.isin(labels, new)
    if is_novel is not None:
        glitches["novelty_p_value"], glitches["is_novel"] = p_values, is_novel
        share = [is_novel[labels == label].mean() for label in clusters.index]
        clusters.insert(clusters.columns.get_loc("stability") + 1, "novel", share)
    if gps is not None:
        own = glitches[~glitches["is_reference"]] if is_reference is not None else glitches
        times = own.groupby("cluster")["gps"].agg(["min", "max"]).reindex(clusters.index)
        clusters["first_gps"], clusters["last_gps"] = times["min"], times["max"]
    onsets = None
    if search is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # given by _prepare_onsets already
            onsets = search(labels, random_state=random_state)
    return Discovery(glitches, clusters, issues, onsets)


def _prepare_onsets(
    glitches: DataFrame, segments: Any, runs: Any
) -> Callable[..., DataFrame] | None:
    """Check segments and runs, warn about excluded glitches, and return the search for onsets."""
    find_onsets([], [], ifo=[], segments=segments, runs=runs)  # checks segments and runs
    is_asked_for = segments is not None or runs is not None
    rows = np.zeros(len(glitches), dtype=bool)
    if "gps" in glitches:
        rows = np.isfinite(glitches["gps"].to_numpy())
    if "is_reference" in glitches:
        rows &= ~glitches["is_reference"].to_numpy()  # they may be from another time
    if not rows.any():
        if is_asked_for:
            message = "gps: no glitch has a GPS time, so there are no onsets."
            warnings.warn(message, UserWarning, stacklevel=4)
        return None
    gps = glitches["gps"].to_numpy()[rows]
    ifo = glitches["ifo"].to_numpy()[rows] if "ifo" in glitches else None

    def search(labels: NDArray[np.intp], **options: Any) -> DataFrame:
        where = {"ifo": ifo, "segments": segments, "runs": runs, "outside": "warn"}
        return find_onsets(gps, labels[rows], **where, **options)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = search(np.zeros(len(rows), dtype=int), n_simulations=1)
    notes = [str(warning.message) for warning in caught]
    if ifo is not None and not isinstance(segments, Mapping):
        n_nameless = int((ifo == "").sum())
        if 0 < n_nameless < len(ifo):
            notes.append(f"ifo: {n_nameless} glitches without an ifo have onsets of their own.")
    if not len(found) and is_asked_for:
        raise ValueError(" ".join(["gps: no glitch is left for onsets.", *notes]))
    for note in notes:
        warnings.warn(note, UserWarning, stacklevel=4)
    return search if len(found) else None
