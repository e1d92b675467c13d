"""FLOPs of any network of convolutions and dense layers, and MorphNet's penalty on them.

A training step with the penalty: `(cross_entropy(model(inputs), targets) + 1e-7 * regularizer.penalty()).backward()`, where
`regularizer = FlopRegularizer(model, (1, 28, 28))`; `regularizer.cost()` and `regularizer.alive()` say what is left.
"""

from toolkit.search.cost.regularizer import SOURCES, FlopRegularizer, flops

__all__ = ["SOURCES", "FlopRegularizer", "flops"]
