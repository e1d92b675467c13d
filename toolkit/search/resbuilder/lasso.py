"""LayerLasso: a penalty on the weights of residual blocks, and which blocks it has emptied (Burghoff, 4.4.2.2 and 4.4.4)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from toolkit.search.architecture import ResNetSpec

SCORES = ("mean", "sum")
LAYERS = ("blocks", "all")


class LayerLasso:
    """The sum of absolute weights, G_Λ = Σ_l ‖ω_l‖₁ (4.4), and the score of each block by which it is deleted, (4.6).

    With "blocks" it is over the two convolutions of every residual block, those at the way into a stage included; the first
    convolution, 1x1 convolutions beside a branch and the dense layer go free. The published code penalises all convolutions,
    "all", and does so in the trainings without regularisation too.

    Args:
        model: built by `spec`; its weights are read at every call.
        spec: a residual network.
        layers: which convolutions are penalised, "blocks" or "all".

    Raises:
        ValueError: layers is something else.
    """

    def __init__(self, model: nn.Module, spec: ResNetSpec, *, layers: Literal["blocks", "all"] = "blocks"):
        if layers not in LAYERS:
            raise ValueError(f"layers must be one of {LAYERS}, got {layers!r}")
        convolutions = [layer for layer in spec.layers if layer.role.endswith("conv") or layer.name == "stem.conv"]
        weights = [(layer, model.get_submodule(layer.name).weight) for layer in convolutions]
        in_branch = ("first.conv", "second.conv")
        self.weights = [weight for layer, weight in weights if layers == "all" or layer.role in in_branch]
        self._blocks: dict[tuple[int, int], list[Tensor]] = {}
        for layer, weight in weights:
            if layer.place[0] == "block":
                self._blocks.setdefault(layer.place[1:], []).append(weight)

    def penalty(self) -> Tensor | float:
        """G_Λ, to be added to the loss times λ_Λ; 0 for a network without blocks."""
        return sum(weight.abs().sum() for weight in self.weights) if self.weights else 0.0

    def scores(self, score: Literal["mean", "sum"] = "mean") -> dict[tuple[int, int], float]:
        """Stage and number of each block to the least score of its two convolutions.

        The document says the sum of |ω|, its code the mean. The sum of a 3x3 convolution of 64 channels that starts at 10⁻²
        is about 300, so that a threshold of 10⁻³ asks for mean absolute weights of 3·10⁻⁸.
        """
        if score not in SCORES:
            raise ValueError(f"score must be one of {SCORES}, got {score!r}")
        return {
            place: min(float(getattr(weight.detach().abs(), score)()) for weight in weights)
            for place, weights in self._blocks.items()
        }
