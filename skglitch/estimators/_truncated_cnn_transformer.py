"""A net without its last layer, as a scikit-learn transformer."""

from __future__ import annotations

import copy
from numbers import Integral
from typing import Any

import numpy as np
import torch
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
    clone,
)
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import nn

from .._backbones import DEFAULT_BACKBONE, IMAGENET
from .._training import (
    PRECISIONS,
    ViewEncoder,
    choose_device,
    choose_precision,
    draw_seed,
    seeded,
    to_channels_last,
)
from ._assembly import (
    AUTO,
    CENTRED_IMAGES,
    SHARED_CONSTRAINTS,
    evenly,
    make_encoder,
    readout_for,
    run_encoder,
)
from ._cnn_classifier import CNNClassifier
from ._images import ImageEstimator


class TruncatedCNNTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ImageEstimator):
    """Embed spectrograms with an image net whose last layer is cut off.

    A net that was fine-tuned on known classes puts every class into a cluster of its own,
    even one that training never saw [1]_: the embeddings are what to cluster, to search and
    to look for outliers in.

    Parameters
    ----------
    source : str, torch.nn.Module, callable or CNNClassifier, default="efficientnet_lite0"
        Where the net comes from:

        - the name of a backbone (see :func:`skglitch.backbones.list_backbones`), a module, or
          a callable that returns one: used as it is, with ``weights``;
        - a fitted :class:`CNNClassifier`: its own net. It stays fitted through
          :func:`sklearn.base.clone`, so grid searches and pipelines use it as it is;
        - a :class:`CNNClassifier` that is not fitted: ``fit`` fits a clone of it, so that a
          pipeline trains it on each training fold alone.
    weights : {"imagenet"}, path, mapping, torchvision weights or None, default="imagenet"
        As in :class:`CNNClassifier`; not used where ``source`` is a classifier.
    strict_weights : bool, default=True
        As in :class:`CNNClassifier`; not used where ``source`` is a classifier.
    input_size : int, tuple of int, {"native"} or None, default=None
        As in :class:`CNNClassifier`; not used where ``source`` is a classifier.
    layer : str or tuple of str, default="auto"
        The layers that are read: ``"penultimate"`` is what the last layer of the net would see,
        any other name is that of a module of the net; of several layers the features stand
        side by side. What comes after them is not computed. ``"auto"`` is what the last layer of
        a classifier sees, and of other nets what was measured to tell glitches apart best.
    pooling : {"auto", "mean", "std", "max"}, default="auto"
        As in :class:`CNNClassifier`.
    n_bands : int or "auto", default="auto"
        As in :class:`CNNClassifier`.
    normalize : bool, default=True
        Whether to subtract the mean of the features that fit has seen, and to scale those of
        each layer to a length of 4, so that only their direction counts. What a classifier's
        last layer sees (``layer="auto"``) has the center of its training set.
    views : {"mosaic", "channels", "separate"}, float or tuple of float, default="mosaic"
        As in :class:`CNNClassifier`; not used where ``source`` is a classifier. With
        ``"separate"`` the features of all views stand side by side.
    colors : {"viridis", "gray"}, default="viridis"
        As in :class:`CNNClassifier`; not used where ``source`` is a classifier.
    durations : tuple of float, default=(0.5, 1.0, 2.0, 4.0)
        Durations in s of the views of X, for ``views`` that name them. Not used where
        ``source`` is a classifier.
    image_shape : tuple of int, default=None
        As in :class:`CNNClassifier`.
    batch_size : int, default=64
        Number of glitches that are embedded at a time.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        As in :class:`CNNClassifier`.
    device : str or torch.device, default="auto"
        As in :class:`CNNClassifier`. A net that comes from a fitted classifier stays where it
        is.
    random_state : int, RandomState instance or None, default=None
        Seed of the weights where they are random (``weights=None``).
    verbose : int, default=0
        1 and above show a progress bar.

    Attributes
    ----------
    classifier_ : CNNClassifier
        The classifier whose net is read. Only where ``source`` is one.
    encoder_ : torch.nn.Module
        The net without its last layer.
    image_shape_ : tuple of int
        ``(n_views, height, width)`` seen in fit.
    n_features_in_ : int
        Number of pixels of one sample, all views together.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of X, where it is a data frame.
    scale_ : PixelScale
        How pixel values become numbers from 0 to 1.

    See Also
    --------
    CNNClassifier : The classifier to cut.
    sklearn.manifold.TSNE : A map of the embeddings in two or three dimensions.

    References
    ----------
    .. [1] D. George, H. Shen, E. A. Huerta, "Deep Transfer Learning: A New Deep Learning
       Glitch Classification Method for Advanced LIGO", 2017, arXiv:1706.07446.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.cluster import KMeans
    >>> from sklearn.pipeline import make_pipeline
    >>> from skglitch import TruncatedCNNTransformer
    >>> X = np.zeros((6, 1, 64, 64), dtype=np.uint8)
    >>> X[:3, :, :20], X[3:, :, :, :20] = 255, 255
    >>> transformer = TruncatedCNNTransformer()
    >>> transformer.fit_transform(X).shape
    (6, 1520)
    >>> labels = make_pipeline(transformer, KMeans(2, random_state=0)).fit_predict(X)
    >>> bool(labels[0] == labels[2] != labels[3] == labels[5])
    True
    """

    _parameter_constraints: dict = {
        "source": [str, nn.Module, CNNClassifier, FrozenEstimator, callable],
        **SHARED_CONSTRAINTS,
        "normalize": ["boolean"],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "precision": [StrOptions(set(PRECISIONS))],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        source: Any = DEFAULT_BACKBONE,
        *,
        weights: Any = IMAGENET,
        strict_weights: bool = True,
        input_size: Any = None,
        layer: Any = AUTO,
        pooling: str = AUTO,
        n_bands: int | str = AUTO,
        normalize: bool = True,
        views: Any = "mosaic",
        colors: str = "viridis",
        durations: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0),
        image_shape: tuple[int, ...] | None = None,
        batch_size: int = 64,
        precision: str = "auto",
        device: Any = "auto",
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.source = source
        self.weights = weights
        self.strict_weights = strict_weights
        self.input_size = input_size
        self.layer = layer
        self.pooling = pooling
        self.n_bands = n_bands
        self.normalize = normalize
        self.views = views
        self.colors = colors
        self.durations = durations
        self.image_shape = image_shape
        self.batch_size = batch_size
        self.precision = precision
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        tags.target_tags.required = self._trains()
        return tags

    def __sklearn_clone__(self) -> TruncatedCNNTransformer:
        # A fitted classifier stands for its net, as a path stands for its file: without
        # this, a grid search would silently train it anew.
        if not isinstance(self.source, CNNClassifier) or self._trains():
            return super().__sklearn_clone__()
        sealed = copy.copy(self)
        sealed.source = FrozenEstimator(self.source)
        twin = BaseEstimator.__sklearn_clone__(sealed)
        twin.source = self.source
        return twin

    def set_params(self, **params: Any) -> TruncatedCNNTransformer:
        """Set parameters, those of the source as ``source__<name>``.

        A fitted classifier whose parameters change is replaced by a clone that is not
        fitted: its net would not be what its parameters say.

        Parameters
        ----------
        **params : dict
            Names and values.

        Returns
        -------
        self : TruncatedCNNTransformer
        """
        nested = any(name.startswith("source__") for name in params)
        if nested and "source" not in params and isinstance(self.source, CNNClassifier):
            self.source = clone(self.source)
        return super().set_params(**params)

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, **fit_params: Any) -> TruncatedCNNTransformer:
        """Load the net, or train it where the source is a classifier that is not fitted.

        Parameters
        ----------
        X : array-like
            Images as in :meth:`CNNClassifier.fit`.
        y : array-like of shape (n_samples,), default=None
            Labels; needed only to train.
        **fit_params : dict
            Passed to :meth:`CNNClassifier.fit` where the classifier is trained.

        Returns
        -------
        self : TruncatedCNNTransformer

        Raises
        ------
        ValueError
            If X or a parameter is not what it should be; the message names it.
        """
        images = self._read_images_to_fit(X)
        source = _thawed(self.source)
        if isinstance(source, CNNClassifier):
            self.classifier_ = clone(source).fit(X, y, **fit_params) if self._trains() else source
            self._adopt(self.classifier_)
        else:
            self._load(source)
        if self._is_own_readout():
            self._center(images)
        self._n_features_out = self.encoder_.width
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Embed images.

        Parameters
        ----------
        X : array-like
            Images of the shape seen in fit.

        Returns
        -------
        embeddings : ndarray of shape (n_samples, n_features), dtype float32
        """
        check_is_fitted(self)
        return self._embed(self._read_images(X))

    def _trains(self) -> bool:
        return isinstance(self.source, CNNClassifier) and not hasattr(self.source, "net_")

    def _adopt(self, classifier: CNNClassifier) -> None:
        if classifier.image_shape_ != self.image_shape_:
            raise ValueError(
                f"X has images of shape {self.image_shape_} (n_views, height, width), but the "
                f"classifier in source was fitted on images of shape {classifier.image_shape_}."
            )
        self.scale_ = classifier.scale_
        encoder = classifier.net_.module_.encoder
        if self._is_own_readout():
            # Another way to read the same net, which is shared and not copied.
            encoder = ViewEncoder(
                encoder.trunk,
                encoder.layout,
                readout_for(self, encoder.trunk, encoder.readout),
                image_shape=self.image_shape_,
                normalize=self.normalize,
                colors="viridis" if encoder.paints else "gray",
            ).to(encoder.trunk.mean.device)
        self.encoder_ = encoder.eval()

    def _is_own_readout(self) -> bool:
        """Whether other features are read than the last layer of a classifier sees."""
        is_classifier = isinstance(_thawed(self.source), CNNClassifier)
        return not is_classifier or (self.layer, self.pooling, self.n_bands) != (AUTO,) * 3

    def _load(self, source: Any) -> None:
        device = choose_device(self.device)
        with seeded(draw_seed(check_random_state(self.random_state)), device):
            encoder = make_encoder(self, source, normalize=self.normalize)
        self.encoder_ = to_channels_last(encoder, device).eval()

    def _center(self, images: np.ndarray) -> None:
        if self.normalize:
            some = images[evenly(len(images), CENTRED_IMAGES)]
            features = self._embed(some, normalized=False)
            self.encoder_.center_on(torch.from_numpy(features).to(self.encoder_.center.device))

    def _embed(self, images: np.ndarray, *, normalized: bool = True) -> np.ndarray:
        encoder = self.encoder_
        return run_encoder(
            encoder,
            images,
            self.scale_,
            normalized=normalized,
            batch_size=self.batch_size,
            dtype=choose_precision(self.precision, encoder.trunk.mean.device),
            progress="embed" if self.verbose else "",
        )


def _thawed(source: Any) -> Any:
    return source.estimator if isinstance(source, FrozenEstimator) else source
