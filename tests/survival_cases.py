"""Censored data with many ties, and the definitions written out pair by pair."""

from pathlib import Path

import numpy as np
import torch

from toolkit.datasets import survival

# Rossi, Berk and Lenihan 1980: 432 released prisoners, weeks until an arrest; as handed out with lifelines (MIT).
ROSSI = Path(__file__).parent / "rossi.csv"


def heavy_ties(seed, *, n=None, levels=8):
    """Times and log hazards on few levels; about half of the subjects censored, one event at least."""
    random = np.random.default_rng(seed)
    n = n or int(random.integers(2, 60))
    time = random.integers(1, levels, n).astype(float)
    event = random.random(n) < random.uniform(0.2, 0.9)
    event[random.integers(n)] = True
    log_hazard = random.normal(size=n).round(1) * random.choice([0.5, 1, 3])
    return torch.from_numpy(time), torch.from_numpy(event), torch.from_numpy(log_hazard)


def loss_by_definition(h, time, event, *, ties):
    """Breslow's and Efron's sums with explicit risk sets, in plain Python."""
    total = 0.0
    for t in sorted(set(time[event].tolist())):
        died = [float(h[i]) for i in range(len(h)) if event[i] and time[i] == t]
        at_risk = sum(np.exp(float(h[i])) for i in range(len(h)) if time[i] >= t)
        own = sum(np.exp(died)) if ties == "efron" else 0.0
        total += sum(np.log(at_risk - place / len(died) * own) for place in range(len(died))) - sum(died)
    return total


def pairs_by_definition(time, event, h, *, same_time):
    """Concordant, discordant and tied pairs, counted one by one."""
    counts = [0, 0, 0]
    for first in range(len(time)):
        for second in range(len(time)):
            later = time[second] > time[first]
            beside = same_time == "censored_later" and time[second] == time[first] and not event[second]
            if event[first] and first != second and (later or beside):
                counts[0 if h[first] > h[second] else 1 if h[first] < h[second] else 2] += 1
    return tuple(counts)


def rossi():
    """All 432 men for training."""
    return survival.csv(ROSSI, time="week", event="arrest", validation=0, test=0)
