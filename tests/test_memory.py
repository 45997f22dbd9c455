"""What is asked of the C library, and that it is taken back."""

from __future__ import annotations

import threading

import pytest
import torch

from skglitch import _device
from skglitch._device import kept_memory

CPU = torch.device("cpu")


class FakeLibrary:
    """Writes down what a C library would be told."""

    def __init__(self):
        self.options, self.trims = {}, 0

    def mallopt(self, option, value):
        self.options[option] = value
        return 1

    def malloc_trim(self, pad):
        self.trims += 1


@pytest.fixture
def library(monkeypatch):
    library = FakeLibrary()
    monkeypatch.setattr(_device, "_glibc", lambda: library)
    for name in ("SKGLITCH_TUNE_CPU", "GLIBC_TUNABLES", "MALLOC_MMAP_MAX_"):
        monkeypatch.delenv(name, raising=False)
    return library


def test_blocks_within_blocks_set_and_reset_once(library, monkeypatch):
    monkeypatch.setattr(_device, "_LONG", -1.0)
    with kept_memory(CPU):
        with kept_memory(CPU):
            assert library.options == _device._KEEP
        assert library.options == _device._KEEP
        assert library.trims == 0
    assert library.options == _device._USUAL
    assert library.trims == 1


def test_a_short_call_does_not_wait_for_memory_to_go_back(library, monkeypatch):
    monkeypatch.setattr(_device, "_LONG", 1000.0)
    with kept_memory(CPU):
        pass
    assert library.options == _device._USUAL
    assert library.trims == 0


def test_what_dask_sets_in_its_workers_does_not_turn_it_off(library, monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
    with kept_memory(CPU):
        assert library.options == _device._KEEP


def test_an_error_takes_it_back(library):
    with pytest.raises(RuntimeError), kept_memory(CPU):
        raise RuntimeError
    assert library.options == _device._USUAL


def test_the_last_of_two_threads_takes_it_back(library):
    inside, go_on = threading.Event(), threading.Event()

    def other():
        with kept_memory(CPU):
            inside.set()
            go_on.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(10)
    with kept_memory(CPU):
        pass
    assert library.options == _device._KEEP
    go_on.set()
    thread.join()
    assert library.options == _device._USUAL


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SKGLITCH_TUNE_CPU", "0"),
        ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"),
        ("MALLOC_MMAP_MAX_", "0"),
    ],
)
def test_the_environment_can_forbid_it(library, monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with kept_memory(CPU):
        pass
    assert library.options == {}


def test_other_devices_do_not_need_it(library):
    with kept_memory(torch.device("cuda")):
        pass
    assert library.options == {}


def test_without_glibc_nothing_happens(monkeypatch):
    monkeypatch.setattr(_device, "_glibc", lambda: None)
    with kept_memory(CPU):
        assert torch.ones(3).sum() == 3


def test_the_real_library_takes_the_settings():
    library = _device._glibc()
    if library is None:
        pytest.skip("this C library is not glibc")
    for options in (_device._KEEP, _device._USUAL):
        assert all(library.mallopt(option, value) == 1 for option, value in options.items())
