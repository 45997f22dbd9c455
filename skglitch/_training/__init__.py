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
from ._data import BalancedBatches, EvenBatches, ImageDataset, split_rows
from ._encoder import COLORS, ViewEncoder
from ._fine_tune import ALL, GRADUAL, HEAD, Unfreeze, frozen_parts
from ._head import add_rows, probe
from ._inference import run_in_batches
from ._loss import LOSSES, GlitchLoss
from ._module import GlitchNet
from ._net import FailOnNaN, GlitchNetClassifier
from ._schedule import warm_up_and_decay

__all__ = [
    "ALL",
    "COLORS",
    "GRADUAL",
    "HEAD",
    "LOSSES",
    "MEASURED_IMAGES",
    "PRECISIONS",
    "BalancedBatches",
    "EpochProgress",
    "EvenBatches",
    "FailOnNaN",
    "GlitchLoss",
    "GlitchNet",
    "GlitchNetClassifier",
    "ImageDataset",
    "SpectrogramAugment",
    "Unfreeze",
    "ViewEncoder",
    "add_rows",
    "autocast",
    "choose_device",
    "choose_precision",
    "draw_seed",
    "frozen_parts",
    "has_fast_bfloat16",
    "kept_memory",
    "may_keep_memory",
    "measure_batch_norm",
    "probe",
    "run_in_batches",
    "seeded",
    "split_rows",
    "to_channels_last",
    "warm_up_and_decay",
]
