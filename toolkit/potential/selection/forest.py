"""A random forest in place of the network, in the three forms of Ghimire's section 3.4, and what it could not do.

A tree answers with the mean energy of the training frames that fell into its leaf. So a forest never leaves the range of these
energies, needs many frames to draw a slope, and within one temperature, where energies differ by little, answers with nearly
the same value for all: the pictures of the document's appendix C. Its forms also give up what the network has by construction,
that every atom counts alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import RidgeCV
from torch import Tensor

from toolkit.potential.selection.scaling import Scaled
from toolkit.potential.selection.stacked import mean_over_atoms, shares

FORMS = ("mean", "atoms in a row", "every atom")


@dataclass(frozen=True)
class Predicted:
    """Energies of a model beside the true ones.

    Attributes:
        form: what the model was given; "linear" for the ridge regression, "constant" for the mean of the training energies.
        rmse: on the test frames [meV/atom].
        train_rmse: on the training frames.
        energies: predicted for the test frames, `(n,)` [eV/atom].
        wanted: true ones.
    """

    form: str
    rmse: float
    train_rmse: float
    energies: np.ndarray
    wanted: np.ndarray

    @property
    def slope(self) -> float:
        """Of predicted against true energies; 1 for a model that follows them, 0 for a constant."""
        return float(np.polyfit(self.wanted, self.energies, 1)[0])


def fit_forest(
    data: Scaled,
    form: Literal["mean", "atoms in a row", "every atom"] = "mean",
    *,
    trees: int = 100,
    max_depth: int | None = 20,
    seed: int = 0,
) -> Predicted:
    """A random forest on the training frames, judged on the test frames.

    Args:
        data: from `scaling.scaled`, with test frames.
        form: "mean" gives the mean of each function over the atoms; "atoms in a row" all a * d values of a frame as one row,
            in which the numbering of the atoms counts; "every atom" makes a row of each atom with the frame's energy per atom
            as its target, and takes the mean over atoms of the answers.
        trees: of the forest.
        max_depth: of a tree; the document names 20.
        seed: of the forest.

    Raises:
        ValueError: an unknown form, no test frames, or frames of different numbers of atoms with a form other than "mean".
    """
    if form not in FORMS:
        raise ValueError(f"form must be one of {FORMS}, got {form!r}")
    if data.present and form != "mean":
        raise ValueError(f"form must be 'mean' for frames of different numbers of atoms, got {form!r}")
    forest = RandomForestRegressor(trees, max_depth=max_depth, random_state=seed, max_features=1 / 3)
    wanted = data.train[1].numpy()
    rows = _rows(data.train[0], form, shares(data.present.get("train")))
    forest.fit(rows, np.repeat(wanted, data.atoms) if form == "every atom" else wanted)
    return _judged(data, form, lambda descriptors, part_of: _answers(forest, descriptors, form, part_of))


def fit_linear(data: Scaled) -> Predicted:
    """Ridge regression on the mean of each function over the atoms: an energy that is a sum over atoms, as the network's."""
    rows = _rows(data.train[0], "mean", shares(data.present.get("train")))
    ridge = RidgeCV(np.logspace(-8, 2, 21)).fit(rows, data.train[1].numpy())
    return _judged(data, "linear", lambda descriptors, part_of: ridge.predict(_rows(descriptors, "mean", part_of)))


def fit_constant(data: Scaled) -> Predicted:
    """The mean of the training energies for every frame: what a model must beat."""
    return _judged(data, "constant", lambda descriptors, part_of: np.zeros(len(descriptors)))


def _rows(descriptors: Tensor, form: str, part_of: Tensor | None) -> np.ndarray:
    if form == "mean":
        return mean_over_atoms(descriptors, part_of).numpy()
    return (descriptors.flatten(1) if form == "atoms in a row" else descriptors.flatten(0, 1)).numpy()


def _answers(forest: RandomForestRegressor, descriptors: Tensor, form: str, part_of: Tensor | None) -> np.ndarray:
    answers = forest.predict(_rows(descriptors, form, part_of))
    return answers.reshape(len(descriptors), -1).mean(1)


def _judged(data: Scaled, form: str, answer) -> Predicted:
    if len(data.test[1]) == 0:
        raise ValueError("data: a comparison needs test frames")
    errors = {}
    for name in ("train", "test"):
        descriptors, energies = getattr(data, name)
        answers = answer(descriptors, shares(data.present.get(name)))
        errors[name] = 1000 * data.unit * float(np.sqrt(np.mean((answers - energies.numpy()) ** 2)))
    wanted = data.test[1].numpy()
    return Predicted(form, errors["test"], errors["train"], *(each * data.unit + data.mean for each in (answers, wanted)))
