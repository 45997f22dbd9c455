"""How a net is trained: device, precision, augmentation, freezing, batches."""

from .._device import (
    PRECISIONS,
    autocast,
    choose_device,
    choose_precision,
    draw_seed,
    has_fast_bfloat16,
    seeded,
    to_channels_last,
)
from .._memory import kept_memory, may_keep_memory
from ._augment import SpectrogramAugment
from ._batch_norm import MEASURED_IMAGES, measure_batch_norm
from ._callbacks import EpochProgress
from ._data import EvenBatches, ImageDataset, split_rows
from ._inference import run_in_batches
from ._module import HEAD, GlitchNet, ViewEncoder
from ._net import FailOnNaN, GlitchNetClassifier, SampleWeightedCrossEntropy
from ._optim import apply_fine_tune, warm_up_and_decay

__all__ = [
    "HEAD",
    "MEASURED_IMAGES",
    "PRECISIONS",
    "EpochProgress",
    "EvenBatches",
    "FailOnNaN",
    "GlitchNet",
    "GlitchNetClassifier",
    "ImageDataset",
    "SampleWeightedCrossEntropy",
    "SpectrogramAugment",
    "ViewEncoder",
    "apply_fine_tune",
    "autocast",
    "choose_device",
    "choose_precision",
    "draw_seed",
    "has_fast_bfloat16",
    "kept_memory",
    "may_keep_memory",
    "measure_batch_norm",
    "run_in_batches",
    "seeded",
    "split_rows",
    "to_channels_last",
    "warm_up_and_decay",
]
