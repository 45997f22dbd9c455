"""A pre-trained image net, fine-tuned on spectrograms, as a scikit-learn classifier."""

from __future__ import annotations

import math
import warnings
from numbers import Integral, Real
from os import PathLike
from typing import Any

import numpy as np
import torch
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data
from skorch.callbacks import EarlyStopping, LRScheduler
from skorch.helper import predefined_split
from torch import nn

from ..backbones import DEFAULT_BACKBONE, IMAGENET, make_trunk
from ..spectrograms import ViewLayout
from ..training import (
    MEASURED_IMAGES,
    PRECISIONS,
    EpochProgress,
    FailOnNaN,
    GlitchNet,
    GlitchNetClassifier,
    ImageDataset,
    SampleWeightedCrossEntropy,
    SpectrogramAugment,
    ViewEncoder,
    apply_fine_tune,
    choose_device,
    choose_precision,
    draw_seed,
    kept_memory,
    measure_batch_norm,
    run_in_batches,
    seeded,
    split_rows,
    to_channels_last,
    warm_up_and_decay,
)
from ._images import ImageEstimator
from ._labels import combine_weights, encode_labels

# With max_epochs="auto": never fewer epochs, and never fewer steps of the optimiser.
_MIN_EPOCHS = 8
_MIN_STEPS = 40


class CNNClassifier(ClassifierMixin, ImageEstimator):
    """Classify spectrograms with an image net that is fine-tuned in all its layers.

    The last layer of a net that was trained on ImageNet is replaced by one for the classes
    of ``y``, and the whole net is trained on [1]_: a few minutes of training where a net from
    scratch would need far more labels.

    Parameters
    ----------
    backbone : str, torch.nn.Module or callable, default="efficientnet_lite0"
        The net: a name out of :func:`skglitch.backbones.list_backbones` (nets of torchvision
        and timm), a module, whose last layer is replaced in a copy, or a callable without
        arguments that returns a module.
    weights : {"imagenet"}, path or None, default="imagenet"
        What the net starts from: weights trained on ImageNet, a file with a state dict, or
        None for random ones. Those of the default backbone come with pip, those of others
        are downloaded once. A module keeps the weights it has unless a path is given.
    views : {"mosaic", "channels", "late"}, float or tuple of float, default="mosaic"
        How the views of one glitch reach the net:

        - ``"mosaic"``: joined to one picture, four of them as [[0.5, 2.0], [1.0, 4.0]];
        - ``"channels"``: one view in each colour, of four the first, third and last;
        - ``"late"``: one pass a view through the same net, the features joined;
        - a duration in s: that view alone;
        - a tuple of up to three durations: these in the three colours.
    durations : tuple of float, default=(0.5, 1.0, 2.0, 4.0)
        Durations in s of the views of X, for ``views`` that name them.
    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(n_views, height, width)`` of the samples of a
        two-dimensional X. None takes a sample for a square image where its number of pixels
        is a square, else for a single row.
    fine_tune : str, default="all"
        What is trained: ``"all"`` layers, the new last layer only (``"head"``), or all from
        the layer of that name on. Batch norms of layers that are not trained keep their
        statistics.
    max_epochs : int or "auto", default="auto"
        Number of passes over the training set. ``"auto"`` makes 8, or more where that would
        be fewer than 40 steps of the optimiser.
    batch_size : int, default=32
        Largest number of glitches in one step. The samples are spread evenly over the steps
        of an epoch.
    learning_rate : float, default=1e-3
        Highest learning rate, reached after a quarter of the steps. It then falls along half
        a cosine.
    trunk_factor : float, default=1.0
        Learning rate of the pre-trained layers over that of the new last layer.
    weight_decay : float, default=0.05
        Decoupled weight decay of AdamW; biases and the scales of batch norms are spared.
    label_smoothing : float, default=0.0
        Share of each label that is spread evenly over all classes, from 0 to 1.
    batch_norm : {"auto", "adapt", "train"}, default="auto"
        Statistics of the batch norms: ``"adapt"`` measures them once on training images and
        keeps them while everything else is trained, ``"train"`` goes by each batch and
        measures them when training is over. ``"auto"`` adapts a named backbone with
        pre-trained weights and trains others.
    dropout : float, default=0.0
        Probability that a feature is dropped before the last layer.
    augment : bool or torch.nn.Module, default=True
        Whether to shift training images in time, scale their energy and mask stripes of
        them. A module takes the place of
        :class:`skglitch.training.SpectrogramAugment`; it is given floats from 0 to 1 of shape
        (n, n_views, height, width), on the device.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, as everywhere in scikit-learn.
    early_stopping : bool, default=False
        Whether to hold out a part of each class, to stop when the loss on it no longer falls,
        and to keep the net of the best epoch.
    validation_fraction : float, default=0.1
        Share of each class that is held out where ``early_stopping`` is true.
    n_iter_no_change : int, default=5
        Number of epochs without a lower loss after which ``early_stopping`` stops.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Number format of the heavy layers. ``"auto"`` takes bfloat16 where the hardware
        multiplies it natively and float32 elsewhere. Weights stay float32.
    device : str or torch.device, default="auto"
        Where to compute. ``"auto"`` takes the first GPU where there is one.
    callbacks : list of skorch callbacks, default=None
        Passed to the skorch net, as ``callback`` or ``(name, callback)``.
    random_state : int, RandomState instance or None, default=None
        Seed of random weights, batches, augmentation, dropout and the held-out part.
    verbose : int, default=0
        1 shows progress bars, 2 and above print a line an epoch too.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted, as they came in ``y``.
    net_ : skorch.NeuralNetClassifier
        The trained net; ``net_.module_`` is the torch module.
    history_ : skorch.history.History
        Losses and times of each epoch: ``history_[:, "train_loss"]``.
    image_shape_ : tuple of int
        ``(n_views, height, width)`` seen in fit.
    n_features_in_ : int
        Number of pixels of one sample, all views together.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns of X, where it is a data frame.
    scale_ : skglitch.spectrograms.PixelScale
        How pixel values become numbers from 0 to 1.

    See Also
    --------
    TruncatedCNNTransformer : The same nets as feature extractors.
    skglitch.datasets.load_gravity_spy : Reads pictures into X.
    skglitch.metrics.top_k_scorer : Scores top-k accuracy in cross-validation.

    Notes
    -----
    Ctrl-C during ``fit`` ends the training with a warning and keeps the net so far.

    References
    ----------
    .. [1] D. George, H. Shen, E. A. Huerta, "Deep Transfer Learning: A New Deep Learning
       Glitch Classification Method for Advanced LIGO", 2017, arXiv:1706.07446.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch import CNNClassifier
    >>> X = np.random.default_rng(0).integers(0, 50, (8, 1, 64, 64), dtype=np.uint8)
    >>> X[:4, :, 50:], X[4:, :, :, 30:34] = 200, 200
    >>> y = np.repeat(["Low_Frequency_Lines", "Blip"], 4)
    >>> classifier = CNNClassifier(max_epochs=12, random_state=0).fit(X, y)
    >>> print(classifier.predict(X[[0, -1]]))
    ['Low_Frequency_Lines' 'Blip']
    >>> classifier.predict_proba(X).shape
    (8, 2)
    """

    _parameter_constraints: dict = {
        "backbone": [str, nn.Module, callable],
        "weights": [str, PathLike, None],
        "views": [str, Real, tuple, list],
        "durations": [tuple, list],
        "image_shape": [tuple, list, None],
        "fine_tune": [str],
        "max_epochs": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "trunk_factor": [Interval(Real, 0, None, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "batch_norm": [StrOptions({"auto", "adapt", "train"})],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "augment": ["boolean", nn.Module],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "precision": [StrOptions(set(PRECISIONS))],
        "device": [str, torch.device],
        "callbacks": [list, tuple, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        backbone: Any = DEFAULT_BACKBONE,
        *,
        weights: Any = IMAGENET,
        views: Any = "mosaic",
        durations: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0),
        image_shape: tuple[int, ...] | None = None,
        fine_tune: str = "all",
        max_epochs: int | str = "auto",
        batch_size: int = 32,
        learning_rate: float = 1e-3,
        trunk_factor: float = 1.0,
        weight_decay: float = 0.05,
        label_smoothing: float = 0.0,
        batch_norm: str = "auto",
        dropout: float = 0.0,
        augment: Any = True,
        class_weight: Any = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        precision: str = "auto",
        device: Any = "auto",
        callbacks: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.views = views
        self.durations = durations
        self.image_shape = image_shape
        self.fine_tune = fine_tune
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.trunk_factor = trunk_factor
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.augment = augment
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.precision = precision
        self.device = device
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> CNNClassifier:
        """Fine-tune the net.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_views, height, width)
            Images. Those with one view may come as (n_samples, height, width), and any as
            (n_samples, n_pixels) with ``image_shape``. uint8 is taken as it is, 255 being a
            normalised energy of 25.5; the range of other numbers is learnt. A memory map is
            read batch by batch.
        y : array-like of shape (n_samples,)
            Labels of any kind.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples' losses.

        Returns
        -------
        self : CNNClassifier

        Raises
        ------
        ValueError
            If a parameter, X or y is not what it should be, or if the loss is no longer a
            number; the message says which and what to do.
        """
        y = validate_data(self, y=y)
        images = self._read_images_to_fit(X)
        self.classes_, targets = encode_labels(images, y)
        weights = combine_weights(
            images, y, self.classes_, targets, self.class_weight, sample_weight
        )
        random_state = check_random_state(self.random_state)
        train, valid = self._datasets(images, targets, weights, random_state)
        device = choose_device(self.device)
        with kept_memory(device), seeded(draw_seed(random_state), device):
            module = to_channels_last(self._make_module(), device)
            net = self._make_net(module, device, train, valid, draw_seed(random_state))
            self._train(net, module, train)
        self._keep(net)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes.

        Parameters
        ----------
        X : array-like
            Images of the shape seen in fit.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), dtype float32
            Columns in the order of ``classes_``.
        """
        check_is_fitted(self)
        images = self._read_images(X)
        module = self.net_.module_
        return self._run(images, lambda batch: module(batch).float().softmax(1), "predict")

    def predict(self, X: Any) -> np.ndarray:
        """Most probable classes.

        Parameters
        ----------
        X : array-like
            Images of the shape seen in fit.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def _datasets(
        self,
        images: np.ndarray,
        targets: np.ndarray,
        weights: np.ndarray | None,
        random_state: np.random.RandomState,
    ) -> tuple[ImageDataset, ImageDataset | None]:
        rows: list[np.ndarray | None] = [None]
        if self.early_stopping:
            rows = list(split_rows(targets, self.validation_fraction, random_state))
        parts = [ImageDataset(images, targets, self.scale_, part, weights) for part in rows]
        return parts[0], parts[1] if self.early_stopping else None

    def _make_module(self) -> GlitchNet:
        layout = ViewLayout.from_parameter(
            self.views, tuple(self.durations), n_views=self.image_shape_[0]
        )
        encoder = ViewEncoder(make_trunk(self.backbone, self.weights), layout)
        augment = self.augment if isinstance(self.augment, nn.Module) else None
        if self.augment is True:
            augment = SpectrogramAugment()
        module = GlitchNet(encoder, len(self.classes_), augment, self.dropout)
        apply_fine_tune(module, self.fine_tune)
        return module

    def _train(self, net: GlitchNetClassifier, module: GlitchNet, train: ImageDataset) -> None:
        images = train.sample(MEASURED_IMAGES, self.batch_size, torch.device(net.device))
        if self._adapts_batch_norm():
            measure_batch_norm(module, images)
            module.fix_batch_norm()
            net.fit(train, None)
        else:
            net.fit(train, None)
            measure_batch_norm(module, images)

    def _adapts_batch_norm(self) -> bool:
        if self.batch_norm == "auto":
            return isinstance(self.backbone, str) and self.weights is not None
        return self.batch_norm == "adapt"

    def _make_net(
        self,
        module: GlitchNet,
        device: torch.device,
        train: ImageDataset,
        valid: ImageDataset | None,
        seed: int,
    ) -> GlitchNetClassifier:
        n_batches = math.ceil(len(train) / self.batch_size)
        epochs = self.max_epochs
        if epochs == "auto":
            epochs = max(_MIN_EPOCHS, math.ceil(_MIN_STEPS / n_batches))
        return GlitchNetClassifier(
            module,
            criterion=SampleWeightedCrossEntropy(self.label_smoothing),
            optimizer=torch.optim.AdamW,
            lr=self.learning_rate,
            trunk_factor=self.trunk_factor,
            weight_decay=self.weight_decay,
            max_epochs=int(epochs),
            batch_size=self.batch_size,
            batch_seed=seed,
            classes=np.arange(len(self.classes_)),
            train_split=None if valid is None else predefined_split(valid),
            callbacks=self._make_callbacks(int(epochs) * n_batches),
            predict_nonlinearity=_softmax,
            compute_dtype=choose_precision(self.precision, device),
            device=str(device),
            verbose=int(self.verbose > 1),
        )

    def _make_callbacks(self, n_steps: int) -> list[Any]:
        schedule = LRScheduler(warm_up_and_decay, total_steps=n_steps, step_every="batch")
        callbacks: list[Any] = [("fail_on_nan", FailOnNaN()), ("schedule", schedule)]
        if self.early_stopping:
            sink = print if self.verbose > 1 else _silent
            stopper = EarlyStopping(patience=self.n_iter_no_change, load_best=True, sink=sink)
            callbacks.append(("early_stopping", stopper))
        if self.verbose:
            callbacks.append(("progress", EpochProgress()))
        return callbacks + list(self.callbacks or [])

    def _keep(self, net: GlitchNetClassifier) -> None:
        """Keep the trained net without what only training needed."""
        if net.interrupted_:
            warnings.warn(
                f"Training was interrupted in epoch {len(net.history)} of {net.max_epochs}: the "
                "net so far is kept.",
                UserWarning,
                stacklevel=3,
            )
        net.train_split = None  # holds the validation images
        net.optimizer_.state.clear()
        net.module_.eval()
        self.net_ = net
        self.history_ = net.history

    def _run(self, images: np.ndarray, function: Any, title: str) -> np.ndarray:
        net = self.net_
        return run_in_batches(
            net.module_,
            function,
            images,
            self.scale_,
            batch_size=2 * self.batch_size,
            device=torch.device(net.device),
            dtype=net.compute_dtype,
            progress=title if self.verbose else "",
        )


def _softmax(logits: torch.Tensor) -> torch.Tensor:
    return logits.softmax(dim=1)


def _silent(_message: str) -> None:
    pass
