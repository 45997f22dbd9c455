"""What displays draw: numbers, axes, choices and errors."""

from __future__ import annotations

import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.stats import t
from sklearn.linear_model import LogisticRegression

import skglitch.display
from skglitch.display import (
    ClassScoresDisplay,
    ConfusionDisplay,
    EmbeddingDisplay,
    FewShotDisplay,
    GalleryDisplay,
    HistoryDisplay,
    ReliabilityDisplay,
    SpectrogramDisplay,
    TopKDisplay,
)
from skglitch.metrics import top_k_table

from .conftest import class_names, make_predictions


def test_import_loads_no_matplotlib():
    code = (
        "import sys, skglitch.display as d; [getattr(d, name) for name in d.__all__ "
        "if name.endswith('Display')]; print('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_own_figures_leave_pyplot_alone(energies):
    before = plt.get_fignums()
    y_true, y_prob = make_predictions(class_names(3), 50)
    SpectrogramDisplay(energies[0]).plot(Figure())
    ReliabilityDisplay.from_predictions(y_true, y_prob, labels=class_names(3), ax=Figure())
    assert plt.get_fignums() == before


def test_looks_of_42_classes_differ():
    names = [f"class {number}" for number in range(42)]
    display = EmbeddingDisplay(np.random.default_rng(0).normal(size=(42, 2)), names).plot(Figure())
    looks = {
        (drawn.get_facecolor().tobytes(), drawn.get_paths()[0].vertices.tobytes())
        for drawn in display.ax_.collections
    }
    assert len(looks) == 42


class TestSpectrogram:
    @pytest.mark.parametrize(
        ("convert", "top"),
        [
            (lambda views: views.astype(np.int64), 20.0),
            (lambda views: views.tolist(), 20.0),
            (lambda views: views // 10, 2.0),
            (lambda views: (views // 10).astype(np.int64), 20.0),
            (lambda views: views / 10, 20.0),
        ],
        ids=["int64", "list", "uint8", "energies", "floats"],
    )
    def test_bytes_of_any_type_are_ten_times_the_energy(self, convert, top):
        views = np.full((1, 3, 4), 200, dtype=np.uint8)
        display = SpectrogramDisplay(convert(views), 2.0).plot(Figure())
        assert display.axes_[0].collections[0].get_array().max() == top

    @pytest.mark.parametrize(("loud", "top"), [(200, 2.0), (20, 20), (300, 20)])
    def test_glitches_of_one_array_have_one_scale(self, loud, top):
        X = np.full((2, 1, 3, 4), 20)
        X[1] = loud
        gallery = GalleryDisplay.from_data(X, indices=[0], durations=1.0, ax=Figure())
        assert gallery.axes_[0].collections[0].get_array().max() == top

    def test_a_pixel_lies_at_its_time_and_frequency(self):
        views = np.zeros((1, 11, 10), dtype=np.uint8)
        views[0, 2, 7] = 255
        display = SpectrogramDisplay(views, 2.0, frange=(1.0, 2048.0)).plot(Figure())
        mesh = display.axes_[0].collections[0]
        assert mesh.get_array().max() == 25.5
        corners = np.asarray(mesh.get_coordinates())
        assert corners[2, 7] == pytest.approx([0.4, 512])
        assert corners[3, 8] == pytest.approx([0.6, 256])

    def test_what_is_drawn_is_even_on_the_logarithmic_axis(self):
        # matplotlib bends images on such axes; each of four rows must be a quarter of the axes.
        views = np.array([[[0], [255], [0], [255]]], dtype=np.uint8)
        figure = Figure(dpi=50)
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        canvas = FigureCanvasAgg(figure)
        SpectrogramDisplay(views, 1.0).plot(figure.add_axes((0, 0, 1, 1)), colorbar=False)
        canvas.draw()
        red = np.asarray(canvas.buffer_rgba())[:, 300 // 2, 0].astype(int)
        rows = np.flatnonzero(np.abs(np.diff(red)) > 80)
        wanted = np.array([1, 2, 3]) * len(red) / 4
        assert all(np.abs(rows - place).min() < 3 for place in wanted)

    def test_views_have_their_durations(self, energies):
        display = SpectrogramDisplay(energies[1]).plot(Figure(), n_columns=2)
        assert [ax.get_xlim()[1] for ax in display.axes_] == [0.25, 0.5, 1, 2]
        assert display.axes_[0].get_ylim() == (10, 2048)
        assert display.axes_[0].collections[0].get_clim() == (0, 25.5)

    def test_takes_the_place_of_one_of_several_axes(self, energies):
        figure, axes = plt.subplots(1, 2)
        display = SpectrogramDisplay(energies[0]).plot(axes[1])
        assert display.figure_ is figure
        assert axes[0] in figure.axes
        assert axes[1] not in figure.axes

    def test_axes_without_a_grid(self, energies):
        ax = Figure().add_axes((0, 0, 1, 1))
        with pytest.raises(ValueError, match="4 axes"):
            SpectrogramDisplay(energies[0]).plot(ax)

    def test_wrong_durations(self, energies):
        with pytest.raises(ValueError, match=r"durations=\(0\.5,\).* 4 "):
            SpectrogramDisplay(energies[0], (0.5,)).plot()
        with pytest.raises(ValueError, match=r"X\[0\]"):
            SpectrogramDisplay(energies).plot()


class TestGallery:
    def test_errors_come_most_confident_first(self, energies):
        prob = [[0.4, 0.6], [0.1, 0.9], [0.8, 0.2]]
        display = GalleryDisplay.from_predictions(
            energies, ["a", "a", "a"], prob, labels=["a", "b"], ax=Figure()
        )
        assert display.indices == [1, 0]
        assert display.titles[0] == "a\n→ b, 90 %"
        assert "black" not in {ax.title.get_color() for ax in display.axes_}

    def test_unsure_ones_may_be_right(self, energies):
        prob = [[0.45, 0.55], [0.1, 0.9], [0.52, 0.48]]
        display = GalleryDisplay.from_predictions(
            energies, ["a", "a", "a"], prob, labels=["a", "b"], show="unsure", ax=Figure()
        )
        assert display.indices == [2, 0, 1]
        assert display.marked == [False, True, True]
        colors = [ax.title.get_color() for ax in display.axes_]
        assert colors[0] == "black"
        assert colors[1] == colors[2] != "black"

    def test_unsure_is_between_the_first_two(self, energies):
        prob = [[0.4, 0.3, 0.3], [0.45, 0.44, 0.11], [0.34, 0.33, 0.33]]
        display = GalleryDisplay.from_predictions(
            energies, ["a", "a", "a"], prob, labels=list("abc"), show="unsure", ax=Figure()
        )
        assert display.indices[-1] == 0

    def test_a_class(self, energies):
        y = np.array(["a", "b", "a"])
        display = GalleryDisplay.from_data(energies, y, label="a", duration=1.0, ax=Figure())
        assert display.indices == [0, 2]
        assert display.duration == 1.0
        drawn = display.axes_[1].collections[0].get_array()
        assert np.array_equal(drawn, energies[2, 1] / 10)

    def test_chosen_glitches_keep_their_order(self, energies):
        display = GalleryDisplay.from_data(energies, indices=[2, 0], ax=Figure())
        assert display.titles == ["[2]", "[0]"]

    def test_errors(self, energies):
        with pytest.raises(ValueError, match="needs y"):
            GalleryDisplay.from_data(energies, label="a")
        with pytest.raises(ValueError, match="label='c'"):
            GalleryDisplay.from_data(energies, ["a", "b", "a"], label="c")
        right = {"labels": ["a", "b"], "y_prob": [[0.9, 0.1]] * 3, "y_true": ["a"] * 3}
        with pytest.raises(ValueError, match="no errors"):
            GalleryDisplay.from_predictions(energies, **right)
        with pytest.raises(ValueError, match="show='best'"):
            GalleryDisplay.from_predictions(energies, **right, show="best")
        with pytest.raises(ValueError, match=r"duration=3\.0"):
            GalleryDisplay.from_data(energies, duration=3.0)


class TestConfusion:
    def test_similar_classes_are_neighbors(self):
        # a and d are taken for each other, b and c are.
        counts = [[5, 0, 0, 5], [0, 6, 4, 0], [0, 4, 6, 0], [5, 0, 0, 5]]
        display = ConfusionDisplay(counts, display_labels=list("abcd")).plot(
            Figure(), order="similarity"
        )
        coordinates = {label: n for n, label in enumerate(display.labels_)}
        assert abs(coordinates["a"] - coordinates["d"]) == 1
        assert abs(coordinates["b"] - coordinates["c"]) == 1
        shown = np.asarray(display.ax_.images[0].get_array())
        assert np.diag(shown) == pytest.approx(
            [counts[ord(x) - 97][ord(x) - 97] / 10 for x in display.labels_]
        )

    def test_rows_are_labeled_by_their_counts(self):
        display = ConfusionDisplay([[3, 1], [0, 0]], display_labels=["a", "b"]).plot(Figure())
        assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["a (4)", "b (0)"]
        assert [text.get_text() for text in display.ax_.texts] == ["3", "1"]

    @pytest.mark.parametrize("values_format", [".0f", ".0%"])
    def test_rows_are_true_classes_and_columns_predictions(self, values_format):
        # Of true a's one is taken for b and three for c; nothing else is alike in both ways.
        counts = np.array([[4, 1, 3], [0, 5, 0], [2, 0, 0]])
        rates = counts / np.array([[8], [5], [2]])
        display = ConfusionDisplay(counts, display_labels=list("abc"))
        display.plot(Figure(), values_format=values_format)
        np.testing.assert_allclose(display.im_.get_array(), rates)
        assert display.im_ is display.ax_.images[0]
        assert display.ax_.get_xlabel() == "predicted class"
        assert display.ax_.get_ylabel().startswith("true class")
        values = rates if values_format == ".0%" else counts
        shown = {text.get_position(): text.get_text() for text in display.ax_.texts}
        # x is the column, and y the row, which matplotlib counts from the top.
        assert display.ax_.get_ylim()[0] > display.ax_.get_ylim()[1]
        assert shown == {
            (j, i): format(values[i, j], values_format) for i, j in np.argwhere(counts)
        }
        texts = np.array([[t and t.get_text() for t in row] for row in display.text_])
        assert (texts == np.where(counts, np.vectorize(format)(values, values_format), None)).all()

    def test_numbers_stand_out(self):
        display = ConfusionDisplay([[9, 1], [0, 3]], display_labels=["a", "b"]).plot(Figure())
        colors = {text.get_text(): text.get_color() for text in display.ax_.texts}
        assert colors == {"9": "white", "1": "black", "3": "white"}

    def test_numbers_that_cannot_be_read_are_left_out(self):
        display = ConfusionDisplay(np.eye(60)).plot(Figure(figsize=(3, 3)))
        assert not display.ax_.texts
        display = ConfusionDisplay(np.eye(2)).plot(Figure(), include_values=False)
        assert not display.ax_.texts
        assert display.text_ is None

    def test_errors(self):
        with pytest.raises(ValueError, match="order='size'"):
            ConfusionDisplay(np.eye(2)).plot(order="size")
        with pytest.raises(ValueError, match="3 display_labels"):
            ConfusionDisplay(np.eye(2), display_labels=[0, 1, 2]).plot()


class TestScores:
    def test_estimators_and_predictions_agree(self):
        X = np.random.default_rng(0).normal(size=(60, 3))
        y = np.where(X[:, 0] > 0, "Blip", "Tomte")
        model = LogisticRegression().fit(X, y)
        prob, predicted = model.predict_proba(X), model.predict(X)
        figure = Figure()
        assert (
            TopKDisplay.from_estimator(model, X, y, ax=figure).tables.accuracy
            == top_k_table(y, prob, labels=model.classes_).accuracy
        ).all()
        scores = ClassScoresDisplay.from_estimator(model, X, y, ax=Figure())
        assert scores.table.f1["accuracy"] == (predicted == y).mean()
        matrix = ConfusionDisplay.from_estimator(model, X, y, ax=Figure())
        assert np.trace(matrix.confusion_matrix) == (predicted == y).sum()
        diagram = ReliabilityDisplay.from_estimator(model, X, y, ax=Figure())
        assert diagram.table.n_samples.sum() == 60
        assert "LogisticRegression" in diagram.axes_[0].get_title()

    def test_curves_of_several_classifiers(self):
        names = class_names(6)
        y_true, y_prob = make_predictions(names, 100)
        display = TopKDisplay.from_predictions(
            y_true, {"one": y_prob, "two": y_prob}, labels=names, ax=Figure()
        )
        texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
        assert texts == ["one", "two"]

    def test_classes_are_sorted(self):
        y_true, y_pred = list("aabbbc"), list("abbbbb")
        display = ClassScoresDisplay.from_predictions(
            y_true, y_pred, sort_by="support", ax=Figure()
        )
        assert display.labels_ == ["b", "a", "c"]
        counts = display.ax_.child_axes[0].get_yticklabels()
        assert [text.get_text() for text in counts] == ["3", "2", "1"]
        widths = [bar.get_width() for bar in display.ax_.containers[1]]
        assert widths == pytest.approx([1, 0.5, 0])
        with pytest.raises(ValueError, match="sort_by='name'"):
            display.plot(Figure(), sort_by="name")

    def test_bins_are_drawn_where_they_are(self):
        display = ReliabilityDisplay.from_predictions(
            ["a", "a"], [[0.9, 0.1], [0.4, 0.6]], labels=["a", "b"], n_bins=2, ax=Figure()
        )
        (bar,) = display.axes_[1].containers[0]
        assert (bar.get_x(), bar.get_width(), bar.get_height()) == (0.5, 0.5, 2)

    @pytest.mark.parametrize("kind", [ReliabilityDisplay, TopKDisplay])
    def test_intervals_are_drawn_where_they_are(self, kind):
        names = class_names(4)
        y_true, y_prob = make_predictions(names, 60)
        display = kind.from_predictions(y_true, y_prob, labels=names, ax=Figure())
        if kind is TopKDisplay:
            ax, table = display.ax_, display.tables
        else:
            ax, table = display.axes_[0], display.table
        _, _, (bars,) = ax.containers[0]
        low, high = np.array([bar[:, 1] for bar in bars.get_segments()]).T
        np.testing.assert_allclose(low, table.low)
        np.testing.assert_allclose(high, table.high)


class TestTraining:
    def test_panels_are_what_was_recorded(self):
        history = [
            {
                "train_loss": 2.0,
                "valid_loss": 1.0,
                "valid_acc": 0.5,
                "batches": [{"event_lr": 0.1}],
            },
            {
                "train_loss": 1.0,
                "valid_loss": 3.0,
                "valid_acc": 0.4,
                "batches": [{"event_lr": 0.2}],
            },
        ]
        display = HistoryDisplay(history).plot(Figure())
        assert len(display.axes_) == 3
        lines = {line.get_label(): line for line in display.axes_[0].lines}
        assert lines["best epoch"].get_xdata()[0] == 1
        assert lines["training"].get_xdata().tolist() == [1, 2]
        assert lines["training"].get_ydata().tolist() == [2, 1]
        assert display.axes_[2].lines[0].get_xdata().tolist() == [1, 2]
        assert len(HistoryDisplay([{"train_loss": 1.0}]).plot(Figure()).axes_) == 1

    def test_no_history(self):
        with pytest.raises(ValueError, match="'train_loss'"):
            HistoryDisplay([]).plot()

    def test_interval_is_students(self):
        values = np.array([0.5, 0.6, 0.8])
        display = FewShotDisplay.from_scores([5], {"net": [values]}, ax=Figure())
        half = t.ppf(0.975, 2) * values.std(ddof=1) / np.sqrt(3)
        low, high = display.intervals["net"]
        assert low[0] == pytest.approx(values.mean() - half)
        assert high[0] == pytest.approx(min(1, values.mean() + half))
        with pytest.raises(ValueError, match=r"n_labels .* 2"):
            FewShotDisplay.from_scores([5, 10], {"net": [values]})


def test_all_displays_are_in_the_room():
    assert sum(name.endswith("Display") for name in skglitch.display.__all__) == 10


def test_confusion_of_the_first_class_is_at_the_top_in_a_session_with_gwpy():
    with plt.rc_context({"image.origin": "lower", "image.aspect": "auto"}):
        display = ConfusionDisplay.from_predictions(["a", "b"], ["a", "b"])
    low, high = display.ax_.get_ylim()
    assert low > high
    assert display.ax_.get_aspect() == 1


def test_a_single_number_is_no_glitch():
    with pytest.raises(ValueError, match=r"views must be one glitch.* shape \(\)"):
        SpectrogramDisplay(np.array(3)).plot()
