"""From frames to training: descriptors once, energies or energies and forces as targets, errors in the units people compare.

    data = learning.energy_data(functions, frames, *frames.split(seed=0))
    network = HighDimensionalNetwork(data.features)
    run = training.fit(network, data, loss=data.loss, optimizer=..., epochs=500, stopping=...)
    potential = data.potential(network)

    pupil = learning.Pupil(potential, frames, forces=True)          # the same on energies and forces
    run = training.fit(pupil, pupil.data(train, validation), loss=pupil.loss(force_weight=0.1), ...)

The loss is the mean squared error of the energy per atom. The document's losses are those of whole 256-atom cells, and its
"loss per atom" is that divided by 256, which is no error of one atom; `document_loss` and `rmse_of_document` convert.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from toolkit.datasets.frames import Frames
from toolkit.potential.network import HighDimensionalNetwork
from toolkit.potential.potential import Potential
from toolkit.potential.scaling import Kind, Scaling, fit_scaling
from toolkit.potential.symmetry import SymmetryFunctions

ATOMS = 256  # of the document's cells
FRAMES_AT_ONCE = 16  # whose graph is held while forces are predicted
Pair = tuple[Tensor, Tensor]


def rmse_of_document(loss: float | np.ndarray, atoms: int = ATOMS) -> float | np.ndarray:
    """Root mean squared error [meV/atom] that a printed loss stands for, if its unit is eV².

    Args:
        loss: mean squared error of the energy of whole cells [eV²].
        atoms: in a cell.

    >>> float(rmse_of_document(0.14478).round(2))  # the document's best, 57 functions
    1.49
    """
    return 1000 * np.sqrt(loss) / atoms


def document_loss(rmse: float | np.ndarray, atoms: int = ATOMS) -> float | np.ndarray:
    """The loss of a whole cell of so many atoms [eV²] that belongs to a root mean squared error [meV/atom].

    >>> float(document_loss(rmse_of_document(0.2402)).round(4))
    0.2402
    """
    return (rmse * atoms / 1000) ** 2


@torch.no_grad()
def describe(
    functions: SymmetryFunctions, frames: Frames, *, dtype: torch.dtype = torch.float32, progress: bool = False
) -> Tensor:
    """Descriptors of all atoms of all frames.

    Args:
        functions: which.
        frames: of any sizes.
        dtype: in which they are computed.
        progress: show a bar.

    Returns:
        `(n, a, d)` where all frames have a atoms, else `(N, d)`, frame after frame.
    """
    found = torch.empty(len(frames.numbers), len(functions), dtype=dtype)
    with tqdm(total=len(frames), desc="descriptors", unit="frame", disable=not progress) as bar:
        for rows in frames.batches(8):
            positions, cell, numbers = frames[rows].tensors(dtype)
            values = functions(positions, cell, numbers=numbers if functions.species else None)
            for row, each in zip(rows, values, strict=True):
                found[frames.offsets[row] : frames.offsets[row + 1]] = each
            bar.update(len(rows))
    return found.view(len(frames), -1, len(functions)) if len(np.unique(frames.sizes)) == 1 else found


@dataclass(frozen=True)
class EnergyData:
    """Scaled descriptors and energies of frames of one size and species, ready for `training.fit`; made by `energy_data`.

    Attributes:
        train: descriptors `(n, a, d)` and energies of whole frames, less `offset` for each atom, in units of `unit`, `(n,)`.
        validation: likewise.
        test: likewise.
        functions: what the descriptors are.
        scaling: how they were scaled.
        offset: mean energy of the training part [eV/atom].
        unit: its standard deviation [eV/atom].
    """

    train: Pair
    validation: Pair
    test: Pair
    functions: SymmetryFunctions
    scaling: Scaling
    offset: float
    unit: float

    @property
    def atoms(self) -> int:
        """In each frame."""
        return self.train[0].shape[1]

    @property
    def features(self) -> int:
        """Number of descriptors."""
        return self.train[0].shape[2]

    def normalise(self, inputs: Tensor) -> Tensor:
        """The inputs are scaled already."""
        return inputs

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean squared error of the energy per atom, in units of `unit` squared."""
        return ((outputs - targets) / self.atoms).square().mean()

    def rmse(self, loss: float | np.ndarray) -> float | np.ndarray:
        """Root mean squared error [meV/atom] that belongs to a value of `loss`."""
        return 1000 * self.unit * np.sqrt(loss)

    def potential(self, network: HighDimensionalNetwork) -> Potential:
        """The trained network with its descriptors and scaling, on structures."""
        return Potential(self.functions, self.scaling, network, offset=self.offset, scale=self.unit)


def energy_data(
    functions: SymmetryFunctions,
    frames: Frames,
    train: np.ndarray,
    validation: np.ndarray,
    test: np.ndarray,
    *,
    scaling: Kind = "min-max",
    features: Tensor | None = None,
) -> EnergyData:
    """Describe frames and scale them by their training part.

    Args:
        functions: for one species.
        frames: of one size.
        train: rows of the training part; see `Frames.split`.
        validation: rows.
        test: rows; may be empty.
        scaling: see `scaling.Scaling`.
        features: descriptors `(n, a, d)` where they were computed before.

    Raises:
        ValueError: frames of several sizes or species, energies that do not vary.
    """
    if len(np.unique(frames.sizes)) != 1 or len(np.unique(frames.numbers)) != 1:
        raise ValueError("frames must have one size and one species; train others with a Pupil")
    features = describe(functions, frames) if features is None else features
    if features.shape != (len(frames), int(frames.sizes[0]), len(functions)):
        raise ValueError(
            f"features must have shape {(len(frames), int(frames.sizes[0]), len(functions))}, got {features.shape}"
        )
    per_atom = frames.energy_per_atom
    offset, unit = float(per_atom[train].mean()), float(per_atom[train].std())
    if not unit > 0:
        raise ValueError("frames: the energies of the training part do not vary, there is nothing to learn")
    fitted = fit_scaling(features[train], scaling)
    target = torch.tensor((frames.energy - offset * frames.sizes) / unit, dtype=torch.float32)
    parts = [(fitted(features[rows]).float(), target[rows]) for rows in (train, validation, test)]
    return EnergyData(*parts, functions, fitted, offset, unit)


class Pupil(nn.Module):
    """A potential whose inputs are the row numbers of frames, so that `training.fit` can train it on energies and forces.

    Frames may have any sizes and species. The output for a frame is its energy per atom [eV/atom] and its forces [eV/Å].

    Args:
        potential: to be trained; its network is moved to float32.
        frames: of which rows are given.
        forces: also predict forces; without them the descriptors are computed once.
    """

    def __init__(self, potential: Potential, frames: Frames, *, forces: bool = True):
        super().__init__()
        self.potential, self.frames, self.forces = potential.float(), frames, forces
        self.width = 1 + 3 * int(frames.sizes.max()) * forces
        if not forces:
            self.described = describe(potential.functions, frames).flatten(0, -2)
            numbers = torch.tensor(frames.numbers.astype(np.int64))
            self.kinds = potential.kinds(numbers[None], torch.zeros(1, len(numbers), 3))

    def forward(self, rows: Tensor) -> Tensor:
        """Energy per atom and, flattened, forces of these frames `(b, 1 + 3 a)`; a is of the largest, the rest is 0.

        Args:
            rows: whole numbers `(b,)`.
        """
        rows = rows.cpu().numpy()
        return self._energies_and_forces(rows) if self.forces else self._energies(rows)

    def data(self, train: np.ndarray, validation: np.ndarray) -> RowData:
        """Rows and targets for `training.fit`."""
        target = torch.full((len(self.frames), self.width), torch.nan)
        target[:, 0] = torch.tensor(self.frames.energy_per_atom)
        if self.forces:
            for row, (start, stop) in enumerate(zip(self.frames.offsets[:-1], self.frames.offsets[1:], strict=True)):
                target[row, 1 : 1 + 3 * (stop - start)] = torch.tensor(self.frames.forces[start:stop].ravel())
        parts = [(torch.tensor(np.asarray(rows)), target[rows]) for rows in (train, validation)]
        return RowData(*parts)

    def loss(self, *, force_weight: float = 0.0) -> Callable[[Tensor, Tensor], Tensor]:
        """Mean squared error of the energy per atom [(eV/atom)²] plus so much times that of the force components [(eV/Å)²].

        Args:
            force_weight: [Å²].
        """
        if not 0 <= force_weight < np.inf or (force_weight and not self.forces):
            raise ValueError(f"force_weight must be 0 or more, and 0 without forces, got {force_weight!r}")

        def combined(outputs: Tensor, targets: Tensor) -> Tensor:
            error = (outputs[:, 0] - targets[:, 0]).square().mean()
            return error + force_weight * force_error(outputs, targets) if force_weight else error

        return combined

    def _energies(self, rows: np.ndarray) -> Tensor:
        sizes = torch.tensor(self.frames.sizes[rows])
        atoms = torch.tensor(np.concatenate([np.arange(*self.frames.offsets[row : row + 2]) for row in rows]))
        kinds = None if self.kinds is None else self.kinds[0][atoms]
        parts = self.potential.of_features(self.described[atoms], kinds)
        owner = torch.arange(len(rows)).repeat_interleave(sizes)
        return (parts.new_zeros(len(rows)).index_add(0, owner, parts) / sizes).unsqueeze(1)

    def _energies_and_forces(self, rows: np.ndarray) -> Tensor:
        found = torch.zeros(len(rows), self.width)
        chosen = self.frames[rows]
        # While evaluating, no graph is kept, so that the number of frames does not set the memory.
        for part in chosen.batches(len(rows) if self.training else FRAMES_AT_ONCE):
            positions, cell, numbers = chosen[part].tensors(torch.float32)
            with torch.enable_grad():
                positions.requires_grad_()
                energy = self.potential(positions, cell, numbers=numbers)
                forces = -torch.autograd.grad(energy.sum(), positions, create_graph=self.training)[0]
            values = torch.cat([energy.unsqueeze(1) / positions.shape[1], forces.flatten(1)], 1)
            padded = nn.functional.pad(values if self.training else values.detach(), (0, self.width - values.shape[1]))
            found = found.index_add(0, torch.tensor(part), padded)
        return found


@dataclass(frozen=True)
class RowData:
    """Row numbers and targets of a `Pupil`."""

    train: Pair
    validation: Pair


def force_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error of the force components [(eV/Å)²] of what a `Pupil` gives."""
    there = ~targets[:, 1:].isnan()
    return torch.where(there, outputs[:, 1:] - targets[:, 1:].nan_to_num(), 0.0).square().sum() / there.sum()


def energy_rmse(outputs: Tensor, targets: Tensor) -> Tensor:
    """Root mean squared error of the energy of what a `Pupil` gives [meV/atom]."""
    return 1000 * (outputs[:, 0] - targets[:, 0]).square().mean().sqrt()


def force_rmse(outputs: Tensor, targets: Tensor) -> Tensor:
    """Root mean squared error of the force components of what a `Pupil` gives [eV/Å]."""
    return force_error(outputs, targets).sqrt()


@dataclass(frozen=True)
class Errors:
    """What a potential predicts of frames, beside what is true.

    Attributes:
        energy: predicted [eV/atom] `(n,)`.
        true_energy: [eV/atom] `(n,)`.
        forces: predicted [eV/Å] `(N, 3)`.
        true_forces: [eV/Å] `(N, 3)`.
    """

    energy: np.ndarray
    true_energy: np.ndarray
    forces: np.ndarray
    true_forces: np.ndarray

    @property
    def energy_rmse(self) -> float:
        """[meV/atom]."""
        return float(1000 * np.sqrt(np.mean((self.energy - self.true_energy) ** 2)))

    @property
    def force_rmse(self) -> float:
        """Of the components [eV/Å]."""
        return float(np.sqrt(np.mean((self.forces - self.true_forces) ** 2)))


def errors(potential: Potential, frames: Frames, *, dtype: torch.dtype = torch.float64) -> Errors:
    """Predict energies and forces of frames of any sizes.

    Args:
        potential: any.
        frames: the structures and what is true of them.
        dtype: of the descriptors.
    """
    energy, forces = np.zeros(len(frames)), np.zeros_like(frames.forces)
    for rows in frames.batches(FRAMES_AT_ONCE):
        positions, cell, numbers = frames[rows].tensors(dtype)
        found = potential.predict(positions, cell, numbers=numbers)
        energy[rows] = found.energy.numpy() / positions.shape[1]
        for row, each in zip(rows, found.forces.numpy(), strict=True):
            forces[frames.offsets[row] : frames.offsets[row + 1]] = each
    return Errors(energy, frames.energy_per_atom, forces, np.asarray(frames.forces))


def only(data: EnergyData, columns: Sequence[int]) -> EnergyData:
    """The same data with some of the functions.

    Args:
        data: of functions for one species.
        columns: which, counted from 0, rising.
    """
    columns = list(columns)
    if columns != sorted(set(columns)) or not columns or not 0 <= columns[0] <= columns[-1] < data.features:
        raise ValueError(f"columns must be rising numbers 0 .. {data.features - 1}, at least one, got {columns}")
    radial = len(data.functions.radial)
    functions = SymmetryFunctions(
        [data.functions.radial[column] for column in columns if column < radial],
        [data.functions.angular[column - radial] for column in columns if column >= radial],
        species=data.functions.species, cutoff=data.functions.cutoff,
    )  # fmt: skip
    old = data.scaling
    statistics = (getattr(old, name)[:, columns] for name in ("low", "high", "mean", "deviation"))
    parts = {name: (getattr(data, name)[0][..., columns], getattr(data, name)[1]) for name in ("train", "validation", "test")}
    return replace(data, **parts, functions=functions, scaling=Scaling(old.kind, *statistics, ends=old.ends))
