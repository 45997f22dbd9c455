"""Damaged and locked HDF5 files: every reader names the file, and none hangs."""

from __future__ import annotations

import subprocess
import sys

import h5py
import numpy as np
import pytest

from skglitch._hdf5 import list_datasets, open_hdf5
from skglitch.cli._tables import read_embeddings
from skglitch.datasets import StrainFiles, load_glitches, load_strain, load_triggers

from .datasets.test_triggers import Ends


@pytest.fixture
def path(tmp_path):
    """A file that each of the readers can read, with texts in heaps."""
    path = tmp_path / "x.hdf5"
    with h5py.File(path, "w") as file:
        file["data"] = np.zeros((2, 1, 4, 5), dtype=np.uint8)
        file["embeddings"] = np.zeros((2, 3), dtype=np.float32)
        file["label"] = ["Blip", "Tomte"]
        file["H1:X"] = np.arange(1.0, 33.0)
        file["H1:X"].attrs.update(sample_rate=16, ifo="H1", t0=1000.0)
    return path


def read_strain(path):
    return load_strain(path, dataset="H1:X")


def read_triggers(path):
    strain = StrainFiles([path], dataset="H1:X")
    return load_triggers([{"gps": 1001.0}], strain, Ends(16), duration=1.0, progress=False)


READERS = [read_strain, read_triggers, load_glitches, read_embeddings]


@pytest.mark.parametrize("read", READERS)
class TestReaders:
    def test_intact_file(self, path, read):
        assert read(path) is not None

    def test_locked_file_is_not_damaged(self, path, read):
        code = "import h5py, sys; file = h5py.File(sys.argv[1], 'a'); print(flush=True); input()"
        with subprocess.Popen(
            [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as writer:
            writer.stdout.readline()
            with pytest.raises(BlockingIOError, match=r"x\.hdf5' is locked"):
                read(path)
            writer.communicate(b"\n")
        read(path)

    def test_object_that_cannot_be_opened(self, path, read):
        # h5py raises KeyError.
        with h5py.File(path) as file:
            headers = [h5py.h5o.get_info(item.id).addr for item in file.values()]
        content = bytearray(path.read_bytes())
        for header in headers:
            content[header] = 9
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"x\.hdf5' is damaged"):
            read(path)

    @pytest.mark.parametrize("size", [0, 2**64 - 8, 2**20])
    def test_heap_that_hdf5_walks_for_ever(self, path, read, size):
        content = path.read_bytes()
        heap = content.index(b"GCOL")
        place = heap + 16
        # Free space follows the texts; its number is 0.
        while content[place : place + 2] != b"\0\0":
            length = int.from_bytes(content[place + 8 : place + 16], "little")
            place += 16 + -(-length // 8) * 8
        path.write_bytes(content[: place + 8] + size.to_bytes(8, "little") + content[place + 16 :])
        with pytest.raises(ValueError, match=r"x\.hdf5' is damaged"):
            read(path)


def test_file_that_its_writer_did_not_close(path):
    with h5py.File(path, "w", libver="latest") as file:
        file["x"] = [1.0]
    content = bytearray(path.read_bytes())
    content[11] |= 1
    path.write_bytes(content)
    with pytest.raises(BlockingIOError, match=r"x\.hdf5' .*h5clear"):
        load_strain(path)


def test_file_without_permission(path, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(h5py, "File", refuse)
    for read in READERS:
        with pytest.raises(PermissionError, match=r"x\.hdf5"):
            read(path)


def test_groups_that_contain_each_other(path):
    with h5py.File(path, "a") as file:
        file["a/b/data"] = [1.0]
        file["a/b/c"] = file["a"]
    with open_hdf5(path) as file:
        assert list_datasets(file) == ["H1:X", "a/b/data", "data", "embeddings", "label"]


@pytest.mark.parametrize("options", [{}, {"chunks": (1, 1, 4, 5), "compression": "gzip"}])
def test_data_that_was_not_written(tmp_path, options):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("data", shape=(10_000_000, 1, 4, 5), dtype=np.uint8, **options)
    with pytest.raises(ValueError, match=r"x\.h5' is damaged: data set 'data' .* is incomplete"):
        load_glitches(tmp_path / "x.h5")


@pytest.mark.parametrize("missing", ["file", "data set", None])
def test_virtual_data_needs_its_parts(tmp_path, missing):
    """HDF5 itself fills in zeros."""
    name = "none" if missing == "data set" else "data"
    with h5py.File(tmp_path / "part.h5", "w") as file:
        file[name] = np.ones((2, 4, 5), dtype=np.uint8)
    layout = h5py.VirtualLayout((2, 4, 5), "u1")
    layout[...] = h5py.VirtualSource("part.h5", "data", (2, 4, 5))
    with h5py.File(tmp_path / "all.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    if missing == "file":
        (tmp_path / "part.h5").unlink()
    if missing is None:
        assert load_glitches(tmp_path / "all.h5").data.all()
        return
    with pytest.raises((ValueError, FileNotFoundError), match=r"all\.h5'.*part\.h5"):
        load_glitches(tmp_path / "all.h5")


def test_texts_that_are_longer_than_the_file(path):
    with h5py.File(path) as file:
        offset = file["label"].id.get_offset()
    content = bytearray(path.read_bytes())
    content[offset : offset + 4] = b"\xf0\xff\xff\xff"
    path.write_bytes(content)
    for read in (load_glitches, read_embeddings):
        with pytest.raises(ValueError, match=r"x\.hdf5' is damaged: data set 'label'"):
            read(path)


def test_neither_numbers_nor_texts(path):
    with h5py.File(path, "a") as file:
        del file["label"], file["H1:X"].attrs["ifo"]
        kind = h5py.vlen_dtype(np.uint8)
        file.create_dataset("label", shape=(2,), dtype=kind)[:] = [[1], [2, 3]]
        file["H1:X"].attrs["ifo"] = file.ref
    for read in READERS:
        with pytest.raises(ValueError, match=r"x\.hdf5' is damaged: .* neither numbers nor text"):
            read(path)


def test_filter_that_is_not_installed_is_no_damage(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=np.ones((2, 1, 4, 5), np.uint8), compression="gzip")
    content = bytearray(path.read_bytes())
    place = content.index(b"deflate") - 8
    assert content[place : place + 2] == b"\1\0"
    content[place : place + 2] = b"\xfe\x7f"
    path.write_bytes(content)
    with pytest.raises(ImportError, match=r"x\.h5' .* filter 32766"):
        load_glitches(path)


def test_empty_data_sets_are_absent(path):
    with h5py.File(path, "a") as file:
        del file["label"]
        file["label"] = h5py.Empty("f8")
    assert load_glitches(path).target is None


def test_file_that_is_too_large_may_be_damaged(path):
    with pytest.raises(ValueError, match=r"x\.hdf5' is damaged or too large"), open_hdf5(path):
        raise MemoryError
