"""Zhao, section 4.2.2, at classroom scale: two trained autoencoders of membranes. `membranes_latent` measures them.

Everything happens on 32³ voxels. A domain holds a tenth of the document's volume of the same material, because 32 voxels cannot
resolve the ligaments of the whole: n is a tenth, r 2.15 times as large a part of the domain, porosity and shape of the cells
are the same. The network has the convolutions of Table 4.3 with fewer dense units and latent dimensions. Membranes are
periodic, so that training may shift, mirror and turn them. What was cut down stands in the constants below.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

from toolkit import recordings, training
from toolkit.datasets import Dataset
from toolkit.microstructure import structures
from toolkit.microstructure.autoencoder import (
    VAE,
    NegativeBound,
    divergence,
    reconstruction,
)
from toolkit.microstructure.generator import Recipe
from toolkit.recordings import archive
from toolkit.studies import running

SIZE, FINER = 32, 2
SHARE = 0.1  # of the document's volume in the domain
LATENT, HIDDEN, MATERIAL = 64, 256, 0.1
POINTS, RADIUS = (40, 170), 3.4  # of the document's training structures, whose domain is ten times as large
COUNTS = {"train": 2000, "validation": 200, "test": 400}
BATCH, LEARNING_RATE = 32, 1e-3
FAMILIES = ("own seeds", "one seed")
NETWORKS = {"own seeds": "membranes_vae_32.npz", "one seed": "membranes_vae_32_one_seed.npz"}
RESULTS = "membranes_vae.npz"
EPOCHS_OF = {"own seeds": 36, "one seed": 12}


def recipes(family: str = "own seeds", seed: int = 0) -> dict[str, list[Recipe]]:
    """Recipes of the three splits, each stretched along one axis.

    Args:
        family: "own seeds": each membrane has Voronoi points of its own. "one seed": all take theirs from one row of random
            points. The document does not say; its search for recipes must have used one.
        seed: of the draw.

    >>> [len(some) for some in recipes().values()]
    [2000, 200, 400]
    """
    if family not in FAMILIES:
        raise ValueError(f"family must be one of {FAMILIES}, got {family!r}")
    whole = structures.cut(Recipe(POINTS[0], radius=RADIUS), SHARE)
    points = (whole.points, round(POINTS[1] * SHARE))
    one = 0 if family == "one seed" else None
    return {
        name: structures.random_recipes(count, points=points, radius=whole.radius, seed=10 * seed + number, membrane_seed=one)
        for number, (name, count) in enumerate(COUNTS.items())
    }


@cache
def data(family: str = "own seeds", seed: int = 0) -> Dataset:
    """The membranes of `recipes`, generated in about a minute on one core and kept."""
    return structures.dataset(recipes(family, seed), size=SIZE, finer=FINER)


def fit(data: Dataset, model: VAE, *, epochs: int, seed: int = 0, **settings: Any) -> training.Fit:
    """The training run: Adam, whose step falls along three quarters of half a cosine wave, and β = 1.

    Args:
        data: membranes.
        model: to train.
        epochs: passes over the training part.
        seed: of order, moves and draws.
        settings: others of `training.fit`, such as `augment=structures.moved` for membranes with seeds of their own.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, epochs * 4 // 3), eta_min=LEARNING_RATE / 20)
    return training.fit(
        model, data, loss=NegativeBound(), optimizer=optimizer, scheduler=scheduler, epochs=epochs, seed=seed,
        metrics=[reconstruction, divergence], device="cpu", **{"batch_size": BATCH} | settings,
    )  # fmt: skip


def train(
    path: str | Path, *, family: str = "own seeds", epochs: int | None = None, seed: int = 0, precision: str = "bf16"
) -> Iterator[training.Record]:
    """Train the network of a family and write it, with resume from the latest epoch.

    Args:
        path: of the network's file.
        family: one of `FAMILIES`. Membranes with seeds of their own are moved about; from one seed they are learned in place.
        epochs: passes over the training part.
        seed: of weights, order, moves and draws.
        precision: of `training.fit`; bf16 takes three quarters of the time on a processor that has it.

    Yields:
        Records of the training.
    """
    model = VAE(SIZE, latent=LATENT, hidden=HIDDEN, share=MATERIAL, seed=seed).to(memory_format=torch.channels_last_3d)
    epochs, augment = epochs or EPOCHS_OF[family], structures.moved if family == "own seeds" else None
    settings = {"precision": precision, "checkpoint": running.checkpoint(Path(path)), "augment": augment}
    run = fit(data(family, seed), model, epochs=epochs, seed=seed, **settings)
    yield from run
    save_network(path, model, run.records, family=family, seed=seed, epochs=epochs)
    running.checkpoint(Path(path)).unlink()


def save_network(path: str | Path, model: VAE, records: Sequence[training.Record], **settings: Any) -> None:
    """Write weights as float16 with the curve of their training, by atomic replace."""
    layout = {"size": model.size, "latent": model.latent, "hidden": model.hidden}
    state = {
        "layout": layout,
        "settings": settings,
        "provenance": recordings.provenance(seeds=[settings["seed"]]),
        "curve": [{"epoch": record.epoch, "seconds": record.seconds, **record.metrics} for record in records],
        "weights": {name: weight.detach().half().contiguous() for name, weight in model.state_dict().items()},
    }
    recordings.save_state(path, state)


def network(path: str | Path) -> VAE:
    """The network of a file written by `train`, in evaluation mode and in float32.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged or holds something else.
    """
    state = _network_state(path)
    with archive.faults_of(path):
        model = VAE(**state["layout"])
        model.load_state_dict({name: weight.float() for name, weight in state["weights"].items()})
    return model.eval()


def curve(path: str | Path) -> list[dict[str, float]]:
    """The recorded training of a network's file, one mapping per epoch."""
    return _network_state(path)["curve"]


def _network_state(path: str | Path) -> Mapping[str, Any]:
    state = recordings.load_state(path)
    if not (isinstance(state, dict) and {"layout", "weights", "curve"} <= set(state)):
        raise ValueError(f"{path}: does not hold a network of this study")
    return state
