"""A pretrained network without its last layer, as a scikit-learn transformer."""

from __future__ import annotations

import copy
from numbers import Integral
from typing import Any

import numpy as np
import torch
from sklearn import get_config
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
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_is_fitted
from torch import nn

from .._backbones import DEFAULT_BACKBONE, IMAGENET
from .._dask import by_blocks, is_dask
from .._device import (
    PRECISIONS,
    choose_device,
    choose_precision,
    draw_seed,
    dump_module,
    load_module,
    seeded,
    to_channels_last,
)
from .._engine import ENGINES
from .._training import (
    CENTER_IMAGES,
    ViewEncoder,
    find_durations,
    read_images,
    run_in_batches,
    spread,
)
from ._calibration import get_calibration, keep_calibration
from ._cnn_classifier import CNNClassifier
from ._encoder import (
    AUTO,
    SHARED_CONSTRAINTS,
    Encoder,
    build_encoder,
    choose_readout,
    encoder_params,
    restore_encoder,
    with_encoder,
)
from ._state import describe_data, get_state, get_weights, make_estimator, set_weights


class TruncatedCNNTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Embed spectrograms with a network whose last layer is cut off.

    A net that was fine-tuned on known classes maps each class to a cluster of its own, even
    classes that were not in the training set [1]_.

    Parameters
    ----------
    source : str, torch.nn.Module, callable or CNNClassifier, default="efficientnet_lite0"
        Where the net comes from:

        - the name of a backbone (see :func:`skglitch.backbones.list_backbones`), a module, or
          a callable that returns one: used with ``weights``, without training;
        - a fitted :class:`CNNClassifier`: its net. :func:`sklearn.base.clone` keeps it fitted, so
          grid searches and pipelines do not train it again;
        - an unfitted :class:`CNNClassifier`: ``fit`` fits a clone of it, so that
          cross-validation trains it on each training fold.
    weights : {"imagenet", "glitches"}, path, mapping, enum or None, default="imagenet"
        As in :class:`CNNClassifier`. Ignored if ``source`` is a classifier.
    layer : str or tuple of str, default="auto"
        The layers to read. ``"auto"`` is ``encoder.layer``; any other value overrides it.
    views : {"mosaic", "channels", "separate"}, float or tuple of float, default="mosaic"
        As in :class:`CNNClassifier`. Ignored if ``source`` is a classifier.
    encoder : Encoder, default=None
        Which features to compute. None is :class:`Encoder` with its default parameters. If
        ``source`` is a classifier, only ``layer``, ``pooling`` and ``n_bands`` are used, and
        ``"auto"`` is what the head of the classifier reads.
    normalize : bool, default=True
        Whether to subtract the mean of the features in fit and to scale the features of each
        layer to length 4, so that only their direction counts. The features that the head of a
        classifier reads are centered on its training set instead.
    image_shape : tuple of int, default=None
        As in :class:`CNNClassifier`.
    batch_size : int, default=64
        Number of glitches per forward pass.
    precision, device, engine
        As in :class:`CNNClassifier`. If ``source`` is a classifier, its net stays on its device,
        and ``precision="auto"`` is the precision of the classifier.
    random_state : int, RandomState instance or None, default=None
        Seed of random weights (``weights=None``).
    verbose : int, default=0
        Values of 1 and above show a progress bar.

    Attributes
    ----------
    classifier_ : CNNClassifier
        The classifier whose net is read, if ``source`` is one.
    encoder_ : torch.nn.Module
        The net without its last layer.
    calibration_images_, fit_data_, image_shape_, durations_, n_features_in_, feature_names_in_, \
scale_
        As in :class:`CNNClassifier`.

    See Also
    --------
    CNNClassifier : The classifier to cut.

    References
    ----------
    .. [1] D. George, H. Shen, E. A. Huerta, "Deep Transfer Learning: A New Deep Learning
       Glitch Classification Method for Advanced LIGO", 2017, arXiv:1706.07446.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch import TruncatedCNNTransformer
    >>> X = np.zeros((6, 1, 64, 64), dtype=np.uint8)
    >>> TruncatedCNNTransformer().fit_transform(X).shape
    (6, 1520)
    """

    _parameter_constraints: dict = {
        "source": [str, nn.Module, CNNClassifier, FrozenEstimator, callable],
        **SHARED_CONSTRAINTS,
        "layer": [str, tuple, list],
        "normalize": ["boolean"],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "precision": [StrOptions(set(PRECISIONS))],
        "device": [str, torch.device],
        "engine": [StrOptions(set(ENGINES))],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        source: Any = DEFAULT_BACKBONE,
        *,
        weights: Any = IMAGENET,
        layer: Any = AUTO,
        views: Any = "mosaic",
        encoder: Encoder | None = None,
        normalize: bool = True,
        image_shape: tuple[int, ...] | None = None,
        batch_size: int = 64,
        precision: str = AUTO,
        device: Any = AUTO,
        engine: str = AUTO,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.source = source
        self.weights = weights
        self.layer = layer
        self.views = views
        self.encoder = encoder
        self.normalize = normalize
        self.image_shape = image_shape
        self.batch_size = batch_size
        self.precision = precision
        self.device = device
        self.engine = engine
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        tags.target_tags.required = self._trains()
        return tags

    def __sklearn_clone__(self) -> TruncatedCNNTransformer:
        # Otherwise, a grid search would silently train a fitted classifier again.
        if not isinstance(self.source, CNNClassifier) or self._trains():
            return super().__sklearn_clone__()
        sealed = copy.copy(self)
        sealed.source = FrozenEstimator(self.source)
        cloned = BaseEstimator.__sklearn_clone__(sealed)
        cloned.source = self.source
        return cloned

    def set_params(self, **params: Any) -> TruncatedCNNTransformer:
        """Set parameters, including parameters of the source and the encoder.

        A fitted classifier whose parameters change is replaced by an unfitted clone, as its net
        would no longer match them.

        Parameters
        ----------
        **params : dict
            Names and values, such as ``source__<name>`` and ``encoder__<name>``.

        Returns
        -------
        self : TruncatedCNNTransformer
        """
        nested = any(name.startswith("source__") for name in params)
        if nested and "source" not in params and isinstance(self.source, CNNClassifier):
            self.source = clone(self.source)
        return super().set_params(**with_encoder(self, params))

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, **fit_params: Any) -> TruncatedCNNTransformer:
        """Load the net, or train it if the source is an unfitted classifier.

        Parameters
        ----------
        X : array-like
            Images as in :meth:`CNNClassifier.fit`.
        y : array-like of shape (n_samples,), default=None
            Labels, which only training needs.
        **fit_params : dict
            Passed to :meth:`CNNClassifier.fit` if the classifier is trained. With scikit-learn's
            metadata routing, the classifier gets what its ``set_fit_request`` requests.

        Returns
        -------
        self : TruncatedCNNTransformer

        Raises
        ------
        ValueError
            If X or a parameter is invalid.
        """
        images = read_images(self, X, reset=True)
        source = _unfrozen(self.source)
        if isinstance(source, CNNClassifier):
            self.classifier_ = source
            if self._trains():
                if get_config()["enable_metadata_routing"]:
                    fit_params = process_routing(self, "fit", **fit_params).source.fit
                self.classifier_ = clone(source).fit(X, y, **fit_params)
            self.encoder_ = self._encoder_of(self.classifier_)
            self.scale_ = self.classifier_.scale_
            self.durations_ = self.classifier_.durations_
        else:
            self.__dict__.pop("classifier_", None)
            durations, n_views = encoder_params(self).durations, self.image_shape_[0]
            self.durations_ = find_durations(durations, self.views, n_views=n_views)
            self.encoder_ = self._build_encoder(source)
        keep_calibration(self, images, self._precision())
        if self._has_own_readout() and self.normalize:
            some = images[spread(len(images), CENTER_IMAGES)]
            self.encoder_.center_on(torch.from_numpy(self._embed(some)))
        self._n_features_out = self.encoder_.width
        self.fit_data_ = [describe_data(images, y)]
        return self

    def transform(self, X: Any) -> Any:
        """Embed images.

        Parameters
        ----------
        X : array-like
            Images of the shape seen in fit.

        Returns
        -------
        embeddings : ndarray of shape (n_samples, n_features), dtype float32
            A Dask array if X is one.
        """
        check_is_fitted(self)
        if is_dask(X):
            return by_blocks(self, "transform", X, (self._n_features_out,), np.float32)
        return self._embed(
            read_images(self, X),
            engine=self.engine,
            calibration=get_calibration(self, self._precision()),
            finish=self.encoder_.normalized,
        )

    def get_metadata_routing(self) -> MetadataRouter:
        """Get metadata routing: ``fit`` passes metadata on to the classifier that it trains.

        Returns
        -------
        routing : MetadataRouter
        """
        router = MetadataRouter(owner=self)
        if self._trains():
            mapping = MethodMapping().add(caller="fit", callee="fit")
            # Pipelines call fit_transform.
            mapping.add(caller="fit_transform", callee="fit")
            router.add(source=self.source, method_mapping=mapping)
        return router

    def _trains(self) -> bool:
        return isinstance(self.source, CNNClassifier) and not hasattr(self.source, "net_")

    def _has_own_readout(self) -> bool:
        """Whether the features differ from those that the head of a classifier reads."""
        if not isinstance(_unfrozen(self.source), CNNClassifier):
            return True
        params = encoder_params(self, self.layer)
        return (params.layer, params.pooling, params.n_bands) != (AUTO,) * 3

    def _build_encoder(self, source: Any) -> ViewEncoder:
        device = choose_device(self.device)
        with seeded(draw_seed(check_random_state(self.random_state)), device):
            params = encoder_params(self, self.layer)
            encoder = build_encoder(self, params, source, self.weights, normalize=self.normalize)
        return to_channels_last(encoder, device).eval()

    def _encoder_of(self, classifier: CNNClassifier) -> ViewEncoder:
        """Take the encoder of a fitted classifier, or make another readout of its backbone."""
        check_is_fitted(classifier)
        if classifier.image_shape_ != self.image_shape_:
            raise ValueError(
                f"X has images of shape {self.image_shape_} (n_views, height, width), but the "
                f"classifier in source was fitted on images of shape {classifier.image_shape_}."
            )
        encoder = classifier.net_.module_.encoder
        if self._has_own_readout():
            params = encoder_params(self, self.layer)
            encoder = ViewEncoder(
                encoder.backbone,  # shared, not copied
                encoder.layout,
                choose_readout(params, encoder.backbone, encoder.readout),
                image_shape=self.image_shape_,
                normalize=self.normalize,
                colormap=encoder.colormap,
            ).to(encoder.device)
        return encoder.eval()

    def _embed(self, images: np.ndarray, **options: Any) -> np.ndarray:
        encoder = self.encoder_
        return run_in_batches(
            encoder,
            encoder.features,
            images,
            self.scale_,
            batch_size=self.batch_size,
            # The net of a classifier must not be moved.
            device=encoder.device,
            precision=choose_precision(self._precision(), encoder.device),
            progress="embed" if self.verbose else "",
            **options,
        )

    def _precision(self) -> str:
        if self.precision == AUTO and hasattr(self, "classifier_"):
            return self.classifier_.precision
        return self.precision

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        if hasattr(self, "classifier_"):  # its net is pickled with it, once
            return {**state, "encoder_": self.encoder_.center.cpu().numpy()}
        if hasattr(self, "encoder_"):
            return {**state, "encoder_": dump_module(self.encoder_)}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if hasattr(self, "classifier_"):
            self.encoder_ = self._encoder_of(self.classifier_)
            self.encoder_.center.copy_(torch.from_numpy(state["encoder_"]))
        elif hasattr(self, "encoder_"):
            self.encoder_ = load_module(state["encoder_"], self.device)

    def _get_state(self) -> dict[str, Any]:
        """Return the state of a transformer as plain values for a file.

        If the source is a classifier, ``"weights"`` hold at most the center of another readout.
        """
        state = get_state(self)
        if not hasattr(self, "encoder_"):
            return state
        encoder = self.encoder_
        if not hasattr(self, "classifier_"):
            return {**state, "module": encoder.get_facts(), "weights": get_weights(encoder)}
        weights = {"center": encoder.center} if self._has_own_readout() else {}
        return {**state, "classifier": self.classifier_, "weights": weights}

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> TruncatedCNNTransformer:
        """Restore a transformer, on the device of its parameters or of the classifier."""
        self = make_estimator(cls, state["params"], state["fitted"])
        if "weights" not in state:
            return self
        if "classifier" in state:
            self.classifier_ = state["classifier"]
            self.encoder_ = self._encoder_of(self.classifier_)
            if "center" in state["weights"]:
                self.encoder_.center.copy_(state["weights"]["center"])
        else:
            device = choose_device(self.device)
            with seeded(0, device):  # random weights, replaced by the stored ones
                self.encoder_ = restore_encoder(self, self.source, state["module"])
            set_weights(self.encoder_, state["weights"])
            to_channels_last(self.encoder_, device).eval()
        self._n_features_out = self.encoder_.width
        return self


def _unfrozen(source: Any) -> Any:
    return source.estimator if isinstance(source, FrozenEstimator) else source
