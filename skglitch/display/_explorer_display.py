"""A map of glitches to look around in, as one file for any browser."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array

from .._files import written_whole
from ._explorer_page import encode_columns, in_base64, page, viridis
from ._explorer_pictures import count_per_sheet, encode_sheets, fit_size
from ._layout import lay_out
from ._spectrogram import FRANGE, check_views


class EmbeddingExplorer:
    """Map of glitches to explore in a browser, with their spectrograms.

    The page shows the spectrograms of the glitch under the pointer, colours and filters by class
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
        no cluster, are drawn in grey.
    X : array-like of shape (n_samples, n_views, height, width), default=None
        Spectrograms; may be a memory map. Bytes hold ten times the normalised energy, other
        numbers are taken for the energy itself. None makes a page without pictures.
    ids : array-like of shape (n_samples,), default=None
        Names to search for and to export. None takes the row numbers.
    about : dict or DataFrame of array-like of shape (n_samples,), default=None
        What else is known of them, by the name of a column, such as
        ``{"prediction": y_pred, "cluster": clusters, "snr": snr}``. Text, integers and
        categories can colour the map in place of the labels; floats are shown only. Classes that
        are among the labels keep their colours.
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
    Colours are those of Okabe and Ito [1]_, but for yellow and black, which one of a light and a
    dark page hides. Together with seven markers they tell 42 classes apart; beyond that both
    repeat. A column of more than 500 classes is not offered for colouring.

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
            If `method` or `n_components` is none of these.
        """
        places = lay_out(embeddings, method, n_components, random_state)
        return cls(places, labels, **options)

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
        if hasattr(estimator, "durations"):
            options.setdefault("durations", estimator.durations)
        return cls.from_embeddings(estimator.transform(X), labels, X=X, **options)

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
            If arrays differ in length, `places` are not finite, or pictures do not fit.
        """
        places = self._checked_places()
        n = len(places)
        about = {} if self.about is None else dict(self.about.items())
        reserved = [name for name in ("id", "label") if name in about]
        if reserved:
            raise ValueError(f"about has a column {reserved[0]!r}: pass it as {reserved[0]}s=.")
        columns = about if self.labels is None else {"label": self.labels} | about
        ids = range(n) if self.ids is None else self.ids
        for name, values in {"ids": ids, **columns}.items():
            if np.shape(values) != (n,):
                raise ValueError(
                    f"{name} has shape {np.shape(values)}, but there are {n} places on the map."
                )
        pictures, sheets = self._pictures(n, max_megabytes)
        data = {
            "title": str(self.title),
            # As objects: numpy's own texts lose NUL characters at their end.
            "ids": [str(name) for name in np.asarray(ids, dtype=object).tolist()],
            "dimensions": places.shape[1],
            "places": in_base64(places, "<f4"),
            "columns": encode_columns(columns),
            "pictures": pictures,
        }
        with written_whole(Path(path)) as file:
            file.writelines(piece.encode() for piece in page(data, sheets))

    def _checked_places(self) -> np.ndarray:
        places = check_array(self.places, dtype=np.float32, input_name="places")
        if places.shape[1] not in (2, 3):
            raise ValueError(
                f"places has shape {places.shape}, but a map has 2 or 3 columns: "
                "EmbeddingExplorer.from_embeddings makes one of embeddings."
            )
        return places

    def _pictures(self, n: int, max_megabytes: float) -> tuple[Any, Any]:
        """Tell how pictures are stored, and prepare them."""
        if self.X is None:
            return None, ()
        if len(self.X) != n:
            raise ValueError(f"X has {len(self.X)} glitches, but there are {n} places on the map.")
        low, high = self.frange
        if not 0 < low < high:
            raise ValueError(
                f"frange={self.frange!r} must be a lowest and a highest frequency, both positive."
            )
        # An array without a copy, also where X is a memory map.
        X = np.asarray(self.X)
        views, durations = check_views(X[0], self.durations)
        size = fit_size(X, durations, max_megabytes)
        about = {
            "views": len(views),
            "height": size[0],
            "width": size[1],
            "perSheet": count_per_sheet(len(views), size),
            "durations": [float(duration) for duration in durations],
            "frange": [float(low), float(high)],
            "viridis": viridis(),
        }
        return about, encode_sheets(X, range(n), durations, size)
