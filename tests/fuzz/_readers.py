"""The readers of files, small intact files of each, and how these are damaged."""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import shutil
import tarfile
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import _mutate as mutate

Change = Callable[..., bytes]
OLD_MODEL = Path(__file__).parents[1] / "persistence" / "data" / "classifier-v1.skglitch"
_START, _RATE = 1126259456, 64


@dataclass(frozen=True)
class Reader:
    """A reader of files.

    ``make`` returns the contents of intact files by name, ``read`` reads a file, and ``changes``
    are the ways to damage files by suffix, besides those for any file. ``n_quick`` is the number
    of mutants in a quick run. A reader that is ``tolerant`` reads every file.
    """

    name: str
    make: Callable[[], dict[str, bytes]]
    read: Callable[[Path], Any]
    changes: dict[str, tuple[Change, ...]]
    n_quick: int = 200
    tolerant: bool = False


def _to_bytes(write: Callable[..., Any], *args: Any, **kwargs: Any) -> bytes:
    file = io.BytesIO()
    write(file, *args, **kwargs)
    return file.getvalue()


def _hdf5(fill: Callable[[Any], None], **options: Any) -> bytes:
    import h5py

    stream = io.BytesIO()
    with h5py.File(stream, "w", **options) as file:
        fill(file)
    return stream.getvalue()


def _energy() -> np.ndarray:
    rows, columns = np.mgrid[:466, :566]
    return (120 + 60 * np.sin(rows / 70) + 60 * np.cos(columns / 90)).astype(np.uint8)


def _make_pictures() -> dict[str, bytes]:
    import matplotlib
    from PIL import Image

    bare = Image.fromarray(matplotlib.colormaps["viridis"](_energy(), bytes=True))
    page = Image.new("RGBA", (800, 600), "white")
    page.paste((0, 0, 0, 255), (101, 61, 674, 540))
    page.paste(bare.resize((571, 477)), (102, 62))
    palette = bare.convert("RGB").quantize(256)
    files = {"bare.png": bare, "axes.png": page, "palette.png": palette}
    contents = {name: _to_bytes(image.save, "PNG") for name, image in files.items()}
    contents["bare.jpg"] = _to_bytes(bare.convert("RGB").save, "JPEG")
    contents["bare.gif"] = _to_bytes(palette.save, "GIF")
    return contents


def _read_picture(path: Path) -> Any:
    from skglitch.spectrograms import read_picture

    return read_picture(path)


def _make_cache() -> dict[str, bytes]:
    _, cache = _cached_folder()
    return {path.name[-5:]: path.read_bytes() for path in cache.iterdir()}


@functools.cache
def _cached_folder() -> tuple[Path, Path]:
    folder = Path(tempfile.mkdtemp())
    pictures, cache = folder / "pictures" / "Blip", folder / "cache"
    pictures.mkdir(parents=True)
    (pictures / "H1_a_spectrogram_1.0.png").write_bytes(_make_pictures()["bare.png"])
    _load_folder(pictures.parent, cache)
    return pictures.parent, cache


def _load_folder(folder: Path, cache: Path) -> Any:
    from skglitch.datasets import load_gravity_spy

    return load_gravity_spy(folder, durations=(1.0,), size=(6, 7), cache=cache, progress=False)


def _read_cache(path: Path) -> Any:
    folder, intact = _cached_folder()
    with tempfile.TemporaryDirectory() as cache:
        for file in intact.iterdir():
            shutil.copy(path if file.suffix == path.suffix else file, Path(cache, file.name))
        bunch = _load_folder(folder, Path(cache))
        assert bunch.data.shape == (1, 1, 6, 7)
        assert bunch.data.dtype == np.uint8
        return bunch.data.copy()


def _make_strain() -> dict[str, bytes]:
    noise = np.random.default_rng(0).normal(size=16 * _RATE)

    def gwosc(file: Any) -> None:
        file["meta/Detector"] = "H1"
        file["meta/GPSstart"] = _START
        strain = file.create_dataset("strain/Strain", data=noise, chunks=(512,), compression="gzip")
        strain.attrs.update(Npoints=len(noise), Xstart=_START, Xspacing=1 / _RATE, Xunits="second")
        file["quality/simple/DQmask"] = np.full(16, 127, "<u4")
        file["quality/simple/DQShortnames"] = [b"DATA", b"CBC_CAT1", b"BURST_CAT1"]

    def gwpy(file: Any) -> None:
        file["H1:STRAIN"] = noise[:256]
        attributes = {"x0": float(_START), "dx": 1 / _RATE, "channel": "H1:STRAIN", "name": "H1:X"}
        file["H1:STRAIN"].attrs.update(**attributes, unit="strain", xunit="s")

    def plain(file: Any) -> None:
        # Fletcher's checksum, for filters other than compression.
        data = file.create_dataset("a/b/h", data=noise[:256], chunks=(64,), fletcher32=True)
        data.attrs.update(sample_rate=_RATE, t0=_START, ifo="H1")

    return {
        "gwosc.hdf5": _hdf5(gwosc),
        "gwpy.h5": _hdf5(gwpy, libver="latest"),
        "plain.hdf": _hdf5(plain),
    }


def _read_strain(path: Path) -> Any:
    from skglitch.datasets import load_strain

    return load_strain(path)


def _read_strain_files(path: Path) -> Any:
    from skglitch.datasets import StrainFiles

    return StrainFiles([path]).around(_START + 2.0, 1.0, "H1")


def _make_glitches() -> dict[str, bytes]:
    views = np.arange(3 * 2 * 8 * 9, dtype=np.uint8).reshape(3, 2, 8, 9)

    def fill(file: Any) -> None:
        file["data"] = views
        file["data"].attrs["durations"] = [1.0, 4.0]
        file["id"], file["ifo"] = ["a", "b", "c"], ["H1", "L1", "H1"]
        file["label"], file["gps_time"] = ["Blip", "", "Tomte"], _START + np.arange(3.0)

    def compressed(file: Any) -> None:
        file.create_dataset("X", data=views[:, 0], chunks=(1, 8, 9), compression="gzip")
        file["label"] = np.array([b"Blip", b"Whistle", b""])

    return {"glitches.h5": _hdf5(fill), "compressed.hdf5": _hdf5(compressed, libver="latest")}


def _read_glitches(path: Path) -> Any:
    from skglitch.datasets import load_glitches

    return load_glitches(path)


def _make_embeddings() -> dict[str, bytes]:
    import pandas as pd

    embeddings = np.linspace(0, 1, 12, dtype=np.float32).reshape(4, 3)
    columns = {
        "id": np.array(["a", "b", "c", "d"]),
        "gps_time": _START + np.arange(4.0),
        "label": np.array(["Blip", "", "Tomte", "Blip"]),
    }
    table = pd.DataFrame(columns | {f"x{n}": embeddings[:, n] for n in range(3)})

    def fill(file: Any) -> None:
        file["embeddings"], file["gps_time"] = embeddings, columns["gps_time"]
        file["id"], file["label"] = columns["id"].tolist(), columns["label"].tolist()

    return {
        "embeddings.npz": _to_bytes(np.savez, embeddings=embeddings, **columns),
        "embeddings.npy": _to_bytes(np.save, embeddings),
        "embeddings.csv": table.to_csv(index=False).encode(),
        "embeddings.parquet": _to_bytes(table.to_parquet),
        "embeddings.h5": _hdf5(fill),
    }


def _read_embeddings(path: Path) -> Any:
    from skglitch.cli._tables import read_embeddings

    return read_embeddings(path)


def _make_triggers() -> dict[str, bytes]:
    import pandas as pd

    table = pd.DataFrame(
        {
            "event_time": _START + np.array([3.0, 5.5, 8.25]),
            "ifo": ["H1", "H1", "H1"],
            "ml_label": ["Blip", "", "Tomte"],
            "snr": [8.0, 9.5, 12.25],
        }
    )
    burst = {"ifo": "lstring", "peak_time": "int_4s", "peak_time_ns": "int_4s"}
    columns = "".join(
        f'<Column Name="sngl_burst:{name}" Type="{kind}"/>' for name, kind in burst.items()
    )
    ligo_lw = (
        '<?xml version="1.0"?><LIGO_LW><Table Name="sngl_burst:table">'
        f'{columns}<Stream Name="sngl_burst:table" Type="Local" Delimiter=",">'
        f'"H1",{_START + 3},500000000,"H1",{_START + 5},0</Stream></Table></LIGO_LW>'
    ).encode()
    return {
        "triggers.xml": ligo_lw,
        "triggers.xml.gz": gzip.compress(ligo_lw),
        "triggers.csv": table.to_csv(index=False).encode(),
        "triggers.parquet": _to_bytes(table.to_parquet),
        "triggers.feather": _to_bytes(table.to_feather),
        "triggers.json": table.to_json(orient="records").encode(),
        "columns.json": table.to_json().encode(),
    }


class _Copy:
    """A transformer that returns the strain."""

    sample_rate = float(_RATE)

    def transform(self, X: np.ndarray) -> np.ndarray:
        return X


def _read_triggers(path: Path) -> Any:
    from skglitch.datasets import Strain, load_triggers

    noise = np.random.default_rng(0).normal(size=16 * _RATE)
    strain = Strain(noise, _RATE, _START, "H1")
    return load_triggers(path, strain, _Copy(), duration=2.0, progress=False)


def _make_tables() -> dict[str, bytes]:
    return {
        "times.csv": b"id,gps_time\na,1126259457.5\nb,1126259458\nc,1126259459\n",
        "segments.csv": b"start,stop,ifo\n1126259456,1126259457,H1\n1126259460,1126259470,L1\n",
        "runs.csv": b"run,start,end\nO1,1126051217,1137254417\nO2,1164556817,1187733618\n",
    }


def _read_tables(path: Path) -> Any:
    from skglitch.cli import _tables

    if path.name.startswith("times"):
        return _tables.read_gps(path, np.array(["a", "c"]))
    return (_tables.read_segments if path.name.startswith("s") else _tables.read_runs)(path)


def _net() -> Any:
    from torch import nn

    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(2)),
        *(nn.Flatten(), nn.Linear(16, 5)),
    )


def _make_weights() -> dict[str, bytes]:
    import safetensors.torch
    import torch

    import skglitch
    from skglitch import TruncatedCNNTransformer

    torch.manual_seed(0)
    state = _net().state_dict()
    legacy = {"_use_new_zipfile_serialization": False}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the code of the net, which is not in the file
        transformer = TruncatedCNNTransformer(_net(), device="cpu")
        skglitch.save(transformer.fit(np.zeros((1, 1, 32, 32), np.uint8)), f"{folder}/model")
        model = Path(folder, "model").read_bytes()
    return {
        "model.skglitch": model,
        "net.pth": _to_bytes(lambda file: torch.save(state, file)),
        "legacy.pth": _to_bytes(lambda file: torch.save({"state_dict": state}, file, **legacy)),
        "net.safetensors": safetensors.torch.save(state),
    }


def _read_weights(path: Path) -> Any:
    from skglitch import CNNClassifier

    X = np.zeros((4, 1, 32, 32), dtype=np.uint8)
    X[2:] = 255
    net = CNNClassifier(_net(), weights=path, max_epochs=1, device="cpu", random_state=0)
    return net.fit(X, ["Blip", "Blip", "Tomte", "Tomte"])


def _make_models() -> dict[str, bytes]:
    import skglitch
    from skglitch.discovery import NoveltyDetector, SimilarityIndex
    from skglitch.persistence._file import read_file, write_file

    embeddings = np.random.default_rng(0).normal(size=(24, 4))
    labels = np.repeat(["Blip", "Tomte", "Whistle"], 8)
    index = SimilarityIndex().fit(embeddings, labels)
    novelty = NoveltyDetector().fit(embeddings, labels)
    contents = {"classifier.skglitch": OLD_MODEL.read_bytes()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model")
        for name, estimator in (("index", index), ("novelty", novelty)):
            skglitch.save(estimator, path)
            contents[f"{name}.skglitch"] = path.read_bytes()
        schema, arrays = read_file(path)
        half = [name for name, array in arrays.items() if array.dtype == np.float64]
        write_file(path, schema["estimator"], arrays, half)
        contents["half.skglitch"] = path.read_bytes()
    return contents


def _read_model(path: Path) -> Any:
    import skglitch
    from skglitch.persistence import read_card

    read_card(path)
    return skglitch.load(path, device="cpu")


def _make_config() -> dict[str, bytes]:
    text = """
[predict]
top = 2
probabilities = true
batch-size = 8
device = "cpu"
on_error = "skip"
strain = ["a.hdf5", "b.hdf5"]
strain-duration = 16.0
missing = "fill"

[fit]
weights = "none"
durations = [0.5, 1.0]
size = "140x170"
"""
    return {"config.toml": text.encode()}


def _read_config(path: Path) -> Any:
    from skglitch.cli import main

    files = [str(OLD_MODEL), str(OLD_MODEL.parent)]
    with main.make_context("skglitch", ["--config", str(path), "predict", *files]) as context:
        name, command, rest = main.resolve_command(context, ["predict", *files])
        return command.make_context(name, rest, parent=context).params


def _make_archive() -> dict[str, bytes]:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name in ("set/Blip/H1_a_spectrogram_1.0.png", "set/Tomte/L1_b_spectrogram_1.0.png"):
            info = tarfile.TarInfo(name)
            content = _make_pictures()["palette.png"]
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return {
        "trainingsetv1d1.tar.gz": stream.getvalue(),
        "trainingset_v1d1_metadata.csv": b"gravityspy_id,sample_type\na,train\nb,test\n",
    }


@functools.cache
def _archive() -> dict[str, bytes]:
    return _make_archive()


def _read_archive(path: Path) -> Any:
    from skglitch.datasets import fetch_gravity_spy

    with tempfile.TemporaryDirectory() as home:
        folder = Path(home, "gravity_spy")
        folder.mkdir()
        for name, content in _archive().items():
            (folder / name).write_bytes(content)
        name = next(name for name in _archive() if path.name.endswith(Path(name).suffix))
        # Under its own name, messages have that of the mutant.
        shutil.copy(path, folder / name)
        try:
            return fetch_gravity_spy(
                home,
                download_if_missing=False,
                durations=(1.0,),
                size=(6, 7),
                cache=False,
                progress=False,
            )
        except ValueError as error:
            if str(folder) in str(error):
                error.add_note(path.name)
            raise


def _make_catalog() -> dict[str, bytes]:
    rows = "event_time,gravityspy_id,ml_label,ml_confidence\n1.5,a,Blip,0.9\n2.5,b,Tomte,0.5\n"
    votes = b"User,Label,Subject_id\nu,Blip,17\nv,Tomte,17\nu,Blip,18\n"
    return {
        "H1_O1.csv": rows.encode(),
        "classifications.csv.bz2": bz2.compress(votes),
    }


def _change_votes(rng: Any, content: bytes) -> bytes:
    try:
        return bz2.compress(mutate.change_text(rng, bz2.decompress(content)))
    except (OSError, ValueError):
        return content


def _read_catalog(path: Path) -> Any:
    from skglitch.datasets import fetch_gravity_spy_catalog, fetch_gravity_spy_votes

    is_votes = path.suffix == ".bz2"
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home, "gravity_spy_votes" if is_votes else "gravity_spy_catalog")
        folder.mkdir()
        shutil.copy(path, folder / ("classifications.csv.bz2" if is_votes else "H1_O1.csv"))
        try:
            if is_votes:
                return fetch_gravity_spy_votes(home, download_if_missing=False)
            return fetch_gravity_spy_catalog(
                home, runs=["O1"], ifos=["H1"], download_if_missing=False
            )
        except ValueError as error:
            if str(folder) in str(error):
                error.add_note(path.name)
            raise


_HDF5 = (mutate.change_hdf5,)
_TEXT = (mutate.change_text,)
_TOML = (mutate.change_text, mutate.change_toml, mutate.change_toml)
_TABLES = {".csv": _TEXT, ".parquet": (mutate.change_table,), ".feather": (mutate.change_table,)}
_STRAIN = dict.fromkeys((".hdf5", ".h5", ".hdf"), _HDF5)
READERS = (
    Reader(
        "picture",
        _make_pictures,
        _read_picture,
        {
            ".png": (mutate.change_png,),
            ".jpg": (mutate.change_size,),
            ".gif": (mutate.change_size,),
        },
    ),
    Reader("cache", _make_cache, _read_cache, {".json": (mutate.change_json,)}, 60, tolerant=True),
    Reader("strain", _make_strain, _read_strain, _STRAIN),
    Reader("strain files", _make_strain, _read_strain_files, _STRAIN),
    Reader("glitches", _make_glitches, _read_glitches, {".h5": _HDF5, ".hdf5": _HDF5}),
    Reader(
        "embeddings",
        _make_embeddings,
        _read_embeddings,
        {**_TABLES, ".npz": (mutate.change_zip,), ".h5": _HDF5},
    ),
    Reader(
        "triggers",
        _make_triggers,
        _read_triggers,
        {**_TABLES, ".json": (mutate.change_json, mutate.change_text)},
    ),
    Reader("tables", _make_tables, _read_tables, _TABLES),
    Reader(
        "weights",
        _make_weights,
        _read_weights,
        {
            ".pth": (mutate.change_zip,),
            ".safetensors": (mutate.change_safetensors,),
            ".skglitch": (mutate.change_zip,),
        },
        100,
    ),
    Reader("model", _make_models, _read_model, {".skglitch": (mutate.change_zip,) * 3}),
    Reader("config", _make_config, _read_config, {".toml": _TOML}),
    Reader(
        "archive", _make_archive, _read_archive, {".gz": (mutate.change_gzip,), ".csv": _TEXT}, 60
    ),
    Reader("catalog", _make_catalog, _read_catalog, {".csv": _TEXT, ".bz2": (_change_votes,)}),
)
