"""Burghoff, chapter 6: ResBuilder on an image set beside its starts without search and beside MorphNet alone, Table 6.1.

As published: four insertions before each of seven choices of widths, a budget of 1e8 FLOPs, λ_Λ = 1e-8, λ_M = 1e-7, λ₀ = 1e-5,
thresholds 0.015 and 1e-3, the one convolution of 64 channels of RB-0Net, 20 epochs of 128 images a step as in the published
code. With a smaller budget ζ the study shrinks everything that goes with it: λ_M grows as 1 / ζ, so that the penalty is as
large a part of the loss, and the start's channels as the root of ζ, so that a block costs the same share of the budget.
ResNet-18, which costs more than the published budget, is scaled down to it. Its stem is a 3x3 convolution.

Of the networks that keep the budget, trained without regularisation, the one of highest validation accuracy is chosen; its test
accuracy is reported. Beside it stands what the published choice would give: the highest test accuracy of all architectures,
those above the budget too. A search costs as much as all its architectures; the weights of a network trained from those under
regularisation have behind them the epochs of every architecture since the widths were chosen, a start alone has its own only.
What a search on few images with a small budget has found can then be trained, with wider layers, on all of them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from toolkit import datasets, published, recordings
from toolkit.search.architecture import ResNetSpec, from_json, resnet18
from toolkit.search.resbuilder import Record, ResBuilder, fitted, zero_net
from toolkit.studies import running

TABLE = "burghoff_table_6_1_resbuilder_accuracy"
TITLE = "Burghoff, chapter 6: ResBuilder on "
METHODS = ("rb_0net", "zero_net", "rb_r18", "morphnet", "res18")
SEARCHES, FOUND = ("rb_0net", "rb_r18", "morphnet"), "found"
RECIPES = ("thesis", "modern")
BUDGET, WIDTH, EPOCHS, BATCH, MORPH_STRENGTH = 1e8, 64, 20, 128, 1e-7
PRINTED = {
    "cifar10": "CIFAR10", "cifar100": "CIFAR100", "mnist": "MNIST", "fashion_mnist": "FashionMNIST", "emnist": "EMNIST",
    "animals10": "Animals10",
}  # fmt: skip


def record(
    folder: str | Path,
    *,
    dataset: str = "fashion_mnist",
    images: int | None = None,
    methods: Sequence[str] = METHODS,
    recipes: Sequence[str] = RECIPES,
    seeds: Sequence[int] = (0,),
    budget: float = BUDGET,
    epochs: int = EPOCHS,
    batch_size: int = BATCH,
    steps: int | None = None,
    searched: str | Path | None = None,
    workers: int = 1,
) -> Iterator[Path]:
    """Run each method with each recipe and seed, one file a run; what is there is not done again.

    Args:
        folder: for the files and the states of unfinished runs.
        dataset: name that `datasets.load` knows.
        images: to train on, all of them where not given; the validation split shrinks likewise, the test split stays.
        methods: some of `METHODS` and `FOUND`: "rb_0net" and "rb_r18" search, "morphnet" chooses only widths, from ResNet-18;
            "zero_net" and "res18" are the starts scaled to the budget, without search; "found" is what "rb_0net" found in
            `searched` with the same recipe and seed, scaled likewise.
        recipes: some of `RECIPES`.
        seeds: of all random numbers.
        budget: ζ [FLOPs per sample].
        epochs: of each training.
        batch_size: samples per step.
        steps: most architectures after the start; all 35 of seven rounds where not given.
        searched: a recording of this study, for "found".
        workers: runs at a time, one core each.

    Yields:
        The file of each finished run.

    Raises:
        ValueError: "found" without `searched`.
        RuntimeError: a run failed; the others are done first.
    """
    if FOUND in methods and searched is None:
        raise ValueError('methods: "found" needs the recording of a search as `searched`')
    Path(folder).mkdir(parents=True, exist_ok=True)
    common = {
        "folder": str(folder), "dataset": dataset, "images": images, "budget": budget, "epochs": epochs,
        "batch_size": batch_size, "steps": steps,
        "searched": None if searched is None else str(searched),
    }  # fmt: skip
    wanted = [
        common | {"method": method, "recipe": recipe, "seed": seed}
        for seed, method, recipe in itertools.product(seeds, methods, recipes)
    ]
    return running.done(record_run, wanted, workers=workers, name=("method", "recipe", "seed"))


def record_run(folder: str, method: str, recipe: str, seed: int, **how: Any) -> dict[str, str]:
    """One run; interrupted it goes on from its latest record."""
    path = Path(folder) / f"{method}_{recipe}_{seed}.npz"
    if not path.exists():
        run = begun(method, recipe, seed, **how)
        checkpoint = running.checkpoint(path)
        if checkpoint.exists():
            steps = run.steps
            run.load_state_dict(recordings.load_state(checkpoint))
            run.steps = steps  # an unfinished run may be told to go further, or less far
        for _ in run:
            recordings.save_state(checkpoint, run.state_dict())
        _save(path, run, method, how)
        checkpoint.unlink(missing_ok=True)
    return {"path": str(path)}


def begun(
    method: str, recipe: str, seed: int, *, dataset: str, images: int | None, budget: float, epochs: int, batch_size: int,
    steps: int | None, searched: str | None,
) -> ResBuilder:  # fmt: skip
    """One run at its beginning."""
    data = datasets.load(dataset)
    if images is not None and images < len(data.train[0]):
        data = replace(data.subset(images, seed=seed, proportional=True), test=data.test)
    searches = method in SEARCHES
    how: dict[str, Any] = {"morph_strength": MORPH_STRENGTH * BUDGET / budget, "steps": steps}
    if method == "morphnet":
        how["layer_steps"] = 0
    if not searches:  # "with_reg" without both penalties is what the document calls No Reg RI
        how = {"morph_strength": 0.0, "lasso_strength": 0.0, "steps": 0, "variants": ("with_reg",)}
    if method == FOUND:
        start = fitted(found(searched, recipe, seed), budget)
    else:
        start = begins(method, data.input_shape, data.n_classes, budget)
    return ResBuilder(
        data, start, recipe=recipe, budget=budget, epochs=epochs, batch_size=batch_size, seed=seed, device="auto", **how
    )


def begins(method: str, input_shape: Sequence[int], classes: int, budget: float) -> ResNetSpec:
    """The architecture that a method begins with.

    >>> begins("rb_0net", (1, 28, 28), 10, 1e8).stages[0].width, begins("zero_net", (1, 28, 28), 10, 1e8).flops()
    (64, 99998032)
    """
    if method in ("rb_0net", "zero_net"):
        larger = max(1.0, 28 * 28 / math.prod(input_shape[1:]))  # of smaller images the same block costs less
        width = max(1, round(WIDTH * math.sqrt(min(1.0, budget / BUDGET * larger))))
        start = zero_net(input_shape, classes, width=width)
    elif method in METHODS:
        start = resnet18(input_shape, classes, block="pre")
    else:
        raise ValueError(f"method must be one of {METHODS}, got {method!r}")
    return start if method == "rb_0net" else fitted(start, budget)


def found(path: str | Path, recipe: str, seed: int) -> ResNetSpec:
    """The architecture that a recorded search from RB-0Net chose.

    Raises:
        ValueError: it is not in the recording.
    """
    name, recorded = f"rb_0net_{recipe}_{seed}", runs(path)
    if name not in recorded:
        raise ValueError(f"{path}: no run {name}; recorded are {', '.join(recorded)}")
    settings, records = recorded[name]
    chosen = (settings["result"]["step"], settings["result"]["variant"])
    return next(from_json(one.architecture) for one in records if one.kind == "trained" and (one.step, one.variant) == chosen)


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
    """One line per recorded run: accuracies, FLOPs and depth of the network that was chosen, and what the search cost.

    Columns: `dataset`, `method`, `recipe`, `seed`, `images`, `budget`, `epochs`; of the network within
    the budget with the highest validation accuracy `validation_accuracy`, `test_accuracy`, `step`, `variant`, `mflops`,
    `parameters`, `depth`; `test_chosen`, the highest test accuracy of all, as published, and its `test_chosen_mflops`;
    `architectures` trained, `seconds`, `training_share` of these; how it `end`ed; `training_pflop`, 10^15 FLOPs of all its
    trainings, counting three times those of the network for each image.
    """
    names = ("dataset", "method", "recipe", "seed", "images", "budget", "epochs")
    rows = [
        {name: settings[name] for name in names} | settings["result"] | {"training_pflop": _work(settings, records) / 1e15}
        for settings, records in runs(path).values()
    ]  # fmt: skip
    order = {method: number for number, method in enumerate((*METHODS, FOUND))}
    return pd.DataFrame(rows).sort_values(
        ["dataset", "method", "recipe", "seed"], key=lambda column: column.map(order) if column.name == "method" else column,
        ignore_index=True,
    )  # fmt: skip


def compared(path: str | Path, *, recipe: str | None = None, chosen_on: str = "validation") -> pd.DataFrame:
    """The recorded runs of one recipe beside Table 6.1, see `published.compare`; `FOUND` stands in the row of RB-0Net.

    Args:
        path: a recording.
        recipe: one of `RECIPES`; "thesis" where it is recorded if not given.
        chosen_on: "validation", or "test" as published.
    """
    if recipe not in (None, *RECIPES) or chosen_on not in ("validation", "test"):
        raise ValueError(f"recipe must be one of {RECIPES} and chosen_on 'validation' or 'test', got {(recipe, chosen_on)!r}")
    table, ours = published.table(TABLE), results(path)
    if recipe is None:
        recipe = next(one for one in RECIPES if one in set(ours["recipe"]))
    ours = ours[ours["recipe"] == recipe].copy()
    ours["accuracy"] = ours["test_accuracy" if chosen_on == "validation" else "test_chosen"]
    scaled = ours["budget"].lt(BUDGET).any() or ours["images"].lt(50_000).any()
    different = ["fewer images, a smaller budget or fewer epochs than published"] if scaled else []
    different += [] if recipe == "thesis" else ["another recipe of training"]
    small = ["the architecture was found on fewer images with a smaller budget"] if FOUND in set(ours["method"]) else []
    ours["dataset"] = ours["dataset"].map(lambda name: PRINTED.get(name, name))
    ours["method"] = ours["method"].replace(FOUND, "rb_0net")
    return published.compare(
        table[table["dataset"].isin(ours["dataset"])], ours[["dataset", "method", "accuracy"]], on=["dataset", "method"],
        value="accuracy", scale=100, unit="%", different=different, origin=recordings.load(path).origin,
        remarks=["published: best on the test split of all architectures; budget and epochs of Res18 are not ours", *small],
    )  # fmt: skip


def is_recording(path: str | Path) -> bool:
    """Whether a file holds runs of this study."""
    return recordings.load(path).title.startswith(TITLE)


def _save(path: Path, run: ResBuilder, method: str, how: dict[str, Any]) -> None:
    settings = {
        "dataset": how["dataset"], "method": method, "recipe": run.recipe_name, "seed": run.seed, "budget": run.budget,
        "images": len(run.data.train[0]), "epochs": run.epochs, "batch_size": how["batch_size"],
        "start": run.start.to_json(), "layer_steps": run.layer_steps, "morph_steps": run.morph_steps,
        "steps": -1 if how["steps"] is None else how["steps"], "morph_strength": run.morph_strength,
        "result": _result(run),
    }  # fmt: skip
    data = {"name": run.data.name, "sha256": run.data.fingerprint()}
    records = [replace(one, run=path.stem) for one in run.records]
    provenance = recordings.provenance(data=data, seeds=[run.seed])
    recordings.save(path, records, settings=settings, title=f"{TITLE}{how['dataset']}", provenance=provenance)


def _work(settings: dict[str, Any], records: Sequence[Record]) -> float:
    """FLOPs of all trainings: forward, and backward twice as many."""
    return 3 * settings["images"] * sum(one.epoch * one.flops for one in records if one.kind == "trained")


def _result(run: ResBuilder) -> dict[str, Any]:
    """Of the best network, and of the run."""
    best = run.best.record
    eligible = [one for one in run.records if one.kind == "trained" and (one.variant != "with_reg" or len(run.variants) == 1)]
    luckiest = max(eligible, key=lambda one: one.metrics["test_accuracy"])
    return {
        "validation_accuracy": best.metrics["validation_accuracy"], "test_accuracy": best.metrics["test_accuracy"],
        "step": best.step, "variant": best.variant, "mflops": best.flops / 1e6, "parameters": best.parameters,
        "depth": best.depth, "test_chosen": luckiest.metrics["test_accuracy"], "test_chosen_mflops": luckiest.flops / 1e6,
        "architectures": len({one.step for one in eligible}), "seconds": run.seconds,
        "training_share": run.training_seconds / run.seconds, "end": run.records[-1].kind,
    }  # fmt: skip
