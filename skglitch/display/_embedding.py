"""Map of embeddings."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import _num_samples

from ._axes import make_axes
from ._maps import (
    METHOD_NAMES,
    UNLABELED_STYLE,
    MapClasses,
    check_embeddings,
    check_map,
    check_method,
    compute_map,
    find_classes,
    find_densest,
    write_names,
)

_LEGEND_ROWS = 24
_LEGEND_MARKER_SIZE = 42
_INCHES_PER_CHARACTER = 0.075


@dataclass(eq=False, repr=False)
class EmbeddingDisplay:
    """Map of glitches in two or three dimensions, colored by class or cluster.

    Use :meth:`from_embeddings` or :meth:`from_estimator` to compute and plot a map.

    Parameters
    ----------
    embedding : array-like of shape (n_samples, 2) or (n_samples, 3)
        The coordinates of each glitch on the map.
    labels : array-like of shape (n_samples,), default=None
        The class or cluster of each glitch. Glitches without one (missing or -1) are gray.
    title : str, default=None
        The title.
    method : str, default=None
        The name of the method that computed the map, for the label of the x axis.

    Attributes
    ----------
    figure_, ax_ : matplotlib Figure and Axes
        The figure and its axes.
    texts_ : list of matplotlib Annotation
        The names on the map.

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
    >>> display.embedding.shape, [text.get_text() for text in display.texts_]
    ((20, 2), ['Blip', 'Tomte'])
    """

    embedding: ArrayLike
    labels: ArrayLike | None = None
    _: KW_ONLY
    title: str | None = None
    method: str | None = None

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
        **kwargs: Any,
    ) -> EmbeddingDisplay:
        """Compute and plot a map.

        Parameters
        ----------
        embeddings : array-like of shape (n_samples, n_features)
            Embeddings, such as from :class:`skglitch.TruncatedCNNTransformer`.
        labels : array-like of shape (n_samples,), default=None
            The class or cluster of each glitch.
        method : {"tsne", "pca", "umap"}, default="tsne"
            The method. ``"umap"`` needs ``pip install "skglitch[umap]"``.
        n_components : {2, 3}, default=2
            The number of dimensions of the map.
        random_state : int, RandomState instance or None, default=0
            The seed of the method.
        title : str, default=None
            The title.
        **kwargs
            `ax` and others, passed to :meth:`plot`.

        Returns
        -------
        display : EmbeddingDisplay

        Raises
        ------
        ImportError
            If ``method="umap"`` and umap-learn is not installed.
        ValueError
            If a parameter is invalid, before the map is computed.
        """
        check_method(method, n_components)
        checked = check_embeddings(embeddings)
        cls(np.zeros((len(checked), n_components)), labels)._check(**kwargs)
        embedding = compute_map(checked, method, n_components, random_state)
        return cls(embedding, labels, title=title, method=METHOD_NAMES[method]).plot(**kwargs)

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: ArrayLike, labels: ArrayLike | None = None, **kwargs: Any
    ) -> EmbeddingDisplay:
        """Embed glitches, and compute and plot a map.

        Parameters
        ----------
        estimator : transformer
            A fitted transformer, such as :class:`skglitch.TruncatedCNNTransformer`.
        X : array-like
            Samples.
        labels : array-like of shape (n_samples,), default=None
            The class or cluster of each glitch.
        **kwargs
            `ax` and others, passed to :meth:`from_embeddings`.

        Returns
        -------
        display : EmbeddingDisplay
        """
        # Checked before the network runs.
        check_method(kwargs.get("method", "tsne"), kwargs.get("n_components", 2))
        find_classes(labels, _num_samples(X), kwargs.get("highlight"))
        return cls.from_embeddings(estimator.transform(X), labels, **kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        names: bool | None = None,
        legend: bool | None = None,
        highlight: Any = None,
    ) -> EmbeddingDisplay:
        """Plot the map.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to plot; None creates a figure. Axes for three dimensions need
            ``projection="3d"``.
        names : bool, default=None
            Whether to write the names of classes near their densest points. None writes them in two
            dimensions.
        legend : bool, default=None
            Whether to add a legend. None adds one if there are no names.
        highlight : label or list of labels, default=None
            The classes to color, with names in bold; all others are gray. None colors all.

        Returns
        -------
        display : EmbeddingDisplay

        Raises
        ------
        ValueError
            If the map does not have two or three dimensions, there is not one label per glitch,
            a highlighted class does not occur, or ``names=True`` in three dimensions.
        """
        embedding, classes, names = self._check(ax, names=names, highlight=highlight)
        legend = self.labels is not None and (not names if legend is None else legend)
        is_flat = embedding.shape[1] == 2
        listed = [classes.unlabeled, *np.array(classes.names)[classes.is_colored]]
        n_columns = -(-len(listed) // _LEGEND_ROWS) if legend else 0
        options: dict[str, Any] = {} if is_flat else {"subplot_kw": {"projection": "3d"}}
        # The axes in three dimensions are square.
        width = (8 if is_flat else 6.5) + n_columns * (
            0.55 + _INCHES_PER_CHARACTER * max(map(len, listed))
        )
        self.figure_, (self.ax_,) = make_axes(ax, (width, 6.5), **options)
        size = np.clip(20000 / len(embedding), 9, 42)
        styles = {-1: UNLABELED_STYLE, **dict(enumerate(classes.styles))}
        texts = {-1: classes.unlabeled, **dict(enumerate(classes.names))}
        colored = {-1: False, **dict(enumerate(classes.is_colored))}
        codes = np.unique(classes.codes).tolist()
        if not is_flat and not all(colored[code] for code in codes):
            # matplotlib sorts by depth, which would put gray points above others.
            self.ax_.computed_zorder = False
        handles = {}
        # Gray at the bottom, colors on top.
        for code in sorted(codes, key=colored.__getitem__):
            members = embedding[classes.codes == code]
            # Dots are half as wide as other markers of the same size.
            options = {"s": size if colored[code] else 1.6 * size, **styles[code]}
            handles[code] = self.ax_.scatter(*members.T, alpha=0.8, label=texts[code], **options)
        # Coordinates of such maps have no meaning.
        self.ax_.set(xticks=[], yticks=[])
        self.ax_.margins(0.06)
        if not is_flat:
            self.ax_.set_zticks([])
            # The axes are square, and leave space for the legend at the right.
            self.ax_.set_anchor("W")
        if self.title:
            self.ax_.set_title(self.title)
        notes = [f"{self.method} of the embeddings"] if self.method else []
        if -1 in handles and all(classes.is_colored) and not legend:
            notes.append(f"gray: {classes.unlabeled}")
        self.ax_.set_xlabel("; ".join(notes))
        if legend:
            entries = {code: texts[code] for code in range(len(classes.names)) if colored[code]}
            gray = [code for code in handles if not colored[code]]
            if gray:
                # All gray points share one entry.
                entries[gray[0]] = classes.unlabeled if gray == [-1] else "others"
            place = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0}
            style = {"ncols": n_columns, "fontsize": "small", "frameon": False}
            points = [handles[code] for code in entries]
            box = self.ax_.legend(points, entries.values(), **place, **style)
            for handle, text in zip(box.legend_handles, box.get_texts(), strict=True):
                # Markers on maps of many points are too small to recognize.
                handle.set(sizes=[_LEGEND_MARKER_SIZE], alpha=1)
                text.set_parse_math(False)
        self.texts_: list[Any] = []
        if names and self.labels is not None:
            members = [embedding[classes.codes == code] for code in range(len(classes.names))]
            # Names of highlighted classes are bold, and placed first.
            bold = [is_bold and not all(classes.is_colored) for is_bold in classes.is_colored]
            order = sorted(range(len(members)), key=lambda n: (not bold[n], -len(members[n])))
            self.texts_ = write_names(
                self.ax_,
                [classes.names[code] for code in order],
                np.array([find_densest(members[code]) for code in order]).reshape(-1, 2),
                embedding,
                weights=["bold" if bold[code] else "normal" for code in order],
                fontsize="small",
            )
        return self

    def _check(
        self, ax: Any = None, *, names: Any = None, legend: Any = None, highlight: Any = None
    ) -> tuple[np.ndarray, MapClasses, bool]:
        """Return coordinates, classes and whether to write names, before anything is plotted."""
        embedding = check_map(self.embedding)
        classes = find_classes(self.labels, len(embedding), highlight)
        is_flat = embedding.shape[1] == 2
        if names and not is_flat:
            raise ValueError("names=True needs a map in two dimensions: use legend=True.")
        # In a figure, suitable axes are created.
        if ax is not None and not hasattr(ax, "subplots") and hasattr(ax, "get_zlim") is is_flat:
            raise ValueError(
                f"ax={ax!r} does not have the {embedding.shape[1]} dimensions of the map: pass "
                + ("others" if is_flat else 'axes with projection="3d"')
                + ", or a figure."
            )
        return embedding, classes, is_flat if names is None else names
