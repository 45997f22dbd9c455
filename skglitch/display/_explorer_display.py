"""A map of glitches to look around in, as one file for any browser."""

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
from ._layout import check_layout, check_method, check_places, lay_out
from ._spectrogram import FRANGE

# Of the options of `from_embeddings`, those that are not of the class.
_OF_THE_LAYOUT = ("method", "n_components", "random_state")


class EmbeddingExplorer:
    """Map of glitches to explore in a browser, with their spectrograms.

    The page shows the spectrograms of the glitch under the pointer, colors and filters by class
    or cluster, finds ids, and collects the ids of glitches that a line is drawn around. It is one
    file, which asks no network for anything.

    It is recommended to use :meth:`from_embeddings` or :meth:`from_estimator`, which compute a
    map, and then :meth:`write`.

    Parameters
    ----------
    places : array-like of shape (n_samples, 2) or (n_samples, 3)
        Where each glitch lies. A map in three dimensions can be turned.
    labels : array-like of shape (n_samples,), default=None
        Class or cluster of each. None, NaN, the empty string and the number -1, for samples in
        no cluster, are drawn in gray beneath the others.
    X : array-like of shape (n_samples, n_views, height, width), default=None
        Spectrograms; may be a memory map. Bytes hold ten times the normalized energy, other
        numbers are taken for the energy itself. None makes a page without pictures.
    ids : array-like of shape (n_samples,), default=None
        Names to search for and to export, each another. None takes the row numbers.
    about : dict or DataFrame of array-like of shape (n_samples,), default=None
        What else is known of them, by the name of a column, such as
        ``{"prediction": y_pred, "cluster": clusters, "snr": snr}``. Text, integers and
        categories can color the map in place of the labels, and so can floats that are all
        whole, as integers are in a column with gaps; others are shown only. Classes that are
        among the labels keep their colors.
    title : str, default="Glitches"
        What to write above.
    durations : float or sequence of float, default=None
        Duration in s of each view of `X`. None are those of Gravity Spy, 0.5, 1, 2 and 4 s.
    frange : tuple of float, default=(10.0, 2048.0)
        Lowest and highest frequency in Hz of the views.

    See Also
    --------
    EmbeddingDisplay : The same map as a figure.
    skglitch.discovery.NewClassFinder : Finds clusters and names those that are known.

    Notes
    -----
    Colors are those of Okabe and Ito [1]_, but for yellow and black, which one of a light and a
    dark page hides. Together with seven markers they tell 42 classes apart; beyond that both
    repeat. A column of more than 500 classes is not offered for coloring.

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
        places: ArrayLike,
        labels: ArrayLike | None = None,
        *,
        X: Any = None,
        ids: ArrayLike | None = None,
        about: Any = None,
        title: str = "Glitches",
        durations: Any = None,
        frange: tuple[float, float] = FRANGE,
    ) -> None:
        self.places = places
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
        **options: Any,
    ) -> EmbeddingExplorer:
        """Compute a map.

        Parameters
        ----------
        embeddings : array-like of shape (n_samples, n_features)
            What :class:`skglitch.TruncatedCNNTransformer` returns.
        labels : array-like of shape (n_samples,), default=None
            Class or cluster of each.
        method : {"tsne", "pca", "umap"}, default="tsne"
            How to lay them out. ``"umap"`` needs ``pip install "skglitch[umap]"``.
        n_components : {2, 3}, default=2
            Dimensions of the map.
        random_state : int, RandomState instance or None, default=0
            Seed of the layout.
        **options
            As for the class: `X`, `ids`, `about`, `title`, `durations`, `frange`.

        Returns
        -------
        explorer : EmbeddingExplorer

        Raises
        ------
        ImportError
            If ``method="umap"`` and umap-learn is not installed.
        ValueError
            If `method` or `n_components` is none of these, or anything does not fit together,
            which is told before the map is computed.
        """
        checked = check_layout(embeddings, method, n_components)
        cls._refuse_early(len(checked), labels, options)
        return cls(lay_out(checked, method, n_components, random_state), labels, **options)

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: ArrayLike, labels: ArrayLike | None = None, **options: Any
    ) -> EmbeddingExplorer:
        """Embed, and compute a map.

        Parameters
        ----------
        estimator : transformer
            A fitted transformer, such as :class:`skglitch.TruncatedCNNTransformer`.
        X : array-like of shape (n_samples, n_views, height, width)
            Glitches, which are the pictures as well.
        labels : array-like of shape (n_samples,), default=None
            Class or cluster of each.
        **options
            As for :meth:`from_embeddings`.

        Returns
        -------
        explorer : EmbeddingExplorer
        """
        if hasattr(estimator, "durations_"):
            options.setdefault("durations", estimator.durations_)
        check_method(options.get("method", "tsne"), options.get("n_components", 2))
        own = {name: value for name, value in options.items() if name not in _OF_THE_LAYOUT}
        cls._refuse_early(_num_samples(X), labels, {"X": X, **own})
        return cls.from_embeddings(estimator.transform(X), labels, X=X, **options)

    @classmethod
    def _refuse_early(cls, n_samples: int, labels: Any, options: dict[str, Any]) -> None:
        """Refuse what :meth:`write` would, before a net or a layout takes its time."""
        _, _, pictures = cls(np.zeros((n_samples, 2)), labels, **options)._checked(n_samples)
        if pictures is not None:
            refuse_gaps(pictures[0], range(n_samples))

    def write(self, path: str | os.PathLike[str], *, max_megabytes: float = 40.0) -> None:
        """Write the page.

        Parameters
        ----------
        path : str or path-like
            Where to; a file that is there is replaced once the page is complete.
        max_megabytes : float, default=40.0
            How large all pictures may be, in MB. They are scaled down by as much as it takes, to
            32 pixels a view in height at least. All else takes about 35 bytes a glitch.

        Raises
        ------
        ValueError
            If arrays differ in length, `places` are not finite, ids are not unique, or pictures
            do not fit.
        TypeError
            If `about` is neither a dict nor a DataFrame.
        """
        if not (isinstance(max_megabytes, Real) and max_megabytes > 0):
            raise ValueError(f"max_megabytes={max_megabytes!r} must be a positive number.")
        places = check_places(self.places, np.float32)
        columns, ids, pictures = self._checked(len(places))
        about, sheets = (None, ()) if pictures is None else _prepare(*pictures, max_megabytes)
        data = {
            "title": str(self.title),
            "ids": ids,
            "dimensions": places.shape[1],
            "places": in_base64(places, "<f4"),
            "columns": encode_columns(columns),
            "pictures": about,
        }
        with written_whole(Path(path)) as file:
            file.writelines(piece.encode() for piece in page(data, sheets))

    def _checked(self, n_samples: int) -> tuple[dict[str, list[Any]], list[str], Any]:
        """Columns, ids, and pictures with their durations and frequencies."""
        columns = check_known(self.labels, self.about, n_samples)
        ids = check_ids(self.ids, n_samples)
        if self.X is None:
            return columns, ids, None
        return columns, ids, check_pictures(self.X, self.durations, self.frange, n_samples)


def _prepare(
    X: np.ndarray,
    durations: tuple[float, ...],
    frange: tuple[float, float],
    max_megabytes: float,
) -> tuple[dict[str, Any], Iterator[str]]:
    """Tell how pictures are stored, and prepare them."""
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
