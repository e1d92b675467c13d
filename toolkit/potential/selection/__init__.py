"""Which of the symmetry functions a potential needs (Ghimire, chapter 4): subsets, elimination, LassoNet, and honest tests.

    data = scaled(train, validation, test)               # pairs of descriptors (n, a, d) and energies (n,), and (n, a),
                                                         # 1 where an atom is, for frames of different numbers of atoms
    for record in fit(data, masks=[[0, 8, 16], [1, 9, 17]], epochs=200):
        print(record.epoch, record.metrics["validation_rmse"])    # one number per subset [meV/atom]

===============  ================================================================================================
`scaling`        descriptors and energies on one scale
`masked`         `fit`: one network per subset or seed, all trained at once; `stacked` holds their arithmetic
`subsets`        equally spaced functions (sets A to D), functions without near copies
`elimination`    leave one out (Table D.1), backward elimination by three scores
`importance`     lengths of weights, shuffled functions
`lassonet`       `path`: LassoNet for atomic networks, group lasso and adaptive group lasso on the first layer
`proximal`       the hierarchical proximal step and the group soft threshold
`comparison`     paired tests over seeds
`forest`         the random forest of section 3.4 beside a line
===============  ================================================================================================
"""

from toolkit.potential.selection.comparison import histories, paired
from toolkit.potential.selection.elimination import backward, leave_one_out
from toolkit.potential.selection.forest import fit_constant, fit_forest, fit_linear
from toolkit.potential.selection.importance import permutation, weight_lengths
from toolkit.potential.selection.lassonet import path
from toolkit.potential.selection.masked import fit
from toolkit.potential.selection.proximal import group_prox, hierarchical_prox
from toolkit.potential.selection.scaling import scaled
from toolkit.potential.selection.subsets import equally_spaced, spread, uncorrelated

__all__ = [
    "backward", "equally_spaced", "fit", "fit_constant", "fit_forest", "fit_linear", "group_prox", "hierarchical_prox",
    "histories", "leave_one_out", "paired", "path", "permutation", "scaled", "spread", "uncorrelated", "weight_lengths",
]  # fmt: skip
