"""What tests of several rooms share: real data, rendered pictures, a cache of their own."""

from __future__ import annotations

import os
from pathlib import Path

# Arrays and networks as small as those of the tests run faster on one thread, and pytest-xdist
# has as many processes as there are cores. joblib gives each of its workers one thread too, so
# results agree to the last bit. NumPy, scikit-learn and torch read this when they are imported.
os.environ["OMP_NUM_THREADS"] = "1"

import hypothesis
import numpy as np
import pytest
import torch
from PIL import Image

from ._browser import NAMES, open_browser

# How long one example takes depends on what else the machine does.
hypothesis.settings.register_profile("skglitch", deadline=None)
hypothesis.settings.load_profile("skglitch")

_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"

# With CI=true a skipped test is an error, since nobody would see that something is untested.
_CI = os.environ.get("CI", "").lower() in ("1", "true")
_SKIPPED_IN_CI_TOO = ("root may write anywhere", "new in scikit-learn", "+SKIP", "SCIPY_ARRAY_API")


def pytest_configure(config):
    # In pyproject.toml it would import scikit-learn before the number of threads is set.
    config.addinivalue_line("filterwarnings", "error::sklearn.exceptions.ConvergenceWarning")


def _fail_if_skipped(report):
    if _CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[2])
        if not any(known in reason for known in _SKIPPED_IN_CI_TOO):
            report.outcome = "failed"
            report.longrepr = f"{reason}\nWith CI=true every test must run."
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    return _fail_if_skipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return _fail_if_skipped((yield))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real glitches: ``$SKGLITCH_TEST_DATA``, or ``../shared/data``."""
    folder = Path(os.environ.get("SKGLITCH_TEST_DATA") or _BESIDE)
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}: set SKGLITCH_TEST_DATA to the folder")
    return folder


@pytest.fixture(scope="session")
def gravity_spy_o1(real_data) -> Path:
    """25 glitches of each of two classes, four views each."""
    return real_data / "gravity_spy_o1"


@pytest.fixture(scope="session")
def gravity_spy_o3(real_data) -> Path:
    """60 glitches of each of three classes, the 4 s view only."""
    return real_data / "gravity_spy_o3"


@pytest.fixture(autouse=True)
def _seeded():
    """What a test draws is the same in any order and process."""
    np.random.seed(0)  # noqa: NPY002, which estimators with random_state=None draw from
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory, monkeypatch):
    """Keep tests out of the caches of whoever runs them."""
    monkeypatch.setenv("SKGLITCH_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A browser without windows, one for all tests."""
    pytest.importorskip("selenium")
    driver = open_browser(tmp_path_factory.mktemp("downloads"))
    if driver is None:
        pytest.skip(f"neither of {', '.join(NAMES)} is installed with chromedriver")
    yield driver
    driver.quit()


def _colors(energy: np.ndarray, rounded: bool) -> np.ndarray:
    import matplotlib

    viridis = matplotlib.colormaps["viridis"]
    if rounded:
        return np.round(255 * viridis(energy)).astype(np.uint8)
    return viridis(energy, bytes=True)


def _frame(colors: np.ndarray, layout: str) -> np.ndarray:
    """Put the 466 x 566 part that counts into a picture of the given layout."""
    if layout == "bare":
        return colors
    # The plotted area goes on a little beyond that part, then comes the frame, whose black
    # line darkens half a pixel beside it.
    plot = np.pad(colors, ((4, 7), (3, 2), (0, 0)), mode="edge")
    plot = np.pad(plot, ((1, 1), (1, 1), (0, 0)), mode="edge")
    for line in (plot[0], plot[-1], plot[:, 0], plot[:, -1]):
        line[..., :3] = (line[..., :3] * 0.94).astype(np.uint8)
    page = np.full((600, 800, 4), 255, dtype=np.uint8)
    page[60:541, 100:675, :3] = 0
    page[61:540, 101:674] = plot
    crops = {
        "axes": (slice(0, 600), slice(0, 800)),
        "569x479": (slice(61, 540), slice(105, 674)),
        "black frame": (slice(60, 541), slice(100, 675)),
        "frame and white": (slice(59, 542), slice(99, 676)),
        "left and top": (slice(60, 539), slice(100, 673)),
    }
    return page[crops[layout]]


@pytest.fixture(scope="session")
def draw():
    """Function that draws energy (466, 566) as Gravity Spy would and saves the picture."""

    def draw_picture(path, energy, layout="bare", mode="RGBA", rounded=False):
        energy = np.broadcast_to(np.asarray(energy, dtype=np.uint8), (466, 566))
        image = Image.fromarray(_frame(_colors(energy, rounded), layout)).convert("RGB")
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if mode == "P":
            # No dithering: each of the at most 256 colors gets an entry of its own.
            image = image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        else:
            image = image.convert(mode)
        image.save(path, format="PNG", compress_level=1)
        return path

    return draw_picture


@pytest.fixture(scope="session")
def _ready_made(tmp_path_factory):
    """Model like the ready-made one, but of four classes, 32 x 40 pixels and random weights."""
    import skglitch
    from skglitch.discovery import NoveltyDetector

    y = np.tile(["Blip", "Chirp", "Koi_Fish", "Whistle"], 6)
    X = np.random.default_rng(0).integers(0, 60, (len(y), 4, 32, 40), dtype=np.uint8)
    for number in range(len(y)):
        X[number, ..., 10 * (number % 4) : 10 * (number % 4) + 8] += 180
    classifier = skglitch.CNNClassifier(weights=None, max_epochs=1, random_state=0).fit(X, y)
    embeddings = skglitch.TruncatedCNNTransformer(classifier).fit_transform(X)
    classifier.novelty_ = NoveltyDetector(random_state=0).fit(embeddings, y)
    path = tmp_path_factory.mktemp("ready-made") / "pretrained.skglitch"
    skglitch.save(classifier, path)
    return classifier, X, y, path


@pytest.fixture
def ready_made(_ready_made, monkeypatch):
    """Put a small model in the place of the ready-made one, and return it with X and y."""
    monkeypatch.setattr("skglitch._files.PRETRAINED", _ready_made[-1])
    return _ready_made[:-1]


@pytest.fixture
def small_tree(tmp_path, draw):
    """Two classes with two glitches each, views 1.0 and 4.0 s; each view of its own energy."""
    folder = tmp_path / "glitches"
    level = 10
    for glitch in ("Blip/H1_a1", "Blip/L1_b2", "Koi_Fish/H1_c3", "Koi_Fish/L1_d4"):
        for duration in ("1.0", "4.0"):
            draw(folder / f"{glitch}_spectrogram_{duration}.png", level)
            level += 10
    return folder


@pytest.fixture
def blank_figures(monkeypatch):
    """Save figures as one white pixel: drawing takes most of the time of a report."""
    from matplotlib.figure import Figure

    def save_blank(_figure, file, **_options):
        Image.new("RGB", (1, 1), "white").save(file, format="png")

    monkeypatch.setattr(Figure, "savefig", save_blank)
