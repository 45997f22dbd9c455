"""Export of nets to ONNX and ``torch.export`` files."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import warnings
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import nn

from .._files import check_target, written_whole
from .._lazy import import_extra
from .._version import __version__
from ..estimators import CNNClassifier, TruncatedCNNTransformer

_SUFFIXES = (".onnx", ".pt2")
# Largest difference from torch, relative to the largest value.
_TOLERANCE = 1e-4
# There may be any number of images.
_BATCH = {0: torch.export.Dim("batch")}


def export(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Export a fitted net with its preprocessing, for programs without skglitch.

    Its input ``images`` is any number of samples of X as in ``predict_proba`` or ``transform``:
    uint8 if the estimator was fitted on uint8, else float32. Its output is ``probabilities`` or
    ``embeddings`` in float32. Metadata are JSON, in ONNX as ``metadata_props``, in ``.pt2`` as the
    extra file ``skglitch.json``: ``image_shape``, ``durations``, ``classes`` in the order of the
    probabilities, ``versions``, and ``viridis``, the colors of Gravity Spy's pictures.

    Parameters
    ----------
    estimator : CNNClassifier or TruncatedCNNTransformer
        The fitted estimator.
    path : path
        The file: ``.onnx`` for ONNX, which needs ``pip install "skglitch[onnx]"``, or ``.pt2`` for
        :func:`torch.export.load`.

    Raises
    ------
    TypeError
        If ``estimator`` is of another class.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    ValueError
        If the file name has another suffix.
    RuntimeError
        If the net cannot be exported, or its outputs differ from torch. No file is written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> import skglitch
    >>> X = np.zeros((2, 1, 32, 32), dtype=np.uint8)
    >>> transformer = skglitch.TruncatedCNNTransformer("test_efficientnet", weights=None).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "embed.pt2")
    ...     skglitch.export(transformer, path)
    ...     path.exists()
    True
    """
    if not isinstance(estimator, CNNClassifier | TruncatedCNNTransformer):
        raise TypeError(
            "export takes a CNNClassifier or a TruncatedCNNTransformer, not a "
            f"{type(estimator).__name__}."
        )
    check_is_fitted(estimator)
    target = check_target(path)
    if target.suffix not in _SUFFIXES:
        raise ValueError(f"path={str(path)!r} does not end in {' or '.join(_SUFFIXES)}.")
    net = _Exported(estimator).eval()
    random = np.random.default_rng(0).random((5, *estimator.image_shape_))
    images = torch.from_numpy(random * 255).to(torch.uint8)
    if not estimator.scale_.is_uint8:
        low, high = estimator.scale_.low, estimator.scale_.high
        images = torch.from_numpy(low + (high - low) * random).float()
    write = _make_onnx if target.suffix == ".onnx" else _make_pt2
    with torch.no_grad(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # deprecation warnings from torch itself
        expected = net(images).numpy()
        content, found = write(net, images, _describe(estimator))
    difference = abs(found - expected).max() / max(1.0, abs(expected).max())
    if not difference <= _TOLERANCE:
        raise RuntimeError(
            f"the exported net differs from torch by {difference:.1e}, so it was not written."
        )
    with written_whole(target) as file:
        file.write(content)


class _Exported(nn.Module):
    """The net of an estimator on the CPU, from X to probabilities or embeddings."""

    def __init__(self, estimator: Any) -> None:
        super().__init__()
        self.classifies = isinstance(estimator, CNNClassifier)
        module = estimator.net_.module_ if self.classifies else estimator.encoder_
        self.module = copy.deepcopy(module).cpu()
        self.scale = estimator.scale_

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if not self.scale.is_uint8:
            images = (images - self.scale.low) / ((self.scale.high - self.scale.low) or 1.0)
        output = self.module(images)
        return output.softmax(dim=1) if self.classifies else output


def _describe(estimator: Any) -> dict[str, Any]:
    """Return the metadata of the file."""
    import matplotlib

    viridis = matplotlib.colormaps["viridis"](np.arange(256), bytes=True)[:, :3]
    facts = {
        "image_shape": estimator.image_shape_,
        "durations": estimator.durations_,
        "versions": {"skglitch": __version__, "torch": torch.__version__},
        "viridis": viridis.tolist(),
    }
    classes = getattr(estimator, "classes_", None)
    return facts if classes is None else {**facts, "classes": classes.tolist()}


def _make_pt2(
    net: nn.Module, images: torch.Tensor, facts: dict[str, Any]
) -> tuple[bytes, np.ndarray]:
    file = io.BytesIO()
    program = torch.export.export(net, (images[:2],), dynamic_shapes=(_BATCH,))
    torch.export.save(program, file, extra_files={"skglitch.json": json.dumps(facts)})
    file.seek(0)
    return file.getvalue(), torch.export.load(file).module()(images).numpy()


def _make_onnx(
    net: nn.Module, images: torch.Tensor, facts: dict[str, Any]
) -> tuple[bytes, np.ndarray]:
    for name in ("onnx", "onnxscript", "onnxruntime"):
        import_extra(name, "export to .onnx", "onnx")
    import onnxruntime

    output = "probabilities" if "classes" in facts else "embeddings"
    exported: Any = torch.onnx.export(
        net,
        (images[:2],),
        input_names=["images"],
        output_names=[output],
        dynamic_shapes=(_BATCH,),
        dynamo=True,
        verbose=False,
    )
    model = exported.model_proto
    for name, value in facts.items():
        model.metadata_props.add(key=name, value=json.dumps(value))
    content = model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return content, session.run(None, {"images": images.numpy()})[0]
