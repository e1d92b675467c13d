"""Tables 3.1, 3.3, rows of 4.1 and Fig. 3.5 of Ghimire re-enacted: shapes, functions and shares, on EMT and real DFT cells.

The document's ab initio cells are private. "emt" are cells by molecular dynamics with the EMT potential, `datasets.aluminium`,
at a scale that can be chosen; "dft" are the 109 cells of Liu and Mo, `datasets.frames.dft_aluminium`, once with
energies alone and once with forces. Whole trajectories (DFT: cells of equal energy) are kept for validation and test; the
document parts frame by frame and has no test set. Sets of functions are read as `potential.document_columns` says; "12" are the
radial ones of "22".

Fig. 3.5 asks which share of the data to train on. "emt_80", "emt_70" and "emt_60" set the test part of "emt" aside, train on
that share of the other trajectories and validate on the rest, so that the shares of a seed meet the same test cells. They train
to the end, without patience, so that their curves have one length. The document names the hidden layers; 22 functions are
those of the section it stands in.

Not published and chosen here: Adam's learning rate 0.01 with an exponential decay of 5e-3 an epoch, batches of 16 (DFT: 8).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from toolkit import recordings, training
from toolkit.datasets import aluminium, frames
from toolkit.potential import HighDimensionalNetwork, Potential, SymmetryFunctions, document_set, fit_scaling, learning
from toolkit.potential.fitting import EnergyFit, Schedule
from toolkit.studies import running

WIDTHS = (5, 10, 15, 20, 30, 40, 50)
SHARES = {"emt_80": 0.8, "emt_70": 0.7, "emt_60": 0.6}  # trained on, of what is not tested
STRUCTURES = {
    "emt": (*(f"12-{width}-{width}-1" for width in WIDTHS), "22-10-10-1", "57-10-10-1", "329-10-10-1"),
    "dft": ("12-10-10-1", "22-10-10-1", "57-10-10-1"),
    "dft_forces": ("22-10-10-1",),
} | dict.fromkeys(SHARES, ("22-5-5-1", "22-10-10-1", "22-15-15-1"))
EPOCHS = {"emt": 400, "dft": 400, "dft_forces": 40} | dict.fromkeys(SHARES, 400)
BATCH = {"emt": 16, "dft": 8, "dft_forces": 8} | dict.fromkeys(SHARES, 16)
FORCE_WEIGHT = 0.1  # Å^2
PATIENCE = {"emt": 50, "dft": 50, "dft_forces": 50} | dict.fromkeys(SHARES, 400)


@dataclass(frozen=True)
class TrainedPotential:
    """What one training gave.

    Attributes:
        dataset: key of `STRUCTURES`.
        structure: as the document writes it, "22-10-10-1".
        seed: of weights, order and split.
        epochs: that were trained.
        best_epoch: of the least validation loss.
        train: energy error of the training part with the best weights [meV/atom].
        validation: likewise.
        test: likewise.
        test_forces: error of the force components [eV/Å].
        history: validation error of each epoch [meV/atom].
        true: energies of the test part [eV/atom].
        predicted: likewise.
        seconds: of the training.
        run: name of its file.
    """

    dataset: str
    structure: str
    seed: int
    epochs: int
    best_epoch: int
    train: float
    validation: float
    test: float
    test_forces: float
    history: np.ndarray
    true: np.ndarray
    predicted: np.ndarray
    seconds: float
    run: str = ""


def record(
    folder: str | Path,
    *,
    dataset: str,
    seeds: Sequence[int],
    structures: Sequence[str] = (),
    scale: str = "classroom",
    workers: int = 1,
) -> Iterator[Path]:
    """Train every structure with every seed, one file a run; what lies in the folder already is not done again.

    Args:
        folder: for the files of single runs.
        dataset: key of `STRUCTURES`.
        seeds: of weights, order and split.
        structures: some of `STRUCTURES`; all of them when empty.
        scale: of the EMT cells, a key of `aluminium.SCALES`.
        workers: runs at a time, one core each.

    Yields:
        The file of each finished run.

    Raises:
        ValueError: an unknown data set or structure.
        RuntimeError: a run failed; the others are done first.
    """
    if dataset not in STRUCTURES:
        raise ValueError(f"dataset must be one of {tuple(STRUCTURES)}, got {dataset!r}")
    if unknown := set(structures) - set(STRUCTURES[dataset]):
        raise ValueError(f"structures must be among {STRUCTURES[dataset]}, got {sorted(unknown)}")
    Path(folder).mkdir(parents=True, exist_ok=True)
    settings = [
        {"folder": str(folder), "dataset": dataset, "structure": structure, "seed": seed, "scale": scale}
        for seed, structure in itertools.product(seeds, structures or STRUCTURES[dataset])
    ]
    return running.done(record_run, settings, workers=workers, name=("dataset", "structure", "seed"))


def record_run(folder: str, dataset: str, structure: str, seed: int, scale: str = "classroom") -> dict[str, str]:
    """Train one structure and write what came of it, unless it is there."""
    path = Path(folder) / f"{dataset}_{structure}_{seed:02d}.npz"
    if not path.exists():
        torch.set_num_threads(1)
        data = cells(dataset, scale)
        parts = parts_of(dataset, data, seed)
        train = _train_emt if _is_emt(dataset) else _train_dft
        found = train(dataset, structure, seed, data, parts)
        settings = {"epochs": EPOCHS[dataset], "batch_size": BATCH[dataset], "patience": PATIENCE[dataset], "frames": len(data)}
        settings |= {"atoms": float(data.sizes.mean())} | ({"scale": scale} if _is_emt(dataset) else {})
        provenance = recordings.provenance(data={"name": data.source, "frames": len(data)}, seeds=[seed])
        recordings.save(path, [found], settings=settings, title="neural network potentials", provenance=provenance)
    return {"path": str(path)}


@cache
def cells(dataset: str, scale: str = "classroom") -> frames.Frames:
    """The structures of a data set.

    Args:
        dataset: key of `STRUCTURES`.
        scale: of the EMT cells.
    """
    return aluminium.emt(scale) if _is_emt(dataset) else frames.dft_aluminium()


def parts_of(dataset: str, data: frames.Frames, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows to train on, to validate on and to test on; whole trajectories.

    Args:
        dataset: key of `STRUCTURES`; those of `SHARES` have the test part of "emt".
        data: from `cells`.
        seed: of the choice.
    """
    train, validation, test = data.split(validation=0.2, test=0.2, seed=seed)
    if dataset in SHARES:
        rest = np.sort(np.concatenate([train, validation]))
        train, validation, _ = (rest[rows] for rows in data[rest].split(validation=1 - SHARES[dataset], test=0, seed=seed))
    return train, validation, test


def functions_of(structure: str) -> SymmetryFunctions:
    """The descriptors of a structure such as "57-10-10-1"."""
    count = structure.partition("-")[0]
    radial, angular = document_set("22" if count == "12" else count)
    return SymmetryFunctions(radial, () if count == "12" else angular)


def hidden_of(structure: str) -> tuple[int, ...]:
    """The widths of its hidden layers.

    >>> hidden_of("12-5-5-1")
    (5, 5)
    """
    return tuple(int(width) for width in structure.split("-")[1:-1])


def join(folder: str | Path, path: str | Path) -> None:
    """Join the files of all finished runs into one recording."""
    running.join(folder, path, record=TrainedPotential)


def results(path: str | Path) -> pd.DataFrame:
    """One row for each run of a recording, without its curves; `test_median` is the median size of the error [meV/atom].

    Args:
        path: of the recording.
    """
    names = ("dataset", "structure", "seed", "epochs", "best_epoch", "train", "validation", "test", "test_forces", "seconds")
    records = recordings.load(path, record=TrainedPotential).records
    table = pd.DataFrame([[getattr(one, name) for name in names] for one in records], columns=list(names))
    table["test_median"] = [1000 * np.median(np.abs(one.predicted - one.true)) for one in records]
    return table.sort_values(["dataset", "structure", "seed"], ignore_index=True)


def shares(path: str | Path) -> pd.DataFrame:
    """Errors [meV/atom] by structure and share trained on (Fig. 3.5): mean and standard deviation over the seeds.

    `validation` is that of the best epoch, as the document has it, on cells that differ from share to share; `test` is that of
    the weights of this epoch, on cells that do not.

    Args:
        path: of the recording.
    """
    table = results(path)
    table = table[table["dataset"].isin(SHARES)].assign(share=lambda rows: rows["dataset"].map(SHARES))
    errors = table.groupby(["structure", "share"])[["train", "validation", "test"]].agg(["mean", "std"])
    order = [name for name in STRUCTURES["emt_80"] if name in errors.index]
    return (
        errors.sort_index(level="share", ascending=False).loc[order].assign(seeds=table.groupby(["structure", "share"]).size())
    )


def curves(path: str | Path, structure: str) -> dict[float, list[np.ndarray]]:
    """Validation errors of each epoch [meV/atom], one array a seed, by the share trained on.

    Args:
        path: of the recording.
        structure: one of those of `SHARES`.

    Raises:
        ValueError: no share was recorded with this structure.
    """
    records = recordings.load(path, record=TrainedPotential).records
    found = {
        share: [one.history for one in records if (one.dataset, one.structure) == (dataset, structure)]
        for dataset, share in SHARES.items()
    }
    if not any(found.values()):
        raise ValueError(f"structure must be one recorded with shares, {STRUCTURES['emt_80']} in the study, got {structure!r}")
    return {share: histories for share, histories in found.items() if histories}


def _is_emt(dataset: str) -> bool:
    return dataset.partition("_")[0] == "emt"


def _train_emt(dataset: str, structure: str, seed: int, data: frames.Frames, parts: tuple[np.ndarray, ...]) -> TrainedPotential:
    ready = learning.energy_data(functions_of(structure), data, *parts)
    fit = EnergyFit(
        ready,
        hidden=hidden_of(structure),
        epochs=EPOCHS[dataset],
        batch_size=BATCH[dataset],
        patience=PATIENCE[dataset],
        seed=seed,
    )
    records = list(fit)
    history = [one.validation for one in records]
    return _found(dataset, structure, seed, fit.potential(), data, parts, history, fit.run.best["epoch"], records[-1].seconds)


def _train_dft(dataset: str, structure: str, seed: int, data: frames.Frames, parts: tuple[np.ndarray, ...]) -> TrainedPotential:
    functions, forces = functions_of(structure), dataset.endswith("forces")
    features = learning.describe(functions, data[parts[0]])
    per_atom = data.energy_per_atom[parts[0]]
    torch.manual_seed(seed)
    network = HighDimensionalNetwork(len(functions), hidden=hidden_of(structure))
    potential = Potential(functions, fit_scaling(features), network, offset=per_atom.mean(), scale=per_atom.std())
    pupil = learning.Pupil(potential, data, forces=forces)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    run = training.fit(
        pupil, pupil.data(*parts[:2]), loss=pupil.loss(force_weight=FORCE_WEIGHT * forces), optimizer=optimizer,
        epochs=EPOCHS[dataset], batch_size=BATCH[dataset], seed=seed, device="cpu", metrics=[learning.energy_rmse],
        scheduler=Schedule(optimizer, "exponential", 2e-2 if forces else 5e-3),
        stopping=training.EarlyStopping(PATIENCE[dataset]),
    )  # fmt: skip
    records = list(run)
    pupil.load_state_dict(run.best["model"])
    history = [one.metrics["validation_energy_rmse"] for one in records]
    return _found(dataset, structure, seed, potential, data, parts, history, run.best["epoch"], records[-1].seconds)


def _found(
    dataset: str, structure: str, seed: int, potential: Potential, data: frames.Frames, parts: Any, *rest: Any
) -> TrainedPotential:
    history, best, seconds = rest
    train, validation = (_energy_error(potential, data[rows]) for rows in parts[:2])
    test = learning.errors(potential, data[parts[2]], dtype=torch.float32)
    return TrainedPotential(
        dataset, structure, seed, len(history) - 1, int(best), train, validation, test.energy_rmse, test.force_rmse,
        np.array(history, np.float32), test.true_energy, test.energy, seconds,
    )  # fmt: skip


@torch.no_grad()
def _energy_error(potential: Potential, data: frames.Frames) -> float:
    """Root mean squared error of the energy [meV/atom]."""
    errors = []
    for rows in data.batches(32):
        positions, cell, _ = data[rows].tensors(torch.float32)
        errors.append(potential(positions, cell).double().numpy() / positions.shape[1] - data.energy_per_atom[rows])
    return float(1000 * np.sqrt(np.mean(np.concatenate(errors) ** 2)))
