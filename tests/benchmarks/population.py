"""How fast K members train at once: a population against K runs of `training.fit`, in turn and one per core.

    python tests/benchmarks/population.py [--quick]
    python tests/benchmarks/population.py --draw docs/population.png

Every way does the same work: all steps and all evaluations of K whole runs, each with its own seed. The ways alternate within
a round; what counts is the median over the rounds of the ratio to the runs in turn, so that a machine that is busy with other
things changes the times but hardly the ratios. In brackets is the ratio of the processor time used, which is what a single
thread gains on a machine that is busy. A row is 32 epochs shared out among the members, two each at least: 20 steps an epoch
of the dense network, 4 of LeNet, and the evaluations that go with them. Starting the worker processes is not counted. Writes
build/benchmarks/population.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from types import SimpleNamespace

import joblib
import matplotlib.pyplot as plt
import torch
from torch.nn import functional

from toolkit import networks, optim, population, recordings, training

RESULT = Path("build/benchmarks/population.json")
BATCH = 64
ROUNDS = 3


def dense_data():
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(20 * BATCH, 57, generator=draw)
    return _data(inputs, inputs[:, :1] * inputs[:, 1:2])


def image_data():
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(256, (4 * BATCH, 1, 28, 28), generator=draw, dtype=torch.uint8)
    return _data(images, torch.randint(10, (4 * BATCH,), generator=draw))


def _data(inputs, targets):
    validation = (inputs[:BATCH], targets[:BATCH])
    return SimpleNamespace(train=(inputs, targets), validation=validation, normalise=_normalise)


def _normalise(inputs):
    return inputs.float() / 255 if inputs.dtype == torch.uint8 else inputs


def dense(seed):
    return networks.dense(57, (10, 10), 1, activation="tanh", seed=seed)


def lenet(seed):
    return networks.lenet(seed=seed)


CASES = {
    "dense 57-10-10-1": (dense, dense_data(), functional.mse_loss),
    "LeNet 1x28x28": (lenet, image_data(), functional.cross_entropy),
}


def epochs_for(members):
    """More epochs for few members, so that no row is over in a moment."""
    return max(2, 32 // members)


def one_run(case, seed, epochs, device):
    """A whole run of `training.fit`; the last training loss."""
    build, data, loss = CASES[case]
    model = build(seed)
    optimizer = optim.PortHamiltonian(model.parameters(), 0.05, friction=0.5)
    run = training.fit(
        model, data, loss=loss, optimizer=optimizer, epochs=epochs, batch_size=BATCH, seed=seed, device=device, metrics=()
    )
    return list(run)[-1].metrics["train_loss"]


def one_run_in_a_process(case, seed, epochs):
    torch.set_num_threads(1)
    return one_run(case, seed, epochs, "cpu")


def in_turn(case, members, device):
    return [one_run(case, seed, epochs_for(members), device) for seed in range(members)]


def on_cores(case, members, device):
    with joblib.parallel_config("loky", n_jobs=joblib.cpu_count(), inner_max_num_threads=1):
        run = joblib.delayed(one_run_in_a_process)
        return joblib.Parallel()(run(case, seed, epochs_for(members)) for seed in range(members))


def begin(case, members, device, strategy):
    build, data, loss = CASES[case]
    settings = {"learning_rate": 0.05, "friction": 0.5, "seed": list(range(members))}
    return population.fit(
        build,
        data,
        settings=settings,
        loss=loss,
        epochs=epochs_for(members),
        batch_size=BATCH,
        device=device,
        strategy=strategy,
    )


def together(strategy):
    return lambda case, members, device: list(begin(case, members, device, strategy))[-1].metrics["train_loss"].tolist()


def measure(case, members, device, rounds):
    """One row of the table."""
    ways = {"in turn": in_turn, "layers": together("layers"), "vmap": together("vmap")}
    if device == "cpu":
        ways |= {"sequential": together("sequential"), "cores": on_cores}
        on_cores(case, 2, device)  # starts the processes
    seconds, busy = ({name: [] for name in ways} for _ in range(2))
    for _ in range(rounds):
        losses = {}
        for name, way in ways.items():
            started, used = time.perf_counter(), time.process_time()
            losses[name] = way(case, members, device)
            _synchronise(device)
            seconds[name].append(time.perf_counter() - started)
            busy[name].append(time.process_time() - used)
        for name in ways:
            torch.testing.assert_close(losses[name], losses["in turn"], rtol=1e-3, atol=1e-4)
    steps = members * epochs_for(members) * len(CASES[case][1].train[0].split(BATCH))
    return {
        "case": case, "device": device, "members": members, "member_steps": steps,
        "auto": begin(case, members, device, "auto").strategy,
        "seconds": seconds, "cpu_seconds": {name: times for name, times in busy.items() if name != "cores"},
        "member_steps_per_second": {name: steps / statistics.median(times) for name, times in seconds.items()},
        "speed": _ratios(seconds), "cpu_speed": _ratios(busy),
    }  # fmt: skip


def _ratios(times):
    """How many times faster than the runs in turn, the median over the rounds."""
    return {
        name: statistics.median(base / each for base, each in zip(times["in turn"], own, strict=True))
        for name, own in times.items()
    }


def _synchronise(device):
    if device == "cuda":
        torch.cuda.synchronize()


def show(row):
    texts = []
    for name in [name for name in row["speed"] if name != "in turn"]:
        used = "" if name == "cores" else f" ({row['cpu_speed'][name]:.2f})"
        texts.append(f"{'*' if name == row['auto'] else ''}{name} {row['speed'][name]:.2f}{used}")
    base = row["member_steps_per_second"]["in turn"]
    print(f"{row['case']:17}{row['device']:5}K {row['members']:3}  in turn {base:5.0f} steps/s; {', '.join(texts)}", flush=True)


def draw(path):
    """A figure of the latest result: times faster than the runs in turn, against K; a ring around what "auto" takes."""
    result = json.loads(RESULT.read_text())
    cases = list(dict.fromkeys((row["case"], row["device"]) for row in result["rows"]))
    figure, axes = plt.subplots(1, len(cases), figsize=(4.6 * len(cases), 3.4), layout="constrained", squeeze=False)
    for axis, case in zip(axes[0], cases, strict=True):
        rows = [row for row in result["rows"] if (row["case"], row["device"]) == case]
        for name in [name for name in rows[0]["speed"] if name != "in turn"]:
            axis.plot([row["members"] for row in rows], [row["speed"][name] for row in rows], ".-", label=name)
        chosen = [(row["members"], row["speed"][row["auto"]]) for row in rows]
        axis.plot(*zip(*chosen, strict=True), "o", markersize=9, markerfacecolor="none", color="black", label="auto")
        axis.axhline(1, color="0.6", linewidth=0.8)
        axis.set(xscale="log", yscale="log", xlabel="members K", ylabel="times faster than in turn", title=" on ".join(case))
    axes[0, 0].legend(frameon=False, fontsize=8)
    made = result["provenance"]
    figure.suptitle(
        f"{made['device']}, {made['cores']} cores, {made['date'][:10]}; medians of {result['rounds']} rounds", fontsize=8
    )
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description="Measure population training.")
    parser.add_argument("--quick", action="store_true", help="fewer members, one round")
    parser.add_argument("--draw", type=Path, help="only draw the latest result into this file")
    chosen = parser.parse_args()
    if chosen.draw:
        return draw(chosen.draw)
    quick = chosen.quick
    torch.set_num_threads(1)
    rows = []
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        for case in CASES:
            measure(case, 2, device, 1)  # warm
            for members in (1, 4, 16) if quick else (1, 4, 16, 57, 256):
                rows.append(measure(case, members, device, 1 if quick else ROUNDS))
                show(rows[-1])
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(
        json.dumps({"provenance": recordings.provenance(), "rounds": 1 if quick else ROUNDS, "rows": rows}, indent=1)
    )
    print(f"times faster than the runs in turn; * is what 'auto' takes; written to {RESULT}")


if __name__ == "__main__":
    main()
