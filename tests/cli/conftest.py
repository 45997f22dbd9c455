"""Folders of rendered pictures, and the command run within this process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from skglitch.cli import main

TINY = ["--backbone", "test_efficientnet", "--weights", "none", "--max-epochs", "1"]
TINY += ["--size", "32x40", "--device", "cpu"]


@pytest.fixture(scope="session")
def folder(tmp_path_factory, draw) -> Path:
    """Five glitches of each of two classes, views of 1 and 4 s, in Gravity Spy's own layout."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for label, rows in (("Blip", slice(0, 150)), ("Koi_Fish", slice(300, 466))):
        for number in range(5):
            for duration in ("1.0", "4.0"):
                energy = np.full((466, 566), 20 + 5 * number)
                energy[rows] = 200 + rng.integers(0, 50)
                name = f"{'HL'[number % 2]}1_{label[0]}{number}_spectrogram_{duration}.png"
                draw(folder / label / name, energy, layout="axes")
    return folder


@pytest.fixture(scope="session")
def unlabeled(tmp_path_factory, folder) -> Path:
    """Three of these glitches without class folders."""
    flat = tmp_path_factory.mktemp("flat")
    for path in sorted(folder.glob("Blip/H1_*.png")):
        (flat / path.name).symlink_to(path)
    return flat


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Function that runs the command in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run_command(*arguments):
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return run_command


@pytest.fixture(scope="session")
def model(tmp_path_factory, folder) -> Path:
    """A trained model."""
    path = tmp_path_factory.mktemp("model") / "trained.skglitch"
    result = CliRunner().invoke(
        main, ["fit", str(folder), "-o", str(path), *TINY, "--max-epochs", "2", "-q"]
    )
    assert result.exit_code == 0, result.output
    return path
