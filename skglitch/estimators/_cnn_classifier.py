"""A pretrained network, fine-tuned on spectrograms, as a scikit-learn classifier."""

from __future__ import annotations

import contextlib
import copy
import os
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.utils import compute_class_weight
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)
from skorch.history import History
from torch import nn

from .._backbones import DEFAULT_BACKBONE, IMAGENET, max_learning_rate
from .._dask import by_blocks, is_dask
from .._device import (
    PRECISIONS,
    choose_device,
    choose_precision,
    computing,
    draw_seed,
    explaining_memory,
    seeded,
    to_channels_last,
)
from .._engine import ENGINES
from .._files import check_path
from .._labels import UNLABELED, refuse_unlabeled
from .._lazy_array import LazyArray
from .._training import (
    PROCESSES,
    GlitchNet,
    GlitchNetClassifier,
    ImageDataset,
    SpectrogramAugment,
    TrainingRecipe,
    add_rows,
    auto_epochs,
    auto_learning_rate,
    check_callbacks,
    check_net_params,
    checkpoint_file,
    failing_together,
    find_durations,
    read_images,
    run_in_batches,
    split_rows,
    spread,
    without_writers,
)
from .._validation import check_labels, check_seed, unmask
from ._calibration import get_calibration, keep_calibration
from ._encoder import (
    AUTO,
    SHARED_CONSTRAINTS,
    Encoder,
    build_encoder,
    encoder_params,
    is_pretrained,
    restore_encoder,
    with_encoder,
)
from ._state import describe_data, get_state, get_weights, make_estimator, set_weights

# Number of glitches per class whose features are kept for add_classes.
_EXEMPLARS = 20


class CNNClassifier(ClassifierMixin, BaseEstimator):
    """Classify spectrograms with a fine-tuned pretrained network.

    The last layer of a net pretrained on ImageNet is replaced by a new one for the classes of
    ``y``, the head, and by default all layers are trained [1]_.

    Parameters
    ----------
    backbone : str, torch.nn.Module or callable, default="efficientnet_lite0"
        The net: a name from :func:`skglitch.backbones.list_backbones`, a module, which is copied
        and whose last layer is cut off, or a callable without arguments that returns a module.
    weights : {"imagenet", "glitches"}, path, mapping, enum or None, default="imagenet"
        The initial weights: published weights from ImageNet, those of the ready-made model
        (:func:`skglitch.load_pretrained`, for the default backbone only), a file with a state dict
        or from :func:`skglitch.save`, a state dict, a member of a ``torchvision.models.*_Weights``
        enum, or None for random weights. The weights of the default backbone are installed with
        it; others are downloaded once. A module keeps its own weights unless this is a path or a
        mapping.
    views : {"mosaic", "channels", "separate"}, float or tuple of float, default="mosaic"
        How the views of a glitch are passed to the net:

        - ``"mosaic"``: tiled into one image, four views as [[0.5, 2.0], [1.0, 4.0]];
        - ``"channels"``: one view per color channel; of four views, the first, third and last;
        - ``"separate"``: one forward pass per view, with the features concatenated;
        - a duration in s: that view alone;
        - a tuple of up to three durations: these views in the three color channels.
    encoder : Encoder, default=None
        Which layers the head reads, and how images are colored and resized. None is
        :class:`Encoder` with its default parameters.
    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(n_views, height, width)`` of the samples of a two-dimensional X.
        None treats samples as square images if their number of pixels is a square, else as rows.
    fine_tune : str, default="all"
        The layers to train: ``"all"``, only the head (``"head"``), or all layers from the one
        with this name on. Batch norms of frozen layers keep their statistics.
    head_init : {"auto", "regression", "zeros"}, default="auto"
        Initialization of the head: logistic regression on the features of the net before
        training, so that the first steps do not distort them, or zeros, which predict equal
        probabilities. ``"auto"`` is the regression for pretrained weights. For a pretrained
        module, ``"regression"`` also normalizes the features and keeps the statistics of the
        batch norms, as is always done for pretrained backbones of the library.
    max_epochs : int or "auto", default="auto"
        Number of passes over the training set. ``"auto"`` is 8, or more if needed for 40 steps of
        the optimizer (200 if the head starts from zeros).
    batch_size : int, default=32
        Largest number of glitches in a step. Samples are spread evenly over the steps of an epoch.
    learning_rate : float or "auto", default="auto"
        Highest learning rate, reached after a quarter of the steps, followed by cosine
        annealing. ``"auto"`` is 1e-3 if the head starts from zeros, else 3e-4. For pretrained
        EfficientNet-Lite with n training samples it is ``1.5e-6 * n``, from 3e-4 to 3e-3, and 3e-4
        in ``partial_fit``.
    augment : bool or torch.nn.Module, default=True
        Whether to augment the training images with :class:`SpectrogramAugment`, or a module to
        use instead, which gets floats from 0 to 1 of shape (n, n_views, height, width) on the
        device.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes. ``"balanced"`` gives all classes the same total weight.
    early_stopping : bool, default=False
        Whether to stop when the loss on held-out samples stops improving, and keep the best net.
    validation_fraction : float, default=0.1
        Fraction of each class that is held out if ``early_stopping`` is true.
    n_iter_no_change : int, default=5
        Number of epochs without improvement after which ``early_stopping`` stops.
    net_params : dict, default=None
        Parameters of the skorch net: ``"criterion"``, by default the cross-entropy,
        ``"optimizer"``, by default AdamW with a weight decay of 0.05, and their arguments, such
        as ``{"optimizer__weight_decay": 0.01, "criterion__label_smoothing": 0.1}``. Biases and
        scales of batch norms have no weight decay. A criterion gets logits and integer labels.
    precision : {"auto", "float32", "tf32", "bfloat16", "float16", "int8"}, default="auto"
        Number format of convolutions and matrix products; weights are float32. ``"auto"`` is
        bfloat16 where the hardware supports it natively, and float32 elsewhere. ``"tf32"`` is
        TensorFloat-32 on Nvidia GPUs from Ampere on, and float32 elsewhere. ``"float16"``, for
        older GPUs, scales the loss. ``"int8"`` predicts in 8-bit integers on a CPU, which needs
        ``pip install "skglitch[fast]"`` and some seconds before the first prediction; it trains
        as ``"auto"``.
    device : str or torch.device, default="auto"
        The device. ``"auto"`` is a GPU if there is one.
    engine : {"auto", "torch", "openvino"}, default="auto"
        The inference engine. OpenVINO (``pip install "skglitch[fast]"``) is faster on a CPU, after
        about two seconds of compilation, which is repeated after training. ``"auto"`` uses it, if
        it is installed, for 8 million pixels of X or more in one call, such as 340 images of
        140 x 170; ``"openvino"`` always uses it. Nets that it does not support fall back to torch,
        with a warning or, for ``"auto"``, a log message.
    callbacks : list of skorch callbacks, default=None
        Passed to the skorch net, as ``callback`` or ``(name, callback)``. Those that monitor
        validation scores need ``early_stopping=True``, which holds out samples.
    checkpoint : path, default=None
        Folder for the state after each epoch. A ``fit`` that was interrupted resumes when it is run
        again, with the same result, on the same kind of CPU, as without the interruption. Needs an
        integer ``random_state``. Each combination of parameters, initial weights and data, as in a
        grid search, has a file of its own, which is kept until you delete it.
    random_state : int, RandomState instance or None, default=None
        Seed of random weights, batches, augmentation and the held-out part.
    verbose : int, default=0
        1 shows progress bars, 2 and above also print a line per epoch.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted labels.
    net_ : skorch.NeuralNetClassifier
        The trained net. ``net_.module_`` is the torch module, with ``encoder`` and ``head``.
    history_ : skorch.history.History
        Losses and times of each epoch: ``history_[:, "train_loss"]``.
    image_shape_ : tuple of int
        ``(n_views, height, width)`` seen in fit.
    durations_ : tuple of float or None
        Durations in s of the views of X, None if unknown (see :class:`Encoder`).
    n_features_in_ : int
        Number of pixels of one sample, all views together.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of X, if it is a data frame.
    scale_ : PixelScale
        Scales pixel values to the range from 0 to 1.
    calibration_images_ : ndarray of shape (n_images, n_views, height, width)
        Up to 64 training images, from which ``precision="int8"`` determines the range of each
        layer. Only defined for this precision.
    exemplars_ : ndarray of shape (n_exemplars, n_features), dtype float32
        Features of up to 20 training glitches of each class, for :meth:`add_classes`.
    exemplar_classes_ : ndarray of shape (n_exemplars,)
        The class of each exemplar.
    fit_data_ : list of dict
        Date, shape, dtype, class counts and checksum of the data of each call of :meth:`fit`,
        :meth:`partial_fit` and :meth:`add_classes`, for :func:`skglitch.persistence.read_card`.
    novelty_ : NoveltyDetector
        Fitted to embeddings of this classifier. Only defined for the ready-made model of
        :func:`skglitch.load_pretrained`, until it is trained further.

    See Also
    --------
    TruncatedCNNTransformer : The same nets as feature extractors.
    skglitch.datasets.load_gravity_spy : Load Gravity Spy pictures as X and y.

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
    """

    net_: GlitchNetClassifier
    _parameter_constraints: dict = {
        "backbone": [str, nn.Module, callable],
        **SHARED_CONSTRAINTS,
        "fine_tune": [str],
        "head_init": [StrOptions({AUTO, "regression", "zeros"})],
        "max_epochs": [Interval(Integral, 1, None, closed="left"), StrOptions({AUTO})],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), StrOptions({AUTO})],
        "augment": ["boolean", nn.Module],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "net_params": [dict, None],
        "precision": [StrOptions(set(PRECISIONS))],
        "device": [str, torch.device],
        "engine": [StrOptions(set(ENGINES))],
        "callbacks": [list, tuple, None],
        "checkpoint": [str, os.PathLike, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }
    exemplars_: np.ndarray
    exemplar_classes_: np.ndarray
    novelty_: Any

    def __init__(
        self,
        backbone: Any = DEFAULT_BACKBONE,
        *,
        weights: Any = IMAGENET,
        views: Any = "mosaic",
        encoder: Encoder | None = None,
        image_shape: tuple[int, ...] | None = None,
        fine_tune: str = "all",
        head_init: str = AUTO,
        max_epochs: int | str = AUTO,
        batch_size: int = 32,
        learning_rate: float | str = AUTO,
        augment: Any = True,
        class_weight: Any = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        net_params: dict[str, Any] | None = None,
        precision: str = AUTO,
        device: Any = AUTO,
        engine: str = AUTO,
        callbacks: Any = None,
        checkpoint: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.views = views
        self.encoder = encoder
        self.image_shape = image_shape
        self.fine_tune = fine_tune
        self.head_init = head_init
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.augment = augment
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.net_params = net_params
        self.precision = precision
        self.device = device
        self.engine = engine
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def set_params(self, **params: Any) -> CNNClassifier:
        """Set parameters; parameters of the encoder are named ``encoder__<name>``.

        Parameters
        ----------
        **params : dict
            Names and values.

        Returns
        -------
        self : CNNClassifier
        """
        return super().set_params(**with_encoder(self, params))

    @_fit_context(prefer_skip_nested_validation=True)
    @failing_together()
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> CNNClassifier:
        """Fine-tune the net.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_views, height, width)
            Images. The shape may also be (n_samples, height, width) for a single view, or
            (n_samples, n_pixels), see ``image_shape``. uint8 values are normalized energies times
            10; other values are scaled by their range in fit. Arrays on disk, such as memory maps
            and h5py data sets, are read in batches: see :class:`~skglitch.datasets.LazyArray`.
        y : array-like of shape (n_samples,)
            Labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights of the loss.

        Returns
        -------
        self : CNNClassifier

        Raises
        ------
        ValueError
            If a parameter, X or y is invalid, a sample has no label, or the loss is not finite.
        """
        y = self._read_labels(y)
        images = read_images(self, X, reset=True)
        durations, n_views = encoder_params(self).durations, self.image_shape_[0]
        self.durations_ = find_durations(durations, self.views, n_views=n_views)
        check_consistent_length(images, y)
        classes, targets = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"y has one class only, {classes.tolist()[0]!r}: a classifier needs at least two."
            )
        self.classes_ = classes
        weights = self._combine_weights(images, y, sample_weight)
        random_state = PROCESSES.get().share_random_state(self.random_state, images, targets)
        train, valid = self._split(images, targets, weights, random_state)
        device = choose_device(self.device)
        with self._training(device, draw_seed(random_state)):
            module = to_channels_last(self._build_module(), device)
            recipe = self._choose_recipe(module, len(train))
            checkpoint = self._checkpoint_file(module, images, y, sample_weight)
            recipe.prepare(module, train)
            seed = draw_seed(random_state)
            net = recipe.train(module, train, valid, seed=seed, checkpoint=checkpoint)
        return self._keep(net, images, targets, weights)

    @_fit_context(prefer_skip_nested_validation=True)
    @failing_together()
    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> CNNClassifier:
        """Continue the training with more data of the known classes.

        The net gradually forgets what X and y do not contain, so include old data if possible.

        Parameters
        ----------
        X : array-like
            Images of the shape seen in fit.
        y : array-like of shape (n_samples,)
            Labels, all of them in ``classes_``.
        classes : array-like of shape (n_classes,), default=None
            All classes, for the first call, whose y must contain each of them. Use
            :meth:`add_classes` to add classes later.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights of the loss.

        Returns
        -------
        self : CNNClassifier

        Raises
        ------
        ValueError
            If y has an unknown class, or lacks one of ``classes`` in the first call.
        """
        if classes is not None:
            self._check_classes(classes, y)
        if not hasattr(self, "net_"):
            return self.fit(X, y, sample_weight)
        images = read_images(self, X)
        y = self._read_labels(y, self.classes_)
        check_consistent_length(images, y)
        new = np.setdiff1d(y, self.classes_)
        if len(new):
            raise ValueError(
                f"y has classes that the classifier does not know: {_listed(new)}. "
                "add_classes(X, y) adds them."
            )
        targets = np.searchsorted(self.classes_, y)
        weights = self._combine_weights(images, y, sample_weight)
        random_state = PROCESSES.get().share_random_state(self.random_state, images, targets)
        train, valid = self._split(images, targets, weights, random_state)
        device = self.net_.module_.encoder.device
        with self._training(device, draw_seed(random_state)):
            # A copy, so that an error half-way leaves the classifier unchanged.
            module = copy.deepcopy(self.net_.module_)
            module.augment = self._augmentation()
            module.freeze_before(self.fine_tune)
            to_channels_last(module, device)
            recipe = self._choose_recipe(module, len(train), trained=True)
            net = recipe.train(module, train, valid, seed=draw_seed(random_state))
        for epoch, row in enumerate(net.history, start=len(self.history_) + 1):
            row["epoch"] = epoch
        return self._keep(net, images, targets, weights, previous=list(self.history_))

    def add_classes(self, X: Any, y: Any) -> CNNClassifier:
        """Add new classes from a few examples, without training the net again.

        A logistic regression against up to 20 stored glitches of each old class extends the head.

        Parameters
        ----------
        X : array-like
            Images of the shape seen in fit.
        y : array-like of shape (n_samples,)
            Labels, some of which are new. Samples of old classes help to tell them apart.

        Returns
        -------
        self : CNNClassifier

        Raises
        ------
        ValueError
            If y has no new class, or no glitch of an old class is stored. :meth:`partial_fit`
            replaces the stored glitches by those in its data.
        """
        check_is_fitted(self)
        images = read_images(self, X)
        y = self._read_labels(y, self.classes_)
        check_consistent_length(images, y)
        new = np.setdiff1d(y, self.classes_)
        if not len(new):
            raise ValueError(
                "y has no class that is new to the classifier: partial_fit(X, y) continues the "
                "training."
            )
        labels = np.concatenate([self.exemplar_classes_, y])
        missing = np.setdiff1d(self.classes_, labels)
        if len(missing):
            raise ValueError(
                f"no glitch of {_listed(missing)} is stored, but new classes must be separated "
                "from all others: add some to X and y."
            )
        features = np.concatenate([self.exemplars_, self._embed(images)])
        classes = np.concatenate([self.classes_, new])
        order = np.argsort(classes)
        targets = np.searchsorted(classes[order], labels)
        module = self.net_.module_
        module.head = add_rows(module.head, features, targets, order)
        self.net_.classes = np.arange(len(classes))
        self.net_.initialize_optimizer()  # it still refers to the old head
        self.classes_ = classes[order]
        rows = _exemplar_rows(targets)
        self.exemplars_, self.exemplar_classes_ = features[rows], labels[rows]
        self.fit_data_ = [*getattr(self, "fit_data_", ()), describe_data(images, y)]
        return self

    def predict_proba(self, X: Any) -> Any:
        """Predict class probabilities.

        Parameters
        ----------
        X : array-like
            Images of the shape seen in fit.

        Returns
        -------
        y_prob : ndarray of shape (n_samples, n_classes), dtype float32
            Columns in the order of ``classes_``. A Dask array if X is one.
        """
        check_is_fitted(self)
        if is_dask(X):
            return by_blocks(self, "predict_proba", X, (len(self.classes_),), np.float32)
        return self._predict(X, lambda module, features: module.classify(features).softmax(dim=1))

    def predict_proba_and_embed(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Predict probabilities and compute embeddings in one pass through the net.

        Parameters
        ----------
        X : array-like
            Images of the shape seen in fit.

        Returns
        -------
        y_prob : ndarray of shape (n_samples, n_classes), dtype float32
            As in :meth:`predict_proba`.
        embeddings : ndarray of shape (n_samples, n_features), dtype float32
            The same as from ``TruncatedCNNTransformer(classifier)``.
        """

        def both(module: GlitchNet, features: torch.Tensor) -> torch.Tensor:
            y_prob = module.classify(features).softmax(dim=1)
            return torch.cat([y_prob, module.encoder.normalized(features).float()], dim=1)

        joined = self._predict(X, both)
        n_classes = len(self.classes_)
        return joined[:, :n_classes], joined[:, n_classes:]

    def predict(self, X: Any) -> Any:
        """Predict the most probable class of each sample.

        Parameters
        ----------
        X : array-like
            Images of the shape seen in fit.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            A Dask array if X is one.
        """
        check_is_fitted(self)
        if is_dask(X):
            return by_blocks(self, "predict", X, (), self.classes_.dtype)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def _read_labels(self, y: Any, classes: np.ndarray | None = None) -> np.ndarray:
        """Check y, given the known ``classes`` if there are any, and return it as an array."""
        if y is not None:  # else scikit-learn has an error for it
            known = None if classes is None else classes.tolist()
            hint = ", or see SelfTrainingClassifier of scikit-learn"
            refuse_unlabeled(y, classes=known, hint=hint)
        # validate_data would forget the names of the columns of X, which fit reads afterwards.
        y = validate_data(self, y=y) if classes is None else column_or_1d(y, warn=True)
        check_classification_targets(y)
        if classes is not None:
            unique_labels(classes, y)  # fails where numpy would turn numbers into strings
        return y

    def _combine_weights(
        self, images: np.ndarray, y: np.ndarray, sample_weight: Any
    ) -> np.ndarray | None:
        """Weights of samples and of the classes in y, with a mean of 1; None if all are equal."""
        if self.class_weight is None and sample_weight is None:
            return None
        weights = _check_sample_weight(
            unmask(sample_weight), images, dtype=np.float64, ensure_non_negative=True
        )
        if self.class_weight is not None:
            classes = np.unique(y) if self.class_weight == "balanced" else self.classes_
            by_class = compute_class_weight(self.class_weight, classes=classes, y=y)
            weights = weights * by_class[np.searchsorted(classes, y)]
        return (weights / weights.mean()).astype(np.float32)

    def _split(
        self,
        images: np.ndarray,
        targets: np.ndarray,
        weights: np.ndarray | None,
        random_state: np.random.RandomState,
    ) -> tuple[ImageDataset, ImageDataset | None]:
        """Training data, and what early stopping holds out."""
        if not self.early_stopping:
            check_callbacks(self.callbacks or ())
            return ImageDataset(images, targets, self.scale_, None, weights), None
        parts = split_rows(targets, self.validation_fraction, random_state)
        train, valid = (ImageDataset(images, targets, self.scale_, p, weights) for p in parts)
        return train, valid

    def _checkpoint_file(self, module: GlitchNet, images: Any, *targets: Any) -> Path | None:
        if self.checkpoint is None:
            return None
        check_seed(self.checkpoint, self.random_state)
        folder = check_path(self.checkpoint, "checkpoint")
        params = self.get_params() | {"random_state": int(self.random_state)}
        return checkpoint_file(folder, params, module, LazyArray(images), *targets)

    @contextlib.contextmanager
    def _training(self, device: torch.device, seed: int) -> Iterator[None]:
        precision = choose_precision(self.precision, device)
        with (
            computing(device, precision, training=True),
            explaining_memory(device, self.batch_size),
            seeded(seed, device),
        ):
            yield

    def _build_module(self) -> GlitchNet:
        params = encoder_params(self)
        normalize = True if self.head_init == "regression" else None
        encoder = build_encoder(self, params, self.backbone, self.weights, normalize=normalize)
        module = GlitchNet(encoder, len(self.classes_), self._augmentation())
        module.freeze_before(self.fine_tune)
        return module

    def _augmentation(self) -> nn.Module | None:
        if isinstance(self.augment, nn.Module):
            return self.augment
        return SpectrogramAugment() if self.augment else None

    def _choose_recipe(
        self, module: GlitchNet, n_images: int, *, trained: bool = False
    ) -> TrainingRecipe:
        """Resolve "auto", and what depends on the weights of the backbone."""
        pretrained = is_pretrained(module.encoder.backbone)
        regress = self.head_init == "regression" or (self.head_init == AUTO and pretrained)
        epochs, rate = self.max_epochs, self.learning_rate
        if isinstance(epochs, str):
            epochs = auto_epochs(n_images, self.batch_size, regress)
        if isinstance(rate, str):
            is_measured = pretrained and not trained
            highest = max_learning_rate(self.backbone) if is_measured else None
            rate = auto_learning_rate(n_images, regress, highest)
        callbacks, is_first = tuple(self.callbacks or ()), PROCESSES.get().rank == 0
        return TrainingRecipe(
            max_epochs=int(epochs),
            learning_rate=rate,
            batch_size=self.batch_size,
            regress_head=regress,
            keep_batch_norm=pretrained or self.head_init == "regression",
            patience=self.n_iter_no_change if self.early_stopping else None,
            callbacks=callbacks if is_first else without_writers(callbacks),
            net_params=check_net_params(self.net_params),
            precision=choose_precision(self.precision, module.encoder.device),
            verbose=int(self.verbose) if is_first else 0,
        )

    def _keep(
        self,
        net: GlitchNetClassifier,
        images: np.ndarray,
        targets: np.ndarray,
        weights: np.ndarray | None,
        previous: list[dict[str, Any]] | None = None,
    ) -> CNNClassifier:
        """Keep the trained net and features of some glitches, and report an interruption."""
        n_epochs = len(net.history)
        self.fit_data_ = [*getattr(self, "fit_data_", ())] if previous is not None else []
        self.fit_data_.append(describe_data(images, self.classes_[targets]))
        if previous is not None:
            net.history_ = History([*previous, *net.history])
        self.net_ = net
        self.history_ = net.history
        self.__dict__.pop("novelty_", None)  # it was fitted to the embeddings of another net
        keep_calibration(self, images, self.precision)
        rows = _exemplar_rows(targets, weights)
        self.exemplars_ = self._embed(images[rows])
        self.exemplar_classes_ = self.classes_[targets[rows]]
        if net.interrupted_:
            warnings.warn(
                f"Training was interrupted in epoch {n_epochs} of {net.max_epochs}: the net "
                "trained so far is kept.",
                UserWarning,
                stacklevel=5,  # past fit and what is wrapped around it
            )
        return self

    def _predict(self, X: Any, finish: Any) -> np.ndarray:
        """Apply a function of the net and its features to images as in fit."""
        check_is_fitted(self)
        return self._run(
            read_images(self, X),
            partial(finish, self.net_.module_),
            engine=self.engine,
            calibration=get_calibration(self, self.precision),
            progress="predict" if self.verbose else "",
        )

    def _embed(self, images: np.ndarray) -> np.ndarray:
        """Features that the head reads, always computed by torch, as in training."""
        return self._run(images, self.net_.module_.encoder.normalized)

    def _run(self, images: np.ndarray, finish: Any, **options: Any) -> np.ndarray:
        encoder = self.net_.module_.encoder
        return run_in_batches(
            encoder,
            encoder.features,
            images,
            self.scale_,
            batch_size=2 * self.batch_size,
            device=encoder.device,
            precision=choose_precision(self.precision, encoder.device),
            finish=finish,
            **options,
        )

    def _check_classes(self, classes: Any, y: Any) -> None:
        """Check ``classes`` of partial_fit against y, or against the known classes."""
        classes = np.array(check_labels(classes, "classes", {UNLABELED}))
        if hasattr(self, "net_"):
            if not np.array_equal(np.unique(classes), self.classes_):
                raise ValueError(
                    f"classes={_listed(np.unique(classes))} are not those of the classifier, "
                    f"{_listed(self.classes_)}: leave classes out."
                )
            return
        y = np.array(check_labels(y, "y", classes.tolist()))
        absent, unknown = np.setdiff1d(classes, y), np.setdiff1d(y, classes)
        if len(absent):
            raise ValueError(
                f"y has no example of {_listed(absent)} in classes: leave them out, and add them "
                "by add_classes(X, y) later."
            )
        if len(unknown):
            raise ValueError(f"y has {_listed(unknown)}, which is not in classes.")

    def _get_state(self) -> dict[str, Any]:
        """Return the state of a classifier, fitted or not, as plain values for a file."""
        if not hasattr(self, "net_"):
            return get_state(self)
        net, module = self.net_, self.net_.module_
        return {
            **get_state(self),
            "net": {
                "max_epochs": int(net.max_epochs),
                "learning_rate": float(net.lr),
                "interrupted": bool(net.interrupted_),
            },
            "history": list(net.history),
            "module": {
                **module.encoder.get_facts(),
                "batch_norm_is_fixed": module.batch_norm_is_fixed,
            },
            "weights": get_weights(module),
        }

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> CNNClassifier:
        """Restore a classifier from its state, on ``state["params"]["device"]``."""
        self = make_estimator(cls, state["params"], state["fitted"])
        if "net" not in state:
            return self
        facts, device = state["module"], choose_device(self.device)
        with seeded(0, device):  # random weights, replaced by the stored ones
            encoder = restore_encoder(self, self.backbone, facts)
            module = GlitchNet(encoder, len(self.classes_))
        set_weights(module, state["weights"])
        module.augment = self._augmentation()
        module.freeze_before(self.fine_tune)
        if facts["batch_norm_is_fixed"]:
            module.fix_batch_norm()
        to_channels_last(module, device).eval()
        recipe = replace(
            self._choose_recipe(module, 1),
            max_epochs=state["net"]["max_epochs"],
            learning_rate=state["net"]["learning_rate"],
        )
        self.net_ = recipe.wrap(module).initialize()
        self.net_.history_ = self.history_ = History(state["history"])
        self.net_.interrupted_ = state["net"]["interrupted"]
        return self


def _exemplar_rows(targets: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Rows of up to 20 samples of each class, spread evenly over those that have a weight."""
    counts = np.ones(len(targets), dtype=bool) if weights is None else weights > 0
    of_classes = [np.flatnonzero(counts & (targets == code)) for code in np.unique(targets)]
    return np.concatenate([rows[spread(len(rows), _EXEMPLARS)] for rows in of_classes])


def _listed(labels: np.ndarray) -> str:
    return ", ".join(map(str, labels))
