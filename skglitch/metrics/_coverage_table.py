"""How often sets of classes hold the true one, and how large they are."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval

from .._text import TextTable, align, percent
from .._validation import check_known_labels, check_length, validated
from ._intervals import wilson_interval


@dataclass(frozen=True, eq=False)
class CoverageTable(TextTable):
    """Coverage and size of prediction sets, made by :func:`coverage_table`.

    ``print`` shows it as a table in percent, ``to_dict`` gives it to other tools.

    Parameters
    ----------
    labels : ndarray of shape (n_labels,)
        The classes.
    class_coverage : ndarray of shape (n_labels,), dtype=float64
        How often the sets of samples of each class hold it; NaN without samples.
    class_low, class_high : ndarray of shape (n_labels,), dtype=float64
        Wilson's confidence interval of it; 0 and 1 without samples.
    class_size : ndarray of shape (n_labels,), dtype=float64
        Mean size of the sets of samples of each class; NaN without samples.
    support : ndarray of shape (n_labels,), dtype=int64
        The number of samples of each class.
    coverage : float
        How often sets hold the true class, all samples taken together.
    low, high : float
        Wilson's confidence interval of it.
    size_counts : ndarray of shape (n_labels + 1,), dtype=int64
        How many sets have 0, 1, 2, ... classes.
    n_samples : int
        The number of samples, those of classes not in `labels` included.
    confidence : float
        The confidence level of the intervals.

    See Also
    --------
    coverage_table : Compute it.

    Examples
    --------
    >>> from skglitch.metrics import coverage_table
    >>> sets = [[True, False], [True, True], [False, False]]
    >>> table = coverage_table(["Blip", "Blip", "Tomte"], sets, labels=["Blip", "Tomte"])
    >>> table.class_coverage, table.size_counts
    (array([1., 0.]), array([1, 1, 1]))
    """

    labels: NDArray[Any]
    class_coverage: NDArray[np.float64]
    class_low: NDArray[np.float64]
    class_high: NDArray[np.float64]
    class_size: NDArray[np.float64]
    support: NDArray[np.int64]
    coverage: float
    low: float
    high: float
    size_counts: NDArray[np.int64]
    n_samples: int
    confidence: float

    @property
    def mean_size(self) -> float:
        """Mean number of classes in a set."""
        return float(np.average(np.arange(len(self.size_counts)), weights=self.size_counts))

    def __str__(self) -> str:
        interval = f"{100 * self.confidence:g} % interval"
        rows = [["class", "coverage [%]", interval, "mean size", "support"]]
        columns = self.class_coverage, self.class_low, self.class_high, self.class_size
        for label, coverage, low, high, size, support in zip(
            self.labels, *columns, self.support, strict=True
        ):
            rows.append([str(label), *_cells(coverage, low, high, size), str(support)])
        rows.append([""] * 5)
        every = _cells(self.coverage, self.low, self.high, self.mean_size)
        rows.append(["all", *every, str(self.n_samples)])
        sizes = ", ".join(
            f"{size}: {count}" for size, count in enumerate(self.size_counts) if count
        )
        return f"{align(rows, left=[0])}\n\nSets by size: {sizes}"

    def to_dict(self) -> dict[str, Any]:
        """Give the table as plain Python values.

        Returns
        -------
        table : dict
            Under ``"classes"`` lists by column, fit for ``pandas.DataFrame``; then
            ``"coverage"``, ``"low"``, ``"high"``, ``"mean_size"``, ``"size_counts"``,
            ``"n_samples"`` and ``"confidence"``.
        """
        columns = ("labels", "class_coverage", "class_low", "class_high", "class_size", "support")
        return {
            "classes": {name: getattr(self, name).tolist() for name in columns},
            "coverage": self.coverage,
            "low": self.low,
            "high": self.high,
            "mean_size": self.mean_size,
            "size_counts": self.size_counts.tolist(),
            "n_samples": self.n_samples,
            "confidence": self.confidence,
        }


def _cells(coverage: float, low: float, high: float, size: float) -> list[str]:
    return [percent(coverage), f"{percent(low):>6} to {percent(high):>6}", f"{size:.2f}"]


@validated(
    {
        "y_true": ["array-like"],
        "sets": ["array-like"],
        "labels": ["array-like"],
        "confidence": [Interval(Real, 0, 1, closed="neither")],
    }
)
def coverage_table(
    y_true: ArrayLike, sets: ArrayLike, *, labels: ArrayLike, confidence: float = 0.95
) -> CoverageTable:
    """Tabulate how often prediction sets hold the true class, and how large they are.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, strings or numbers. Those not in `labels` are in no set.
    sets : array-like of shape (n_samples, n_labels), dtype=bool
        Whether each class is in the set of each sample, as :func:`prediction_sets` and
        :func:`top_k_sets` say.
    labels : array-like of shape (n_labels,)
        The class of each column of `sets`.
    confidence : float, default=0.95
        Confidence level of the intervals, between 0 and 1.

    Returns
    -------
    table : CoverageTable
        Fields `coverage`, `low`, `high`, `mean_size`, `size_counts`, those of each class, and
        others.

    Raises
    ------
    ValueError
        If `sets` is no table of booleans of that shape, or labels are missing, repeated, or
        numbers here and strings there.

    See Also
    --------
    conformal_threshold : Learn how large sets must be.
    prediction_sets : Make them.

    Notes
    -----
    The intervals take the samples as independent and the sets as given: they tell about this
    threshold. See the notes of :func:`conformal_threshold` for what was promised of it.

    Examples
    --------
    >>> from skglitch.metrics import coverage_table
    >>> sets = [[True, False], [True, True], [False, False], [False, True]]
    >>> print(coverage_table(["Blip", "Blip", "Blip", "Tomte"], sets, labels=["Blip", "Tomte"]))
    class  coverage [%]     95 % interval  mean size  support
    Blip          66.67   20.77 to  93.85       1.00        3
    Tomte        100.00   20.65 to 100.00       1.00        1
    <BLANKLINE>
    all           75.00   30.06 to  95.44       1.00        4
    <BLANKLINE>
    Sets by size: 0: 1, 1: 2, 2: 1
    """
    codes, known = check_known_labels(y_true, labels)
    named = _check_sets(sets, len(codes), len(known))
    held = named[np.arange(len(codes)), codes] & (codes >= 0)
    sizes = named.sum(axis=1)
    support, n_held, size_sum = (
        np.bincount(codes[codes >= 0], weights=weights[codes >= 0], minlength=len(known))
        for weights in (np.ones(len(codes)), held, sizes)
    )
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 of 0 samples is NaN
        class_low, class_high = wilson_interval(n_held, support, confidence)
        class_coverage, class_size = n_held / support, size_sum / support
    low, high = wilson_interval(held.sum(), len(held), confidence)
    return CoverageTable(
        labels=np.asarray(known),
        class_coverage=class_coverage,
        class_low=class_low,
        class_high=class_high,
        class_size=class_size,
        support=support.astype(np.int64),
        coverage=float(held.mean()),
        low=float(low),
        high=float(high),
        size_counts=np.bincount(sizes, minlength=len(known) + 1),
        n_samples=len(codes),
        confidence=float(confidence),
    )


def _check_sets(sets: ArrayLike, n_samples: int, n_labels: int) -> NDArray[np.bool_]:
    named = np.asarray(sets)
    if named.dtype != bool or named.ndim != 2 or named.shape[1] != n_labels:
        raise ValueError(
            f"sets must be a table of booleans with a column for each of the {n_labels} labels, "
            f"got {named.dtype} of shape {named.shape}."
        )
    check_length("sets", len(named), n_samples)
    return named
