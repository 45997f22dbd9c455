"""Interactive map of glitches, in one HTML file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import _num_samples

from .._files import written_whole
from .._pictures import as_pixels
from ._explorer_page import encode_columns, encode_pictures, in_base64, page, refuse_gaps
from ._maps import check_column, check_embeddings, check_map, check_method, compute_map
from ._spectrogram import FRANGE, check_views

_MAP_OPTIONS = ("method", "n_components", "random_state")


@dataclass(eq=False, repr=False)
class EmbeddingExplorer:
    """Interactive map of glitches with their spectrograms, in one HTML file.

    Use :meth:`from_embeddings` or :meth:`from_estimator` to compute a map, and then :meth:`write`.

    Parameters
    ----------
    embedding : array-like of shape (n_samples, 2) or (n_samples, 3)
        The coordinates of each glitch on the map. Maps in three dimensions can be rotated.
    labels : array-like of shape (n_samples,), default=None
        The class or cluster of each glitch. Glitches without one (missing or -1) are gray.
    X : array-like of shape (n_samples, n_views, height, width), default=None
        Spectrograms, as in :class:`SpectrogramDisplay`; may be a memory map. None creates a page
        without pictures.
    ids : array-like of shape (n_samples,), default=None
        Unique ids. None is the row numbers.
    about : dict or DataFrame of array-like of shape (n_samples,), default=None
        Further columns by name, such as ``{"prediction": y_pred, "ifo": ifo, "snr": snr}``. Text
        and whole numbers with up to 500 classes can color the map instead of the labels, with the
        same colors; other columns are only shown.
    title : str, default="Glitches"
        The title.
    durations, frange
        As in :class:`SpectrogramDisplay`.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from skglitch.display import EmbeddingExplorer
    >>> coordinates = np.random.default_rng(0).normal(size=(20, 2))
    >>> X = np.zeros((20, 4, 35, 42), dtype=np.uint8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "explorer.html")
    ...     EmbeddingExplorer(coordinates, ["Blip", "Tomte"] * 10, X=X).write(path)
    ...     path.stat().st_size < 1e6
    True
    """

    embedding: ArrayLike
    labels: ArrayLike | None = None
    _: KW_ONLY
    X: Any = None
    ids: ArrayLike | None = None
    about: Any = None
    title: str = "Glitches"
    durations: Any = None
    frange: tuple[float, float] = FRANGE

    @classmethod
    def from_embeddings(
        cls,
        embeddings: ArrayLike,
        labels: ArrayLike | None = None,
        *,
        method: str = "tsne",
        n_components: int = 2,
        random_state: Any = 0,
        **kwargs: Any,
    ) -> EmbeddingExplorer:
        """Compute a map.

        Parameters
        ----------
        embeddings, labels, method, n_components, random_state
            As in :meth:`EmbeddingDisplay.from_embeddings`.
        **kwargs
            Parameters of the class: `X`, `ids`, `about`, `title`, `durations`, `frange`.

        Returns
        -------
        explorer : EmbeddingExplorer

        Raises
        ------
        ImportError
            If ``method="umap"`` and umap-learn is not installed.
        ValueError
            If a parameter is invalid or shapes differ, before the map is computed.
        """
        check_method(method, n_components)
        checked = check_embeddings(embeddings)
        cls._check_early(len(checked), labels, kwargs)
        return cls(compute_map(checked, method, n_components, random_state), labels, **kwargs)

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: ArrayLike, labels: ArrayLike | None = None, **kwargs: Any
    ) -> EmbeddingExplorer:
        """Embed glitches, and compute a map.

        Parameters
        ----------
        estimator : transformer
            A fitted transformer, such as :class:`skglitch.TruncatedCNNTransformer`.
        X : array-like of shape (n_samples, n_views, height, width)
            Glitches, to be embedded and shown.
        labels : array-like of shape (n_samples,), default=None
            The class or cluster of each glitch.
        **kwargs
            Passed to :meth:`from_embeddings`.

        Returns
        -------
        explorer : EmbeddingExplorer
        """
        if hasattr(estimator, "durations_"):
            kwargs.setdefault("durations", estimator.durations_)
        check_method(kwargs.get("method", "tsne"), kwargs.get("n_components", 2))
        own = {name: value for name, value in kwargs.items() if name not in _MAP_OPTIONS}
        cls._check_early(_num_samples(X), labels, {"X": X, **own})
        return cls.from_embeddings(estimator.transform(X), labels, X=X, **kwargs)

    @classmethod
    def _check_early(cls, n_samples: int, labels: Any, options: dict[str, Any]) -> None:
        """Raise the errors of `write` before glitches are embedded or mapped."""
        _, _, pictures = cls(np.zeros((n_samples, 2)), labels, **options)._check(n_samples)
        if pictures is not None:
            refuse_gaps(pictures[0], range(n_samples))

    def write(self, path: str | os.PathLike[str], *, max_megabytes: float = 40.0) -> None:
        """Write the page.

        Parameters
        ----------
        path : str or path-like
            The file. An existing file is replaced once the page is complete.
        max_megabytes : float, default=40.0
            The maximum size of all pictures in MB. They are scaled down, if needed, to a height of
            at least 32 pixels.

        Raises
        ------
        ValueError
            If lengths differ, coordinates are not finite, ids repeat, or pictures do not fit.
        TypeError
            If `about` is neither a dict nor a DataFrame.
        """
        if not (isinstance(max_megabytes, Real) and max_megabytes > 0):
            raise ValueError(f"max_megabytes={max_megabytes!r} must be a positive number.")
        embedding = check_map(self.embedding, np.float32)
        columns, ids, pictures = self._check(len(embedding))
        about, sheets = None, iter(())
        if pictures is not None:
            about, sheets = encode_pictures(*pictures, max_megabytes)
        data = {
            "title": str(self.title),
            "ids": ids,
            "dimensions": embedding.shape[1],
            "places": in_base64(embedding, "<f4"),
            "columns": encode_columns(columns),
            "pictures": about,
        }
        with written_whole(Path(path)) as file:
            file.writelines(piece.encode() for piece in page(data, sheets))

    def _check(self, n_samples: int) -> tuple[dict[str, list[Any]], list[str], Any]:
        """Return columns, ids, and pictures with their durations and frequencies."""
        columns = _check_columns(self.labels, self.about, n_samples)
        ids = _check_ids(self.ids, n_samples)
        if self.X is None:
            return columns, ids, None
        return columns, ids, _check_pictures(self.X, self.durations, self.frange, n_samples)


def _check_columns(labels: Any, about: Any, n_samples: int) -> dict[str, list[Any]]:
    """Return the columns of `labels` (first, if given) and `about` by name."""
    # A Series has items, too, but no columns.
    if not (about is None or isinstance(about, Mapping) or hasattr(about, "columns")):
        raise TypeError(
            f"about must be a dict or a DataFrame, got {type(about).__name__}: name its values, "
            'as in about={"snr": snr}.'
        )
    columns = {} if labels is None else {"label": check_column(labels, "labels", n_samples)}
    for key, values in () if about is None else about.items():
        name = str(key)
        if name in ("id", "label"):
            raise ValueError(f"about has a column {name!r}: pass it as {name}s=.")
        if name in columns:
            raise ValueError(f"about has two columns {name!r}: rename one.")
        columns[name] = check_column(values, f"about[{key!r}]", n_samples)
    return columns


def _check_ids(ids: Any, n_samples: int) -> list[str]:
    """Return unique ids as text; None is the row numbers."""
    advice = "Each glitch needs a unique id: rename it, or pass ids=None for row numbers."
    row_of: dict[str, int] = {}
    values = range(n_samples) if ids is None else check_column(ids, "ids", n_samples)
    for row, value in enumerate(values):
        # NaN is not equal to itself, and comparisons with NA are neither True nor False.
        if value is None or (value == value) is not True or value == "":
            raise ValueError(f"ids[{row}]={value!r} is missing. {advice}")
        first = row_of.setdefault(str(value), row)
        if first != row:
            raise ValueError(f"ids[{first}] and ids[{row}] are both {value!r}. {advice}")
    return list(row_of)


def _check_pictures(
    X: Any, durations: Any, frange: Any, n_samples: int
) -> tuple[np.ndarray, tuple[float, ...], tuple[float, float]]:
    """Check pictures, except for pixel values, without copying a memory map."""
    array = np.asarray(as_pixels(X))
    if array.ndim == 0 or len(array) != n_samples:
        raise ValueError(f"X has shape {array.shape}, but the map has {n_samples} glitches.")
    if array.dtype.kind not in "buif":
        raise ValueError(f"X has the type {array.dtype}, but energies of pixels are numbers.")
    _, durations = check_views(array[0], durations)
    pair = np.ravel(frange).tolist()
    is_pair = len(pair) == 2 and all(isinstance(value, Real) for value in pair)
    if not is_pair or not 0 < pair[0] < pair[1] < np.inf:
        raise ValueError(f"frange={frange!r} must be a lowest and a highest positive frequency.")
    return array, tuple(map(float, durations)), (float(pair[0]), float(pair[1]))
