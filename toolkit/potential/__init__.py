"""Interatomic potentials of Behler and Parrinello (Ghimire): symmetry functions, networks summed over atoms, their selection.

    from toolkit.potential import SymmetryFunctions, document_set

    functions = SymmetryFunctions(*document_set("57"))
    features = functions(positions, cell)                # (b, a, 57)

=====================  =============================================================================================
`functions`            G1 to G5 by name, cutoff functions, the sets of the document
`symmetry`             all functions of all atoms of a batch; `radial` and `angular` hold the sums, `neighbours` the search
=====================  =============================================================================================
"""

from toolkit.potential.functions import DOCUMENT_SETS, G1, G2, G3, G4, G5, cutoff, document_columns, document_set
from toolkit.potential.neighbours import Pairs, find_pairs
from toolkit.potential.symmetry import SymmetryFunctions

__all__ = [
    "DOCUMENT_SETS", "G1", "G2", "G3", "G4", "G5", "Pairs", "SymmetryFunctions", "cutoff", "document_columns",
    "document_set", "find_pairs",
]  # fmt: skip
