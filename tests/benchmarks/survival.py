"""How fast the Cox loss with its gradient and the concordance index are, against torchsurv and scikit-survival.

    python tests/benchmarks/survival.py [--quick]

Every program gets the same subjects in the type it works in: real log hazards, times on a grid with ties, 40 % censored. The
programs alternate within a round; what counts is the median over the rounds of the ratio of processor times. scikit-survival's
loss and gradient are those of its Cox regression with the log hazard as the only feature, whose gradient is one number where
ours has one for each subject. A program that would need more than `MOST_MEMORY` or that took longer than `PATIENCE` for a tenth
of the subjects (all grow with the square) is left out of a row, and the row says so. Writes build/benchmarks/survival.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from sksurv.metrics import concordance_index_censored

from toolkit import recordings
from toolkit.survival import cox, metrics

sys.path.insert(0, str(Path(__file__).parents[1]))
from survival_peers import ConcordanceIndex, CoxPHOptimizer, neg_partial_log_likelihood  # noqa: E402

RESULT = Path("build/benchmarks/survival.json")
SIZES = (1_000, 10_000, 100_000)
ROUNDS = 3
MOST_MEMORY = 8e9  # bytes; torchsurv's index compares all pairs in matrices of n x n, 17 bytes an entry
PATIENCE = 3.0  # seconds


def subjects(n):
    random = np.random.default_rng(n)
    h = random.normal(size=n)
    event_time, censoring = random.exponential(np.exp(-h)), random.exponential(1.5, size=n)
    observed = np.ceil(np.minimum(event_time, censoring) * 1000)
    return observed, event_time <= censoring, h


def our_loss(observed, event, h):
    h = torch.tensor(h, requires_grad=True)
    loss = cox.cox_loss(h, torch.from_numpy(observed), torch.from_numpy(event), ties="efron")
    loss.backward()
    return loss.item()


def torchsurv_loss(observed, event, h):
    h = torch.tensor(h, requires_grad=True)
    loss = neg_partial_log_likelihood(
        h, torch.from_numpy(event), torch.from_numpy(observed), ties_method="efron", reduction="sum"
    )
    loss.backward()
    return loss.item()


def scikit_survival_loss(observed, event, h):
    optimizer = CoxPHOptimizer(h[:, None], event, observed, np.zeros(1), "efron")
    optimizer.update(np.ones(1))  # gradient and the one entry of the Hessian
    return optimizer.nlog_likelihood(np.ones(1)) * len(h)


def our_index(observed, event, h):
    return metrics.concordance_index(torch.from_numpy(observed), torch.from_numpy(event), torch.from_numpy(h))


def torchsurv_index(observed, event, h):
    return ConcordanceIndex()(torch.from_numpy(h), torch.from_numpy(event), torch.from_numpy(observed)).item()


def scikit_survival_index(observed, event, h):
    return concordance_index_censored(event, observed, h)[0]


CASES = {
    "loss and gradient": {"ours": our_loss, "torchsurv": torchsurv_loss, "scikit-survival": scikit_survival_loss},
    "concordance index": {"ours": our_index, "torchsurv": torchsurv_index, "scikit-survival": scikit_survival_index},
}


def clocked(function, arguments):
    """Value, seconds on the clock and seconds of processor time."""
    started, used = time.perf_counter(), time.process_time()
    value = function(*arguments)
    return value, time.perf_counter() - started, time.process_time() - used


def measure(case, n, rounds, slow):
    """One row of the table; `slow` gathers who is too slow for the next size."""
    arguments = subjects(n)
    left_out = {name: f"took {once:.1f} s for a tenth of the subjects" for name, once in slow.items() if once > PATIENCE}
    if case == "concordance index" and 17 * n**2 > MOST_MEMORY:
        left_out["torchsurv"] = f"needs about {17 * n**2 / 1e9:.0f} GB"
    programs = {name: function for name, function in CASES[case].items() if name not in left_out}
    busy, seconds, values = ({name: [] for name in programs} for _ in range(3))
    for _ in range(rounds):
        for name, function in programs.items():
            value, clock, used = clocked(function, arguments)
            values[name].append(value)
            seconds[name].append(clock)
            busy[name].append(used)
    for name in programs:
        np.testing.assert_allclose(values[name], values["ours"], rtol=1e-4)
    slow.update({name: statistics.median(times) for name, times in seconds.items()})
    ratios = {
        name: statistics.median(theirs / ours for theirs, ours in zip(busy[name], busy["ours"], strict=True))
        for name in programs
    }
    return {"case": case, "n": n, "seconds": seconds, "cpu_seconds": busy, "times_faster": ratios, "left_out": left_out}


def show(row):
    ours = statistics.median(row["cpu_seconds"]["ours"]) * 1e3
    against = [f"{name} {ratio:.1f} times as long" for name, ratio in row["times_faster"].items() if name != "ours"]
    missing = [f"{name} left out ({why})" for name, why in row["left_out"].items()]
    print(f"{row['case']:18} n {row['n']:8,}  {ours:8.1f} ms; {', '.join([*against, *missing])}", flush=True)


def main():
    parser = argparse.ArgumentParser(description="Measure the Cox loss and the concordance index.")
    parser.add_argument("--quick", action="store_true", help="up to 10,000 subjects, one round")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="Ties in `time` detected")
    rows = []
    for case in CASES:
        slow = {}
        measure(case, 100, 1, {})  # warm
        for n in SIZES[:2] if quick else SIZES:
            rows.append(measure(case, n, 1 if quick else ROUNDS, slow))
            show(rows[-1])
    _, clock, used = clocked(our_loss, subjects(1_000_000))
    print(f"loss and gradient  n 1,000,000  {used * 1e3:8.1f} ms")
    rows.append({"case": "loss and gradient", "n": 1_000_000, "seconds": {"ours": [clock]}, "cpu_seconds": {"ours": [used]}})
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(
        json.dumps({"provenance": recordings.provenance(), "rounds": 1 if quick else ROUNDS, "rows": rows}, indent=1)
    )
    print(f"processor times; written to {RESULT}")


if __name__ == "__main__":
    main()
