"""A map of embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._axes import GREY, color_and_marker, make_axes
from ._layout import METHOD_NAMES, lay_out
from ._name_places import densest, write_names

# What clustering calls samples in no cluster.
_NO_CLUSTER = -1
_ROWS_OF_LEGEND = 24


class EmbeddingDisplay:
    """Map of glitches in two or three dimensions, coloured by class or cluster.

    It is recommended to use :meth:`from_embeddings` or :meth:`from_estimator`, which compute a
    map and draw it.

    Parameters
    ----------
    places : array-like of shape (n_samples, 2) or (n_samples, 3)
        Where each glitch lies.
    labels : array-like of shape (n_samples,), default=None
        Class or cluster of each. The number -1, for samples in no cluster, is drawn in grey.
    title : str, default=None
        What to write above.
    method : str, default=None
        How the places came about, to write below.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure that this is in.
    texts_ : list of matplotlib Annotation
        The names in the map.

    See Also
    --------
    skglitch.TruncatedCNNTransformer : Computes embeddings.
    skglitch.discovery.NoveltyDetector : Which glitches are like none before.

    Notes
    -----
    Up to 42 classes have a colour or a marker of their own; beyond that both repeat.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from skglitch.display import EmbeddingDisplay
    >>> embeddings = np.random.default_rng(0).normal(size=(20, 8))
    >>> labels = np.repeat(["Blip", "Tomte"], 10)
    >>> display = EmbeddingDisplay.from_embeddings(
    ...     embeddings, labels, method="pca", ax=Figure()
    ... )
    >>> display.places.shape, [text.get_text() for text in display.texts_]
    ((20, 2), ['Blip', 'Tomte'])
    """

    def __init__(
        self,
        places: ArrayLike,
        labels: ArrayLike | None = None,
        *,
        title: str | None = None,
        method: str | None = None,
    ) -> None:
        self.places = places
        self.labels = labels
        self.title = title
        self.method = method

    @classmethod
    def from_embeddings(
        cls,
        embeddings: ArrayLike,
        labels: ArrayLike | None = None,
        *,
        method: str = "tsne",
        n_components: int = 2,
        random_state: Any = 0,
        title: str | None = None,
        ax: Any = None,
        **options: Any,
    ) -> EmbeddingDisplay:
        """Compute a map and draw it.

        Parameters
        ----------
        embeddings : array-like of shape (n_samples, n_features)
            What :class:`skglitch.TruncatedCNNTransformer` returns.
        labels : array-like of shape (n_samples,), default=None
            Class or cluster of each. The number -1, for samples in no cluster, is drawn in grey.
        method : {"tsne", "pca", "umap"}, default="tsne"
            How to lay them out. ``"umap"`` needs ``pip install "skglitch[umap]"``.
        n_components : {2, 3}, default=2
            Dimensions of the map.
        random_state : int, RandomState instance or None, default=0
            Seed of the layout.
        title : str, default=None
            What to write above.
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to draw; None makes a figure.
        **options
            As for :meth:`plot`.

        Returns
        -------
        display : EmbeddingDisplay

        Raises
        ------
        ImportError
            If ``method="umap"`` and umap-learn is not installed.
        ValueError
            If `method` or `n_components` is none of these.
        """
        places = lay_out(embeddings, method, n_components, random_state)
        return cls(places, labels, title=title, method=METHOD_NAMES[method]).plot(ax, **options)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        labels: ArrayLike | None = None,
        *,
        ax: Any = None,
        **options: Any,
    ) -> EmbeddingDisplay:
        """Embed, compute a map and draw it.

        Parameters
        ----------
        estimator : transformer
            A fitted transformer, such as :class:`skglitch.TruncatedCNNTransformer`.
        X : array-like
            Samples.
        labels : array-like of shape (n_samples,), default=None
            Class or cluster of each.
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to draw; None makes a figure.
        **options
            As for :meth:`from_embeddings`.

        Returns
        -------
        display : EmbeddingDisplay
        """
        return cls.from_embeddings(estimator.transform(X), labels, ax=ax, **options)

    def plot(
        self,
        ax: Any = None,
        *,
        names: bool | None = None,
        legend: bool | None = None,
        highlight: Any = None,
    ) -> EmbeddingDisplay:
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to draw; None makes a figure. For three dimensions axes must be made with
            ``projection="3d"``.
        names : bool, default=None
            Whether to write the names of classes into the map, near where each is densest. In
            three dimensions they cannot be, as turning the map would move them. None writes them
            in two dimensions.
        legend : bool, default=None
            Whether to list the classes beside the map. None does where there are no names.
        highlight : label or list of labels, default=None
            The classes to colour; all others are grey. None colours all.

        Returns
        -------
        display : EmbeddingDisplay
            Itself.

        Raises
        ------
        ValueError
            If places are not in two or three dimensions, labels are not as many, one to
            highlight is not there, or names are wanted in three dimensions.
        """
        places, labels, looks = self._checked(highlight)
        flat = places.shape[1] == 2
        names = flat if names is None else names
        if names and not flat:
            raise ValueError("names=True needs a map in two dimensions: use legend=True.")
        legend = not names if legend is None else legend
        options: dict[str, Any] = {} if flat else {"subplot_kw": {"projection": "3d"}}
        n_columns = -(-len(looks) // _ROWS_OF_LEGEND) if legend else 0
        self.figure_, axes = make_axes(ax, (8 + 1.8 * n_columns, 6.5), **options)
        self.ax_ = axes[0, 0]
        size = np.clip(15000 / len(places), 8, 36)
        # Grey at the bottom, what is highlighted on top.
        for label in sorted(looks, key=lambda label: looks[label]["color"] != GREY):
            members = places[labels == label]
            self.ax_.scatter(
                *members.T, s=size, alpha=0.8, linewidths=0, label=str(label), **looks[label]
            )
        self._label_axes(flat)
        if legend and self.labels is not None:
            self._draw_legend(looks, n_columns)
        self.texts_: list[Any] = []
        if names and self.labels is not None:
            counts = {label: int((labels == label).sum()) for label in looks}
            named = [label for label in looks if label != _NO_CLUSTER]
            named.sort(key=lambda label: -counts[label])
            anchors = np.array([densest(places[labels == label]) for label in named])
            self.texts_ = write_names(
                self.ax_, [str(label) for label in named], anchors, places, fontsize="small"
            )
        return self

    def _checked(self, highlight: Any) -> tuple[np.ndarray, np.ndarray, dict[Any, dict]]:
        """Places, labels, and how each label is drawn."""
        places = np.asarray(self.places)
        if places.ndim != 2 or places.shape[1] not in (2, 3):
            raise ValueError(f"places must have 2 or 3 columns, got shape {places.shape}.")
        labels = np.zeros(len(places)) if self.labels is None else np.asarray(self.labels)
        if len(labels) != len(places):
            raise ValueError(f"There are {len(labels)} labels for {len(places)} places.")
        found = np.unique(labels).tolist()
        chosen = found if highlight is None else np.atleast_1d(highlight).tolist()
        for label in chosen:
            if label not in found:
                raise ValueError(f"highlight={label!r} is not among the labels.")
        chosen = [label for label in chosen if label != _NO_CLUSTER]
        looks = {label: {"color": GREY, "marker": "."} for label in found}
        # From the second look on, which is orange, where few stand out from grey.
        first = int(highlight is not None)
        looks |= {label: color_and_marker(first + n) for n, label in enumerate(chosen)}
        return places, labels, looks

    def _label_axes(self, flat: bool) -> None:
        ax = self.ax_
        # The axes of such maps have no meaning, nor have their numbers.
        ax.set(xticks=[], yticks=[])
        ax.margins(0.06)
        if not flat:
            ax.set_zticks([])
            # The box is square: left in its place, it leaves the rest to the legend.
            ax.set_anchor("W")
        if self.method:
            ax.set_xlabel(f"{self.method} of the net's features")
        if self.title:
            ax.set_title(self.title)

    def _draw_legend(self, looks: dict[Any, dict], n_columns: int) -> None:
        handles, names = self.ax_.get_legend_handles_labels()
        order = [names.index(str(label)) for label in looks]
        texts = ["in no cluster" if label == _NO_CLUSTER else str(label) for label in looks]
        self.ax_.legend(
            [handles[number] for number in order],
            texts,
            loc="upper left",
            bbox_to_anchor=(1.01, 1.0),
            borderaxespad=0,
            ncols=n_columns,
            fontsize="small",
            frameon=False,
            markerscale=1.2,
        )
