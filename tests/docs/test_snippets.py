"""Every snippet of the README and the pages runs: Python, shell and TOML, page by page.

Nets are tiny, and names that a page does not define are in ``given``. What does not run is in
``NOT_RUN``, and what runs in a shorter form in ``SHORTENED``, each with its reason.
"""

from __future__ import annotations

import contextlib
import copy
import re
import shlex
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

import dask_jobqueue
import h5py
import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from dask.distributed import LocalCluster

import skglitch
from skglitch import CNNClassifier, TruncatedCNNTransformer
from skglitch._training import _recipe
from skglitch.cli import main
from skglitch.datasets import Strain
from skglitch.discovery import NoveltyDetector

from ..datasets.gwosc_files import write_gwosc
from ..datasets.zenodo import Zenodo, catalog_rows, put_catalog, put_pictures, put_votes, serving
from .test_pages import PAGES, ROOT, relative_name

# Shell commands by how they start.
NOT_RUN = {
    "pip ": "installs packages",
    "python3": "makes an environment",
    "skglitch demo": "tests/cli/test_demo.py runs it in a smaller form",
    "skglitch report": "tests/cli/test_report.py runs it, and the page makes a report in Python",
    "python benchmarks/": "takes hours; tests/docs/test_benchmarks.py starts all scripts",
    "torchrun": "starts processes; tests/estimators/test_shared_fits.py has two",
    "export ": "sets variables of a batch system",
}
SHORTENED = {
    # numba compiles umap for half a minute; tests/display/test_layout.py runs it.
    'method="umap"': 'method="pca"',
    "--method umap": "--method pca",
    "make_glitches(500": "make_glitches(25",
    "make_glitches(100,": "make_glitches(4,",
    "    120,\n": "    24,\n",
    "make_glitches(20,": "make_glitches(4,",
    "StratifiedKFold(3,": "StratifiedKFold(2,",
    "range(100)": "range(2)",
}
TINY = ["--backbone", "test_efficientnet", "--weights", "none", "--max-epochs", "1"]
TINY += ["--size", "32x40", "--device", "cpu"]

LABELS = np.array(["Blip", "Chirp", "Fast_Scattering", "Koi_Fish"])
# Groups of one glitch of each class.
GPS = 1238166018 + 30000.0 * (np.arange(160) // 4) + 60 * (np.arange(160) % 4)


def snippets(page: Path) -> list[tuple[str, str]]:
    """Return language and text of the code of a page, without the indentation of lists."""
    fences = re.findall(r"(?ms)^( *)```(\w*)\n(.*?)^ *```", page.read_text(encoding="utf-8"))
    return [(lang, re.sub(f"(?m)^{indent}", "", code)) for indent, lang, code in fences]


def make_views() -> tuple[np.ndarray, np.ndarray]:
    """Views of 60 glitches of four classes, which differ by the brightest columns."""
    X = np.random.default_rng(0).integers(0, 60, (60, 4, 32, 40), dtype=np.uint8)
    for number in range(len(X)):
        X[number, ..., 10 * (number % 4) : 10 * (number % 4) + 8] += 180
    return X, np.tile(LABELS, 15)


@pytest.fixture(scope="module")
def fitted():
    net = CNNClassifier("test_efficientnet", weights=None, max_epochs=1, random_state=0)
    return net.fit(*make_views())


@pytest.fixture(scope="module")
def ready_made():
    """Model for views of the usual size, in the place of the one in the package."""
    X = np.random.default_rng(0).integers(0, 255, (8, 4, 140, 170), dtype=np.uint8)
    net = CNNClassifier("test_efficientnet", weights=None, max_epochs=1, random_state=0)
    net.fit(X, np.tile(LABELS, 2))
    net.novelty_ = NoveltyDetector().fit(TruncatedCNNTransformer(net).fit_transform(X))
    return net


@pytest.fixture(scope="module")
def pictures(tmp_path_factory, draw):
    """Folders of glitches that are named by their GPS times, with four views or only the longest.

    Most are links: drawing takes longer than reading.
    """
    folder = tmp_path_factory.mktemp("pictures")
    drawn = []
    for number in range(8):
        energy = np.full((466, 566), 30)
        energy[:, 140 * (number % 4) : 140 * (number % 4) + 110] = 200 + number
        drawn.append(draw(folder / "drawn" / f"{number}.png", energy))
    for kind, n_glitches, durations in (
        ("four views", 16, ("0.5", "1.0", "2.0", "4.0")),
        ("longest view", 160, ("4.0",)),
    ):
        for label in LABELS:
            (folder / kind / label).mkdir(parents=True)
        for number in range(n_glitches):
            for duration in durations:
                name = f"{'HL'[number // 4 % 2]}1_{GPS[number]}_spectrogram_{duration}.png"
                (folder / kind / LABELS[number % 4] / name).symlink_to(drawn[number % 8])
    return folder


@pytest.fixture(scope="module")
def strain(tmp_path_factory):
    """Files of 32 s of noise, and a table of triggers in it."""
    folder = tmp_path_factory.mktemp("strain")
    noise = np.random.default_rng(0).normal(size=32 * 4096)
    noise[16 * 4096 :][:64] += 5  # a glitch
    for name in ("H-H1_GWOSC_4KHZ_R1-1126259447-32.hdf5", "H1-1.hdf5", "L1-1.hdf5"):
        ifo = "L1" if name.startswith("L") else "H1"
        write_gwosc(folder / name, ifo, 1126259447, 32, 4096, noise)
    rows = [[1126259460.0, "H1", "Blip"], [1126259463.0, "L1", "Koi_Fish"]]
    table = pd.DataFrame(rows, columns=["gps", "ifo", "label"])
    table.to_csv(folder / "triggers.csv", index=False)
    return folder


@pytest.fixture
def given(computed, fitted) -> dict[str, Any]:
    """Return the names that a page may use without defining them."""
    return {**computed, "classifier": copy.deepcopy(fitted)}


@pytest.fixture(scope="module")
def computed(fitted) -> dict[str, Any]:
    X, y = make_views()
    transformer = TruncatedCNNTransformer(fitted).fit(X)
    embeddings, y_prob = transformer.transform(X), fitted.predict_proba(X)
    ids = np.array(["zpdJAmQwGR", *map(str, range(1, 60))])
    segments = [(GPS[0] - 1000, GPS[-1] + 1000)]
    return {
        "X": X,
        "y": y,
        "energy": X / 10,
        "transformer": transformer,
        "embeddings": embeddings,
        "embedding": embeddings[0],
        "others": embeddings[:3],
        "more": embeddings[:3],
        "more_ids": ["a", "b", "c"],
        "X_train": X,
        "y_train": y,
        "X_test": X,
        "y_test": y,
        "X_held_out": X + 1,
        "X_more": X,
        "y_more": y,
        "X_new": X[:4],
        "y_new": ["Tomte", "Tomte", "Blip", "Blip"],
        "labels": fitted.classes_,
        "y_pred": fitted.predict(X),
        "y_prob": y_prob,
        "other_prob": y_prob[::-1],
        "clusters": np.arange(60) % 4,
        "coordinates": embeddings[:, :2],
        "accuracies": [[0.5, 0.6], [0.7, 0.8], [0.8, 0.9]],
        "labeled": np.arange(60) % 2 > 0,
        "bunch": pd.DataFrame({"ids": ids}),
        "ids": ids,
        "gps": GPS[:60],
        "ifo": np.tile(["H1", "L1"], 30),
        "h1": segments,
        "l1": segments,
        "triggers": [1126259462.0, 1126259463.0],
    }


@pytest.fixture
def _quick(monkeypatch):
    """Make nets tiny where a page names none, train for one epoch, and start no processes."""
    for kind in (CNNClassifier, TruncatedCNNTransformer):
        monkeypatch.setattr(kind.__init__, "__defaults__", ("test_efficientnet",))
        monkeypatch.setitem(kind.__init__.__kwdefaults__, "weights", None)
    for name in ("_MIN_EPOCHS", "_MIN_STEPS", "_MIN_STEPS_FROM_ZEROS"):
        monkeypatch.setattr(_recipe, name, 1)
    plt.switch_backend("Agg")
    with joblib.parallel_config(backend="threading"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    plt.close("all")


@pytest.fixture
def _batch_system(monkeypatch):
    """Start workers in this process, in the place of jobs."""
    with contextlib.ExitStack() as stack:

        def start(**options):
            return stack.enter_context(LocalCluster(processes=False, dashboard_address=None))

        monkeypatch.setattr(LocalCluster, "scale", lambda cluster, jobs: None)
        for name in ("HTCondorCluster", "SLURMCluster"):
            monkeypatch.setattr(dask_jobqueue, name, start)
        yield


@pytest.fixture
def _zenodo(monkeypatch, pictures):
    """Take the catalog and the votes from a server on this machine."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(Zenodo()) as zenodo:
        put_catalog(zenodo)
        put_votes(zenodo, "gravityspy_id,label\na1,Blip\n")
        picture = (pictures / "drawn" / "0.png").read_bytes()
        for start in (2000, 3000):
            put_pictures(zenodo, catalog_rows("L1", start, zenodo.url), picture)
        monkeypatch.setattr("skglitch._download.ZENODO", zenodo.url)
        yield


@pytest.fixture
def _place(tmp_path, monkeypatch, pictures, strain, fitted, ready_made, computed, request):
    """Go to a folder with the files that pages read, and keep fetch_open_strain from the net."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["script.py", "FOLDER"])
    # The page on evaluation splits the glitches of each class many times.
    kind = "longest view" if "evaluate" in request.node.name else "four views"
    for name in ("FOLDER", "SOURCE"):
        Path(name).symlink_to(pictures / kind)
    for path in strain.iterdir():
        Path(path.name).symlink_to(path)
    skglitch.save(fitted, "model.skglitch")
    skglitch.save(ready_made, "ready-made.skglitch")
    monkeypatch.setattr("skglitch._files.PRETRAINED", Path("ready-made.skglitch").absolute())
    with h5py.File("glitches.h5", "w") as file:
        file["data"] = computed["X"]
    np.savez("embeddings.npz", embeddings=computed["embeddings"][:16], id=GPS[:16].astype(str))
    noise = np.random.default_rng(0).normal(size=32 * 4096)

    def fetch(gps, ifo, duration=32.0, **options):
        return Strain(noise, 4096, float(gps) - 16, ifo)

    monkeypatch.setattr("skglitch.datasets.fetch_open_strain", fetch)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def run_shell(line: str) -> None:
    """Run a line that starts skglitch, with tiny nets; files may exist already."""
    words = shlex.split(line, comments=True)[1:]
    words = [word for word in words if not word.startswith(">")]  # stdout into a file
    arguments = []
    for word in words:
        arguments += sorted(map(str, Path().glob(word))) if "*" in word else [word]
    if "fit" in arguments:
        arguments += TINY
    if not {"--version", "info", "watch"}.intersection(arguments):
        arguments.append("--overwrite")
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, f"{line}\n{result.output}"


@pytest.mark.usefixtures("_quick", "_place", "_zenodo", "_batch_system")
@pytest.mark.parametrize("page", [p for p in PAGES if snippets(p)], ids=relative_name)
def test_every_snippet_of_a_page_runs(page, given):
    torch.manual_seed(0)
    for language, code in snippets(page):
        for long, short in SHORTENED.items():
            code = code.replace(long, short)
        if language == "python":
            exec(compile(code, relative_name(page), "exec"), given)
        elif language == "toml":
            Path("glitches.toml").write_text(code)
        elif language == "sh":
            for line in code.splitlines():
                if line.strip() and not line.startswith(("#", *NOT_RUN)):
                    assert line.startswith("skglitch "), f"say in NOT_RUN why it is not: {line}"
                    run_shell(line)
        else:
            assert language in ("", "text"), language


@pytest.mark.usefixtures("_place")
def test_the_hdf5_file_of_the_page_is_read(given):
    page = ROOT / "docs" / "cli.md"
    (code,) = [code for language, code in snippets(page) if language == "python"]
    exec(compile(code, "cli.md", "exec"), given)
    glitches = skglitch.datasets.load_glitches("glitches.h5")
    assert glitches.durations == (0.5, 1.0, 2.0, 4.0)
    np.testing.assert_array_equal(glitches.target, given["y"])


def test_every_exception_is_needed():
    text = "\n".join(code for page in PAGES for _, code in snippets(page))
    assert [start for start in NOT_RUN if f"\n{start}" not in f"\n{text}"] == []
    assert [long for long in SHORTENED if long not in text] == []
    assert (ROOT / "docs").is_dir()
