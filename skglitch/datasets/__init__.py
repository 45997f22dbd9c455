"""Glitches to learn from: the Gravity Spy pictures on disk or on the web."""

from ._fetch import fetch_gravity_spy
from ._gravity_spy import load_gravity_spy
from ._home import get_data_home

__all__ = ["fetch_gravity_spy", "get_data_home", "load_gravity_spy"]
