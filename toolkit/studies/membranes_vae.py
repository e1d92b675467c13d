"""Zhao, section 4.2.2, at classroom scale: two trained autoencoders of membranes. `membranes_latent` measures them.

Networks of 32³ voxels are recorded. Their domain holds a tenth of the document's volume of the same material, because 32 voxels
cannot resolve the ligaments of the whole: n is a tenth, r 2.15 times as large a part of the domain, porosity and shape of the
cells are the same. The network has the convolutions of Table 4.3 with fewer dense units and latent dimensions. Membranes are
periodic, so that training may shift, mirror and turn them. What was cut down stands in `SCALES`, which has 64³ voxels as well:
ligaments as many voxels thick, eight times the volume, and so eight times the work for each of fewer membranes. Of these only
what was measured is recorded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
MATERIAL = 0.1  # share of it that the decoder begins with
POINTS, RADIUS = (40, 170), 3.4  # of the document's training structures, in its whole domain
LEARNING_RATE = 1e-3
FAMILIES = ("own seeds", "one seed")
ENDINGS = dict(zip(FAMILIES, ("", "_one_seed"), strict=True))  # of the names of their files


@dataclass(frozen=True)
class Stage:
    """A part of a training run.

    Attributes:
        epochs: passes over the training part.
        batch: structures in a step; 64 in the document.
        fall: along which share of half a cosine wave the step of Adam falls.
    """

    epochs: int
    batch: int
    fall: float = 0.75


@dataclass(frozen=True)
class Scale:
    """What is cut down at one number of voxels.

    Attributes:
        share: of the document's volume in the domain.
        latent: dimensions of the latent space; 256 in the document.
        hidden: units of the dense layer; 2,048 in the document.
        counts: membranes of "train", "validation" and "test"; 8,000, 1,000 and 1,000 in the document.
        stages: family to the parts of its training run; one of 1,000 epochs in the document.
    """

    share: float
    latent: int
    hidden: int
    counts: Mapping[str, int]
    stages: Mapping[str, Sequence[Stage]]

    def epochs(self, family: str) -> int:
        """Passes over the training part in all stages."""
        return sum(stage.epochs for stage in self.stages[family])

    def steps(self, family: str) -> int:
        """Optimizer steps in all stages."""
        return sum(stage.epochs * math.ceil(self.counts["train"] / stage.batch) for stage in self.stages[family])


SCALES = {
    32: Scale(
        0.1, latent=64, hidden=256, counts={"train": 2000, "validation": 200, "test": 400},
        stages={"own seeds": (Stage(36, 32),), "one seed": (Stage(12, 32), Stage(32, 8, fall=1.0))},
    ),
    64: Scale(
        0.8, latent=128, hidden=512, counts={"train": 800, "validation": 80, "test": 160},
        stages={"own seeds": (Stage(24, 16),), "one seed": (Stage(8, 32), Stage(16, 8, fall=1.0))},
    ),
}  # fmt: skip


def scale(size: int) -> Scale:
    """What is cut down at this number of voxels.

    Raises:
        ValueError: the study has no such size.
    """
    if size not in SCALES:
        raise ValueError(f"size must be one of {tuple(SCALES)} voxels, got {size!r}")
    return SCALES[size]


def share(size: int) -> float:
    """Of the document's volume in a domain of so many voxels; with a size that the study lacks it is that of 32³ voxels.

    >>> share(16)
    0.1
    """
    return SCALES.get(size, SCALES[SIZE]).share


def files(size: int = SIZE) -> dict[str, str]:
    """Family to the name of its network's file.

    >>> files(64)["one seed"]
    'membranes_vae_64_one_seed.npz'
    """
    scale(size)
    return {family: f"membranes_vae_{size}{ending}.npz" for family, ending in ENDINGS.items()}


def results_file(size: int = SIZE) -> str:
    """Name of the file of what was measured on the networks of a size.

    >>> results_file(64)
    'membranes_vae_64_results.npz'
    """
    scale(size)
    return "membranes_vae.npz" if size == SIZE else f"membranes_vae_{size}_results.npz"


NETWORKS, RESULTS = files(), results_file()


def recipes(family: str = "own seeds", *, size: int = SIZE, seed: int = 0) -> dict[str, list[Recipe]]:
    """Recipes of the three splits, each stretched along one axis.

    Args:
        family: "own seeds": each membrane has Voronoi points of its own. "one seed": all take theirs from one row of random
            points. The document does not say; its search for recipes must have used one.
        size: voxels along an edge, one of `SCALES`.
        seed: of the draw.

    >>> [len(some) for some in recipes().values()]
    [2000, 200, 400]
    """
    if family not in FAMILIES:
        raise ValueError(f"family must be one of {FAMILIES}, got {family!r}")
    least = structures.cut(Recipe(POINTS[0], radius=RADIUS), scale(size).share)
    points = (least.points, round(POINTS[1] * scale(size).share))
    one = 0 if family == "one seed" else None
    return {
        name: structures.random_recipes(count, points=points, radius=least.radius, seed=10 * seed + number, membrane_seed=one)
        for number, (name, count) in enumerate(scale(size).counts.items())
    }


@cache
def data(family: str = "own seeds", *, size: int = SIZE, seed: int = 0) -> Dataset:
    """The membranes of `recipes`, generated in one to four minutes on one core at 32³ and kept."""
    return structures.dataset(recipes(family, size=size, seed=seed), size=size, finer=FINER)


def fit(data: Dataset, model: VAE, stage: Stage, *, seed: int = 0, **settings: Any) -> training.Fit:
    """A stage of the training: Adam, whose step falls along a part of half a cosine wave, and β = 1.

    Args:
        data: membranes.
        model: to train.
        stage: how long, and in what batches.
        seed: of order, moves and draws.
        settings: others of `training.fit`, such as `augment=structures.moved` for membranes with seeds of their own.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    wave = max(1, round(stage.epochs / stage.fall))
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, wave, eta_min=LEARNING_RATE / 20)
    return training.fit(
        model, data, loss=NegativeBound(), optimizer=optimizer, scheduler=scheduler, epochs=stage.epochs, seed=seed,
        batch_size=stage.batch, metrics=[reconstruction, divergence], device="cpu", **settings,
    )  # fmt: skip


def train(
    path: str | Path, *, family: str = "own seeds", size: int = SIZE, seed: int = 0, precision: str = "float32"
) -> Iterator[training.Record]:
    """Train the network of a family and write it, with resume from the latest epoch.

    Args:
        path: of the network's file.
        family: one of `FAMILIES`. Membranes with seeds of their own are moved about; from one seed they are learned in place.
        size: voxels along an edge, one of `SCALES`.
        seed: of weights, order, moves and draws.
        precision: of `training.fit`; bf16 takes three quarters of the time on a processor that has it, and thirteen times as
            long on one that has to imitate it.

    Yields:
        Records of the training; each stage begins again at epoch 0.
    """
    cut = scale(size)
    model = VAE(size, latent=cut.latent, hidden=cut.hidden, share=MATERIAL, seed=seed).to(memory_format=torch.channels_last_3d)
    some, augment = data(family, size=size, seed=seed), structures.moved if family == "own seeds" else None
    runs, unfinished = [], [_checkpoint(path, number) for number in range(len(cut.stages[family]))]
    for stage, checkpoint in zip(cut.stages[family], unfinished, strict=True):
        runs.append(fit(some, model, stage, seed=seed, precision=precision, augment=augment, checkpoint=checkpoint))
        yield from runs[-1]
    made = {"family": family, "seed": seed, "precision": precision, "stages": [vars(stage) for stage in cut.stages[family]]}
    save_network(path, model, _in_a_row([run.records for run in runs]), **made)
    for checkpoint in unfinished:
        checkpoint.unlink()


def _checkpoint(path: str | Path, stage: int) -> Path:
    path = Path(path)
    return running.checkpoint(path.with_stem(f"{path.stem}_{stage}") if stage else path)


def _in_a_row(stages: Sequence[Sequence[training.Record]]) -> list[training.Record]:
    """Records of stages as those of one run, without what a later stage finds before its first step."""
    joined = list(stages[0])
    for records in stages[1:]:
        last = joined[-1]
        joined += [
            replace(one, epoch=last.epoch + one.epoch, step=last.step + one.step, seconds=last.seconds + one.seconds)
            for one in records[1:]
        ]
    return joined


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
