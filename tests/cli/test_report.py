"""``skglitch report``."""

from __future__ import annotations

import json

import pytest


def test_a_page_and_its_parts(run, model, folder, tmp_path):
    result = run("report", model, folder, "--json", "--pictures", 1, "--title", "Mine", "-q")
    assert result.exit_code == 0, result.output
    numbers = json.loads(result.stdout)
    assert numbers["n_glitches"] == 10
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "<title>Mine" in page
    assert any((tmp_path / "report" / "parts").glob("*.csv"))


@pytest.mark.usefixtures("blank_figures")
def test_a_page_without_labels_in_one_file(run, model, unlabeled, tmp_path):
    result = run("report", model, unlabeled, "-o", "page.html", "--pictures", 1)
    assert result.exit_code == 0, result.output
    assert "no scores" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("blank_figures")
def test_a_report_that_is_there_stays(run, model, folder, tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.html").write_text("old")
    result = run("report", model, folder)
    assert result.exit_code != 0
    assert "--overwrite" in result.stderr
    assert (tmp_path / "report" / "report.html").read_text() == "old"


@pytest.mark.usefixtures("blank_figures")
def test_a_report_is_replaced_when_told_to(run, model, folder, unlabeled, tmp_path):
    assert run("report", model, folder, "--pictures", 2, "-q").exit_code == 0
    scored = {path.name for path in (tmp_path / "report" / "parts").iterdir()}
    result = run("report", model, unlabeled, "--pictures", 1, "--overwrite")
    assert result.exit_code == 0, result.output
    left = {path.name for path in (tmp_path / "report" / "parts").iterdir()}
    assert {"top_k.csv", "novelty-2.png"} <= scored - left


def test_what_fails_leaves_nothing(run, model, folder, tmp_path):
    (tmp_path / "report.txt").write_text("kept")
    result = run("report", model, folder, "-o", "report.txt")
    assert result.exit_code == 2
    assert "neither a folder nor ends in .html" in result.stderr
    (tmp_path / "bad.skglitch").write_text("no model")
    result = run("report", "bad.skglitch", folder, "-o", "new/folder")
    assert result.exit_code == 1
    assert "bad.skglitch" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.skglitch", "report.txt"]
