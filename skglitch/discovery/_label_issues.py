"""Labels that are probably wrong."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.parallel import Parallel, delayed

from .._lazy import import_extra
from .._validation import (
    check_labels,
    check_probabilities,
    check_same_kind,
    check_unique,
    find_positions,
    validated,
)
from ._cosine import check_embeddings, find_neighbors, unit_rows

if TYPE_CHECKING:
    import pandas as pd

Probabilities = NDArray[np.float64]
Codes = NDArray[np.intp]

# Measured with benchmarks/label_issues.py, as is C=10 of the default estimator.
_VOTE_SHARPNESS = 10.0


@validated(
    {
        "X": ["array-like", None],
        "y": ["array-like"],
        "y_prob": ["array-like", None],
        "classes": ["array-like", None],
        "flag_by": [StrOptions({"confident_joint", "noise_rate"})],
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }
)
def find_label_issues(
    X: ArrayLike | None,
    y: ArrayLike,
    *,
    y_prob: ArrayLike | None = None,
    classes: ArrayLike | None = None,
    flag_by: Literal["confident_joint", "noise_rate"] = "confident_joint",
    estimator: Any = None,
    cv: int = 5,
    n_neighbors: int = 10,
    random_state: int | np.random.RandomState | None = None,
    n_jobs: int | None = None,
) -> pd.DataFrame:
    """Find labels that are probably wrong.

    The score of a label is the mean of its cross-validated probability and of the weighted fraction
    of nearest neighbors with the same label.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or None
        Embeddings, such as from :class:`skglitch.TruncatedCNNTransformer`. None uses only `y_prob`.
    y : array-like of shape (n_samples,)
        Labels, strings or numbers. None may be missing.
    y_prob : array-like or data frame of shape (n_samples, n_classes), default=None
        Out-of-sample probabilities, such as from
        :func:`~sklearn.model_selection.cross_val_predict`.
        By default, `estimator` is cross-validated.
    classes : array-like of shape (n_classes,), default=None
        The class of each column of `y_prob`. By default, the sorted labels. The columns of a
        data frame are matched by name.
    flag_by : {"confident_joint", "noise_rate"}, default="confident_joint"
        The rule that flags labels as wrong. ``"noise_rate"`` flags as many labels of each class as
        it estimates to be wrong. It flags more labels, with lower precision, and none in classes
        of one sample. It requires cleanlab: ``pip install "skglitch[labels]"``.
    estimator : classifier, default=None
        The classifier to cross-validate, with ``predict_proba``. By default,
        :class:`~sklearn.linear_model.LogisticRegression` with ``C=10`` on embeddings that are
        centered and scaled to unit length.
    cv : int, default=5
        The number of stratified folds, at most the number of samples of the largest class.
    n_neighbors : int, default=10
        The number of nearest neighbors by the cosine of centered embeddings. Their weights are
        ``exp(10 * cosine)``.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds.
    n_jobs : int, default=None
        The number of folds trained in parallel.

    Returns
    -------
    issues : pandas.DataFrame
        One row per sample, the most doubtful label first. The index is the row of `X`, and the
        columns are

        - `given`: the label;
        - `suggested`: the class with the highest mean probability, often the given one;
        - `score`: the mean of `classifier` and `neighbors`;
        - `flagged`: whether the label is probably wrong;
        - `classifier`: the probability of the label by the classifier;
        - `neighbors`: the weighted fraction of neighbors with the label, NaN if X is None.

    Raises
    ------
    ValueError
        If `X` or `y_prob` is not finite, does not fit `y`, or both are None; if all rows of X are
        the same; if `y` has missing labels, one class only, or no class of two samples; or if
        `classes` lacks labels or is not the columns of a data frame.
    ImportError
        If ``flag_by="noise_rate"`` and cleanlab is not installed.

    Notes
    -----
    The confident joint [1]_ has a threshold per class: the mean probability of the class over the
    samples with that label. A label is flagged if, of the classes above their thresholds, the most
    probable is another class that is more probable than the label. A label of only one sample has
    a score of 0.

    References
    ----------
    .. [1] C. G. Northcutt, L. Jiang and I. L. Chuang, "Confident learning: estimating
       uncertainty in dataset labels", J. Artif. Intell. Res. 70, 1373-1411 (2021).

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch.discovery import find_label_issues
    >>> rng = np.random.default_rng(0)
    >>> X = np.repeat(np.eye(3), 20, axis=0) + 0.1 * rng.standard_normal((60, 3))
    >>> y = np.repeat(["Blip", "Chirp", "Tomte"], 20)
    >>> y[5] = "Tomte"
    >>> issues = find_label_issues(X, y, random_state=0)
    >>> issues.loc[issues["flagged"], ["given", "suggested"]]
           given suggested
    index
    5      Tomte      Blip
    """
    import pandas as pd

    labels = check_labels(y, "y")
    if X is None and y_prob is None:
        raise ValueError("X and y_prob are both None: give embeddings, probabilities or both.")
    embeddings = None if X is None else _check_X(X, len(labels))
    present = sorted(set(labels))
    if len(present) == len(labels):
        raise ValueError(f"Each of the {len(labels)} labels in y is unique: none can be checked.")
    names = present if classes is None else check_labels(classes, "classes")
    check_same_kind(y=labels, classes=names)
    check_unique(names, "classes")
    lacking = sorted(set(present) - set(names))
    if lacking:
        raise ValueError(f"classes lacks labels of y: {lacking}; it has {names}.")
    if len(names) < 2 or (len(present) < 2 and y_prob is None):
        raise ValueError(f"y has one class only, {present[0]!r}: labels cannot be mixed up.")
    codes = find_positions(labels, names)
    if y_prob is not None:
        classifier = check_probabilities(y_prob, len(labels), names)
    else:
        if estimator is None:
            estimator = make_pipeline(
                StandardScaler(with_std=False),
                Normalizer(),
                LogisticRegression(C=10, max_iter=1000),
            )
        n_folds = min(cv, int(np.bincount(codes).max()))
        folds = StratifiedKFold(n_folds, shuffle=True, random_state=random_state)
        classifier = _cross_validate(estimator, embeddings, codes, len(names), folds, n_jobs)
    neighbors = np.full(classifier.shape, np.nan)
    mean = classifier
    if embeddings is not None:
        neighbors = _vote(embeddings, codes, len(names), n_neighbors)
        mean = (classifier + neighbors) / 2
    flag = _flag_by_confident_joint if flag_by == "confident_joint" else _flag_by_noise_rate
    given = np.arange(len(codes)), codes
    issues = pd.DataFrame(
        {
            "given": np.array(names)[codes],
            "suggested": np.array(names)[mean.argmax(axis=1)],
            "score": mean[given],
            "flagged": flag(mean, codes),
            "classifier": classifier[given],
            "neighbors": neighbors[given],
        }
    ).rename_axis("index")
    # Ties are sorted by the probability of the most probable class.
    return issues.iloc[np.lexsort((-mean.max(axis=1), mean[given]))]


def _check_X(X: ArrayLike, n_samples: int) -> NDArray[Any]:
    embeddings = check_embeddings(X, min_samples=2)
    if len(embeddings) != n_samples:
        raise ValueError(f"X has {len(embeddings)} samples, but y has {n_samples}.")
    if (embeddings == embeddings[0]).all():
        raise ValueError("All rows of X are the same, so they cannot distinguish labels.")
    largest = max(embeddings.max(), -embeddings.min())
    # Results do not depend on the scale, and squares in this range do not overflow float32.
    return embeddings if 1e-15 < largest < 1e15 else embeddings / largest


def _cross_validate(
    estimator: Any, X: Any, codes: Codes, n_classes: int, folds: Any, n_jobs: int | None
) -> Probabilities:
    with warnings.catch_warnings():
        # Classes with fewer samples than folds are common, and handled by _predict_fold.
        warnings.filterwarnings("ignore", message="The least populated class")
        splits = list(folds.split(X, codes))
    parts = Parallel(n_jobs=n_jobs)(
        delayed(_predict_fold)(clone(estimator), X, codes, train, test, n_classes)
        for train, test in splits
    )
    probabilities = np.empty((len(X), n_classes))
    for (_, test), part in zip(splits, parts, strict=True):
        probabilities[test] = part
    return probabilities


def _predict_fold(
    estimator: Any, X: Any, codes: Codes, train: Codes, test: Codes, n_classes: int
) -> Probabilities:
    """Probabilities of all classes, 0 for those that the training part lacks."""
    probabilities = np.zeros((len(test), n_classes))
    present = np.unique(codes[train])
    if len(present) == 1:
        probabilities[:, present[0]] = 1
    else:
        estimator.fit(X[train], codes[train])
        probabilities[:, estimator.classes_] = estimator.predict_proba(X[test])
    return probabilities


def _vote(X: NDArray[Any], codes: Codes, n_classes: int, n_neighbors: int) -> Probabilities:
    # The features of a network have a large common mean, which would dominate cosines.
    units = unit_rows(X - X.mean(axis=0))
    samples = np.arange(len(X))
    k = min(n_neighbors, len(X) - 1)
    cosines, rows = find_neighbors(units, units, k, exclude=samples)
    weights = np.exp(_VOTE_SHARPNESS * cosines.astype(np.float64))
    votes = np.zeros((len(X), n_classes))
    np.add.at(votes, (samples[:, np.newaxis], codes[rows]), weights)
    return votes / votes.sum(axis=1, keepdims=True)


def _flag_by_confident_joint(probabilities: Probabilities, codes: Codes) -> Any:
    n_samples, n_classes = probabilities.shape
    own = probabilities[np.arange(n_samples), codes]
    counts = np.bincount(codes, minlength=n_classes)
    thresholds = np.bincount(codes, own, n_classes) / np.maximum(counts, 1)
    # A class without samples has no threshold.
    thresholds[counts == 0] = np.inf
    confident = np.where(probabilities >= thresholds, probabilities, -1)
    best = confident.argmax(axis=1)
    return (best != codes) & (confident.max(axis=1) > own)


def _flag_by_noise_rate(probabilities: Probabilities, codes: Codes) -> Any:
    cleanlab = import_extra("cleanlab.filter", 'flag_by="noise_rate"', "labels")
    with warnings.catch_warnings():
        # The warning about classes of one sample lists codes, which users do not know.
        warnings.filterwarnings("ignore", message="May not flag all label issues")
        # Starting processes would take longer.
        options = {"filter_by": "prune_by_noise_rate", "n_jobs": 1}
        return cleanlab.find_label_issues(codes, probabilities, **options)
