"""Burghoff, chapter 5: MorphNet on MNIST, two convolutions, several strengths of the penalty, and bad starts.

As published: convolutions of 32 and 64 channels, strengths from 1e-9 to 9e-6 with the example of 2e-8, two rounds of shrinking
and widening and a training without penalty; widths read every 100 steps. The document does not say kernels, head, optimizer,
epochs, threshold or budget. Chosen here: 3x3 kernels, batch norm and max pooling behind each, one dense layer, Adam with a
learning rate of 0.01, a channel alive above |γ| = 0.05 (Adam moves γ by about 0.01 a step), and as budget the FLOPs of the
start. Images and epochs stand in the settings of each run. The runs from bad starts take at most 1000 images in batches of 16,
twenty rounds each.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from toolkit import datasets, published, recordings, training
from toolkit.search import morphnet
from toolkit.search.architecture import ConvSpec
from toolkit.search.morphnet import Record
from toolkit.studies import running

TABLE = "burghoff_section_5_morphnet"
TITLE = "Burghoff, chapter 5: MorphNet on "
START = (32, 64)
STRENGTHS = (9e-6, 2e-8, 1e-9, 1e-7, 5e-8)
BAD_STARTS = {"small": (4, 4), "large": (64, 128)}
BAD_STRENGTH, BAD_IMAGES, BAD_ITERATIONS = 5e-8, 1000, 20
LEARNING_RATE, THRESHOLD, EVERY = 0.01, 0.05, 100


def record(
    folder: str | Path,
    *,
    dataset: str = "mnist",
    epochs: int = 1,
    images: int | None = None,
    seeds: Sequence[int] = (0,),
    workers: int = 1,
) -> Iterator[Path]:
    """Run all strengths from the published start, then both bad starts, one file a run; what is there is not done again.

    Args:
        folder: for the files and the states of unfinished runs.
        dataset: name that `datasets.load` knows.
        epochs: of each training.
        images: to train on; all of them where not given. Runs from bad starts take at most `BAD_IMAGES`.
        seeds: of weights and sample order.
        workers: runs at a time, one core each.

    Yields:
        The file of each finished run.

    Raises:
        RuntimeError: a run failed; the others are done first.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    common = {"folder": str(folder), "dataset": dataset, "epochs": epochs, "images": images}
    runs = [{"start": "published", "strength": one} for one in STRENGTHS]
    runs += [{"start": name, "strength": BAD_STRENGTH} for name in BAD_STARTS]
    wanted = [common | run | {"seed": seed} for seed, run in itertools.product(seeds, runs)]
    return running.done(record_run, wanted, workers=workers, name=("start", "strength", "seed"))


def record_run(
    folder: str, dataset: str, start: str, strength: float, seed: int, epochs: int, images: int | None = None
) -> dict[str, str]:
    """One run; interrupted it goes on from its latest record."""
    path = Path(folder) / f"{start}_{strength:g}_{seed}.npz"
    if not path.exists():
        run = begun(dataset, start, strength, seed, epochs, images)
        checkpoint = running.checkpoint(path)
        if checkpoint.exists():
            run.load_state_dict(recordings.load_state(checkpoint))
        for _ in run:
            recordings.save_state(checkpoint, run.state_dict())
        _save(path, run, dataset, start)
        checkpoint.unlink(missing_ok=True)
    return {"path": str(path)}


def begun(dataset: str, start: str, strength: float, seed: int, epochs: int, images: int | None = None) -> morphnet.Morph:
    """One run at its beginning."""
    data = datasets.load(dataset)
    budget = ConvSpec(data.input_shape, data.n_classes, START).flops()
    bad = start in BAD_STARTS
    most = min(filter(None, (images, BAD_IMAGES if bad else None, len(data.train[0]))))
    if most < len(data.train[0]):
        data = data.subset(most, seed=seed, proportional=True)
    return morphnet.morph(
        ConvSpec(data.input_shape, data.n_classes, BAD_STARTS.get(start, START)), data, strength=strength, budget=budget,
        iterations=BAD_ITERATIONS if bad else 2, epochs=epochs, threshold=THRESHOLD, learning_rate=LEARNING_RATE,
        batch_size=16 if bad else 64, every=EVERY, seed=seed, device="cpu",
    )  # fmt: skip


def merge(folder: str | Path, path: str | Path) -> None:
    """Join the files of all finished runs in a folder, and the runs that `path` holds already, into one recording.

    Raises:
        FileNotFoundError: the folder holds no finished run.
    """
    running.join(folder, path, record=Record)


def runs(path: str | Path) -> dict[str, tuple[dict[str, Any], list[Record]]]:
    """Name of each recorded run to its settings and records."""
    recording = recordings.load(path, record=Record)
    return {
        name: (settings, [one for one in recording.records if one.run == name])
        for name, settings in recording.settings.items()
    }  # fmt: skip


def results(path: str | Path) -> pd.DataFrame:
    """One line per recorded run: widths after each round, how it ended, FLOPs and accuracy on the test split."""
    rows = []
    for settings, records in runs(path).values():
        rounds = [one for one in records if one.kind in ("morph", "collapse")]
        said = [f"{_short(one.alive)} → {_short(one.chosen)}" if one.chosen else f"{_short(one.alive)}" for one in rounds]
        rows.append(
            {
                "start": _short(settings["widths"]), "strength": settings["strength"], "seed": settings["seed"],
                "rounds": ", ".join(said[:2]) + (f", ... {said[-1]}" if len(said) > 2 else ""),
                "end": records[-1].kind, **settings["result"],
            }
        )  # fmt: skip
    return pd.DataFrame(rows).sort_values(["start", "strength", "seed"], ignore_index=True)


def compared(path: str | Path) -> pd.DataFrame:
    """The recorded runs beside the numbers of chapter 5, see `published.compare`."""
    table = published.table(TABLE)
    table = table[(table["group"] == "result") & (table["value_type"] == "number")].copy()
    table["value"] = table["value"].astype(float)
    found = [row for settings, records in runs(path).values() for row in _numbers(settings, records)]
    found += [("iterations_to_common_architecture", _rounds_to_agree(path))]
    return published.compare(
        table, pd.DataFrame(found, columns=["key", "value"]), on="key", value="value", origin=recordings.load(path).origin,
        different=["the document states no kernels, head, optimizer, epochs, threshold or budget"],
    )  # fmt: skip


def _numbers(settings: Mapping[str, Any], records: Sequence[Record]) -> list[tuple[str, float]]:
    """What chapter 5 prints of the strongest penalty."""
    if settings["start"] != "published" or settings["strength"] != max(STRENGTHS):
        return []
    rounds = [one for one in records if one.kind in ("morph", "collapse")]
    named = zip(("shrunk", "second_iteration"), rounds, strict=False)
    found = {f"{name}_channels_layer_{n}": one.alive[f"conv{n}"] for name, one in named for n in (1, 2)}
    found |= {f"expanded_channels_layer_{n}": rounds[0].chosen.get(f"conv{n}", float("nan")) for n in (1, 2)}
    if len(rounds) > 1 and rounds[1].kind == "collapse":
        found["second_iteration_collapse_steps"] = rounds[1].step
    return [(f"lambda_max_{name}", float(value)) for name, value in found.items()]


def _rounds_to_agree(path: str | Path) -> float:
    """After how many rounds both bad starts have the same widths to a tenth, for good; nan if they never have."""
    histories = [
        [list(one.chosen.values()) for one in records if one.kind == "morph"]
        for settings, records in runs(path).values() if settings["start"] in BAD_STARTS
    ]  # fmt: skip
    if len(histories) < 2:
        return float("nan")
    apart = [max(abs(a - b) / max(a, b) for a, b in zip(*pair, strict=True)) for pair in zip(*histories, strict=False)]
    late = [number for number, one in enumerate(apart) if one > 0.1]
    return float("nan") if late and late[-1] == len(apart) - 1 else float(late[-1] + 2 if late else 1)


def is_recording(path: str | Path) -> bool:
    """Whether a file holds runs of this study."""
    return recordings.load(path).title.startswith(TITLE)


def _short(widths: Mapping[str, int]) -> str:
    return "/".join(map(str, widths.values()))


def _save(path: Path, run: morphnet.Morph, dataset: str, start: str) -> None:
    """What the document calls the test error is taken once, of the network at the end; a collapsed one has none."""
    result = {"mflops": run.architecture.flops() / 1e6, "test_accuracy": float("nan")}
    if not run.ended:
        result["test_accuracy"] = training.evaluate(run.model, run.data.test, normalise=run.data.normalise)["accuracy"]
    settings = {
        "dataset": dataset, "start": start, "widths": dict(run.start.widths), "strength": run.strength, "seed": run.seed,
        "budget": run.budget, "iterations": run.iterations, "epochs": run.epochs, "images": len(run.data.train[0]),
        "result": result,
    }  # fmt: skip
    data = {"name": run.data.name, "sha256": run.data.fingerprint()}
    provenance = recordings.provenance(data=data, seeds=[run.seed])
    records = [replace(one, run=path.stem) for one in run.records]
    recordings.save(path, records, settings=settings, title=f"{TITLE}{dataset}", provenance=provenance)
