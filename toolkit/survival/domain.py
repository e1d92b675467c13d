"""One model, several clinics: penalties against shifted predictions, standardising, and calibration of a new scanner.

Cox's likelihood compares subjects of one risk set only, so a constant added to all log hazards costs nothing. Pictures of
another scanner may therefore be predicted at another level, and where predictions of two clinics are merged every pair of
subjects across them is ordered by their scanners (Burghoff, section 7.5.1).

    loss = domain.ClinicLoss(penalty=domain.mean_penalty, strength=0.1)
    merged = domain.standardise(log_hazard, clinic)
    to_a = domain.calibrate(few_of_b, predictions_on_a)      # to_a(log_hazard) is on A's level
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from toolkit.survival import cox
from toolkit.survival.metrics import Pairs, concordance_pairs
from toolkit.survival.network import CoxLoss
from toolkit.survival.observations import Values, finite, per_subject


def mean_penalty(log_hazard: Tensor) -> Tensor:
    """(1/b) (Σ h)² = b · mean(h)², the penalty of Burghoff (7.6) as it is printed.

    It pins the constant that Cox's likelihood leaves free: any h has a shift for which it is 0, and neither the order nor the
    spread inside the batch costs anything. Over batches drawn at random from subjects of mean μ and variance σ² it comes to
    b μ² + σ², however, since their means scatter: so it shrinks the spread as much as `l2_penalty` does.

    Args:
        log_hazard: h of a batch `(b,)`.

    Returns:
        A scalar.

    >>> mean_penalty(torch.tensor([1.0, 3.0])), mean_penalty(torch.tensor([-1.0, 1.0]))
    (tensor(8.), tensor(0.))
    """
    return log_hazard.sum().square() / max(1, len(log_hazard))


def l2_penalty(log_hazard: Tensor) -> Tensor:
    """(1/b) Σ h², what the text around Burghoff (7.6) calls it: an L2 regularisation.

    It is mean(h)² plus the variance, so unlike `mean_penalty` it also shrinks the spread of the predictions.

    Args:
        log_hazard: h of a batch `(b,)`.

    Returns:
        A scalar.

    >>> l2_penalty(torch.tensor([1.0, 3.0])), l2_penalty(torch.tensor([-1.0, 1.0]))
    (tensor(5.), tensor(1.))
    """
    return log_hazard.square().sum() / max(1, len(log_hazard))


PENALTIES: dict[str, Callable[[Tensor], Tensor] | None] = {"none": None, "mean": mean_penalty, "l2": l2_penalty}


class ClinicLoss(CoxLoss):
    """The loss of Burghoff (7.6), with the penalty taken in each clinic of a mini-batch by itself.

    The document's training batches hold pictures of one clinic only, for which this is (7.6). With unlabelled pictures of
    another clinic among them (see `datasets.patients.dataset`) it also pins the level of that clinic's predictions. A batch
    without an event has no Cox loss; that is counted, not warned of.

    Args:
        ties: see `cox.cox_loss`.
        reduction: see `cox.cox_loss`; "sum" as printed.
        penalty: of the raw log hazards of one clinic `(b,)`, see `PENALTIES`.
        strength: λ, not stated in the document; it may be changed during a run.

    Attributes:
        batches: on which a gradient was taken so far.
        without_event: how many of them had no event.

    >>> loss = ClinicLoss(penalty=mean_penalty, strength=1.0)
    >>> unlabelled = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])  # time, event, clinic
    >>> loss(torch.tensor([[2.0], [-2.0]]), unlabelled)  # 2² + 2²: the clinics do not make up for each other
    tensor(8.)
    """

    def __init__(
        self,
        *,
        ties: Literal["breslow", "efron"] = "breslow",
        reduction: Literal["sum", "events", "mean"] = "sum",
        penalty: Callable[[Tensor], Tensor] | None = None,
        strength: float = 0.0,
    ):
        super().__init__(ties=ties, reduction=reduction, penalty=penalty, strength=strength)
        self.batches = self.without_event = 0

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Loss of log hazards `(b, 1)` or `(b,)`; targets begin with time and event, a third column is the clinic."""
        h, has_event = outputs.reshape(-1), bool(targets[:, 1].any())
        if h.requires_grad:
            self.batches, self.without_event = self.batches + 1, self.without_event + (not has_event)
        loss = (0 * h).sum()
        if has_event:
            loss = cox.cox_loss(h, targets[:, 0], targets[:, 1], ties=self.ties, reduction=self.reduction)
        if self.penalty is None or self.strength == 0:
            return loss
        clinic = targets[:, 2] if targets.shape[1] > 2 else torch.zeros_like(targets[:, 0])
        return loss + self.strength * sum(self.penalty(h[clinic == number]) for number in clinic.unique())


def standardise(log_hazard: Values, clinic: Values) -> Tensor:
    """Predictions of each clinic less their mean, divided by their standard deviation (Burghoff 7.5.1), for merging.

    Inside a clinic the order stays as it is, and so does its concordance. What is lost is any true difference between the
    clinics: it needs a set of pictures from each, with a like mix of patients.

    Args:
        log_hazard: `(n,)`.
        clinic: what tells the clinics apart `(n,)`.

    Returns:
        `(n,)` with mean 0 and standard deviation (divided by n) 1 in each clinic; 0 where all of a clinic are equal.

    Raises:
        ValueError: unequal lengths, predictions that are not finite, a clinic with a single prediction.

    >>> standardise([1.0, 3.0, 10.0, 30.0], [0, 0, 1, 1])
    tensor([-1.,  1., -1.,  1.], dtype=torch.float64)
    """
    h, clinic = _by_clinic(log_hazard, clinic)
    merged = h.clone()
    for number in clinic.unique():
        rows = clinic == number
        merged[rows] = (h[rows] - h[rows].mean()) / _spread(f"clinic {number.item():g}", h[rows])
    return merged


@dataclass(frozen=True)
class Calibration:
    """What brings predictions on a new scanner to the level and the spread of a known one.

    Attributes:
        mean: of the predictions on the new scanner.
        scale: factor on what lies above that mean.
        level: mean of the predictions on the known scanner.

    >>> Calibration(mean=2.0, scale=0.5, level=1.0)(torch.tensor([2.0, 4.0]))
    tensor([1., 2.])
    """

    mean: float
    scale: float
    level: float

    def __call__(self, log_hazard: Tensor) -> Tensor:
        """Calibrated predictions of the new scanner, `(n,)`."""
        return (log_hazard - self.mean) * self.scale + self.level


def calibrate(new: Values, reference: Values, *, prior: float = 10.0) -> Calibration:
    """Calibration of a new scanner from a few of its slides, whose outcomes need not be known (Burghoff, chapter 8).

    The level is the difference of the means, whose error falls as 1/√k with k slides. The spread of few slides is uncertain, so
    it is drawn towards that of the reference: var = ((k - 1) var_new + prior · var_reference) / (k - 1 + prior).

    Args:
        new: predictions on slides of the new scanner `(k,)`, one or more.
        reference: predictions on slides of the known scanner `(n,)`, two or more.
        prior: the number of slides for which the reference's spread counts; 0 takes the new one's alone.

    Returns:
        A function of predictions on the new scanner.

    Raises:
        ValueError: no slide, predictions that are not finite, a negative prior, or equal predictions with prior 0.

    >>> calibrate([5.0], [0.0, 2.0])(torch.tensor([5.0, 6.0]))
    tensor([1., 2.])
    """
    if not 0 <= prior < np.inf:
        raise ValueError(f"prior must be a number of slides, 0 or more, got {prior!r}")
    new, reference = _predictions("new", new), _predictions("reference", reference)
    known = _spread("reference", reference, correction=1)
    squares, weight = float((new - new.mean()).square().sum()), len(new) - 1 + prior
    variance = (squares + prior * known**2) / weight if weight else 0.0
    if variance == 0:
        raise ValueError(f"new: {len(new)} equal predictions tell no spread; take more slides, or prior above 0")
    return Calibration(float(new.mean()), known / variance**0.5, float(reference.mean()))


def shift_between(log_hazard: Values, clinic: Values) -> float:
    """How far the second clinic's predictions lie above the first's, in units of their pooled standard deviation.

    Args:
        log_hazard: `(n,)`.
        clinic: two different values `(n,)`, in rising order the first and the second clinic.

    Raises:
        ValueError: other than two clinics, a clinic with a single prediction.

    >>> shift_between([-1.0, 1.0, 3.0, 5.0], [0, 0, 1, 1])
    4.0
    """
    h, clinic = _by_clinic(log_hazard, clinic)
    numbers = clinic.unique()
    if len(numbers) != 2:
        raise ValueError(f"clinic must hold two different values, got {len(numbers)}")
    first, second = (h[clinic == number] for number in numbers)
    pooled = (_spread("first", first) ** 2 * len(first) + _spread("second", second) ** 2 * len(second)) / len(h)
    return float((second.mean() - first.mean()) / pooled**0.5)


def between_clinics(time: Values, event: Values, log_hazard: Values, clinic: Values) -> Pairs:
    """The comparable pairs of two subjects of different clinics; only these change when predictions are standardised.

    Args:
        time: to the event or the end of observation `(n,)`.
        event: 1 where the event was seen, else 0 `(n,)`.
        log_hazard: `(n,)`.
        clinic: what tells the clinics apart `(n,)`.

    Returns:
        Their numbers: those of all subjects together less those inside each clinic.

    >>> between_clinics([1.0, 2.0, 3.0], [1, 1, 1], [0.0, 1.0, 2.0], [0, 0, 1])
    Pairs(concordant=0, discordant=2, tied=0)
    """
    h, clinic = _by_clinic(log_hazard, clinic)
    time, event = torch.as_tensor(time), torch.as_tensor(event)
    together = concordance_pairs(time, event, h)
    inside = [concordance_pairs(*(each[clinic == number] for each in (time, event, h))) for number in clinic.unique()]
    return Pairs(*(
        getattr(together, kind) - sum(getattr(each, kind) for each in inside) for kind in ("concordant", "discordant", "tied")
    ))  # fmt: skip


def histograms(log_hazard: Values, clinic: Values, *, bins: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Histograms of the predictions of each clinic over the same bins.

    Args:
        log_hazard: `(n,)`.
        clinic: what tells the clinics apart `(n,)`.
        bins: how many.

    Returns:
        Edges `(bins + 1,)`, and shares of each clinic's predictions `(clinics, bins)`, clinics in rising order.

    >>> histograms([0.0, 0.0, 1.0, 1.0], [0, 0, 0, 1], bins=2)[1]
    array([[0.66666667, 0.33333333],
           [0.        , 1.        ]])
    """
    if bins != int(bins) or bins < 1:
        raise ValueError(f"bins must be a whole number of 1 or more, got {bins!r}")
    h, clinic = (each.numpy() for each in _by_clinic(log_hazard, clinic))
    edges = np.histogram_bin_edges(h, bins)
    counts = [np.histogram(h[clinic == number], edges)[0] / (clinic == number).sum() for number in np.unique(clinic)]
    return edges, np.array(counts)


def _by_clinic(log_hazard: Values, clinic: Values) -> tuple[Tensor, Tensor]:
    h = _predictions("log_hazard", log_hazard)
    return h, per_subject("clinic", clinic, h)


def _predictions(name: str, values: Values) -> Tensor:
    tensor = torch.as_tensor(values).detach().to("cpu", torch.float64).reshape(-1)
    if len(tensor) == 0:
        raise ValueError(f"{name} must hold at least one prediction, got none")
    return finite(name, tensor)


def _spread(name: str, h: Tensor, correction: int = 0) -> float:
    """Standard deviation; 1 where all are equal, so that they stay equal when they are divided by it."""
    if len(h) < 2:
        raise ValueError(f"{name} has a single prediction, which has no spread; two or more are needed")
    return 1.0 if bool((h == h[0]).all()) else float(h.std(correction=correction))
