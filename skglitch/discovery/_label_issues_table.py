"""The result of a search for wrong labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._text import TextTable, align

# So many rows are printed; nobody reads thousands.
_SHOWN = 20


@dataclass(frozen=True, eq=False)
class LabelIssues(TextTable):
    """Samples by how doubtful their label is, made by :func:`find_label_issues`.

    ``print`` shows the first of them as a table, ``to_dict`` gives all to other tools. All
    arrays run from the most doubtful label to the least.

    Parameters
    ----------
    index : ndarray of shape (n_samples,), dtype=int64
        The row of X, or of the probabilities.
    given : ndarray of shape (n_samples,)
        The label that the sample has.
    suggested : ndarray of shape (n_samples,)
        The likeliest label by the score's own probabilities; often the one that is given.
    score : ndarray of shape (n_samples,), dtype=float64
        Probability of the given label, from 0 for surely wrong to 1: the mean of `classifier`
        and `neighbors`, or the one that there is.
    flagged : ndarray of shape (n_samples,), dtype=bool
        Whether the label is held to be wrong.
    classifier : ndarray of shape (n_samples,), dtype=float64, or None
        Probability of the given label by a classifier that did not see the sample.
    neighbors : ndarray of shape (n_samples,), dtype=float64, or None
        Weighted share of the nearest other samples that have the given label.

    See Also
    --------
    find_label_issues : Compute it.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch.discovery import find_label_issues
    >>> rng = np.random.default_rng(0)
    >>> X = np.repeat(np.eye(3), 20, axis=0) + 0.1 * rng.standard_normal((60, 3))
    >>> y = np.repeat(["Blip", "Chirp", "Tomte"], 20)
    >>> y[5] = "Tomte"
    >>> issues = find_label_issues(X, y, random_state=0)
    >>> issues.index[0], str(issues.given[0]), str(issues.suggested[0])
    (np.int64(5), 'Tomte', 'Blip')
    """

    index: NDArray[np.int64]
    given: NDArray[Any]
    suggested: NDArray[Any]
    score: NDArray[np.float64]
    flagged: NDArray[np.bool_]
    classifier: NDArray[np.float64] | None
    neighbors: NDArray[np.float64] | None

    def __len__(self) -> int:
        return len(self.index)

    def __str__(self) -> str:
        columns = {name: values[:_SHOWN] for name, values in self._columns().items()}
        rows = [list(columns)]
        for values in zip(*columns.values(), strict=True):
            rows.append([_cell(value) for value in values])
        text = align(rows, left=[1, 2])
        return f"{text}\n\n{self.flagged.sum()} of {len(self)} labels flagged"

    def to_dict(self) -> dict[str, list[Any]]:
        """Give the table as plain Python values.

        Returns
        -------
        table : dict of lists
            The columns under their names: fit for ``json.dump`` and for
            ``pandas.DataFrame``.
        """
        return {name: values.tolist() for name, values in self._columns().items()}

    def _columns(self) -> dict[str, NDArray[Any]]:
        return {name: values for name, values in vars(self).items() if values is not None}


def _cell(value: Any) -> str:
    if isinstance(value, np.bool_):
        return "yes" if value else ""
    return f"{value:.3f}" if isinstance(value, np.floating) else str(value)
