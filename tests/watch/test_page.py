"""The page of a watch: what it shows, over restarts, and in a browser."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from skglitch.watch import Page

from .conftest import START

DURATIONS = (0.5, 2.0)
DETECTORS = [{"detector": "H1", "strain until": "1126259762", "triggers until": "1126259726"}]


def make_rows(n, first=0):
    return pd.DataFrame(
        {
            "ifo": "H1",
            "gps": START + 1000.0 * np.arange(first, first + n),
            "snr": 10.0,
            "peak_frequency": 100.0,
            "label": ["Blip", "Koi_Fish", "A_class_with_a_long_name", ""] * (n // 4),
            "probability": [0.5, 0.9, 0.7, np.nan] * (n // 4),
            "novelty_p_value": np.linspace(1, 0.01, n),
        }
    )


def views_of(rows):
    classified = rows[rows["label"] != ""]
    rng = np.random.default_rng(0)
    return {f"H1_{gps!r}": rng.integers(0, 255, (2, 32, 40), np.uint8) for gps in classified["gps"]}


@pytest.fixture
def page(tmp_path):
    page = Page(tmp_path / "page.html", "Glitches & <more>", DURATIONS)
    rows = make_rows(40)
    page.add(rows, views_of(rows), 0.4)
    page.add(rows[:0], {}, 0.6)
    page.note("H1 is silent.")
    page.write(DETECTORS)
    return page


@pytest.mark.usefixtures("blank_figures")
def test_contents(page):
    text = page.path.read_text()
    assert "Glitches &amp; &lt;more&gt;" in text
    assert "H1 is silent." in text
    assert "0.50 s after" in text
    newest, oddest = text.split("<h2>Oddest")
    times = [float(gps) for gps in re.findall(r"Spectrogram of H1_(\S+)\"", newest)]
    assert times == sorted(times, reverse=True)
    assert len(times) == 8
    assert "p&nbsp;=&nbsp;0.035" in oddest
    counts = re.findall(r"<th scope=.row.>(\w+)</th><td class=.number.>(\d+)</td>", text)
    assert ("Blip", "1") in counts


@pytest.mark.usefixtures("blank_figures")
def test_pictures_outlive_a_restart(page):
    again = Page(page.path, "", DURATIONS)
    rows = make_rows(40)
    again.add(rows, {})
    assert again.pictures == page.pictures
    later = make_rows(4, first=40)
    again.add(later, views_of(later))
    again.write(DETECTORS)
    assert set(again.shown["newest"]["gps"]) >= set(later["gps"][:3])


@pytest.mark.usefixtures("blank_figures")
def test_nothing_yet(tmp_path):
    page = Page(tmp_path / "page.html", "Glitches", DURATIONS)
    page.add(make_rows(4)[:0], {})
    page.write([])
    assert "No strain yet" in page.path.read_text()


@pytest.mark.parametrize("width", [390, 1200])
def test_nothing_hangs_over(browser, page, width):
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get_log("browser")
    browser.get(page.path.as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script(
        "return [...document.images].every((image) => image.complete && image.naturalWidth)"
    )
    assert browser.get_log("browser") == []
