"""ResBuilder: residual networks that deepen, lose layers and change widths under a FLOP budget (Burghoff, 4.4 and chapter 6).

builder = ResBuilder(data, zero_net(data.input_shape, data.n_classes), budget=1e8)
for record in builder:
    if record.kind == "trained":
        print(record.step, record.variant, record.metrics["validation_accuracy"])
network = builder.best.build()
"""

from toolkit.search.resbuilder.builder import ResBuilder
from toolkit.search.resbuilder.lasso import SCORES, LayerLasso
from toolkit.search.resbuilder.moves import depth, key, relative_position, suggested_widths, unseen_place
from toolkit.search.resbuilder.recipes import RECIPES, Recipe, augmentation
from toolkit.search.resbuilder.records import KINDS, VARIANTS, Found, Record
from toolkit.search.resbuilder.starts import fitted, zero_net

__all__ = [
    "KINDS", "RECIPES", "SCORES", "VARIANTS", "Found", "LayerLasso", "Recipe", "Record", "ResBuilder", "augmentation", "depth",
    "fitted", "key", "relative_position", "suggested_widths", "unseen_place", "zero_net",
]  # fmt: skip
