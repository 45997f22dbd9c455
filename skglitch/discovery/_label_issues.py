"""Which labels are probably wrong."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.parallel import Parallel, delayed

from .._labels import is_labeled
from .._validation import (
    check_labels,
    check_same_kind,
    check_unique,
    encode_labels,
    validated,
)
from ._label_issues_table import LabelIssues
from ._label_probabilities import check_order, check_probabilities, classes_of_columns
from ._similarity_search import check_embeddings, nearest, unit_rows

Probabilities = NDArray[np.float64]

# Measured in benchmarks/label_issues.py: a neighbor's vote counts exp(10 cosine), and C=10 suits
# embeddings of length 1.
_VOTE_SHARPNESS = 10.0
_INVERSE_PENALTY = 10.0
# What float32 can square and sum up, and so can it the inverse.
_LARGE = 1e15


@validated(
    {
        "X": ["array-like", None],
        "y": ["array-like"],
        "probabilities": ["array-like", None],
        "classes": ["array-like", None],
        "method": [StrOptions({"both", "classifier", "neighbors"})],
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
    probabilities: ArrayLike | None = None,
    classes: ArrayLike | None = None,
    method: Literal["both", "classifier", "neighbors"] = "both",
    flag_by: Literal["confident_joint", "noise_rate"] = "confident_joint",
    estimator: Any = None,
    cv: int = 5,
    n_neighbors: int = 10,
    random_state: int | np.random.RandomState | None = None,
    n_jobs: int | None = None,
) -> LabelIssues:
    r"""Rank labels by how probably they are wrong.

    Two opinions of each label are averaged: that of a classifier that was trained on other
    samples, and that of the nearest other samples.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or None
        Embeddings, such as those of :class:`skglitch.TruncatedCNNTransformer`. None where
        `probabilities` are all there is.
    y : array-like of shape (n_samples,)
        The labels to look into, strings or numbers. Leave out samples without a label: None,
        NaN, an empty string and -1 are none.
    probabilities : array-like or data frame of shape (n_samples, n_classes), default=None
        Probabilities by a classifier that did not see the sample they are of, for example by
        :func:`sklearn.model_selection.cross_val_predict`. They take the place of
        cross-validation.
    classes : array-like of shape (n_classes,), default=None
        The class of each column of `probabilities`. None takes the names of the columns of a
        data frame, which must be the labels in `y`, and else the labels, sorted.
    method : {"both", "classifier", "neighbors"}, default="both"
        Whose opinion counts. With `probabilities` and no `X` there is that of the classifier
        alone.
    flag_by : {"confident_joint", "noise_rate"}, default="confident_joint"
        Which labels to flag as wrong. The first flags fewer, and is right about more of them;
        the second estimates how many labels of each class are wrong and flags as many, but
        none in classes of one glitch. It needs cleanlab: ``pip install "skglitch[labels]"``.
    estimator : classifier, default=None
        What is cross-validated, with ``predict_proba``. None stands for
        :class:`~sklearn.linear_model.LogisticRegression` with ``C=10`` on embeddings of mean 0
        and then of length 1.
    cv : int, default=5
        Number of folds, stratified. There are fewer where the largest class has fewer
        samples.
    n_neighbors : int, default=10
        How many neighbors vote.
    random_state : int, RandomState instance or None, default=None
        Makes the folds repeatable.
    n_jobs : int, default=None
        Number of folds that are trained at a time.

    Returns
    -------
    issues : LabelIssues
        All samples, the most doubtful first: fields `index`, `given`, `suggested`, `score`,
        `flagged`, `classifier` and `neighbors`.

    Raises
    ------
    ValueError
        If X or probabilities are no finite numbers, do not fit y or tell nothing (all rows of
        X the same), if y has missing labels, one class only, or no class with two samples, or
        if classes are not those of y or of the columns.
    ImportError
        If ``flag_by="noise_rate"`` and cleanlab is not there.

    See Also
    --------
    skglitch.TruncatedCNNTransformer : Embeddings of glitches.
    rank_for_labeling : Which glitches without a label to look at.
    skglitch.metrics.classification_table : How well each class does.

    Notes
    -----
    The score is the probability :math:`p_{iy}` of the given label y of sample i. Of neighbors
    it is the share of votes among the `n_neighbors` samples j of highest cosine after the mean
    of X is taken off, each with the weight :math:`\exp(10 \cos_{ij})`.

    The confident joint [1]_ takes as threshold of a class the mean of :math:`p_{iy}` over the
    samples labeled so. A label is flagged if, of the classes that reach their threshold for
    the sample, the likeliest is another one, and it is likelier than the label itself.

    A label that only one sample has gets a score of 0: nothing else speaks for it. Where two
    of the same kind were both mislabeled alike, they vouch for each other.

    Flags are as good as the classifier is. In benchmarks/label_issues.py 90 to 100 % were
    right on five real classes, and 36 to 72 % on 22 simulated ones of which it knew 89 %: look at
    glitches before their labels are changed. The order is of use there too.

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
    >>> issues.index[issues.flagged]
    array([5])
    >>> issues.suggested[0]
    np.str_('Blip')
    """
    labels = _check_y(y)
    embeddings = None if X is None else _check_embeddings(X, len(labels))
    if embeddings is None and (method == "neighbors" or probabilities is None):
        raise ValueError(f"X is None, but method={method!r} needs embeddings here: give X.")
    names = _check_classes(labels, classes, probabilities)
    codes = encode_labels(labels, names)
    opinions: dict[str, Probabilities] = {}
    if method != "neighbors":
        if probabilities is not None:
            opinions["classifier"] = _check_probabilities(probabilities, len(labels), len(names))
        else:
            assert embeddings is not None  # for the type checker: looked at above
            opinions["classifier"] = _cross_validate(
                _default_estimator() if estimator is None else estimator,
                *(embeddings, codes, len(names), cv, random_state, n_jobs),
            )
    if method != "classifier" and embeddings is not None:
        opinions["neighbors"] = _vote(embeddings, codes, len(names), n_neighbors)
    mean = np.mean(list(opinions.values()), axis=0)
    flag = _by_confident_joint if flag_by == "confident_joint" else _by_noise_rate
    return _table(np.asarray(names), codes, mean, flag(mean, codes), opinions)


def _default_estimator() -> Any:
    return make_pipeline(
        StandardScaler(with_std=False),
        Normalizer(),
        LogisticRegression(C=_INVERSE_PENALTY, max_iter=1000),
    )


def _table(
    names: NDArray[Any],
    codes: NDArray[np.intp],
    mean: Probabilities,
    flagged: NDArray[np.bool_],
    opinions: dict[str, Probabilities],
) -> LabelIssues:
    own = np.arange(len(codes)), codes
    suggested = mean.argmax(axis=1)
    # Ties go to those whose other label is the surest.
    order = np.lexsort((-mean.max(axis=1), mean[own]))
    columns = {name: values[own][order] for name, values in opinions.items()}
    return LabelIssues(
        index=order,
        given=names[codes[order]],
        suggested=names[suggested[order]],
        score=mean[own][order],
        flagged=flagged[order],
        classifier=columns.get("classifier"),
        neighbors=columns.get("neighbors"),
    )


def _check_y(y: ArrayLike) -> list[Any]:
    is_told = is_labeled(y)
    if not is_told.all():
        raise ValueError(
            f"y has no label (None, NaN, '' or -1) for {(~is_told).sum()} of {len(is_told)} "
            "samples: leave these out of y, and of X and probabilities."
        )
    return check_labels(y, "y")


def _check_embeddings(X: ArrayLike, n_samples: int) -> NDArray[Any]:
    embeddings = check_embeddings(X, min_samples=2)
    if len(embeddings) != n_samples:
        raise ValueError(f"X has {len(embeddings)} samples, but y has {n_samples}.")
    if (embeddings == embeddings[0]).all():
        raise ValueError("All rows of X are the same: they tell nothing about the labels.")
    largest = max(embeddings.max(), -embeddings.min())
    # Sums and squares would leave the range of numbers; scale tells nothing about labels.
    return embeddings if 1 / _LARGE < largest < _LARGE else embeddings / largest


def _check_classes(
    labels: list[Any], classes: ArrayLike | None, probabilities: ArrayLike | None
) -> list[Any]:
    present = sorted(set(labels))
    if len(present) == len(labels):
        raise ValueError(
            f"Each of the {len(labels)} samples has a label of its own: none can be checked "
            "against others."
        )
    if classes is None:
        names = classes_of_columns(probabilities, present) or present
    else:
        names = check_labels(classes, "classes")
        check_order(probabilities, names)
    check_same_kind(y=labels, classes=names)
    check_unique(names, "classes")
    lacking = sorted(set(present) - set(names))
    if lacking:
        raise ValueError(f"classes lacks labels that y has: {lacking}.")
    if len(names) < 2 or (len(present) < 2 and probabilities is None):
        raise ValueError(f"y has one class only, {present[0]!r}: there is nothing to mix up.")
    return names


def _check_probabilities(values: ArrayLike, n_samples: int, n_classes: int) -> Probabilities:
    table = check_probabilities(values)
    if table.shape != (n_samples, n_classes):
        raise ValueError(
            f"probabilities have shape {table.shape}, but y and classes ask for "
            f"{(n_samples, n_classes)}, a row for each sample and a column for each class."
        )
    return table


def _cross_validate(
    estimator: Any,
    X: NDArray[Any],
    codes: NDArray[np.intp],
    n_classes: int,
    cv: int,
    random_state: int | np.random.RandomState | None,
    n_jobs: int | None,
) -> Probabilities:
    n_folds = min(cv, int(np.bincount(codes).max()))
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=random_state)
    with warnings.catch_warnings():
        # Classes with fewer samples than folds are usual, and folds without them fine here.
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
    estimator: Any,
    X: NDArray[Any],
    codes: NDArray[np.intp],
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    n_classes: int,
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


def _vote(
    X: NDArray[Any], codes: NDArray[np.intp], n_classes: int, n_neighbors: int
) -> Probabilities:
    # The features of a net have a mean that all glitches share; cosines to it tell nothing.
    units = unit_rows(X - X.mean(axis=0))
    rows, cosines = nearest(units, units, min(n_neighbors, len(X) - 1), leave_out=np.arange(len(X)))
    weights = np.exp(_VOTE_SHARPNESS * cosines.astype(np.float64))
    votes = np.zeros((len(X), n_classes))
    np.add.at(votes, (np.arange(len(X))[:, np.newaxis], codes[rows]), weights)
    votes /= votes.sum(axis=1, keepdims=True)
    return votes


def _by_confident_joint(probabilities: Probabilities, codes: NDArray[np.intp]) -> Any:
    n_samples, n_classes = probabilities.shape
    own = probabilities[np.arange(n_samples), codes]
    counts = np.bincount(codes, minlength=n_classes)
    thresholds = np.bincount(codes, own, n_classes) / np.maximum(counts, 1)
    # No sample has such a label: there is nothing to say how sure is sure.
    thresholds[counts == 0] = np.inf
    confident = np.where(probabilities >= thresholds, probabilities, -1)
    best = confident.argmax(axis=1)
    return (best != codes) & (confident.max(axis=1) > own)


def _by_noise_rate(probabilities: Probabilities, codes: NDArray[np.intp]) -> Any:
    try:
        from cleanlab.filter import find_label_issues as find
    except ImportError as error:
        raise ImportError(
            'flag_by="noise_rate" needs cleanlab: pip install "skglitch[labels]"'
        ) from error
    with warnings.catch_warnings():
        # It tells of classes of one glitch by their number here, which users do not know.
        warnings.filterwarnings("ignore", message="May not flag all label issues")
        # One process: a pool of them takes longer to start than this takes.
        return find(codes, probabilities, filter_by="prune_by_noise_rate", n_jobs=1)
