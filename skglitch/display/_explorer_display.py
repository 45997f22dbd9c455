"""Interactive map of glitches, in one HTML file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import _num_samples

from .._files import written_whole
from ._explorer_checks import check_ids, check_known, check_pictures
from ._explorer_page import encode_columns, in_base64, page, viridis
from ._explorer_pictures import count_per_sheet, encode_sheets, fit_size, refuse_gaps
from ._layout import check_layout, check_map, check_method, compute_map
from ._spectrogram import FRANGE

_MAP_OPTIONS = ("method", "n_components", "random_state")


class EmbeddingExplorer:
    """Interactive map of glitches with their spectrograms, in one HTML file.

    The page shows the spectrograms of the glitch under the pointer, colors and filters by class
    or cluster, finds ids, and exports the ids of selected glitches. It needs no network. Use
    :meth:`from_embeddings` or :meth:`from_estimator` to compute a map, and then :meth:`write`.

    Parameters
    ----------
    embedding : array-like of shape (n_samples, 2) or (n_samples, 3)
        The coordinates of each glitch on the map. Maps in three dimensions can be rotated.
    labels : array-like of shape (n_samples,), default=None
        The class or cluster of each glitch. Missing values, empty strings and the number -1
        (noise) are gray, below the others.
    X : array-like of shape (n_samples, n_views, height, width), default=None
        Spectrograms; may be a memory map. Values of type uint8 are ten times the normalized
        energy, all others the energy. None creates a page without pictures.
    ids : array-like of shape (n_samples,), default=None
        Unique ids. None takes the row numbers.
    about : dict or DataFrame of array-like of shape (n_samples,), default=None
        Further columns by name, such as ``{"prediction": y_pred, "ifo": ifo, "snr": snr}``. Text,
        integers and categories can color the map instead of the labels, and so can floats that
        are all whole (integers with gaps); other columns are only shown. Classes that are among
        the labels keep their colors.
    title : str, default="Glitches"
        The title.
    durations : float or sequence of float, default=None
        The duration in s of each view of `X`. None means 0.5, 1, 2 and 4 s, as in Gravity Spy.
    frange : tuple of float, default=(10.0, 2048.0)
        The lowest and highest frequency in Hz of the views.

    See Also
    --------
    EmbeddingDisplay : The same map as a figure.
    skglitch.discovery.NewClassFinder : Finds clusters of new classes.

    Notes
    -----
    Colors are those of Okabe and Ito [1]_, without yellow and black. With seven markers they
    distinguish 42 classes; beyond that both repeat. Columns of more than 500 classes cannot
    color the map.

    References
    ----------
    .. [1] M. Okabe, K. Ito, "Color Universal Design: How to make figures and presentations that
       are friendly to colorblind people" (2008).

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from skglitch.display import EmbeddingExplorer
    >>> rng = np.random.default_rng(0)
    >>> X = rng.integers(0, 256, (20, 4, 35, 42), dtype=np.uint8)
    >>> embeddings = rng.normal(size=(20, 8))
    >>> explorer = EmbeddingExplorer.from_embeddings(
    ...     embeddings, ["Blip", "Tomte"] * 10, X=X, method="pca"
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "explorer.html")
    ...     explorer.write(path)
    ...     path.stat().st_size < 1e6
    True
    """

    def __init__(
        self,
        embedding: ArrayLike,
        labels: ArrayLike | None = None,
        *,
        X: Any = None,
        ids: ArrayLike | None = None,
        about: Any = None,
        title: str = "Glitches",
        durations: Any = None,
        frange: tuple[float, float] = FRANGE,
    ) -> None:
        self.embedding = embedding
        self.labels = labels
        self.X = X
        self.ids = ids
        self.about = about
        self.title = title
        self.durations = durations
        self.frange = frange

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
        embeddings : array-like of shape (n_samples, n_features)
            Embeddings of :class:`skglitch.TruncatedCNNTransformer`.
        labels : array-like of shape (n_samples,), default=None
            The class or cluster of each glitch.
        method : {"tsne", "pca", "umap"}, default="tsne"
            The method. ``"umap"`` needs ``pip install "skglitch[umap]"``.
        n_components : {2, 3}, default=2
            The dimensions of the map.
        random_state : int, RandomState instance or None, default=0
            The seed of the method.
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
            If a parameter is invalid or shapes differ; before the map is computed.
        """
        checked = check_layout(embeddings, method, n_components)
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
            Glitches, which are also the pictures.
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
        """Raise the errors of `write` before a network or a layout runs."""
        _, _, pictures = cls(np.zeros((n_samples, 2)), labels, **options)._check(n_samples)
        if pictures is not None:
            refuse_gaps(pictures[0], range(n_samples))

    def write(self, path: str | os.PathLike[str], *, max_megabytes: float = 40.0) -> None:
        """Write the page.

        Parameters
        ----------
        path : str or path-like
            The file; an existing file is replaced once the page is complete.
        max_megabytes : float, default=40.0
            The maximum size of all pictures in MB. Pictures are scaled down accordingly, but not
            below a height of 32 pixels. All else takes about 35 bytes per glitch.

        Raises
        ------
        ValueError
            If arrays differ in length, coordinates are not finite, ids are not unique, or
            pictures do not fit.
        TypeError
            If `about` is neither a dict nor a DataFrame.
        """
        if not (isinstance(max_megabytes, Real) and max_megabytes > 0):
            raise ValueError(f"max_megabytes={max_megabytes!r} must be a positive number.")
        embedding = check_map(self.embedding, np.float32)
        columns, ids, pictures = self._check(len(embedding))
        about, sheets = (None, ()) if pictures is None else _encode(*pictures, max_megabytes)
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
        columns = check_known(self.labels, self.about, n_samples)
        ids = check_ids(self.ids, n_samples)
        if self.X is None:
            return columns, ids, None
        return columns, ids, check_pictures(self.X, self.durations, self.frange, n_samples)


def _encode(
    X: np.ndarray,
    durations: tuple[float, ...],
    frange: tuple[float, float],
    max_megabytes: float,
) -> tuple[dict[str, Any], Iterator[str]]:
    """Return the format of the pictures, and the pictures."""
    size = fit_size(X, durations, max_megabytes)
    about = {
        "views": len(durations),
        "height": size[0],
        "width": size[1],
        "perSheet": count_per_sheet(len(durations), size),
        "durations": list(durations),
        "frange": list(frange),
        "viridis": viridis(),
    }
    return about, encode_sheets(X, range(len(X)), durations, size)
