"""The public functions."""

from __future__ import annotations

import os
import re
import warnings
from collections import Counter
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .. import _files
from .._device import choose_device
from .._files import check_path, check_target
from ._codec import Reader, Writer
from ._file import explaining, read_file, write_file

_BEST = {"train_loss": min, "valid_loss": min, "valid_acc": max}
# Names of fitted and private attributes.
_FITTED = re.compile(r"\._|_(\.|$)")


def save(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Save a fitted estimator to a file, without pickle.

    The file contains plain values and tensors, no code. Equal estimators give equal bytes. What
    predictions do not need, such as ``callbacks``, is left out with a warning, and so is the code
    of a ``backbone`` that is a module or a callable, which must be passed to :func:`load`.

    Parameters
    ----------
    estimator : estimator
        A fitted estimator of skglitch or scikit-learn, including nested ones, such as the steps of
        a pipeline and the classifier that a transformer reads.
    path : path
        The file, usually ``.skglitch``. An existing file is replaced atomically.

    Raises
    ------
    TypeError
        If it contains an object of another class, or a function.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> import skglitch
    >>> X = np.repeat([0, 255], 3 * 32 * 32).astype(np.uint8).reshape(6, 1, 32, 32)
    >>> classifier = skglitch.CNNClassifier("test_efficientnet", weights=None, max_epochs=1)
    >>> classifier = classifier.fit(X, ["Blip"] * 3 + ["Whistle"] * 3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "model.skglitch")
    ...     skglitch.save(classifier, path)
    ...     loaded = skglitch.load(path)
    >>> np.array_equal(loaded.predict_proba(X), classifier.predict_proba(X))
    True
    """
    if hasattr(estimator, "best_estimator_"):
        raise TypeError(
            f"save takes the best_estimator_ of a {type(estimator).__name__}, not the search. "
            "cv_results_ fits into a pandas.DataFrame."
        )
    if not isinstance(estimator, BaseEstimator):
        raise TypeError(f"save takes an estimator, not a {type(estimator).__name__}.")
    check_is_fitted(estimator)
    target = check_target(path)
    writer = Writer()
    record = writer.encode(estimator, type(estimator).__name__)
    write_file(target, record, writer.arrays)
    _warn("Not saved, as predictions do not need it: ", writer.dropped)
    _warn(
        "Only its weights are saved, so it must be passed to load(path, backbone=...): ",
        writer.given,
    )


def load(path: str | os.PathLike[str], *, backbone: Any = None, device: Any = None) -> Any:
    """Load an estimator that :func:`save` wrote.

    Predictions are the same, bit for bit on the same kind of device with the same precision.

    Parameters
    ----------
    path : path
        The file.
    backbone : torch.nn.Module or callable, default=None
        The net, if it was a module or a callable. Its weights are loaded from the file.
    device : str or torch.device, default=None
        The device. None is the parameter in the file, or ``"auto"`` with a warning if there is no
        such device.

    Returns
    -------
    estimator : object
        The fitted estimator.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is another kind of file, damaged, written by a newer version, or needs ``backbone``.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> import skglitch
    >>> X = np.zeros((2, 1, 32, 32), dtype=np.uint8)
    >>> transformer = skglitch.TruncatedCNNTransformer("test_efficientnet", weights=None)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "features.skglitch")
    ...     skglitch.save(transformer.fit(X), path)
    ...     loaded = skglitch.load(path, device="cpu")
    >>> np.array_equal(loaded.transform(X), transformer.transform(X))
    True
    """
    if device is not None:
        choose_device(device)
    file = check_path(path, "path")
    schema, arrays = read_file(file)
    reader = Reader(arrays, backbone, device)
    with explaining(file, schema):
        estimator = reader.decode(schema["estimator"])
        if not isinstance(estimator, BaseEstimator):
            raise ValueError(f"it holds a {type(estimator).__name__}, which save does not take")
    if backbone is not None and not reader.used_backbone:
        raise ValueError(f"{str(file)!r} names its net: leave out backbone=.")
    _warn(f"{file.name}: ", reader.remarks)
    return estimator


def load_pretrained(*, device: Any = None) -> Any:
    """Load the ready-made model, which needs no training.

    It was trained on simulated glitches of 24 classes, with views of 0.5, 1, 2 and 4 s. See the
    page "The ready-made model" of the user guide for its scores on real glitches.

    Parameters
    ----------
    device : str or torch.device, default=None
        The device. None is a GPU if there is one.

    Returns
    -------
    classifier : CNNClassifier
        The fitted classifier, with calibrated probabilities. ``classifier.novelty_`` is a
        :class:`~skglitch.discovery.NoveltyDetector` fitted to its embeddings.

    Examples
    --------
    >>> import skglitch
    >>> from skglitch.datasets import make_glitches
    >>> X, y = make_glitches(1, classes=["Whistle"], return_X_y=True, random_state=0)
    >>> classifier = skglitch.load_pretrained()
    >>> print(classifier.predict(X))
    ['Whistle']
    >>> transformer = skglitch.TruncatedCNNTransformer(classifier)
    >>> p = classifier.novelty_.p_values(transformer.fit_transform(X))
    """
    return load(_files.PRETRAINED, device=device)


def read_card(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Describe the model in a file, without building it.

    Parameters
    ----------
    path : path
        A file from :func:`save`.

    Returns
    -------
    card : dict
        ``"estimators"``, ``"parameters"``, ``"scores"`` (the best ones in training), ``"classes"``
        with numbers of glitches, ``"versions"``, and ``"data"``: the data that nets were fitted to,
        with a checksum of the labels and of some images. Each part is empty if unknown.

    Raises
    ------
    FileNotFoundError, ValueError
        As in :func:`load`.

    Examples
    --------
    >>> from skglitch import _files
    >>> from skglitch.persistence import read_card
    >>> read_card(_files.PRETRAINED)["parameters"]["CNNClassifier.views"]
    'mosaic'
    """
    file = check_path(path, "path")
    schema, arrays = read_file(file)
    reader = Reader(arrays, backbone="given to load")
    reader.parts = []
    with explaining(file, schema):
        reader.decode(schema["estimator"])
        return _summarize(reader.parts, schema)


def _summarize(parts: list[tuple[str, str, dict]], schema: dict[str, Any]) -> dict[str, Any]:
    estimators: dict[str, str] = {}
    parameters: dict[str, Any] = {}
    found: dict[str, Any] = {}
    for name, kind, state in reversed(parts):  # from the outside in
        found = state | (state["fitted"] if "params" in state else {}) | found
        if not _FITTED.search(name):
            estimators[name] = kind
            params = state.get("params", state).items()
            parameters |= {f"{name}.{k}": v for k, v in params if not _FITTED.search(f".{k}")}
    history, data = found.get("history", []), found.get("fit_data_", [])
    counts = sum((Counter(row.pop("class_counts")) for row in data), Counter())
    losses = {name: [row[name] for row in history if name in row] for name in _BEST}
    scores = {name: _BEST[name](values) for name, values in losses.items() if values}
    return {
        "estimators": dict(sorted(estimators.items())),
        "scores": scores,
        "versions": {"protocol": schema["protocol"], **schema["versions"]},
        "data": data,
        "classes": {k: counts.get(k) for k in np.asarray(found.get("classes_", [])).tolist()},
        "parameters": dict(sorted(parameters.items())),
    }


def _warn(message: str, remarks: list[str]) -> None:
    if remarks:
        warnings.warn(message + ", ".join(dict.fromkeys(remarks)), UserWarning, stacklevel=3)
