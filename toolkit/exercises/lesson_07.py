"""Lesson 07: survival analysis across two clinics."""

from __future__ import annotations

import numpy as np
import torch

from toolkit.datasets import patients
from toolkit.exercises.exercise import WHOLE, Exercise, Kind, equal_to, exactly, is_number, some_of
from toolkit.survival import domain, merged, metrics

SUBJECTS, EVENTS = 36, 5
SHIFT = 7.0
LEAST_L2 = 10.0


def comparable() -> int:
    """Most pairs that can be compared where the events come first."""
    time = np.arange(1.0, SUBJECTS + 1)
    return metrics.concordance_pairs(time, np.arange(SUBJECTS) < EVENTS, -time).comparable


def moved() -> set[str]:
    """Concordances that change when 7 is added to every log hazard of clinic B."""
    cohort = patients.simulate(size=(16, 16), seed=0)
    time, event, clinic = torch.as_tensor(cohort.targets[:, :3]).T
    log_hazard = torch.as_tensor(cohort.log_hazard)
    before, after = (
        merged.concordances(time, event, h, clinic, resamples=10) for h in (log_hazard, log_hazard + SHIFT * clinic)
    )
    return {part for part in before if abs(before[part].value - after[part].value) > 1e-6}


def _judge_log_hazards(answer: list[float]) -> str:
    h = torch.tensor([float(one) for one in answer], dtype=torch.float64)
    if float(domain.mean_penalty(h)) > 1e-9:
        return "The printed penalty of these is not zero: it sees their sum."
    size = float(domain.l2_penalty(h))
    return "" if size >= LEAST_L2 else f"The printed penalty is zero, and the L2 penalty {size:.3g}: make it larger."


EXERCISES = {
    1: Exercise(
        WHOLE,
        equal_to(
            comparable, otherwise="Take the events in the order of their times, and count who is seen longer.",
            mistakes={
                SUBJECTS * EVENTS: "No subject is compared with itself: 35 are left beside the first event.",
                (SUBJECTS - 1) * EVENTS: "Who had the first event is not at risk any more at the second.",
                (SUBJECTS - EVENTS) * EVENTS: "Two subjects with events at different times can be compared as well.",
            },
        ),
        comparable, minutes=5,
    ),
    2: Exercise(
        some_of("A", "B", "naive", "standardised"),
        exactly(
            moved, missing="At least one more changes.",
            wrong="One of these looks at the order within a clinic only, or takes off each clinic's mean.",
        ),
        moved, minutes=10,
    ),
    3: Exercise(
        Kind(
            "a list of six log hazards",
            lambda answer: isinstance(answer, list | tuple) and len(answer) == 6 and all(map(is_number, answer)),
        ),
        _judge_log_hazards, lambda: [4.0, 4.0, 4.0, -4.0, -4.0, -4.0], minutes=5,
    ),
}  # fmt: skip
