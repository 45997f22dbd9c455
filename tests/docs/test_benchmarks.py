"""The scripts of benchmarks/ parse their options."""

from __future__ import annotations

import argparse
import importlib
import sys

import pytest

from .test_pages import ROOT

SCRIPTS = [path.stem for path in (ROOT / "benchmarks").glob("[a-z]*.py")]


class Parsed(Exception):
    """Raised after parsing, before hours of work begin."""


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_starts_without_options(name, monkeypatch):
    def parse(parser):
        raise Parsed(original(parser))

    original = argparse.ArgumentParser.parse_args
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    monkeypatch.setattr(sys, "argv", [name])
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    with pytest.raises(Parsed):
        importlib.import_module(name).main()


def test_the_figure_of_table_1_has_the_name_of_its_data_set(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    table1 = importlib.import_module("table1")
    monkeypatch.setattr(table1, "RESULTS", tmp_path)
    runs = [{"accuracy after each epoch": [0.5, 1.0]}]
    table1.plot("real", {("resnet18", "none"): runs, ("vgg16", "none"): runs})
    assert [path.name for path in tmp_path.iterdir()] == ["table1_real.png"]
