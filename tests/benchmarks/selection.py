"""How fast K atomic networks train at once against one after another, and where that time goes.

    python tests/benchmarks/selection.py [--quick]

The 57 networks of Table D.1, each without one function, take the same steps in every way: "at once" with masks in one wide
product and pieces that stay in the cache; "in turn" with the same code, each on its own 56 functions; "autograd" in turn as an
ordinary torch module; "whole batch" at once without pieces, which is the plain way to write it; "population" through
`population.fit`, whose masks hide inputs, so that every member gets a copy of them. The ways alternate within a round; what
counts is the median over the rounds of the ratio of processor times. Writes build/benchmarks/selection.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from torch import nn

from toolkit import population, recordings
from toolkit.population.rules import AdamRule
from toolkit.potential.selection import hierarchical_prox, spread, stacked
from toolkit.potential.selection.stacked import Stack
from toolkit.studies.descriptors import COUNTS

RESULT = Path("build/benchmarks/selection.json")
BATCH, FEATURES = 64, 57
WAYS = ("at once", "in turn", "autograd", "whole batch", "population")


def batch(atoms, features):
    draw = torch.Generator().manual_seed(0)
    return torch.randn(BATCH, atoms, features, generator=draw), torch.randn(BATCH, generator=draw)


def masks_of(columns, features):
    seen = torch.zeros(len(columns), features, dtype=torch.bool)
    for row, own in zip(seen, columns, strict=True):
        row[torch.as_tensor(own)] = True
    return seen


def steps(stack, weights, mask, inputs, targets):
    """One step of Adam of every row."""
    state = {name: torch.zeros_like(weights) for name in AdamRule.state}
    rate = {"lr": torch.full((len(weights), 1), -1e-3)}
    gradient = stack.gradient(weights, inputs, targets)[1]
    AdamRule().step(weights, gradient.mul_(mask), state, rate, 1)


def at_once(columns, inputs, targets):
    stack, seen = Stack(inputs.shape[2]), masks_of(columns, inputs.shape[2])
    weights, mask = stack.initial([0] * len(columns), seen), stack.mask(seen)
    return lambda: steps(stack, weights, mask, inputs, targets)


def whole_batch(columns, inputs, targets):
    run = at_once(columns, inputs, targets)

    def step():
        kept, stacked.PIECE_BYTES = stacked.PIECE_BYTES, 2**40
        run()
        stacked.PIECE_BYTES = kept

    return step


def in_turn(columns, inputs, targets):
    runs = [at_once([range(len(own))], inputs[..., torch.as_tensor(own)].contiguous(), targets) for own in columns]
    return lambda: [run() for run in runs]


def autograd(columns, inputs, targets):
    def one(own):
        network = nn.Sequential(nn.Linear(len(own), 10), nn.Tanh(), nn.Linear(10, 10), nn.Tanh(), nn.Linear(10, 1))
        optimizer, seen = torch.optim.Adam(network.parameters(), 1e-3), inputs[..., torch.as_tensor(own)].contiguous()

        def step():
            optimizer.zero_grad()
            nn.functional.mse_loss(network(seen).squeeze(-1).mean(1), targets).backward()
            optimizer.step()

        return step

    runs = [one(own) for own in columns]
    return lambda: [run() for run in runs]


def through_population(columns, inputs, targets):
    """Two epochs of one step less one epoch: what is not training falls out."""
    seen = masks_of(columns, inputs.shape[2]).repeat(1, inputs.shape[1])

    class Data:
        train, validation = (inputs, targets), (inputs[:1], targets[:1])

        def normalise(self, values):
            return values

    def build(seed):
        return nn.Sequential(
            nn.Linear(inputs.shape[2], 10), nn.Tanh(), nn.Linear(10, 10), nn.Tanh(), nn.Linear(10, 1), nn.Flatten()
        )

    run = population.fit(
        build, Data(), settings={"learning_rate": 1e-3, "input_mask": [*seen.numpy()]}, optimizer="adam", batch_size=BATCH,
        loss=lambda outputs, wanted: nn.functional.mse_loss(outputs.mean(1), wanted), epochs=100, device="cpu",
        strategy="layers",
    )  # fmt: skip
    next(run)
    return lambda: next(run)


MAKE = dict(zip(WAYS, (at_once, in_turn, autograd, whole_batch, through_population), strict=True))


def measure(columns, atoms, features, ways, rounds):
    """Processor times of one step of all members, by way, one per round."""
    inputs, targets = batch(atoms, features)
    runs = {way: MAKE[way](columns, inputs, targets) for way in ways}
    for run in runs.values():
        run()
    times = {way: [] for way in ways}
    for _ in range(rounds):
        for way, run in runs.items():
            started = time.process_time()
            run()
            times[way].append(time.process_time() - started)
    return times


def row(name, columns, atoms, features, ways, rounds):
    times = measure(columns, atoms, features, ways, rounds)
    base = times["at once"]
    ratios = {way: statistics.median(b / a for a, b in zip(base, own, strict=True)) for way, own in times.items()}
    least = {way: min(b / a for a, b in zip(base, own, strict=True)) for way, own in times.items()}
    seconds = {way: statistics.median(own) for way, own in times.items()}
    words = ", ".join(f"{way} {ratios[way]:.2f}x ({least[way]:.2f})" for way in ways if way != "at once")
    print(f"{name:34} {1000 * seconds['at once'] / len(columns):6.2f} ms a member at once; {words}", flush=True)
    return {"case": name, "members": len(columns), "atoms": atoms, "seconds": seconds, "ratios": ratios, "least": least}


def parts(rounds):
    """Where a step goes: products, activations, the proximal step."""
    stack, (inputs, _) = Stack(FEATURES), batch(256, FEATURES)
    weights = stack.initial(range(57))
    first, flat = weights[:, : 10 * FEATURES].reshape(-1, FEATURES).contiguous(), inputs.flatten(0, 1)
    wide = torch.empty(len(first), 256)
    values = torch.randn(57, 10, 256)
    linear, hidden = torch.randn(57, FEATURES, 1), torch.randn(57, FEATURES, 10)
    work = {
        "first layer": lambda: [torch.mm(first, flat[at : at + 256].T, out=wide) for at in range(0, len(flat), 256)],
        "its gradient": lambda: [torch.mm(wide, flat[at : at + 256]) for at in range(0, len(flat), 256)],
        "tanh of torch, one layer": lambda: [torch.tanh(values) for _ in range(64)],
        "tanh by sigmoid, one layer": lambda: [stacked._tanh_(values) for _ in range(64)],
        "proximal step": lambda: hierarchical_prox(linear, hidden, penalty=0.1),
    }
    found = {}
    for name, run in work.items():
        run()
        times = []
        for _ in range(rounds):
            started = time.process_time()
            run()
            times.append(time.process_time() - started)
        found[name] = statistics.median(times)
        print(f"  {name:28} {1000 * found[name]:6.2f} ms for 57 members and 64 frames of 256 atoms", flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description="Measure training of many atomic networks.")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, no population")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    rounds, ways = (2, WAYS[:4]) if quick else (7, WAYS)
    left_out = [[column for column in range(FEATURES) if column != number] for number in range(FEATURES)]
    sizes = [spread(count, 329, shift=shift) for count in COUNTS for shift in (0.2, 0.7)]
    rows = [
        row("57 leave-one-out, 256 atoms", left_out, 256, FEATURES, ways, rounds),
        row("57 leave-one-out, 32 atoms", left_out, 32, FEATURES, ways, rounds),
        row("40 subsets of 1 .. 329, 32 atoms", sizes, 32, 329, WAYS[:3], rounds),
        row("5 seeds of all 329, 32 atoms", [range(329)] * 5, 32, 329, WAYS[:3], rounds),
    ]
    result = {"rows": rows, "parts": parts(rounds), "rounds": rounds, "provenance": recordings.provenance()}
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
