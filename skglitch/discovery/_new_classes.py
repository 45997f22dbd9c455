"""Groups of glitches that are no known class."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClusterMixin, _fit_context, clone
from sklearn.cluster import HDBSCAN, AgglomerativeClustering, KMeans
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_samples
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import normalize
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from .._labels import encode_labels
from .._text import align, percent
from ._clusters import NOISE, Cluster, attach, describe_clusters, mean_jaccard
from ._guided import GuidedClusterer

# With n_components="auto".
_COMPONENTS = {"pca": 10, "umap": 5, "tsne": 2}
# t-SNE and UMAP are slow in many dimensions, and the last ones are noise.
_BEFORE_TSNE = 50
# Of its graph UMAP takes eigenvectors, of which there are fewer than samples.
_MORE_THAN_COMPONENTS = 3
_MIN_CLUSTER = 5
# So many neighbors, itself included, make a place dense. With as many as the smallest cluster
# has, HDBSCAN's habit, more glitches are left out and clusters are no purer.
_DENSE = 3
_NEIGHBOURS = 5
# Labels that guide clusters: fewer of a class say little of its spread.
_FEWEST_LABELS, _LEAST = 5, 20


class NewClassFinder(ClusterMixin, BaseEstimator):
    """Cluster embeddings, and tell which clusters are known classes and which are new.

    A net that was fine-tuned on known classes puts glitches of a class that it never saw in a
    cluster of their own [1]_. With labels of some glitches, clusters are found among those that
    are like no known class; without, embeddings are scaled to length 1, reduced to few dimensions
    and clustered.

    Parameters
    ----------
    normalize : bool, default=True
        Whether to scale each embedding to length 1 first.
    reducer : {"pca", "umap", "tsne"}, transformer or None, default="pca"
        What takes dimensions away. ``"tsne"`` and ``"umap"`` tell more of many classes apart and
        tear large ones; ``"umap"`` needs ``pip install "skglitch[umap]"``.
    n_components : int or "auto", default="auto"
        Dimensions that named reducers keep: 2 of ``"tsne"``, 5 of ``"umap"``, 10 of ``"pca"``.
    clusterer : {"auto", "guided", "hdbscan", "kmeans", "agglomerative"} or clusterer, \
            default="auto"
        What finds clusters:

        - ``"guided"`` learns from the labels in ``y`` what tells classes apart and what is novel,
          gives known classes their glitches and clusters the rest, see Notes. It does not use
          ``normalize`` and ``reducer``. It needs 20 labels, 5 of the middle one of the classes;
        - ``"hdbscan"`` finds the number of clusters by their density [2]_. Labels only name them;
        - ``"kmeans"`` and ``"agglomerative"`` need ``n_clusters``;
        - ``"auto"`` is guided where there are labels enough and ``reducer`` is its default, and
          HDBSCAN elsewhere.
    n_clusters : int, default=None
        Number of clusters of ``"kmeans"`` and ``"agglomerative"``.
    reach : float, default=1.5
        Glitches that would be in no cluster join the one that most of the 3 nearest to them are
        in, if these are on average at most so many times as far as the 3 nearest to any member of
        it; 0 joins none.
    min_cluster_size : int or "auto", default="auto"
        Smallest cluster of ``"hdbscan"``, and smallest new one of ``"guided"``. ``"auto"`` is a
        quarter of the square root of the number of samples, and 5 at least.
    unlabeled : object or list of objects, default=None
        Labels that count as none, beside None, NaN, ``""`` and -1, which scikit-learn's
        semi-supervised estimators take for none too. Give "None_of_the_Above" to look for what that
        class is made of.
    min_purity : float, default=0.5
        A cluster that was not guided is a known class if such a share of its labeled members is
        of it,
    min_labeled : float, default=0.1
        and such a share of its members is labeled. One that is none is new if fewer than half
        of its members are labeled, else a mixture of known classes.
    n_resamples : int, default=20
        Number of subsamples that are clustered again for the stability; 0 for none.
    n_members : int, default=5
        Number of typical and of borderline members to list.
    n_jobs : int, default=None
        Number of subsamples at a time.
    random_state : int, RandomState instance or None, default=None
        Seed of everything.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,)
        Cluster of each sample from 0 on, -1 for none.
    membership_ : ndarray of shape (n_samples,)
        How certain each sample is of its cluster, from 0 to 1: if guided, the probability of its
        class or new cluster; what other clusterers call ``probabilities_``; else the silhouette,
        0 where it is negative.
    clusters_ : tuple of Cluster
        What is known of each.
    new_clusters_ : tuple of Cluster
        Those that are no known class.
    classes_ : ndarray
        The known classes.
    places_ : ndarray of shape (n_samples, n_components)
        What was clustered.
    reducer_, clusterer_ : estimator
        The fitted ones; ``reducer_`` is None where there is none or clusters are guided.
    n_features_in_ : int
        Length of an embedding.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of X, where it is a data frame.

    See Also
    --------
    NoveltyDetector : Is a single glitch of a known kind.
    find_onsets : Finds when clusters began.

    Notes
    -----
    The guided clusterer, which has its idea from generalized category discovery [4]_, takes the
    first 30 principal axes, or as many as have eight samples each, up to 60, whitened by the
    spread within labeled classes. What has no label is parted into groups of some ten by Ward's
    method; a group is new if the median p-value of :class:`NoveltyDetector` is below 0.2: ten
    glitches together tell what one does not. New groups are joined by average linkage, up to 1.3
    times the distance that puts known glitches, labeled ones and those of the other groups, into
    their classes best, or halfway from it to where two of these parts would be joined next, if
    that is farther; one whose members are not most of each other's nearest samples is the rim of a
    class. Then logistic regressions, one on the first 200 principal axes and one on the whitened
    ones, learn the classes and the new clusters, and what has no label goes where their mean
    probability is highest, again and again until none changes, 10 times at most: members of a new
    kind that looked like a known class come back. No new cluster weighs more in this than the
    largest class of labeled glitches, and one whose median p-value comes to 0.2 is given back to
    the classes. Labeled glitches keep their class, so the purity of known classes is 1. Give it
    embeddings of labeled and of unlabeled glitches together.

    The stability is that of Hennig [3]_: subsamples of four fifths are clustered again, in the
    same reduced space: how stable that space is it does not tell. Embeddings that are all
    identical are one cluster, and are not reduced. HDBSCAN never gives all of the samples one
    cluster otherwise: where there is one kind only, expect noise or fragments.

    ``predict`` lets the 5 nearest embeddings of ``fit`` vote, those in no cluster included,
    however far they are; :class:`NoveltyDetector` tells those that are far.

    References
    ----------
    .. [1] D. George, H. Shen, E. A. Huerta, "Deep Transfer Learning: A New Deep Learning
       Glitch Classification Method for Advanced LIGO", 2017, arXiv:1706.07446.
    .. [2] R. Campello, D. Moulavi, J. Sander, "Density-Based Clustering Based on Hierarchical
       Density Estimates", PAKDD 2013.
    .. [3] C. Hennig, "Cluster-wise assessment of cluster stability", Computational Statistics
       and Data Analysis 52, 258 (2007).
    .. [4] S. Vaze, K. Han, A. Vedaldi, A. Zisserman, "Generalized Category Discovery", CVPR 2022,
       arXiv:2201.02609.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch.discovery import NewClassFinder
    >>> rng = np.random.default_rng(0)
    >>> X = np.repeat(np.eye(4), 20, axis=0) + rng.normal(0, 0.05, (80, 4))
    >>> y = np.repeat(["Blip", "Chirp", "Tomte", ""], 20)
    >>> finder = NewClassFinder(random_state=0).fit(X, y)
    >>> [cluster.size for cluster in finder.new_clusters_]
    [20]
    """

    _parameter_constraints: dict = {
        "normalize": ["boolean"],
        "reducer": [StrOptions(set(_COMPONENTS)), HasMethods("fit_transform"), None],
        "n_components": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "clusterer": [
            StrOptions({"auto", "guided", "hdbscan", "kmeans", "agglomerative"}),
            HasMethods("fit_predict"),
        ],
        "n_clusters": [Interval(Integral, 1, None, closed="left"), None],
        "reach": [Interval(Real, 0, None, closed="left")],
        "min_cluster_size": [Interval(Integral, 2, None, closed="left"), StrOptions({"auto"})],
        "unlabeled": "no_validation",
        "min_purity": [Interval(Real, 0, 1, closed="both")],
        "min_labeled": [Interval(Real, 0, 1, closed="both")],
        "n_resamples": [Interval(Integral, 0, None, closed="left")],
        "n_members": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        normalize: bool = True,
        reducer: Any = "pca",
        n_components: int | str = "auto",
        clusterer: Any = "auto",
        n_clusters: int | None = None,
        reach: float = 1.5,
        min_cluster_size: int | str = "auto",
        unlabeled: Any = None,
        min_purity: float = 0.5,
        min_labeled: float = 0.1,
        n_resamples: int = 20,
        n_members: int = 5,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.normalize = normalize
        self.reducer = reducer
        self.n_components = n_components
        self.clusterer = clusterer
        self.n_clusters = n_clusters
        self.reach = reach
        self.min_cluster_size = min_cluster_size
        self.unlabeled = unlabeled
        self.min_purity = min_purity
        self.min_labeled = min_labeled
        self.n_resamples = n_resamples
        self.n_members = n_members
        self.n_jobs = n_jobs
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None) -> NewClassFinder:
        """Find clusters, and name those that are known classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.
        y : array-like of shape (n_samples,), default=None
            Classes of those samples that have one, ``unlabeled`` for the others. None if no
            sample has one: then all clusters are new.

        Returns
        -------
        self : NewClassFinder

        Raises
        ------
        ValueError
            If X has NaN or infinite values, y is not as long, or ``n_clusters`` is missing.
        """
        X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        self.classes_, known = encode_labels(y, len(X), self.unlabeled)
        random_state = check_random_state(self.random_state)
        seed = random_state.randint(np.iinfo(np.int32).max)
        scaled = normalize(X) if self.normalize else X
        # t-SNE crashes where all samples are one.
        constant = np.allclose(scaled, scaled[0])
        size = self._smallest_cluster(len(X))
        guided = self._is_guided(known) and not constant
        if guided:
            self.reducer_ = None
            self.clusterer_ = GuidedClusterer(size, self.reach, seed).fit(X, known)
            self.places_ = self.clusterer_.places_
            labels = self.clusterer_.labels_
        else:
            self.reducer_ = None if constant else self._make_reducer(len(X), X.shape[1], seed)
            self.places_ = scaled
            if self.reducer_ is not None:
                self.places_ = np.asarray(self.reducer_.fit_transform(scaled))
            self.clusterer_ = self._make_clusterer(size, seed)
            labels = self._cluster(self.places_)
        self.labels_ = _without_gaps(labels)
        self.membership_ = self._membership()
        # Not in the reduced space: t-SNE has no place for new samples.
        vote = KNeighborsClassifier(min(_NEIGHBOURS, len(X)), algorithm="brute")
        self._vote = vote.fit(self.places_ if guided else scaled, self.labels_)
        self.clusters_ = describe_clusters(
            scaled,
            self.places_,
            self.labels_,
            self.membership_,
            known,
            classes=self.classes_.tolist(),
            min_purity=self.min_purity,
            min_labeled=self.min_labeled,
            n_members=self.n_members,
            by_design=_classes_by_design(labels, known) if guided else None,
            stability=mean_jaccard(
                self.clusterer_.cluster if guided else self._cluster_again,
                self.labels_,
                n_resamples=self.n_resamples,
                random_state=random_state,
                n_jobs=self.n_jobs,
            ),
        )
        return self

    @property
    def new_clusters_(self) -> tuple[Cluster, ...]:
        """Clusters that are no known class or mixture of them, the largest first."""
        check_is_fitted(self)
        new = [cluster for cluster in self.clusters_ if cluster.is_new]
        return tuple(sorted(new, key=lambda cluster: -cluster.size))

    def predict(self, X: Any) -> NDArray[np.intp]:
        """Give new samples to clusters.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Clusters as in ``labels_``, -1 for none.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        if isinstance(self.clusterer_, GuidedClusterer):
            return self._vote.predict(self.clusterer_.transform(X))
        return self._vote.predict(normalize(X) if self.normalize else X)

    def summary(self) -> str:
        """Tabulate the clusters.

        Returns
        -------
        table : str
            A line a cluster: its class, "new" or "mixed", size, purity, stability and the known
            class that is most alike.
        """
        check_is_fitted(self)
        rows = [["cluster", "class", "size", "purity [%]", "stability [%]", "most alike"]]
        for cluster in self.clusters_:
            nearest = cluster.nearest_classes
            rows.append(
                [
                    str(cluster.label),
                    _name(cluster),
                    str(cluster.size),
                    percent(cluster.purity),
                    percent(cluster.stability),
                    str(nearest[0][0]) if nearest else "",
                ]
            )
        n_noise = int(np.sum(self.labels_ == NOISE))
        return f"{align(rows, left=[1, 5])}\n\nIn no cluster: {n_noise} of {len(self.labels_)}"

    def _make_reducer(self, n_samples: int, n_features: int, seed: int) -> Any:
        if not isinstance(self.reducer, str):
            return None if self.reducer is None else clone(self.reducer)
        n = self.n_components
        n = _COMPONENTS[self.reducer] if n == "auto" else int(n)
        if self.reducer == "pca":
            return PCA(min(n, n_samples, n_features), random_state=seed)
        before = PCA(min(_BEFORE_TSNE, n_samples, n_features), random_state=seed)
        if self.reducer == "tsne":
            # One above 3 has no fast algorithm.
            method = "barnes_hut" if n <= 3 else "exact"
            perplexity = min(30.0, (n_samples - 1) / 3)
            return make_pipeline(
                before, TSNE(n, perplexity=perplexity, method=method, random_state=seed)
            )
        if n_samples < n + _MORE_THAN_COMPONENTS:
            raise ValueError(
                f"reducer='umap' needs {n + _MORE_THAN_COMPONENTS} samples for {n} components, got "
                f"{n_samples}. Use reducer='pca'."
            )
        # With a seed it is of one thread, and warns unless it is told so.
        umap = _umap()(n_components=n, min_dist=0.0, random_state=seed, n_jobs=1)
        return make_pipeline(before, umap)

    def _smallest_cluster(self, n_samples: int) -> int:
        size = self.min_cluster_size
        if size == "auto":
            size = max(_MIN_CLUSTER, round(np.sqrt(n_samples) / 4))
        return min(int(size), n_samples)

    def _is_guided(self, known: NDArray[np.intp]) -> bool:
        """Whether labels move clusters, for which a few of two classes are needed."""
        chosen = self.clusterer if isinstance(self.clusterer, str) else "other"
        if chosen == "auto" and (self.reducer, self.n_components) == ("pca", "auto"):
            chosen = "if there are labels enough"
        elif chosen != "guided":
            return False
        sizes = np.bincount(known[known >= 0])
        enough = len(sizes) > 1 and np.median(sizes) >= _FEWEST_LABELS and sizes.sum() >= _LEAST
        if chosen == "guided" and not enough:
            raise ValueError(
                f"clusterer='guided' needs {_LEAST} labeled samples of two classes or more, and "
                f"{_FEWEST_LABELS} of the middle one: y has "
                f"{', '.join(map(str, sizes)) or 'none'}. Use clusterer='hdbscan'."
            )
        return bool(enough)

    def _make_clusterer(self, size: int, seed: int) -> Any:
        if not isinstance(self.clusterer, str):
            return clone(self.clusterer)
        if self.clusterer in ("auto", "hdbscan"):
            # t-SNE has made all densities alike, and falls into fragments.
            dense = None if self.reducer == "tsne" else min(_DENSE, size)
            return HDBSCAN(size, min_samples=dense, copy=True)
        if self.n_clusters is None:
            raise ValueError(f"clusterer={self.clusterer!r} needs n_clusters, which is None.")
        if self.clusterer == "kmeans":
            return KMeans(self.n_clusters, random_state=seed)
        return AgglomerativeClustering(self.n_clusters)

    def _cluster(self, places: NDArray[Any]) -> NDArray[np.intp]:
        # Density has no meaning without distances; those left here are of rounding.
        if np.allclose(places, places[0], rtol=1e-6, atol=1e-7):
            return np.zeros(len(places), dtype=np.intp)
        clusterer: Any = self.clusterer_
        labels = np.asarray(clusterer.fit_predict(places))
        return attach(places, labels, self.reach)

    def _cluster_again(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        twin = clone(self)
        twin.clusterer_ = clone(self.clusterer_)
        for name in ("n_clusters", "min_cluster_size", "min_samples"):
            # Of fewer samples there may not be as many.
            if isinstance(getattr(twin.clusterer_, name, None), Integral):
                most = min(getattr(twin.clusterer_, name), len(rows))
                twin.clusterer_.set_params(**{name: most})
        return _without_gaps(twin._cluster(self.places_[rows]))

    def _membership(self) -> NDArray[np.float64]:
        if isinstance(self.clusterer_, GuidedClusterer):
            return self.clusterer_.membership_
        if hasattr(self.clusterer_, "probabilities_"):
            return np.where(self.labels_ >= 0, self.clusterer_.probabilities_, 0.0)
        membership = (self.labels_ >= 0).astype(float)
        inside = np.flatnonzero(self.labels_ >= 0)
        if 2 <= len(np.unique(self.labels_[inside])) < len(inside):
            silhouette = silhouette_samples(self.places_[inside], self.labels_[inside])
            membership[inside] = np.clip(silhouette, 0, 1)
        return membership


def _without_gaps(labels: NDArray[np.intp]) -> NDArray[np.intp]:
    """Give clusters numbers from 0 on, which clusterers need not do."""
    codes = np.full(len(labels), NOISE)
    inside = labels >= 0
    codes[inside] = np.unique(labels[inside], return_inverse=True)[1]
    return codes


def _classes_by_design(labels: NDArray[np.intp], known: NDArray[np.intp]) -> NDArray[np.intp]:
    """Give the class that each guided cluster is, -1 for new ones."""
    codes = np.unique(labels[labels >= 0])
    return np.where(codes <= known.max(), codes, NOISE)


def _name(cluster: Cluster) -> str:
    if cluster.is_new:
        return "new"
    return "mixed" if cluster.known_class is None else str(cluster.known_class)


def _umap() -> Any:
    try:
        from umap import UMAP
    except ImportError as error:
        raise ImportError(
            "reducer='umap' needs umap-learn: pip install \"skglitch[umap]\""
        ) from error
    return UMAP
