"""Interatomic potentials of Behler and Parrinello (Ghimire): symmetry functions, networks summed over atoms, their selection.

    from toolkit.potential import SymmetryFunctions, document_set

    functions = SymmetryFunctions(*document_set("57"))
    features = functions(positions, cell)                # (b, a, 57)

=====================  =============================================================================================
`functions`            G1 to G5 by name, cutoff functions, the sets of the document
`symmetry`             all functions of all atoms of a batch; `radial` and `angular` hold the sums, `neighbours` the search
`scaling`, `network`   preconditioning of the descriptors; one network for every atom of a species, energies summed
`potential`            both together: energies, forces, stress, and committees; `calculator` gives them to ASE
`learning`             from frames to `training.fit`: energies, energies and forces, errors in meV/atom
`fitting`              the document's training on energies, epoch by epoch, with what it predicts meanwhile
`distributions`        which distances and angles the frames hold
`n2p2`                 files of n2p2 and RuNNer, read and written
=====================  =============================================================================================
"""

from toolkit.potential.functions import DOCUMENT_SETS, G1, G2, G3, G4, G5, cutoff, document_columns, document_set
from toolkit.potential.neighbours import Pairs, find_pairs
from toolkit.potential.network import ACTIVATIONS, HighDimensionalNetwork
from toolkit.potential.potential import Committee, Potential, Prediction
from toolkit.potential.scaling import Scaling, fit_scaling
from toolkit.potential.symmetry import SymmetryFunctions

__all__ = [
    "ACTIVATIONS", "DOCUMENT_SETS", "G1", "G2", "G3", "G4", "G5", "Committee", "HighDimensionalNetwork", "Pairs", "Potential",
    "Prediction", "Scaling", "SymmetryFunctions", "cutoff", "document_columns", "document_set", "find_pairs", "fit_scaling",
]  # fmt: skip
