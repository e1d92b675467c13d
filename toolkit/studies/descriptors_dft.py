"""Which of the 329 symmetry functions are needed on real energies: cells of aluminium by density functional theory.

The 109 cells of Liu and Mo have 92 to 112 atoms. For every seed the groups of cells of equal energy are parted anew into
training, validation and test, and LassoNet chooses again from the training and validation parts; then the sets 22 and A, its
choice and all 329 functions are trained at once from the same first weights. One strained cell and its images have an energy
far from all others and rule the root mean squared error of the seeds in whose test part they are; the median does not see them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from toolkit import recordings
from toolkit.datasets.frames import Frames, dft_aluminium
from toolkit.potential import SymmetryFunctions, document_columns, document_set, learning
from toolkit.potential.selection import fit, paired, path, scaled
from toolkit.potential.selection.scaling import Scaled
from toolkit.studies import running

TITLE = "functions of 329, DFT aluminium"
SETS = ("22", "57A", "329")
MOST = 57
BATCH = 8  # as `potentials` takes for these cells


@dataclass(frozen=True)
class Effort:
    """How long networks are trained, in epochs.

    Attributes:
        compared: the four subsets.
        dense: before the path of LassoNet.
        path: at each penalty.
    """

    compared: int = 300
    dense: int = 100
    path: int = 10


@dataclass(frozen=True)
class Trained:
    """One network that sees some of the functions.

    Attributes:
        name: "22", "57A", "329" or "LassoNet".
        features: number of functions.
        columns: their numbers among the 329.
        seed: of the split and everything else.
        train: RMSE [meV/atom].
        validation: likewise.
        test: likewise.
        test_median: median size of the error [meV/atom].
        run: name of its file.
    """

    name: str
    features: int
    columns: np.ndarray
    seed: int
    train: float
    validation: float
    test: float
    test_median: float
    run: str = ""


def descriptors(frames: Frames) -> tuple[Tensor, Tensor]:
    """All 329 functions `(n, a, 329)`, filled up to the largest frame, and 1 where an atom is `(n, a)`."""
    found = learning.describe(SymmetryFunctions(*document_set("329")), frames).flatten(0, -2)
    present = torch.arange(int(frames.sizes.max())) < torch.tensor(frames.sizes)[:, None]
    padded = torch.zeros(*present.shape, found.shape[1])
    padded[present] = found
    return padded, present


def prepared(frames: Frames, functions: Tensor, present: Tensor, *, seed: int) -> Scaled:
    """The frames in three parts by groups of equal energy, scaled by the training part."""
    energies = torch.tensor(frames.energy)
    rows = [torch.tensor(part) for part in frames.split(validation=0.2, test=0.2, seed=seed)]
    return scaled(*((functions[part], energies[part], present[part]) for part in rows))


def records_of(data: Scaled, *, seed: int, effort: Effort = Effort()) -> list[Trained]:  # noqa: B008
    """The four networks of one seed."""
    run = path(
        data, seeds=seed, order_seed=seed, dense_epochs=effort.dense, epochs=effort.path, growth=1.3, least=MOST,
        batch_size=BATCH,
    )  # fmt: skip
    list(run)
    chosen = np.flatnonzero(run.at_most(MOST).selected[0])
    subsets = {name: np.array(document_columns(name)) for name in SETS} | {"LassoNet": chosen}
    fitted = fit(data, masks=list(subsets.values()), seeds=seed, order_seed=seed, epochs=effort.compared, batch_size=BATCH)
    list(fitted)
    errors = [fitted.rmse(part) for part in ("train", "validation", "test")]
    wanted = data.test[1].numpy() * data.unit + data.mean
    errors.append(1000 * np.median(np.abs(fitted.energies("test") - wanted), axis=1))
    return [
        Trained(name, len(columns), columns, seed, *(float(error[member]) for error in errors))
        for member, (name, columns) in enumerate(subsets.items())
    ]


def record(
    folder: str | Path,
    *,
    seeds: Sequence[int],
    frames: Frames | None = None,
    effort: Effort = Effort(),  # noqa: B008
) -> Iterator[Path]:
    """Compute all seeds, one file each; what is there already is not computed again.

    Args:
        folder: for the files.
        seeds: of the splits and everything else.
        frames: the cells; `dft_aluminium()` without it.
        effort: epochs.

    Yields:
        Each file, once it is complete.

    Raises:
        DataNotFound: the cells are not on this machine.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    files = {Path(folder) / f"seed_{seed:02d}.npz": seed for seed in seeds}
    described: tuple[Any, ...] = ()
    for file, seed in files.items():
        if not file.exists():
            frames = dft_aluminium() if frames is None else frames
            described = described or descriptors(frames)
            found = records_of(prepared(frames, *described, seed=seed), seed=seed, effort=effort)
            settings = {"seed": seed, "frames": len(frames), "batch_size": BATCH, "effort": vars(effort)}
            provenance = recordings.provenance(data={"name": frames.source, "frames": len(frames)}, seeds=[seed])
            recordings.save(file, found, settings=settings, title=TITLE, provenance=provenance)
        yield file


def merge(folder: str | Path, path: str | Path) -> None:
    """Join the files of all seeds in a folder into one recording."""
    running.join(folder, path, record=Trained)


def load(path: str | Path) -> list[Trained]:
    """Records of a recording."""
    return recordings.load(path, record=Trained).records


def table(records: Sequence[Trained]) -> pd.DataFrame:
    """Root mean square and median size of the test errors [meV/atom] of each set: means over the seeds, and beside all 329.

    Returns:
        One row for each set of functions; columns are functions used, training RMSE, and for "RMSE" and "median" of the test
        part the mean, and its difference to all 329 functions, paired by seed, with its 95 % bounds.
    """
    models = pd.DataFrame([vars(one) for one in records]).set_index("seed").sort_index()
    whole, rows = models[models["name"] == "329"], {}
    for name, own in models.groupby("name"):
        row = {("", "features"): own["features"].mean(), ("", "train RMSE"): own["train"].mean()}
        for measure, column in {"test RMSE": "test", "test median": "test_median"}.items():
            found = paired(own[column], whole.loc[own.index, column])
            values = (own[column].mean(), found.difference, found.low, found.high)
            row |= {(measure, head): value for head, value in zip(("mean", "minus 329", "low", "high"), values, strict=True)}
        rows[name] = row
    return pd.DataFrame(rows).T.sort_values(("", "features"))
