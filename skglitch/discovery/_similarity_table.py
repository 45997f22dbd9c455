"""The result of a search for similar glitches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._text import TextTable, align


@dataclass(frozen=True, eq=False)
class SimilarGlitches(TextTable):
    """Glitches like one other, the most similar first, made by :meth:`SimilarityIndex.search`.

    ``print`` shows them as a table, ``to_dict`` gives them to other tools.

    Parameters
    ----------
    index : ndarray of shape (n_found,), dtype=intp
        The rows of the index, counted over all that was added.
    ids : ndarray of shape (n_found,)
        The names that the glitches were given, or their rows.
    times : ndarray of shape (n_found,), dtype=float64
        GPS times in s, NaN where they were not given.
    detectors : ndarray of shape (n_found,), dtype=str
        Detectors, empty where they were not given.
    similarity : ndarray of shape (n_found,), dtype=float32
        Cosine of the angle between the embeddings, 1 for the same direction.

    See Also
    --------
    SimilarityIndex : Where to search.

    Examples
    --------
    >>> from skglitch.discovery import SimilarityIndex
    >>> index = SimilarityIndex().fit([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]], ids=["a", "b", "c"])
    >>> found = index.search(id="a", n_neighbors=1)
    >>> found.ids, found.similarity.round(3)
    (array(['b'], dtype='<U1'), array([0.994], dtype=float32))
    """

    index: NDArray[np.intp]
    ids: NDArray[Any]
    times: NDArray[np.float64]
    detectors: NDArray[np.str_]
    similarity: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.index)

    def __str__(self) -> str:
        rows = [["id", "detector", "GPS time [s]", "similarity"]]
        columns = self.ids, self.detectors, self.times, self.similarity
        for id_, detector, time, similarity in zip(*columns, strict=True):
            when = "" if np.isnan(time) else f"{time:.3f}"
            rows.append([str(id_), str(detector), when, f"{similarity:.3f}"])
        return align(rows, left=[0, 1])

    def to_dict(self) -> dict[str, list[Any]]:
        """Give the table as plain Python values.

        Returns
        -------
        table : dict of lists
            The columns under their names: fit for ``json.dump`` (but for unknown times, which
            are NaN) and for ``pandas.DataFrame``.
        """
        return {name: values.tolist() for name, values in vars(self).items()}
