"""The snippets of docs/evaluate.md run, one after the other."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import sklearn
from sklearn.datasets import load_digits
from sklearn.utils import Bunch
from sklearn.utils.fixes import parse_version

PAGE = Path(__file__).resolve().parents[2] / "docs" / "evaluate.md"


def test_snippets_run(capsys):
    if not PAGE.is_file():
        pytest.skip("not a checkout")
    blocks = re.findall(r"(?s)```python\n(.*?)```", PAGE.read_text(encoding="utf-8"))
    assert "load_gravity_spy" in blocks[0]
    # Digits stand in for the features that the first snippet computes, as that takes long.
    X, digit = load_digits(n_class=4, return_X_y=True)
    rng = np.random.default_rng(0)
    namespace = {
        "np": np,
        "glitches": Bunch(ifo=rng.choice(["H1", "L1"], size=300)),
        "X": X[:300],
        "y": np.array(["Blip", "Helix", "Tomte", "Whistle"])[digit[:300]],
        "times": 1.2e9 + rng.uniform(0, 3e7, size=300),
    }
    if parse_version(sklearn.__version__) < parse_version("1.8"):
        blocks = [block.replace('"temperature"', '"sigmoid"') for block in blocks]
    for block in blocks[1:]:
        exec(compile(block, str(PAGE), "exec"), namespace)
    printed = capsys.readouterr().out
    for table in ("macro avg", "McNemarResult", "frequency", "coverage", "adjusted_rand"):
        assert table in printed
