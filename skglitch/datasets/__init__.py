"""Glitches: Gravity Spy pictures, strain around triggers, and simulations."""

from .._files import get_data_home
from .._lazy_array import LazyArray
from ._fetch import (
    fetch_gravity_spy,
    fetch_gravity_spy_catalog,
    fetch_gravity_spy_pictures,
    fetch_gravity_spy_votes,
)
from ._glitch_file import load_glitches
from ._gravity_spy import load_gravity_spy
from ._load_strain import load_strain
from ._make_glitches import make_glitches
from ._open_strain import fetch_open_strain
from ._strain import Strain
from ._strain_files import StrainFiles
from ._triggers import load_triggers

__all__ = [
    "LazyArray",
    "Strain",
    "StrainFiles",
    "fetch_gravity_spy",
    "fetch_gravity_spy_catalog",
    "fetch_gravity_spy_pictures",
    "fetch_gravity_spy_votes",
    "fetch_open_strain",
    "get_data_home",
    "load_glitches",
    "load_gravity_spy",
    "load_strain",
    "load_triggers",
    "make_glitches",
]
