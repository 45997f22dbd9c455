"""Values of all kinds through JSON and arrays, and back."""

from __future__ import annotations

import json
import math
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load, save
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from skglitch.discovery import NoveltyDetector
from skglitch.estimators import SpectrogramAugment
from skglitch.persistence._codec import NotPlainError, Reader, Writer


def through_a_file(value):
    writer = Writer()
    text = json.dumps(writer.encode(value, "value"), allow_nan=False)
    arrays = {name: array.copy() for name, array in load(save(writer.arrays)).items()}
    return Reader(arrays).decode(json.loads(text))


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
        np.float32(0.1),
        np.bool_(True),
        np.int64(3),
        np.str_("Blip"),
        np.dtype("float32"),
        np.log1p,
        slice(1, None, 2),
        Bunch(first=1, second=[2]),
    ],
)
def test_values_come_back_with_their_types(value):
    back = through_a_file(value)
    assert back == value
    assert type(back) is type(value)
    assert repr(back) == repr(value)  # 1 == True == 1.0, nested ones too


def test_nan_comes_back():
    assert math.isnan(through_a_file({"valid_loss": float("nan")})["valid_loss"])


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
        np.array(2.5),
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(24.0).reshape(2, 3, 4)[:, ::2],
        np.array([1, "a", None, 2.5], dtype=object),
        np.array([(1, 0.5), (2, 1 / 3)], dtype=[("left", "<i8"), ("value", "<f8")]),
    ],
)
def test_arrays_come_back_with_their_dtype_and_order(array):
    back = through_a_file(array)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.flags.writeable
    np.testing.assert_array_equal(back, array)
    assert list(map(type, back.ravel().tolist())) == list(map(type, array.ravel().tolist()))
    if array.flags.f_contiguous:
        assert back.flags.f_contiguous


def test_an_array_is_stored_once():
    array = np.arange(3.0)
    first, second = through_a_file([array, array])
    assert first is second


def test_tensors_and_frames_come_back():
    kernel = torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last)
    assert torch.equal(through_a_file(kernel), kernel)
    frame = pd.DataFrame({"cluster": ["a", "b"], "n": [1, 2], "share": [0.5, np.nan]}, index=[3, 5])
    frame.attrs["metric"] = "cosine"
    back = through_a_file(frame)
    pd.testing.assert_frame_equal(back, frame)
    assert back.attrs == frame.attrs


def test_augmentation_keeps_its_parameters():
    back = through_a_file(SpectrogramAugment(time_shift=0.3, gain=0.0))
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
        LouderAugment,
        partial(print, 1),
        np.random.RandomState(0),
        np.frompyfunc(abs, 1, 1),
        np.array(["2015-09-14"], dtype="datetime64[D]"),
        np.array([object()]),
        b"bytes",
    ],
)
def test_what_is_not_plain_is_refused(value):
    with pytest.raises(NotPlainError, match=r"^value"):
        through_a_file(value)


def test_a_parameter_that_is_left_out_leaves_no_trace():
    scaler = StandardScaler().fit([[1.0], [2.0]])
    detector = NoveltyDetector(cv=[scaler, object()])
    writer = Writer()
    writer.encode([detector, scaler], "value")
    assert writer.arrays
    assert not any(".cv" in name for name in writer.arrays)
    back = through_a_file([detector, scaler])
    assert back[0].cv == NoveltyDetector().cv
    assert back[1].mean_ == 1.5


@pytest.mark.parametrize(
    ("encoded", "message"),
    [
        ({"views": [{"$eval": "1"}]}, r"unknown kind '\$eval'"),
        ({"$object": ["os.system", "x", {}]}, "'os.system', which is not one of the types"),
        ({"$object": ["skglitch.discovery._novelty.np.memmap", "x", {}]}, "not one of the types"),
        ({"$object": ["skglitch.discovery._novelty.BaseEstimator", "x", {}]}, "not one of the"),
        ({"$object": ["skglitch.datasets.load_gravity_spy", "x", {}]}, "not one of the types"),
        ({"$object": ["builtins.eval", "x", {}]}, "not one of the types"),
        ({"$object": ["sklearn.tests.test_base.K", "x", {}]}, "not one of the types"),
        ({"$object": ["sklearn.pipeline.clone", "x", {}]}, "not one of the types"),
        ({"$object": ["sklearn.calibration.Bunch", "x", {}]}, "not one of the types"),
        ({"$object": ["calibration.Own", "x", {}]}, "not one of the types"),
        ({"$object": ["sklearn.decomposition.PCA", "x", {"transform": 1}]}, "'transform'"),
        ({"$path": {"$object": ["os.system", "x", {}]}}, "'os.system', which is not one of"),
    ],
)
def test_files_cannot_name_code(encoded, message):
    with pytest.raises(ValueError, match=message):
        Reader({}).decode(encoded)


@pytest.mark.parametrize("name", ["frompyfunc", "load", "fromfile", "os.system"])
def test_only_universal_functions_have_names(name):
    with pytest.raises(KeyError, match=name):
        Reader({}).decode({"$ufunc": name})
