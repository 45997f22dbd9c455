"""Plain values through JSON and back."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from skglitch._training import PixelScale, SpectrogramAugment
from skglitch.persistence._codec import NotPlainError, decode, encode


def through_json(value):
    return decode(json.loads(json.dumps(encode(value), allow_nan=False)))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        7,
        0.1 + 0.2,
        -math.inf,
        "Störung \ud800",
        [1, (2, [3.5])],
        (),
        {"a": {"b": (1,)}},
        {1: 2.0, "1": 3.0, (1, 2): None},
        {"$tuple": 1},
        Path("some/file.pth"),
        torch.device("cuda", 1),
        PixelScale(-1.5, 2.25, False),
    ],
)
def test_values_come_back_with_their_types(value):
    back = through_json(value)
    assert back == value
    assert type(back) is type(value)
    assert repr(back) == repr(value)  # 1 == True == 1.0, nested ones too


def test_nan_comes_back():
    assert math.isnan(through_json({"valid_loss": float("nan")})["valid_loss"])


@pytest.mark.parametrize(
    "array",
    [
        np.array(["Blip", "Koi_Fish"]),
        np.array(["Blip", "Whistle"], dtype=object),
        np.array([-3, 2**62]),
        np.array([1, 255], dtype=np.uint8),
        np.array([0.1, np.nan, np.inf]),
        np.array([0.1, 1 / 3], dtype=np.float32),
        np.array([False, True]),
        np.empty((0, 2), dtype=np.int16),
        np.arange(6.0).reshape(2, 3),
        np.array([1, "a", None, 2.5], dtype=object),
    ],
)
def test_arrays_come_back_with_their_dtype(array):
    back = through_json(array)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    np.testing.assert_array_equal(back, array)
    assert list(map(type, back.ravel().tolist())) == list(map(type, array.ravel().tolist()))


def test_numpy_scalars_become_numbers():
    back = through_json({"a": np.float64(0.1), "b": np.int64(3), "c": np.bool_(True)})
    assert back == {"a": 0.1, "b": 3, "c": True}
    assert [type(value) for value in back.values()] == [float, int, bool]


def test_augmentation_keeps_its_parameters():
    back = through_json(SpectrogramAugment(time_shift=0.3, gain=0.0))
    assert type(back) is SpectrogramAugment
    assert (back.time_shift, back.gain, back.time_mask) == (0.3, 0.0, 0.1)


class LouderAugment(SpectrogramAugment):
    pass


@pytest.mark.parametrize(
    "value",
    [
        print,
        object(),
        {"deep": [{1, 2}]},
        LouderAugment(),
        np.random.RandomState(0),
        np.array(["2015-09-14"], dtype="datetime64[D]"),
        np.array([object()]),
        b"bytes",
    ],
)
def test_what_is_not_plain_is_refused(value):
    with pytest.raises(NotPlainError, match="without pickle"):
        encode(value)


def test_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match=r"unknown kind '\$eval'"):
        decode({"views": [{"$eval": "1"}]})
