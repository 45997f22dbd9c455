"""The tables of the documentation that come from results, written from these.

A table stands between ``<!-- table NAME -->`` and ``<!-- end -->``. Without ``--write`` only those
that are not what the results say are named.

    python benchmarks/tables.py [--write]
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import few_shot
import numpy as np
import table1
from _common import HERE, RESULTS, mean_interval

DOCS = HERE.parent / "docs"
START = {"whole": "whole", "partial": "in part", "none": "none"}
CLASSES = {"real": "real, 5 classes", "simulated": "simulated, 22 classes"}


def results(name: str) -> dict[str, Any]:
    """What a benchmark has written down."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def percent(values: Sequence[float]) -> str:
    """Mean and interval over seeds, in %."""
    mean, half = mean_interval([100 * value for value in values])
    return f"{mean:.1f}" if np.isnan(half) else f"{mean:.1f} ± {half:.1f}"


def over_seeds(runs: dict[str, Any], *start: str) -> list[Any]:
    """Results of all seeds of one setting."""
    key = " | ".join(start) + " | seed "
    return [run for name, run in runs.items() if name.startswith(key)]


def transfer(name: str) -> str:
    """Table 1 on one data set."""
    found = table1.by_net(results(f"table1_{name}"))
    rows = []
    for (net, start), runs in found.items():
        row = table1.row_of(net, start, runs)
        tops = [row[f"top-{k}"] for k in range(1, 6)]
        rows.append([f"`{net}`", START[start], row["seeds"], *tops, row["perfect"]])
    ks = [f"top-{k}" for k in range(1, 6)]
    header = ["net", "ImageNet weights", "seeds", *ks, "classes without an error"]
    return markdown(header, rows)


def few_labels_o3() -> str:
    """Accuracy against labels a class on three real classes."""
    names = {
        "fine-tuned": "fine-tuned",
        "head only": "the last layer only",
        "default + LogisticRegression": "features of the net as it is, and `LogisticRegression`",
        "from scratch": "the same net from scratch",
    }
    rows = {
        row["method"]: row for row in few_shot.summary(results("few_shot_o3"), "o3", "balanced")
    }
    counts = ["1", "2", "5", "10", "20", "50"]
    return markdown(
        ["", "1 label a class", *counts[1:]],
        [[title, *(rows[name][n] for n in counts)] for name, title in names.items()],
    )


def frozen_nets() -> str:
    """Logistic regression on features of nets as they are."""
    names = {
        "default": ("`efficientnet_lite0`, default", "whole"),
        "default, penultimate": ("the same, penultimate features, gray", "whole"),
        "default, random weights": ("the same as the default", "none"),
        "inception_v3 Mixed_7a, partial": (
            "`inception_v3`, `Mixed_7a`",
            "in part, whole up to there",
        ),
        "resnet18 layer3, partial": ("`resnet18`, `layer3`", "in part, whole up to there"),
        "resnet18 layer3, random": ("`resnet18`, `layer3`", "none"),
    }
    columns = [(data, n) for data in ("real", "simulated") for n in (1, 5, 20)]
    runs = {data: results(f"few_shot_{data}") for data in ("real", "simulated")}
    rows = []
    for name, (title, weights) in names.items():
        cells = [
            percent(
                [
                    run["balanced"]
                    for run in over_seeds(
                        runs[data], data, f"{name} + LogisticRegression", f"{n} a class"
                    )
                ]
            )
            for data, n in columns
        ]
        rows.append([title, weights, *cells])
    header = ["net, layers that are read", "ImageNet weights", *(f"{d}, {n}" for d, n in columns)]
    return markdown(header, rows)


def discovery(data: str, kind: str, names: dict[str, str], columns: dict[str, str]) -> str:
    """Means over the classes that were held out in turn, of the main measures with intervals."""
    # Nothing after the number of glitches: as many known ones as there are.
    runs = [
        run[kind]
        for name, run in results("discovery").items()
        if re.fullmatch(rf"{data}(-\d+)? \| \w+", name)
    ]
    rows = []
    for name, title in names.items():
        rows.append([title, *(_cell(key, [run[name][key] for run in runs]) for key in columns)])
    return markdown(["", *columns.values()], rows)


def _cell(key: str, values: Sequence[float]) -> str:
    if key in ("found", "in none", "false alarms"):
        return f"{100 * np.mean(values):.0f} %"
    if key in ("AUROC", "ARI"):
        return _interval(values, digits=3)
    return f"{np.mean(values):.2f}"


def novelty(data: str) -> str:
    """How well what was held out is told from what is known."""
    names = {
        "combined": '`"combined"` (default)',
        "combined, together": "the same, `score_together`",
    }
    if data == "simulated":  # The real classes have no None_of_the_Above.
        names |= {
            "combined, kinds": "default, None_of_the_Above left out",
            "combined, kinds, together": "the same, `score_together`",
        }
    names |= {
        "knn, k=5": '`"knn"`, 5 neighbors',
        "knn, k=1": '`"knn"`, 1 neighbor',
        "lof, k=10": '`"lof"`, 10 neighbors',
        "mahalanobis": '`"mahalanobis"`',
        "energy": '`"energy"`',
        "max_logit": '`"max_logit"`',
    }
    columns = {
        "AUROC": "area under the ROC curve",
        "found": "found",
        "false alarms": "known ones called novel",
    }
    return discovery(data, "novelty", names, columns)


def clusters(data: str) -> str:
    """How well clusters fit classes, and one of them the class that was held out."""
    names = {"guided": "fine-tuned net, labels of known glitches given"}
    if data == "simulated":  # The real classes have no None_of_the_Above.
        names["guided, kinds"] = "the same, without labels of None_of_the_Above"
    names |= {
        "told": "(the same net, a classifier that is told four fifths of the new class)",
        "no labels": "fine-tuned net, no labels",
        "no labels, t-SNE": 'the same with `reducer="tsne"`',
        "untuned, guided": "net that saw photographs only, labels given",
        "untuned": "net that saw photographs only, no labels",
        "KMeans, pixels": "KMeans on pixels, told the number of classes",
        "KMeans, PCA of pixels": "KMeans on principal components of pixels, the same",
    }
    columns = {
        "purity": "purity",
        "recall": "recall",
        "ARI": "ARI, all classes",
        "NMI": "NMI, all classes",
        "in none": "in no cluster",
    }
    return discovery(data, "clusters", names, columns)


def discovery_few() -> str:
    """What is new, told by few labels a class: means over classes, with intervals over draws."""
    runs = results("discovery")
    draws: dict[int, dict[int, list[Any]]] = {}
    for name, run in runs.items():
        if found := re.fullmatch(r"real, (\d+) a class, draw (\d+) \| \w+", name):
            draws.setdefault(int(found[1]), {}).setdefault(int(found[2]), []).append(run)
    columns: dict[str, Callable[[Any], float]] = {
        "purity": lambda run: run["clusters"]["guided"]["purity"],
        "recall": lambda run: run["clusters"]["guided"]["recall"],
        "ARI, all classes": lambda run: run["clusters"]["guided"]["ARI"],
        "new clusters": lambda run: run["experiment"]["new clusters"],
        "% of known ones in new clusters": lambda run: (
            100 * run["experiment"]["called new without it"]
        ),
    }

    def row(title: str, by_draw: Iterable[list[Any]]) -> list[str]:
        by_draw = list(by_draw)
        cells = [
            [np.mean([read(run) for run in draw]) for draw in by_draw] for read in columns.values()
        ]
        return [title, *map(_interval, cells)]

    whole = [run for name, run in runs.items() if re.fullmatch(r"real \| \w+", name)]
    rows = [row(str(each), draws[each].values()) for each in sorted(draws)]
    return markdown(["labels a class", *columns], [*rows, row("all", [whole])])


def _interval(values: Sequence[float], digits: int = 2) -> str:
    mean, half = mean_interval(values)
    return f"{mean:.{digits}f}" + ("" if np.isnan(half) else f" ± {half:.{digits}f}")


def discovery_cost() -> str:
    """What many embeddings take."""
    names = {
        "combined": "`NoveltyDetector()`",
        "knn, k=5": '`NoveltyDetector("knn")`',
        "mahalanobis": '`NoveltyDetector("mahalanobis")`',
        "clusters, no labels": "`NewClassFinder(n_resamples=0)`, no labels",
        "clusters, a tenth labeled": "the same, a tenth labeled",
        "index": '`SimilarityIndex("exact")`',
    }
    runs = results("discovery_cost")
    rows = []
    for name, title in names.items():
        run = runs[f"{name} | 100000"]
        memory = f"{run['peak memory in MB'] / 1024:.1f} GB"
        rows.append([title, f"{run['seconds']:.0f} s", memory])
    return markdown(["`fit` of", "time", "peak memory"], rows)


def label_issues() -> str:
    """Wrong labels that are found."""
    runs, rows = results("label_issues"), []
    kinds = [
        ("real", "uniform", 0.05),
        ("real", "uniform", 0.1),
        ("real", "look-alike", 0.05),
        ("real", "look-alike", 0.1),
        ("simulated", "uniform", 0.05),
        ("simulated", "uniform", 0.1),
        ("simulated", "look-alike", 0.05),
    ]
    titles = dict(CLASSES)
    to = {"uniform": "any", "look-alike": "look-alikes"}
    for data, how, rate in kinds:
        found = over_seeds(runs, data, how, f"{rate:g}")
        flags = [
            f"{100 * np.mean([run[f'confident_joint {what}'] for run in found]):.0f}"
            for what in ("precision", "recall")
        ]
        accuracy = ("accuracy as they are", "accuracy dropped", "accuracy true")
        rows.append(
            [
                titles.pop(data, ""),
                f"{100 * rate:g} % to {to[how]}",
                percent([run["AP both"] for run in found]),
                percent([run["AP neighbors"] for run in found]),
                ", ".join(flags),
                *(percent([run[name] for run in found]) for name in accuracy),
            ]
        )
    header = ["set", "changed", "average precision", "of neighbors alone", "flags"]
    return markdown([*header, "accuracy as they are", "flagged ones dropped", "true labels"], rows)


def learning_rates() -> str:
    """Accuracy and log-loss at each highest learning rate."""
    runs, rows, titles = results("recipe"), [], dict(CLASSES)
    rates = ("3e-4", "1e-3", "3e-3")
    for data, n in (("real", 2), ("real", 5), ("real", 15), ("simulated", 3), ("simulated", 10)):
        cells = []
        for rate in rates:
            found = over_seeds(runs, data, f"learning_rate={rate}", f"{n} a class")
            if not found:
                cells.append("")
                continue
            loss = np.mean([run["log_loss"] for run in found])
            cells.append(f"{percent([run['accuracy'] for run in found])}, {loss:.3f}")
        rows.append([titles.pop(data, ""), n, len(found), *cells])
    return markdown(["set", "labels a class", "draws", *rates], rows)


def few_labels() -> str:
    """Accuracy with few labels, with and without what has none."""
    runs, rows = results("labeling"), []
    learners = ("logistic regression", "self-training", "label spreading")
    for data, title in CLASSES.items():
        for n in (1, 2, 5, 10):
            found = over_seeds(runs, data, "few", f"{n} a class")
            cells = [percent([run[learner] for run in found]) for learner in learners]
            rows.append([title if n == 1 else "", str(n), *cells])
    return markdown(["set", "labels a class", *learners], rows)


def asked_for() -> str:
    """Accuracy against the number of labels that were asked for."""
    runs, rows = results("labeling"), []
    how = ("random", "margin", "entropy", "core_set")
    sizes = {"real": (20, 40, 80), "simulated": (88, 220, 352)}
    for data, title in CLASSES.items():
        for n in sizes[data]:
            cells = [
                percent([run[str(n)] for run in over_seeds(runs, data, "asked", method)])
                for method in how
            ]
            rows.append([title if n == sizes[data][0] else "", str(n), *cells])
    return markdown(["set", "asked for", *how], rows)


TABLES: dict[str, Callable[[], str]] = {
    "table1_real": lambda: transfer("real"),
    "table1_simulated": lambda: transfer("simulated"),
    "few_labels_o3": few_labels_o3,
    "frozen_nets": frozen_nets,
    "novelty_real": lambda: novelty("real"),
    "novelty_simulated": lambda: novelty("simulated"),
    "clusters_real": lambda: clusters("real"),
    "clusters_simulated": lambda: clusters("simulated"),
    "discovery_few": discovery_few,
    "discovery_cost": discovery_cost,
    "label_issues": label_issues,
    "learning_rates": learning_rates,
    "few_labels": few_labels,
    "asked_for": asked_for,
}
_BLOCK = re.compile(r"(<!-- table (\w+) -->\n\n).*?(\n\n<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """A page with its tables as the results have them."""
    return _BLOCK.sub(lambda block: block[1] + TABLES[block[2]]() + block[3], text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="mend the pages")
    options = parser.parse_args()
    stale = []
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        if (now := filled(text)) != text:
            stale.append(page.name)
            if options.write:
                page.write_text(now, encoding="utf-8")
    print("mended:" if options.write else "not what the results say:", *(stale or ["none"]))
    sys.exit(bool(stale) and not options.write)


if __name__ == "__main__":
    main()
