"""Networks whose output is the log hazard, trained by the partial likelihood through `training.fit`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from toolkit import training
from toolkit.survival import cox
from toolkit.survival.batches import event_stratified
from toolkit.survival.metrics import NotDefined, concordance_index
from toolkit.survival.observations import Values, observed


class CoxLoss:
    """The loss of a mini-batch for `training.fit`: Burghoff (7.3), or (7.6) with a penalty.

    The risk sets are those inside the mini-batch, so that the loss of one batch size does not compare with that of another.

    Args:
        ties: see `cox.cox_loss`.
        reduction: see `cox.cox_loss`; "sum" as printed.
        penalty: of the raw log hazards `(b,)`, as `domain.mean_penalty` or `domain.l2_penalty`; None for (7.3).
        strength: λ, the factor of the penalty, 0 or more; it may be changed during a run.

    >>> loss = CoxLoss(penalty=torch.sum, strength=2.0)
    >>> loss(torch.tensor([[1.0], [1.0]]), torch.tensor([[1.0, 1.0], [2.0, 0.0]]))  # log 2 + 2 (1 + 1)
    tensor(4.6931)
    """

    def __init__(
        self,
        *,
        ties: Literal["breslow", "efron"] = "breslow",
        reduction: Literal["sum", "events", "mean"] = "sum",
        penalty: Callable[[Tensor], Tensor] | None = None,
        strength: float = 0.0,
    ):
        if not 0 <= strength < torch.inf:
            raise ValueError(f"strength must be a finite number, 0 or more, got {strength!r}")
        cox.check_choices(ties, reduction)
        self.ties, self.reduction, self.penalty, self.strength = ties, reduction, penalty, strength

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Loss of log hazards `(b, 1)` or `(b,)`, given time and event in the first two columns of the targets."""
        time, event = targets[:, 0], targets[:, 1]
        loss = cox.cox_loss(outputs, time, event, ties=self.ties, reduction=self.reduction)
        if self.penalty is None or self.strength == 0:
            return loss
        return loss + self.strength * self.penalty(outputs.reshape(-1))


def concordance(outputs: Tensor, targets: Tensor) -> float:
    """Harrell's concordance index as a metric for `training.fit`; nan where it is not defined.

    >>> concordance(torch.tensor([[2.0], [1.0]]), torch.tensor([[1.0, 1.0], [2.0, 0.0]]))
    1.0
    """
    try:
        return concordance_index(targets[:, 0], targets[:, 1], outputs)
    except NotDefined:
        return torch.nan


class CoxNetwork:
    """A network with one output, the log hazard, and the data it is trained on: tables or images.

    Args:
        network: from inputs to `(b, 1)`.
        data: whose targets have the columns time and event first, as those of `datasets.survival` and `datasets.patients`.

    Raises:
        TypeError: the network is not a module.
        ValueError: targets of another form, or no event among the training subjects.

    >>> from toolkit import networks
    >>> from toolkit.datasets import survival
    >>> data = survival.from_columns([[0.0], [1.0], [2.0]], [3.0, 2.0, 1.0], [1, 1, 1], validation=0, test=0)
    >>> model = CoxNetwork(networks.dense(1, (), 1, seed=0), data)
    >>> model.survival(data.train[0], [0.5])  # nobody has had the event by then
    tensor([[1.],
            [1.],
            [1.]], dtype=torch.float64)
    """

    def __init__(self, network: nn.Module, data: training.Data):
        if not isinstance(network, nn.Module):
            raise TypeError(f"network must be a torch.nn.Module, got {type(network).__name__}")
        for name in ("train", "validation"):
            _check_targets(name, getattr(data, name)[1])
        self.network, self.data = network, data

    def fit(
        self,
        *,
        epochs: int,
        loss: CoxLoss | None = None,
        optimizer: torch.optim.Optimizer | None = None,
        batch_size: int = 64,
        stratified: bool | Literal["always"] = True,
        **settings: Any,
    ) -> training.Fit:
        """Train the network; an iterator of records, see `training.fit`.

        Args:
            epochs: passes over the training subjects.
            loss: by default `CoxLoss()`.
            optimizer: by default Adam with a learning rate of 0.001 (Burghoff, section 7.4.4).
            batch_size: subjects per step.
            stratified: True spreads the events evenly over the batches, "always" puts one into each; see `event_stratified`.
            **settings: further arguments of `training.fit`; `metrics` is the concordance index by default.

        Returns:
            The run; `validation_loss` has its risk sets in the whole validation split.
        """
        if stratified not in (True, False, "always"):
            raise ValueError(f"stratified must be True, False or 'always', got {stratified!r}")
        if stratified:
            order = partial(event_stratified, batch_size=batch_size) if stratified == "always" else event_stratified
            settings = {"order": order} | settings
        return training.fit(
            self.network, self.data, loss=loss or CoxLoss(), epochs=epochs, batch_size=batch_size,
            optimizer=optimizer or torch.optim.Adam(self.network.parameters(), 1e-3), **{"metrics": [concordance]} | settings,
        )  # fmt: skip

    def log_hazard(self, inputs: Tensor) -> Tensor:
        """The network's output in evaluation mode for inputs in their stored type, `(n,)` on the CPU."""
        return training.outputs(self.network, inputs, normalise=self.data.normalise).reshape(-1).cpu()

    def baseline(self) -> cox.BaselineHazard:
        """The baseline hazard that the training subjects have with the present weights."""
        inputs, targets = self.data.train
        return cox.baseline_hazard(targets[:, 0].cpu(), targets[:, 1].cpu(), self.log_hazard(inputs))

    def survival(self, inputs: Tensor, times: Values) -> Tensor:
        """Probability `(n, t)` to be without event at each of the times `(t,)`."""
        return cox.survival_curves(self.log_hazard(inputs), times, baseline=self.baseline())


def _check_targets(name: str, targets: Tensor) -> None:
    if targets.ndim != 2 or targets.shape[1] < 2:
        raise ValueError(f"data.{name}: targets must have columns time and event, shape (n, 2), got {tuple(targets.shape)}")
    if len(targets) == 0:
        return
    try:
        _, event = observed(targets[:, 0], targets[:, 1])
    except ValueError as error:
        raise ValueError(f"data.{name}: {error}") from error
    if name == "train" and not bool(event.any()):
        raise ValueError("data.train must hold at least one event, got none: there is nothing to learn from")
