"""Lesson 11: Bayesian optimisation."""

from __future__ import annotations

import torch

from toolkit import bayesopt
from toolkit.bayesopt import acquisition
from toolkit.exercises.exercise import NUMBER, Exercise, Kind, equal_to, is_number

CAMPAIGNS, CANDIDATES = 200, 80
SAFE, BOLD = (0.9, 0.1), (0.5, 0.4)  # posterior mean and deviation of two candidates
BEST = 0.0


def found_by_chance(tries: int) -> float:
    """In how many campaigns random picks find the best candidate."""
    return CAMPAIGNS * bayesopt.random_baseline(CANDIDATES, tries)[0]


def turning_point() -> float:
    """κ from which on UCB takes the bold candidate, by bisection of the difference of the two acquisitions."""
    mean, deviation = torch.tensor([SAFE, BOLD], dtype=torch.float64).T
    low, high = 0.0, 100.0
    for _ in range(60):
        kappa = (low + high) / 2
        safe, bold = acquisition.upper_confidence_bound(mean, deviation, kappa=kappa)
        low, high = (low, kappa) if bold > safe else (kappa, high)
    return high


def _judge_candidates(answer: list[tuple[float, float]]) -> str:
    mean, deviation = torch.tensor([[float(part) for part in one] for one in answer], dtype=torch.float64).T
    if float(deviation.min()) <= 0:
        return "Deviations must be larger than 0."
    improvement = acquisition.expected_improvement(mean, deviation, best=BEST)
    probability = acquisition.probability_of_improvement(mean, deviation, best=BEST)
    if probability[0] <= probability[1]:
        return f"PI does not prefer the first: {probability[0]:.3f} against {probability[1]:.3f}."
    if improvement[1] <= improvement[0]:
        return f"EI does not prefer the second: {improvement[1]:.3f} against {improvement[0]:.3f}."
    return ""


def _are_candidates(answer: object) -> bool:
    pairs = isinstance(answer, tuple | list) and len(answer) == 2
    return pairs and all(isinstance(one, tuple | list) and len(one) == 2 and all(map(is_number, one)) for one in answer)


EXERCISES = {
    1: Exercise(
        NUMBER,
        equal_to(
            lambda: found_by_chance(CANDIDATES), within=0.05,
            otherwise="What is the chance that one pick misses, and that 80 do?",
            mistakes=lambda: {
                found_by_chance(CANDIDATES - 1): "That is for 79 tries.",
                float(CAMPAIGNS): "Picks are made with replacement: some points come twice, others never.",
                found_by_chance(CANDIDATES) / CAMPAIGNS: "That is the share of one campaign; there are 200.",
            },
        ),
        lambda: found_by_chance(CANDIDATES), minutes=3,
    ),
    2: Exercise(
        NUMBER,
        equal_to(
            turning_point, within=0.01, otherwise="Write μ + κσ for both and set them equal.",
            mistakes={
                SAFE[0] - BOLD[0]: "That is how far the means lie apart. The deviations differ as well.",
                (SAFE[0] - BOLD[0]) / BOLD[1]: "The safe candidate has a deviation too.",
                (BOLD[1] - SAFE[1]) / (SAFE[0] - BOLD[0]): "Upside down: means belong above, deviations below.",
            },
        ),
        turning_point, minutes=5,
    ),
    3: Exercise(
        Kind("two candidates, each as (mean, deviation)", _are_candidates),
        _judge_candidates, lambda: [(0.1, 0.05), (0.0, 2.0)], minutes=10,
    ),
}  # fmt: skip
