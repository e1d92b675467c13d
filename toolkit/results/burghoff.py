"""Burghoff: printed numbers and ours. Each function takes the folder of the recordings and gives lines."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd

from toolkit import networks, published, recordings, training
from toolkit.learning import convolution as windows
from toolkit.results import lines
from toolkit.results.lines import Line
from toolkit.studies import clinics as clinics_study
from toolkit.studies import mnist_survival, morphnet, phs, resbuilder

CIFAR_PART = "trained on a part of the images, with 50 epochs"


def convolution(folder: Path) -> pd.DataFrame:
    """Table 2.2, entry by entry."""
    parts = _matrices("burghoff_table_2_2_convolution_example")
    return _entries(parts["output"], windows.convolve(parts["input"], parts["kernel"]))


def max_pooling(folder: Path) -> pd.DataFrame:
    """Table 2.3, entry by entry."""
    parts = _matrices("burghoff_table_2_3_max_pooling_example")
    return _entries(parts["output"], windows.pool(parts["input"], 2))


def lenet_weights(folder: Path) -> pd.DataFrame:
    """The number of weights that section 3.4 gives for both data sets."""
    setup = published.table("burghoff_section_3_4_phs_setup").set_index("key")["value"]
    shapes = {"Fashion-MNIST, 1 x 28 x 28": (1, 28, 28), "CIFAR-10, 3 x 32 x 32": (3, 32, 32)}
    counts = {
        case: sum(each.numel() for each in networks.lenet(shape, 10, seed=0).parameters()) for case, shape in shapes.items()
    }
    return lines.table(Line("weights", case, setup["total_weights"], count, 0) for case, count in counts.items())


def heavy_ball_cifar10(folder: Path) -> pd.DataFrame:
    """Table 3.1."""
    return _heavy_ball(folder, "cifar10", different=[CIFAR_PART])


def heavy_ball_fashion_mnist(folder: Path) -> pd.DataFrame:
    """Table 3.2."""
    return _heavy_ball(folder, "fashion_mnist")


def braking_gains(folder: Path) -> pd.DataFrame:
    """What the printed accuracies gain by the brake, beside the paired gain of ours."""
    found = []
    for dataset in phs.TABLES:
        path = folder / f"phs_{dataset}_implied.npz"
        if path.exists():
            gains, origin = phs.gains(path).to_dict("records"), phs.origin(path)
            found += [_gain(dataset, row, origin) for row in gains]
    return lines.table(found)


def morphnet_widths(folder: Path) -> pd.DataFrame:
    """Widths and rounds of chapter 5."""
    return lines.of_comparison(morphnet.compared(folder / "morphnet_mnist.npz"), "channels, rounds or steps")


def digits(folder: Path) -> pd.DataFrame:
    """Concordance index on the test images after each epoch."""
    path = folder / "mnist_survival.npz"
    recording = recordings.load(path, record=training.Record)
    ours = [(one.epoch, one.metrics["validation_concordance"]) for one in recording.records if one.epoch]
    printed = pd.DataFrame({"epoch": range(1, len(mnist_survival.PUBLISHED) + 1), "concordance": mnist_survival.PUBLISHED})
    compared = published.compare(
        printed, pd.DataFrame(ours, columns=["epoch", "concordance"]), on="epoch", value="concordance", origin=recording.origin
    )
    return lines.of_comparison(compared, "concordance index")


def clinics(folder: Path) -> pd.DataFrame:
    """Both halves of Table 7.2 on simulated clinics."""
    path, table = folder / "clinics_published.npz", published.table(clinics_study.TABLE)
    found = clinics_study.results(path, resamples=1)
    found = found[found["arm"].isin(["none", "mean"])]
    parts = []
    for metric, measure in (("c_index", "concordance index"), ("auroc", "AUROC")):
        compared = published.compare(
            table[table["metric"] == metric], found[found["metric"] == metric], on=list(clinics_study.KEYS), value="value",
            different=["simulated patients"], origin=clinics_study.origin(path),
        )  # fmt: skip
        parts.append(lines.of_comparison(compared, measure))
    return pd.concat(parts, ignore_index=True)


def resbuilder_accuracy(folder: Path) -> pd.DataFrame:
    """Table 6.1, those data sets that are recorded; chosen on a validation split, and on the test split as published."""
    parts = []
    for path in sorted(folder.glob("resbuilder_*.npz")):
        searched_before = path.stem.endswith(resbuilder.FOUND)
        for split in ("validation",) if searched_before else ("validation", "test"):
            compared = resbuilder.compared(path, chosen_on=split)
            compared = compared[compared["verdict"] != "not run"] if searched_before else compared
            measure = "test accuracy of what a small search found" if searched_before else f"test accuracy, chosen on {split}"
            parts.append(lines.of_comparison(compared, measure))
    return pd.concat(parts, ignore_index=True)


def _heavy_ball(folder: Path, dataset: str, **notes: list[str]) -> pd.DataFrame:
    path = folder / f"phs_{dataset}_implied.npz"
    compared = published.compare(
        phs.TABLES[dataset], phs.results(path), on=phs.KEYS, value="accuracy", scale=100, unit="%", remarks=phs.remarks(path),
        origin=phs.origin(path), **notes,
    )  # fmt: skip
    return lines.of_comparison(compared, "test accuracy")


def _gain(dataset: str, row: dict, origin: str) -> Line:
    half = (row["high"] - row["low"]) / 2
    verdict = f"not comparable: {CIFAR_PART}" if dataset == "cifar10" else ""
    if row["verdict"] == "goal never reached":
        verdict = "undecided: our runs never reach the goal"
    elif math.isnan(half):
        verdict = verdict or "undecided: one run, spread unknown"
    case = f"{dataset}, learning rate {row['learning_rate']:g}, friction {row['friction']:g}, mass {row['mass']:g}"
    return Line(
        "gain by the brake", case, 100 * row["published"], 100 * row["gain"], 100 * half, runs=row["seeds"], unit="points",
        remarks=f"claim of half a point: {row['verdict']}", origin=origin, verdict=verdict,
    )  # fmt: skip


def _matrices(name: str) -> dict[str, np.ndarray]:
    found = published.table(name)
    return {
        matrix: rows.pivot(index="row", columns="col", values="value").to_numpy(float)
        for matrix, rows in found.groupby("matrix")
    }


def _entries(printed: np.ndarray, ours: np.ndarray) -> pd.DataFrame:
    pairs = zip(np.ndindex(printed.shape), printed.ravel(), ours.ravel(), strict=True)
    return lines.table(Line("entry", f"({i}, {j})", one, other, 0) for (i, j), one, other in pairs)


NUMBERS = (
    convolution, max_pooling, lenet_weights, heavy_ball_cifar10, heavy_ball_fashion_mnist, braking_gains, morphnet_widths,
    digits, clinics, resbuilder_accuracy,
)  # fmt: skip
