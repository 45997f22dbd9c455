"""Scripts of benchmarks/ take what they say that they take."""

from __future__ import annotations

import argparse
import importlib
import sys

import pytest

from .test_pages import ROOT

SCRIPTS = [path.stem for path in (ROOT / "benchmarks").glob("[a-z]*.py")]


class Read(Exception):
    """Options have been read: what would come now is hours of work."""


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_starts_without_options(name, monkeypatch):
    def read(parser):
        raise Read(original(parser))

    original = argparse.ArgumentParser.parse_args
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", read)
    monkeypatch.setattr(sys, "argv", [name])
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    with pytest.raises(Read):
        importlib.import_module(name).main()
