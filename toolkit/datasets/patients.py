"""Simulated patients of two clinics: sections whose tissue sets the hazard, and scanners that the hazard does not depend on.

    cohort = patients.simulate(seed=0)
    data = patients.dataset(cohort)                          # trained on clinic A, tested on A and B
    data = patients.dataset(cohort, unlabelled=("B",))       # B's pictures without their outcomes as well

Everything here is computed. Numbers of patients and slides, follow-up and share of events are near those of Burghoff,
Table 7.1. The true log hazard of each patient is known, so that an estimate can be compared with the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Integral

import numpy as np
import torch
from torch import Tensor

from toolkit.datasets import sections, splits
from toolkit.datasets.arrays import moments
from toolkit.datasets.dataset import Dataset, Pair
from toolkit.datasets.sections import CLINIC_A, CLINIC_B, Scanner

TARGETS = ("time", "event", "clinic", "patient")
EFFECTS = (0.8, 0.5, 0.8)  # of the three traits on the log hazard
BASELINE_HAZARD = 1 / 850  # events per month at log hazard 0; with it about one patient in seven has an event
HELD_OUT = 36 / 176  # share of patients in the test part and in the validation part, as in Table 7.1


@dataclass(frozen=True)
class Clinic:
    """Who is treated in a clinic, for how long they are followed, and what their slides are scanned with.

    Attributes:
        name: one word.
        patients: how many.
        slides: mean number per patient; each has at least one.
        scanner: of all its slides.
        follow_up: median time after which a patient is no longer followed [months].
        spread: standard deviation of the logarithm of that time.
        risk: mean true log hazard of its patients.
    """

    name: str
    patients: int
    slides: float
    scanner: Scanner
    follow_up: float
    spread: float
    risk: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.patients, Integral) or self.patients < 1:
            raise ValueError(f"patients of clinic {self.name} must be a whole number of 1 or more, got {self.patients!r}")
        if not self.slides >= 1 or not np.isfinite(self.slides):
            raise ValueError(f"slides of clinic {self.name} is a mean of 1 or more per patient, got {self.slides!r}")
        if not 0 < self.follow_up < np.inf or not 0 <= self.spread < np.inf or not np.isfinite(self.risk):
            raise ValueError(
                f"follow_up of clinic {self.name} must be positive, spread 0 or more and risk finite, "
                f"got {self.follow_up!r}, {self.spread!r} and {self.risk!r}"
            )


A = Clinic("A", 176, 2.2, CLINIC_A, follow_up=73, spread=0.35)
B = Clinic("B", 242, 1.0, CLINIC_B, follow_up=41, spread=0.6)


@dataclass(frozen=True, eq=False)
class Cohort:
    """Slides with what is known of their patients, one entry per slide.

    Attributes:
        images: `(n, 3, h, w)` uint8.
        targets: `(n, 4)` float32, the columns `TARGETS`: time [months], 1 for an event and 0 for censored, number of the
            clinic, number of the patient.
        log_hazard: `(n,)` the true one.
        traits: `(n, 3)` standard scores of `sections.TRAITS`.
        clinics: what the numbers of the clinics stand for.
    """

    images: Tensor
    targets: Tensor
    log_hazard: Tensor
    traits: Tensor
    clinics: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)

    def of(self, clinic: str) -> Tensor:
        """Numbers of the slides of one clinic, rising."""
        if clinic not in self.clinics:
            raise ValueError(f"clinic must be one of {self.clinics}, got {clinic!r}")
        return torch.nonzero(self.targets[:, 2] == self.clinics.index(clinic)).flatten()


def simulate(
    clinics: Sequence[Clinic] = (A, B),
    *,
    size: tuple[int, int] = (40, 50),
    effects: Sequence[float] = EFFECTS,
    baseline_hazard: float = BASELINE_HAZARD,
    seed: int = 0,
) -> Cohort:
    """Draw patients, their times and their sections.

    The true log hazard is `risk` of the clinic plus effects · traits; the time to the event is exponential with the hazard
    baseline_hazard · exp(log hazard), and is seen if it is within the follow-up. Times are rounded up to whole months, so
    that there are ties. Scanner and pen do not enter the hazard.

    Args:
        clinics: who and how many.
        size: height and width of a picture [pixels]; the document's frame of 2000 x 2500 reduced by 50.
        effects: of the three traits on the log hazard.
        baseline_hazard: [1/month].
        seed: of everything.

    Returns:
        All slides, clinic after clinic, a patient's slides side by side.

    Raises:
        ValueError: a setting that cannot work.

    >>> cohort = simulate(seed=1)
    >>> cohort.images.shape[1:], sorted(set(cohort.targets[:, 2].tolist()))
    (torch.Size([3, 40, 50]), [0.0, 1.0])
    """
    _check(clinics, size, effects, baseline_hazard, seed)
    streams = np.random.SeedSequence(seed).spawn(len(clinics))
    parts, first = [], 0
    for number, (clinic, stream) in enumerate(zip(clinics, streams, strict=True)):
        parts.append(_slides(clinic, number, first, size, np.asarray(effects, float), baseline_hazard, stream))
        first += clinic.patients
    joined = (torch.cat(column) for column in zip(*parts, strict=True))
    return Cohort(*joined, tuple(clinic.name for clinic in clinics))


def dataset(
    cohort: Cohort,
    *,
    train_on: str = "A",
    unlabelled: Sequence[str] = (),
    validation: float = HELD_OUT,
    test: float = HELD_OUT,
    seed: int = 0,
) -> Dataset:
    """Train on some patients of one clinic, choose on others, test on others again and on all other clinics.

    No patient is in two parts, and patients with an event have the same share of each part. Slides of `unlabelled` clinics
    join the training part with time 0 and event 0: somebody who is censored at time zero is in no risk set, so that their
    outcome enters no Cox loss, while a penalty on the predictions sees them.

    Args:
        cohort: of `simulate`.
        train_on: name of the clinic with outcomes.
        unlabelled: names of clinics whose pictures are seen in training, without their outcomes.
        validation: share of the patients of `train_on`.
        test: likewise.
        seed: of the split.

    Returns:
        Targets are the columns `TARGETS`.

    Raises:
        ValueError: an unknown clinic, or shares that leave no patient for training.

    >>> dataset(simulate(seed=1)).test[1].shape[1]
    4
    """
    own, seen = cohort.of(train_on), [cohort.of(name) for name in unlabelled if _is_other(name, train_on)]
    parts = patient_split(cohort.targets[own, 3], validation=validation, test=test, seed=seed, stratify=cohort.targets[own, 1])
    train, chosen, tested = (own[part] for part in parts)
    others = torch.cat([own[:0], *(cohort.of(name) for name in cohort.clinics if name != train_on)])
    inputs, targets = _pair(cohort, train)
    mean, std = moments(inputs)
    for rows in seen:
        without_outcome = cohort.targets[rows].clone()
        without_outcome[:, :2] = 0
        inputs, targets = torch.cat([inputs, cohort.images[rows]]), torch.cat([targets, without_outcome])
    return Dataset(
        f"clinics {', '.join(cohort.clinics)}, trained on {train_on}", (inputs, targets), _pair(cohort, chosen),
        _pair(cohort, torch.cat([tested, others])), classes=None, source="computed by toolkit.datasets.patients",
        licence="none needed, computed", units="8 bit red, green, blue", simulated=True, mean=mean, std=std,
    )  # fmt: skip


def held_out(data: Dataset) -> Pair:
    """Slides to look at during the work: validation patients of the clinic trained on, and everybody of the other clinics.

    The test patients of the clinic trained on stay unseen.

    Args:
        data: of `dataset`.

    >>> len(held_out(dataset(simulate(seed=1)))[1][:, 3].unique())  # 36 of A, 242 of B
    278
    """
    (inputs, targets), (others, other_targets) = data.validation, data.test
    rows = other_targets[:, 2] != targets[0, 2]
    return torch.cat([inputs, others[rows]]), torch.cat([targets, other_targets[rows]])


def patient_split(
    patient: Tensor, *, validation: float, test: float, seed: int = 0, stratify: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Divide slides so that all slides of a patient fall into one part.

    Args:
        patient: `(n,)` number of each slide's patient.
        validation: share of the patients.
        test: likewise.
        seed: of the split.
        stratify: `(n,)` a label of the patient, such as the event; each label gives its share of patients to each part. A
            patient's label is that of their first slide.

    Returns:
        Three rising index tensors of slides, for training, validation and test.

    Raises:
        ValueError: shares that leave no patient for training, or labels of another length.

    >>> patient_split(torch.tensor([7, 7, 3, 3]), validation=0.0, test=0.5, seed=1)[2]
    tensor([2, 3])
    """
    if stratify is not None and len(stratify) != len(patient):
        raise ValueError(f"stratify must hold one label for each of {len(patient)} slides, got {len(stratify)}")
    numbers, first, place = np.unique(np.asarray(patient), return_index=True, return_inverse=True)
    labels = None if stratify is None else np.asarray(stratify)[first]
    parts = splits.split(len(numbers), validation=validation, test=test, seed=seed, stratify=labels)
    return tuple(torch.from_numpy(np.flatnonzero(np.isin(place, part.numpy()))) for part in parts)


def per_patient(values: Tensor, patient: Tensor) -> Tensor:
    """Mean over the slides of each patient, patients in rising order of their numbers.

    Args:
        values: `(n,)` or `(n, columns)`, one row per slide.
        patient: `(n,)` number of each slide's patient.

    Returns:
        One row per patient.

    >>> per_patient(torch.tensor([1.0, 3.0, 5.0]), torch.tensor([4, 4, 2]))
    tensor([5., 2.])
    """
    if len(values) != len(patient):
        raise ValueError(f"values and patient must have equal lengths, got {len(values)} and {len(patient)}")
    numbers, place, slides = torch.unique(patient, return_inverse=True, return_counts=True)
    total = torch.zeros(len(numbers), *values.shape[1:], dtype=torch.float64, device=values.device)
    total.index_add_(0, place, values.to(torch.float64))
    return (total / slides.view(-1, *[1] * (values.ndim - 1))).to(values.dtype)


def with_gap(gap: float, *, pen: float | None = None, clinic: Clinic = B) -> Clinic:
    """Clinic B with a scanner that lies `gap` of the way from A's to its own; 0 is A's scanner.

    Args:
        gap: 0 to 1 between the two; beyond 1 it differs even more, as far as a scanner can.
        pen: share of marked slides; None takes that share from the gap too.
        clinic: whose scanner is changed.

    >>> with_gap(0.0).scanner == A.scanner
    True
    """
    scanner = CLINIC_A.towards(clinic.scanner, gap)
    return replace(clinic, scanner=scanner if pen is None else replace(scanner, pen=pen))


def _slides(clinic: Clinic, number: int, first: int, size, effects, baseline_hazard, stream) -> tuple[Tensor, ...]:
    """Images, targets, true log hazard and traits of one clinic, one row per slide."""
    generator = np.random.default_rng(stream)
    strength = float(np.linalg.norm(effects)) or 1.0
    traits = generator.standard_normal((clinic.patients, len(effects))) + clinic.risk * effects / strength**2
    log_hazard = traits @ effects
    to_event = generator.exponential(np.exp(-log_hazard) / baseline_hazard)
    followed = clinic.follow_up * np.exp(clinic.spread * generator.standard_normal(clinic.patients))
    time, event = np.ceil(np.minimum(to_event, followed)), to_event <= followed
    slides = 1 + generator.poisson(clinic.slides - 1, clinic.patients)
    patient = np.arange(first, first + clinic.patients)
    targets = np.stack([time, event, np.full(clinic.patients, number), patient], 1)
    rows = np.repeat(np.arange(clinic.patients), slides)
    images = sections.draw(traits[rows], scanner=clinic.scanner, size=size, seed=int(generator.integers(2**32)))
    columns = (torch.from_numpy(values[rows].astype(np.float32)) for values in (targets, log_hazard, traits))
    return torch.from_numpy(images), *columns


def _pair(cohort: Cohort, rows: Tensor) -> Pair:
    return cohort.images[rows], cohort.targets[rows]


def _is_other(name: str, train_on: str) -> bool:
    if name == train_on:
        raise ValueError(f"unlabelled: clinic {name!r} is the one to train on, so its outcomes are seen")
    return True


def _check(clinics, size, effects, baseline_hazard, seed) -> None:
    names = [clinic.name for clinic in clinics]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"clinics must be one or more with different names, got {names}")
    if len(size) != 2 or min(size) < 16:
        raise ValueError(f"size must be height and width of 16 pixels or more, got {tuple(size)}")
    if len(effects) != len(sections.TRAITS) or not np.all(np.isfinite(effects)):
        raise ValueError(
            f"effects must be {len(sections.TRAITS)} finite numbers, one for each of {sections.TRAITS}, got {effects}"
        )
    if not 0 < baseline_hazard < np.inf:
        raise ValueError(f"baseline_hazard must be positive [1/month], got {baseline_hazard!r}")
    if not isinstance(seed, Integral) or seed < 0:
        raise ValueError(f"seed must be a whole number of 0 or more, got {seed!r}")
