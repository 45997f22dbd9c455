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
    run_in_batches,
    seeded,
    to_channels_last,
    warm_up_and_decay,
)
from ._images import ImageEstimator
from ._labels import combine_weights, encode_labels, split_rows

# With max_epochs="auto": never fewer epochs, and never fewer steps of the optimiser.
_MIN_EPOCHS = 8
_MIN_STEPS = 60


class CNNClassifier(ClassifierMixin, ImageEstimator):
    """TODO"""

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
        y = validate_data(self, y=y)
        images = self._read_images_to_fit(X)
        self.classes_, targets = encode_labels(images, y)
        weights = combine_weights(
            images, y, self.classes_, targets, self.class_weight, sample_weight
        )
        random_state = check_random_state(self.random_state)
        train, valid = self._datasets(images, targets, weights, random_state)
        device = choose_device(self.device)
        with seeded(draw_seed(random_state), device):
            module = to_channels_last(self._make_module(), device)
            net = self._make_net(module, device, train, valid, draw_seed(random_state))
            net.fit(train, None)
        self._keep(net)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        images = self._read_images(X)
        module = self.net_.module_
        return self._run(images, lambda batch: module(batch).float().softmax(1), "predict")

    def predict(self, X: Any) -> np.ndarray:
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
