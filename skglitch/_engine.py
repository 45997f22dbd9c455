"""Inference on a CPU by OpenVINO instead of torch."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn

from ._lazy import import_extra

Forward = Callable[[torch.Tensor], torch.Tensor]

ENGINES = ("auto", "torch", "openvino")

# Converting and compiling a net takes about two seconds, which pays off from about this many pixels
# on: 336 images of 140 x 170, or 84 mosaics of four (benchmarks/throughput.py).
_MIN_PIXELS = 8_000_000
# Images per thread at a time. More need more memory and are hardly faster.
_CHUNK = 8
# Largest difference between features by OpenVINO and torch in float32, relative to the largest one.
_TOLERANCE = 1e-4
# The first convolutions are not quantized, as they cause 60 % of the error of embeddings and save
# little time. Ranges of activations are not clipped, as glitches are rare and loud
# (benchmarks/precision.py).
_N_EXACT = 2
_HINTS = {"bfloat16": "bf16", "float16": "f16"}

_lock = threading.RLock()
_process = 0  # the process in which OpenVINO has started its threads


def choose_forward(
    engine: str,
    module: nn.Module,
    function: Forward,
    batch: torch.Tensor,
    *,
    n_images: int,
    device: torch.device,
    precision: str,
    calibration: np.ndarray | None = None,
) -> Forward:
    """Return `function`, a method of `module`, or its equivalent by OpenVINO.

    `batch` has the first of `n_images` images. With images for `calibration`, it computes in 8-bit
    integers. Nets that cannot be converted stay in torch.
    """
    if engine not in ENGINES:  # it may have been set after fit
        raise ValueError(f"engine={engine!r} is not one of {', '.join(ENGINES)}.")
    if calibration is not None:
        if engine == "torch":
            raise ValueError("engine='torch' does not support precision='int8': use engine='auto'.")
        import_extra("nncf", "precision='int8'", "fast")
        engine = "openvino"
    if engine == "torch" or (engine == "auto" and not _pays(batch, n_images, device)):
        return function
    if device.type != "cpu":
        what = f"engine={engine!r}" if calibration is None else "precision='int8'"
        raise ValueError(f"{what} needs device='cpu', but the net is on {device}.")
    _import_openvino()
    global _process
    with _lock:
        _process = _process or os.getpid()
        if _process != os.getpid():
            return function  # a fork lacks the threads of OpenVINO, which would wait forever
        kept = _kept.get(module)
        if kept is None or kept.marks != _marks(module):
            kept = _kept[module] = _Kept(module)
        try:
            return kept.compile(module, function, batch, precision, calibration)
        except Exception as error:  # of any type, from torch or OpenVINO
            if kept.error is None:
                _say(engine, module, error)
            kept.error = error
            return function


def _pays(batch: torch.Tensor, n_images: int, device: torch.device) -> bool:
    """Whether there are enough images, and OpenVINO is installed."""
    if device.type != "cpu" or n_images * batch[0].numel() < _MIN_PIXELS:
        return False
    return importlib.util.find_spec("openvino") is not None


def _say(engine: str, module: nn.Module, error: Exception) -> None:
    name = type(getattr(getattr(module, "backbone", module), "net", module)).__name__
    reason = " ".join(str(error).split())[:300]
    message = f"OpenVINO cannot compute {name}, so torch does: {type(error).__name__}: {reason}"
    if engine == "auto":
        logging.getLogger(__name__).info(message)
    else:
        warnings.warn(message, UserWarning, stacklevel=6)


class _Kept:
    """Compiled models of a module, for its current weights and number of threads."""

    def __init__(self, module: nn.Module) -> None:
        self.marks = _marks(module)
        # References, so that the id of an old tensor is not reused.
        self.tensors = _tensors(module)
        self.error: Exception | None = None
        self.models: dict[Any, Any] = {}
        self.calibrations: list[np.ndarray] = []  # for the same reason
        self.compiled: dict[tuple, _Compiled] = {}

    def compile(
        self,
        module: nn.Module,
        function: Forward,
        batch: torch.Tensor,
        precision: str,
        calibration: np.ndarray | None,
    ) -> _Compiled:
        if self.error is not None:
            raise self.error
        kind: Any = batch.dtype
        if kind not in self.models:
            model = _convert(module, function, batch)
            _check(_Compiled(model, batch, "float32"), function, batch)
            self.models[kind] = model
        if calibration is not None:
            kind = id(calibration)
            if kind not in self.models:
                self.models[kind] = _quantize(self.models[batch.dtype], calibration)
                self.calibrations.append(calibration)
        key = kind, _split(batch), precision
        if key not in self.compiled:
            self.compiled[key] = compiled = _Compiled(self.models[kind], batch, precision)
            if calibration is not None:
                compiled.correct_mean(function, torch.from_numpy(calibration))
        return self.compiled[key]


# By module, so that they are not copied or pickled with estimators, and deleted with the module.
_kept: WeakKeyDictionary[nn.Module, _Kept] = WeakKeyDictionary()


def _tensors(module: nn.Module) -> list[torch.Tensor]:
    # Four times as fast as module.parameters() and module.buffers(), which matters for single
    # glitches.
    owners = (part for m in module.modules() for part in (m._parameters, m._buffers))
    return [tensor for owner in owners for tensor in owner.values() if tensor is not None]


def _marks(module: nn.Module) -> list[Any]:
    """Return a fingerprint of the weights and the number of threads."""
    versions = [(id(tensor), tensor._version) for tensor in _tensors(module)]
    return [torch.get_num_threads(), *versions]


def _split(batch: torch.Tensor) -> tuple[int, int]:
    """Choose the number of images in a chunk, and of parallel chunks."""
    # One chunk per thread is 1.5 times as fast as all threads on one batch. A single image is
    # computed by all threads.
    n_threads = torch.get_num_threads()
    chunk = _CHUNK if len(batch) >= _CHUNK * n_threads else 1
    return chunk, n_threads if len(batch) > 1 else 1


class _Compiled:
    """A net compiled for images of one shape."""

    def __init__(self, model: Any, batch: torch.Tensor, precision: str) -> None:
        openvino = _import_openvino()
        self.chunk, n_streams = _split(batch)
        model.reshape([self.chunk, *batch.shape[1:]])
        settings = {
            # By default, OpenVINO uses bfloat16 if the hardware supports it.
            "INFERENCE_PRECISION_HINT": _HINTS.get(precision, "f32"),
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "NUM_STREAMS": n_streams,
            # Otherwise, several processes are pinned to the same cores.
            "ENABLE_CPU_PINNING": False,
        }
        compiled = openvino.Core().compile_model(model, "CPU", settings)
        self.width = compiled.output(0).shape[1]
        self.queue = openvino.AsyncInferQueue(compiled, n_streams)
        self.queue.set_callback(_keep_output)
        self.lock = threading.Lock()
        self.shift: Any = 0.0

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        images = batch.numpy()
        output = np.empty((len(images), self.width), dtype=np.float32)
        with self.lock:
            for start in range(0, len(images), self.chunk):
                rows = slice(start, start + self.chunk)
                # The last chunk is padded with repetitions.
                part = np.resize(images[rows], (self.chunk, *images.shape[1:]))
                self.queue.start_async([part], userdata=output[rows])
            self.queue.wait_all()
        return torch.from_numpy(output + self.shift)

    def correct_mean(self, function: Forward, images: torch.Tensor) -> None:
        """Shift each feature to its mean by torch."""
        # If features differ little between images, a bias changes all directions.
        with _plainly():
            exact = torch.cat([function(part) for part in images.split(_CHUNK)])
        self.shift = (exact - self(images)).mean(dim=0).numpy()


def _keep_output(request: Any, rows: np.ndarray) -> None:
    rows[:] = request.get_output_tensor().data[: len(rows)]


def _import_openvino() -> Any:
    # Without this module, openvino does not send telemetry over the network.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return import_extra("openvino", "engine='openvino'", "fast")


class _Function(nn.Module):
    """A method of a module as a module, for tracing."""

    def __init__(self, module: nn.Module, function: Forward) -> None:
        super().__init__()
        self.module = module
        self.function = function

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.function(images)


@contextlib.contextmanager
def _plainly() -> Iterator[None]:
    """Context in which torch computes in float32, without inference tensors."""
    root = logging.getLogger()
    level = root.level
    try:
        with torch.inference_mode(False), torch.no_grad(), torch.autocast("cpu", enabled=False):
            yield
    finally:
        root.setLevel(level)  # OpenVINO changes it


def _convert(module: nn.Module, function: Forward, batch: torch.Tensor) -> Any:
    openvino = _import_openvino()
    # Two images, as an axis of one could be removed.
    example = (torch.cat([batch, batch])[:2],)
    with _plainly(), warnings.catch_warnings():
        # Warnings about Python numbers, which should be constants, and about tracing in OpenVINO.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(_Function(module, function).eval(), example, check_trace=False)
        # Not shared, as weights are freed with the traced module.
        return openvino.convert_model(traced, example_input=example, share_weights=False)


def _quantize(model: Any, images: np.ndarray) -> Any:
    """Return a quantized copy of a converted net, in 8-bit integers."""
    import nncf

    nncf.set_log_level(logging.ERROR)
    model.reshape([-1, *images.shape[1:]])
    layers = [
        layer.get_friendly_name()
        for layer in model.get_ordered_ops()
        if layer.get_type_name().endswith("Convolution")
    ]
    ranges = nncf.quantization.range_estimator.RangeEstimatorParametersSet.MINMAX
    with contextlib.redirect_stdout(io.StringIO()):  # progress bars
        return nncf.quantize(
            model,
            nncf.Dataset(images[:, None]),
            subset_size=len(images),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                activations_range_estimator_params=ranges
            ),
            ignored_scope=nncf.IgnoredScope(names=layers[:_N_EXACT]),
        )


def _check(compiled: _Compiled, function: Forward, batch: torch.Tensor) -> None:
    with _plainly():
        expected = function(batch[:3])
    difference = (compiled(batch[:3]) - expected).abs().max() / expected.abs().max().clamp(min=1)
    if not difference <= _TOLERANCE:
        raise ValueError(f"its features differ from those of torch by {float(difference):.1e}")
