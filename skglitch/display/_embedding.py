"""A map of embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import _num_samples

from ._axes import make_axes
from ._layout import METHOD_NAMES, check_layout, check_method, check_places, lay_out
from ._map_classes import IN_GREY, MapClasses, find_classes
from ._name_places import densest, write_names

_ROWS_OF_LEGEND = 24
_SIZE_IN_LEGEND = 42
_INCHES_A_LETTER = 0.075


class EmbeddingDisplay:
    """Map of glitches in two or three dimensions, colored by class or cluster.

    It is recommended to use :meth:`from_embeddings` or :meth:`from_estimator`, which compute a
    map and draw it.

    Parameters
    ----------
    places : array-like of shape (n_samples, 2) or (n_samples, 3)
        Where each glitch lies.
    labels : array-like of shape (n_samples,), default=None
        Class or cluster of each, all of them strings or all numbers. None, NaN, the empty string
        and the number -1, for samples in no cluster, are drawn in gray beneath the others.
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
    Up to 42 classes have a color or a marker of their own; beyond that both repeat.

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
            Class or cluster of each, as for the class.
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
            If `method` or `n_components` is none of these, or labels and options are not what
            :meth:`plot` takes, which is told before the map is computed.
        """
        checked = check_layout(embeddings, method, n_components)
        cls(np.zeros((len(checked), n_components)), labels)._checked(ax, **options)
        places = lay_out(checked, method, n_components, random_state)
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
        check_method(options.get("method", "tsne"), options.get("n_components", 2))
        # Before the net takes its time.
        find_classes(labels, _num_samples(X), options.get("highlight"))
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
            Whether to list the classes beside the map, all that is gray on one line. None does
            where there are no names.
        highlight : label or list of labels, default=None
            The classes to color, with names in bold; all others are gray. None colors all.

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
        places, classes, names = self._checked(ax, names=names, highlight=highlight)
        legend = self.labels is not None and (not names if legend is None else legend)
        flat = places.shape[1] == 2
        listed = [classes.unlabeled]
        listed += [
            n for n, colored in zip(classes.names, classes.is_colored, strict=True) if colored
        ]
        n_columns = -(-len(listed) // _ROWS_OF_LEGEND) if legend else 0
        options: dict[str, Any] = {} if flat else {"subplot_kw": {"projection": "3d"}}
        # The box of three dimensions is square.
        width = (8 if flat else 6.5) + n_columns * (0.55 + _INCHES_A_LETTER * max(map(len, listed)))
        self.figure_, axes = make_axes(ax, (width, 6.5), **options)
        self.ax_ = axes[0, 0]
        handles = self._draw(places, classes)
        self._label_axes(flat)
        notes = [f"{self.method} of the net's features"] if self.method else []
        if -1 in handles and all(classes.is_colored) and not legend:
            notes.append(f"gray: {classes.unlabeled}")
        self.ax_.set_xlabel("; ".join(notes))
        if legend:
            self._draw_legend(handles, classes, n_columns)
        self.texts_: list[Any] = []
        if names and self.labels is not None:
            self._write_names(places, classes)
        return self

    def _checked(
        self,
        ax: Any,
        *,
        names: bool | None = None,
        legend: bool | None = None,
        highlight: Any = None,
    ) -> tuple[np.ndarray, MapClasses, bool]:
        """Places, classes, and whether to write names, before anything is drawn."""
        places = check_places(self.places)
        classes = find_classes(self.labels, len(places), highlight)
        flat = places.shape[1] == 2
        if names and not flat:
            raise ValueError("names=True needs a map in two dimensions: use legend=True.")
        # A figure makes the axes that are needed.
        if ax is not None and not hasattr(ax, "subplots") and hasattr(ax, "get_zlim") is flat:
            raise ValueError(
                f"ax={ax!r} does not have the {places.shape[1]} dimensions of the map: pass "
                + ("others" if flat else 'axes with projection="3d"')
                + ", or a figure."
            )
        return places, classes, flat if names is None else names

    def _draw(self, places: np.ndarray, classes: MapClasses) -> dict[int, Any]:
        """Draw the points, and give what was drawn by the number of its class."""
        size = np.clip(20000 / len(places), 9, 42)
        looks = {-1: IN_GREY, **dict(enumerate(classes.looks))}
        texts = {-1: classes.unlabeled, **dict(enumerate(classes.names))}
        is_colored = {-1: False, **dict(enumerate(classes.is_colored))}
        if places.shape[1] == 3 and not all(is_colored[code] for code in np.unique(classes.codes)):
            # By depth, as matplotlib has it, gray ones would lie above.
            self.ax_.computed_zorder = False
        drawn = {}
        # Gray at the bottom, what has a color on top.
        for code in sorted(np.unique(classes.codes).tolist(), key=is_colored.__getitem__):
            members = places[classes.codes == code]
            drawn[code] = self.ax_.scatter(
                *members.T,
                # A dot is half as wide as the other markers of its size.
                s=size if is_colored[code] else 1.6 * size,
                alpha=0.8,
                label=texts[code],
                **looks[code],
            )
        return drawn

    def _label_axes(self, flat: bool) -> None:
        ax = self.ax_
        # The axes of such maps have no meaning, nor have their numbers.
        ax.set(xticks=[], yticks=[])
        ax.margins(0.06)
        if not flat:
            ax.set_zticks([])
            # The box is square: left in its place, it leaves the rest to the legend.
            ax.set_anchor("W")
        if self.title:
            ax.set_title(self.title)

    def _draw_legend(self, handles: dict[int, Any], classes: MapClasses, n_columns: int) -> None:
        listed = [code for code, colored in enumerate(classes.is_colored) if colored]
        texts = [classes.names[code] for code in listed]
        gray = [code for code in handles if code not in listed]
        if gray:
            # They look the same.
            listed.append(gray[0])
            texts.append(classes.unlabeled if gray == [-1] else "others")
        legend = self.ax_.legend(
            [handles[code] for code in listed],
            texts,
            loc="upper left",
            bbox_to_anchor=(1.01, 1.0),
            borderaxespad=0,
            ncols=n_columns,
            fontsize="small",
            frameon=False,
        )
        for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
            # Those of many points are too small to tell shapes by.
            handle.set(sizes=[_SIZE_IN_LEGEND], alpha=1)
            text.set_parse_math(False)

    def _write_names(self, places: np.ndarray, classes: MapClasses) -> None:
        members = [places[classes.codes == code] for code in range(len(classes.names))]
        # With a highlight, the names of what it is on get the better places.
        some_gray = not all(classes.is_colored)
        bold = [some_gray and colored for colored in classes.is_colored]
        order = sorted(range(len(members)), key=lambda code: (not bold[code], -len(members[code])))
        self.texts_ = write_names(
            self.ax_,
            [classes.names[code] for code in order],
            np.array([densest(members[code]) for code in order]).reshape(-1, 2),
            places,
            weights=["bold" if bold[code] else "normal" for code in order],
            fontsize="small",
        )
