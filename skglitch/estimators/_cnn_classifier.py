"""A pre-trained image net, fine-tuned on spectrograms, as a scikit-learn classifier."""

from __future__ import annotations

import copy
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data
from skorch.history import History
from torch import nn

from .._backbones import DEFAULT_BACKBONE, IMAGENET
from .._training import LOSSES, PRECISIONS, GlitchNet, add_rows, frozen_parts, run_in_batches
from ._assembly import AUTO, SHARED_CONSTRAINTS
from ._fitting import NetTrainer, exemplar_rows
from ._labels import check_new_labels, combine_weights, encode_labels


class CNNClassifier(ClassifierMixin, NetTrainer):
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
    weights : {"imagenet"}, path, mapping, torchvision weights or None, default="imagenet"
        What the net starts from: weights trained on ImageNet, a file with a state dict, a
        state dict, a member of a ``torchvision.models.*_Weights``, or None for random ones.
        Those of the default backbone come with pip, those of others are downloaded once. A
        module keeps the weights it has unless it is given a path or a mapping.
    strict_weights : bool, default=True
        Whether the weights have to be there for every layer. False leaves layers random that
        the file lacks, with a warning that tells how many.
    input_size : int, tuple of int, {"native"} or None, default=None
        Height and width in pixels at which the net sees its picture: ``"native"`` is what its
        weights were trained at, such as 299 for Inception V3; None leaves pictures as they
        are, if they are not too small for the net.
    layer : str or tuple of str, default="auto"
        The layers that the new last layer reads: ``"penultimate"`` for what the last layer of
        the net read, as in [1]_, or names of modules, whose features stand side by side; later
        layers are not computed. ``"auto"`` is what was measured to tell glitches apart best,
        the penultimate features for nets that were not measured.
    pooling : {"auto", "mean", "std", "max"}, default="auto"
        What becomes of each channel of a layer's map: its mean, standard deviation or maximum
        over the picture. ``"auto"`` belongs to ``layer="auto"``, and is the mean of other layers.
    n_bands : int or "auto", default="auto"
        Number of bands of frequency, stripes of the picture, that are pooled apart. ``"auto"``
        belongs to ``layer="auto"``, and is 1 for other layers.
    views : {"mosaic", "channels", "separate"}, float or tuple of float, default="mosaic"
        How the views of one glitch reach the net:

        - ``"mosaic"``: joined to one picture, four of them as [[0.5, 2.0], [1.0, 4.0]];
        - ``"channels"``: one view in each color, of four the first, third and last;
        - ``"separate"``: one pass a view through the same net, the features joined;
        - a duration in s: that view alone;
        - a tuple of up to three durations: these in the three colors.
    colors : {"viridis", "gray"}, default="viridis"
        How a picture of one view or a mosaic fills the three colors of a net: drawn as Gravity
        Spy draws it, or the same in each.
    durations : tuple of float, default=(0.5, 1.0, 2.0, 4.0)
        Durations in s of the views of X, for ``views`` that name them.
    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(n_views, height, width)`` of the samples of a
        two-dimensional X. None takes a sample for a square image where its number of pixels
        is a square, else for a single row.
    fine_tune : str, default="all"
        What is trained: ``"all"`` layers; the new last layer only (``"head"``); all from the
        layer of that name on; or ``"gradual"``: the last layer at first, then stage by stage
        from the end, until half of the epochs are over [3]_. Batch norms of layers that are
        not trained keep their statistics.
    head_init : {"auto", "probe", "zeros"}, default="auto"
        What the new last layer starts from: ``"probe"`` is logistic regression on the features
        of the net as it is, so that training goes on from there instead of distorting them [2]_;
        ``"zeros"`` are equal probabilities. ``"auto"`` probes pre-trained nets.
    head_epochs : int, default=0
        Number of first epochs in which only the new last layer is trained.
    max_epochs : int or "auto", default="auto"
        Number of passes over the training set. ``"auto"`` makes 8, or more where that would
        be fewer than 40 steps of the optimizer, 200 if the last layer starts from zeros.
    batch_size : int, default=32
        Largest number of glitches in one step. The samples are spread evenly over the steps
        of an epoch.
    learning_rate : float or "auto", default="auto"
        Highest learning rate, reached after a quarter of the steps. It then falls along half
        a cosine. ``"auto"`` is 1e-3 for a net whose last layer starts from zeros, and 3e-4 for
        a pre-trained one, at which those that were tried trained in a stable way. That of the
        default backbone is 1.5e-6 a sample, from 3e-4 for up to 200 of them to 3e-3 for 2,000
        and more, but 3e-4 again in ``partial_fit``.
        :func:`skglitch.estimators.learning_rate_range` tries rates out.
    trunk_factor : float, default=1.0
        Learning rate of the pre-trained layers over that of the new last layer.
    layer_decay : float, default=1.0
        Learning rate of the first stage of the net over that of the last one that is read;
        between them it changes by the same factor from stage to stage [3]_.
    weight_decay : float, default=0.05
        Decoupled weight decay of AdamW; biases and the scales of batch norms are spared.
    loss : {"cross_entropy", "focal", "logit_adjusted"}, default="cross_entropy"
        ``"focal"`` counts samples that are right already less, ``"logit_adjusted"`` makes up
        for rare classes, as ``balanced_batches`` does: one of the two will do. See
        :class:`skglitch._training.GlitchLoss`.
    focal_gamma : float, default=2.0
        Exponent of the focal loss.
    balanced_batches : bool, default=False
        Whether all classes are drawn equally often, rare ones repeatedly.
    mixup : float, default=0.0
        Parameter of the beta distribution from which the share of a second image in each
        training image is drawn; 0 mixes nothing.
    auxiliary_weight : float, default=0.0
        Weight of the losses of the auxiliary classifiers that Inception V3 and GoogLeNet have,
        0.3 or 0.4 in the literature; 0 drops them.
    label_smoothing : float, default=0.0
        Share of each label that is spread evenly over all classes, from 0 to 1.
    batch_norm : {"auto", "keep", "adapt", "train"}, default="auto"
        Statistics of the batch norms: ``"keep"`` leaves those that came with the weights,
        ``"adapt"`` measures them once on training images and keeps these, ``"train"`` goes by
        each batch and measures them when training is over. ``"auto"`` keeps those of whole
        weights and trains others.
    dropout : float, default=0.0
        Probability that a feature is dropped before the last layer.
    augment : bool or torch.nn.Module, default=True
        Whether to shift training images in time, scale their energy and mask stripes of
        them. A module takes the place of
        :class:`skglitch._training.SpectrogramAugment`; it is given floats from 0 to 1 of shape
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
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of X, where it is a data frame.
    scale_ : skglitch.spectrograms.PixelScale
        How pixel values become numbers from 0 to 1.
    exemplars_ : ndarray of shape (n_exemplars, n_features), dtype float32
        Features of up to 20 training glitches of each class, for :meth:`extend`.
    exemplar_classes_ : ndarray of shape (n_exemplars,)
        The class of each.

    See Also
    --------
    TruncatedCNNTransformer : The same nets as feature extractors.
    learning_rate_range : Tries learning rates in one short training.
    skglitch.datasets.load_gravity_spy : Reads pictures into X.
    skglitch.metrics.top_k_scorer : Scores top-k accuracy in cross-validation.

    Notes
    -----
    Ctrl-C during ``fit`` ends the training with a warning and keeps the net so far.

    References
    ----------
    .. [1] D. George, H. Shen, E. A. Huerta, "Deep Transfer Learning: A New Deep Learning
       Glitch Classification Method for Advanced LIGO", 2017, arXiv:1706.07446.
    .. [2] A. Kumar et al., "Fine-Tuning can Distort Pretrained Features and Underperform
       Out-of-Distribution", ICLR 2022, arXiv:2202.10054.
    .. [3] J. Howard, S. Ruder, "Universal Language Model Fine-tuning for Text Classification",
       ACL 2018, arXiv:1801.06146.

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
        **SHARED_CONSTRAINTS,
        "fine_tune": [str],
        "head_init": [StrOptions({AUTO, "probe", "zeros"})],
        "head_epochs": [Interval(Integral, 0, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), StrOptions({AUTO})],
        "trunk_factor": [Interval(Real, 0, None, closed="left")],
        "layer_decay": [Interval(Real, 0, 1, closed="right")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "loss": [StrOptions(set(LOSSES))],
        "focal_gamma": [Interval(Real, 0, None, closed="left")],
        "balanced_batches": ["boolean"],
        "mixup": [Interval(Real, 0, None, closed="left")],
        "auxiliary_weight": [Interval(Real, 0, None, closed="left")],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "batch_norm": [StrOptions({AUTO, "keep", "adapt", "train"})],
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
        strict_weights: bool = True,
        input_size: Any = None,
        layer: Any = AUTO,
        pooling: str = AUTO,
        n_bands: int | str = AUTO,
        views: Any = "mosaic",
        colors: str = "viridis",
        durations: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0),
        image_shape: tuple[int, ...] | None = None,
        fine_tune: str = "all",
        head_init: str = AUTO,
        head_epochs: int = 0,
        max_epochs: int | str = "auto",
        batch_size: int = 32,
        learning_rate: float | str = AUTO,
        trunk_factor: float = 1.0,
        layer_decay: float = 1.0,
        weight_decay: float = 0.05,
        loss: str = "cross_entropy",
        focal_gamma: float = 2.0,
        balanced_batches: bool = False,
        mixup: float = 0.0,
        auxiliary_weight: float = 0.0,
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
        self.strict_weights = strict_weights
        self.input_size = input_size
        self.layer = layer
        self.pooling = pooling
        self.n_bands = n_bands
        self.views = views
        self.colors = colors
        self.durations = durations
        self.image_shape = image_shape
        self.fine_tune = fine_tune
        self.head_init = head_init
        self.head_epochs = head_epochs
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.trunk_factor = trunk_factor
        self.layer_decay = layer_decay
        self.weight_decay = weight_decay
        self.loss = loss
        self.focal_gamma = focal_gamma
        self.balanced_batches = balanced_batches
        self.mixup = mixup
        self.auxiliary_weight = auxiliary_weight
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
            normalized energy of 25.5; the range of other numbers is learnt. A memory map is
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
        images, targets, weights = self._read_to_fit(X, y, sample_weight)
        with self._net_for(images, targets, weights) as (net, train):
            self._train(net, train)
        self._keep(net)
        self._keep_exemplars(images, targets)
        self._tell_interruption(len(net.history))
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> CNNClassifier:
        """Train on, with more data of the classes that are known already.

        A classifier that is not fitted is fitted. What X and y lack is slowly forgotten: give
        old data too where it is at hand. The schedule of the learning rate, ``head_epochs`` and
        ``fine_tune`` start anew. After an error the classifier is what it was before.

        Parameters
        ----------
        X : array-like
            Images of the shape seen in fit.
        y : array-like of shape (n_samples,)
            Labels, all of them in ``classes_``.
        classes : array-like of shape (n_classes,), default=None
            All classes, for the first call. It needs an example of each: a class that comes
            later is added by :meth:`extend`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples' losses.

        Returns
        -------
        self : CNNClassifier

        Raises
        ------
        ValueError
            If y has a class that is not known, or lacks one of ``classes`` in the first call.
        """
        if classes is not None:
            self._check_classes(classes, y)
        if not hasattr(self, "net_"):
            return self.fit(X, y, sample_weight)
        images = self._read_images(X)
        y, new = check_new_labels(images, y, self.classes_)
        if len(new):
            raise ValueError(
                f"y has classes that the classifier does not know: {_listed(new)}. "
                "extend(X, y) adds them."
            )
        targets = np.searchsorted(self.classes_, y)
        weights = combine_weights(images, y, self.classes_, self.class_weight, sample_weight)
        with self._net_for(images, targets, weights, self._trained_module()) as (net, train):
            self._train(net, train)
        n_epochs = len(net.history)
        before = list(self.history_)
        for epoch, row in enumerate(net.history, start=len(before) + 1):
            row["epoch"] = epoch
        net.history_ = History([*before, *net.history])
        self._keep(net)
        self._keep_exemplars(images, targets)
        self._tell_interruption(n_epochs)
        return self

    def extend(self, X: Any, y: Any) -> CNNClassifier:
        """Add new classes from a few examples, without training the net again.

        The net stays as it is, and so does what it says of the old classes among each other: the
        last layer gets a row for each new class, by logistic regression against up to 20 kept
        glitches of each old one. It takes seconds.

        Parameters
        ----------
        X : array-like
            Images of the shape seen in fit.
        y : array-like of shape (n_samples,)
            Labels, some of which are new. Samples of old classes help to tell these apart.

        Returns
        -------
        self : CNNClassifier

        Raises
        ------
        ValueError
            If y has no new class, or nothing is kept of an old one: :meth:`partial_fit` keeps
            glitches of the classes in its data only, as the others were read by another net.
        """
        check_is_fitted(self)
        images = self._read_images(X)
        y, new = check_new_labels(images, y, self.classes_)
        if not len(new):
            raise ValueError(
                "y has no class that is new to the classifier: partial_fit(X, y) trains on."
            )
        labels = np.concatenate([self.exemplar_classes_, y])
        bare = np.setdiff1d(self.classes_, labels)
        if len(bare):
            raise ValueError(
                f"no glitch of {_listed(bare)} is kept to tell new classes from: add some to X "
                "and y."
            )
        features = np.concatenate([self.exemplars_, self._embed(images)])
        grown = np.concatenate([self.classes_, new])
        order = np.argsort(grown)
        targets = np.searchsorted(grown[order], labels)
        head = add_rows(self.net_.module_.head, features, order[targets], len(new))
        self.net_.module_.replace_head(head, order)
        self.net_.classes = np.arange(len(grown))
        self.net_.initialize_optimizer()  # which would hold on to the old last layer
        self.classes_ = grown[order]
        rows = exemplar_rows(targets)
        self.exemplars_, self.exemplar_classes_ = features[rows], labels[rows]
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
        net = self.net_
        return run_in_batches(
            net.module_,
            lambda batch: net.module_(batch).float().softmax(dim=1),
            self._read_images(X),
            self.scale_,
            batch_size=2 * self.batch_size,
            device=torch.device(net.device),
            dtype=net.compute_dtype,
            progress="predict" if self.verbose else "",
        )

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

    def _read_to_fit(
        self, X: Any, y: Any, sample_weight: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Images, encoded labels and weights; learns shape, range and classes."""
        y = validate_data(self, y=y)
        images = self._read_images_to_fit(X)
        self.classes_, targets = encode_labels(images, y)
        weights = combine_weights(images, y, self.classes_, self.class_weight, sample_weight)
        return images, targets, weights

    def _check_classes(self, classes: Any, y: Any) -> None:
        """Check ``classes`` of partial_fit against y, or against those that are known."""
        if hasattr(self, "net_"):
            if not np.array_equal(np.unique(classes), self.classes_):
                raise ValueError(
                    f"classes={_listed(np.unique(classes))} are not those of the classifier, "
                    f"{_listed(self.classes_)}: leave classes out."
                )
            return
        absent, unknown = np.setdiff1d(classes, y), np.setdiff1d(y, classes)
        if len(absent):
            raise ValueError(
                f"y has no example of {_listed(absent)} in classes: leave them out, and add them "
                "by extend(X, y) later."
            )
        if len(unknown):
            raise ValueError(f"y has {_listed(unknown)}, which is not in classes.")

    def _trained_module(self) -> GlitchNet:
        # A copy, so that an error half-way leaves the classifier as it was.
        module = copy.deepcopy(self.net_.module_)
        # An interruption may have left layers frozen that were still to come.
        module.freeze(frozen_parts(module.encoder.trunk, self.fine_tune, progress=1.0))
        return module


def _listed(labels: np.ndarray) -> str:
    return ", ".join(map(str, labels))
