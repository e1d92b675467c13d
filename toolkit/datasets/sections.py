"""Simulated histology sections: tissue and its two stains, and the scanner that makes a picture of them.

Haematoxylin colours nuclei blue, eosin colours the tissue between them pink. The light that passes a stained section falls off
exponentially with the amount of each stain (Beer and Lambert), with one optical density per stain and colour channel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import numpy as np

TRAITS = ("tumour size", "raggedness of the border", "nuclei in the tumour")
CHUNK_PIXELS = 2**22  # sections drawn at a time, so that memory stays small
LOBES = (2, 3, 5, 8)  # waves around a border
PEN_COLOURS = np.array([[0.10, 0.16, 0.55], [0.05, 0.05, 0.07], [0.05, 0.40, 0.22]], np.float32)  # blue, black and green ink
PEN_COVER, PEN_WIDTH = np.float32(0.85), np.float32(0.05)


@dataclass(frozen=True)
class Scanner:
    """How a scanner shows a stained section.

    Attributes:
        haematoxylin: optical density of a unit of the blue stain in red, green and blue.
        eosin: likewise of the pink stain.
        light: red, green and blue of empty glass, in shares of the full scale.
        gamma: exponent of the picture's grey scale; above 1 the picture is darker.
        flicker: standard deviation of the light from slide to slide, in shares.
        pen: share of the slides that somebody has marked with a pen.
    """

    haematoxylin: tuple[float, float, float]
    eosin: tuple[float, float, float]
    light: tuple[float, float, float]
    gamma: float
    flicker: float
    pen: float

    def __post_init__(self) -> None:
        if min(*self.haematoxylin, *self.eosin) < 0 or not 0 < min(self.light) <= max(self.light) <= 1:
            raise ValueError(f"optical densities must be 0 or more and light in 0 .. 1, got {self}")
        if self.gamma <= 0 or self.flicker < 0 or not 0 <= self.pen <= 1:
            raise ValueError(f"gamma must be positive, flicker 0 or more and pen a share in 0 .. 1, got {self}")

    def towards(self, other: Scanner, share: float) -> Scanner:
        """A scanner that lies the given share of the way to another one; 0 is this one, 1 the other.

        >>> CLINIC_A.towards(CLINIC_B, 1.0) == CLINIC_B
        True
        """
        mixed = {
            field.name: _between(getattr(self, field.name), getattr(other, field.name), share) for field in fields(Scanner)
        }
        return replace(self, **mixed)


# Optical densities after Ruifrok and Johnston (2001); clinic B is darker, bluer and mostly marked with a pen.
CLINIC_A = Scanner((0.65, 0.70, 0.29), (0.07, 0.99, 0.11), light=(0.96, 0.96, 0.96), gamma=1.0, flicker=0.01, pen=0.0)
CLINIC_B = Scanner((0.78, 0.74, 0.26), (0.16, 0.98, 0.09), light=(0.89, 0.90, 0.95), gamma=1.15, flicker=0.01, pen=0.7)


def draw(traits: np.ndarray, *, scanner: Scanner, size: tuple[int, int], seed: int) -> np.ndarray:
    """Pictures of sections with the given traits, each with tissue, nuclei and glass of its own.

    Args:
        traits: `(n, 3)` standard scores of `TRAITS`.
        scanner: that shows them.
        size: height and width [pixels].
        seed: of everything that differs between two sections of the same traits.

    Returns:
        uint8 `(n, 3, h, w)`.

    >>> draw(np.zeros((2, 3)), scanner=CLINIC_A, size=(40, 50), seed=0).shape
    (2, 3, 40, 50)
    """
    generator = np.random.default_rng(seed)
    stride = max(1, CHUNK_PIXELS // math.prod(size))
    pictures = np.empty((len(traits), 3, *size), np.uint8)
    for first in range(0, len(traits), stride):
        rows = slice(first, first + stride)
        haematoxylin, eosin = stains(traits[rows], size=size, generator=generator)
        pictures[rows] = scanned(haematoxylin, eosin, scanner=scanner, generator=generator)
    return pictures


def stains(traits: np.ndarray, *, size: tuple[int, int], generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Amounts of haematoxylin and eosin in every pixel of sections with the given traits `(n, 3)`.

    Returns:
        Two arrays `(n, h, w)`; zero on empty glass.
    """
    count = len(traits)
    width, ragged, dense = (_per_picture(column) for column in np.asarray(traits).T)
    tissue_at, tumour_at = generator.normal(0, 0.08, (count, 2)), generator.normal(0, 0.08, (count, 2))
    tissue = _blob(size, tissue_at, np.float32(0.85), np.float32(0.10), generator)
    radius, lobes = 0.42 * np.exp(0.25 * width), 0.14 * np.exp(0.6 * ragged)
    tumour = _blob(size, tissue_at + tumour_at, radius, lobes, generator) * tissue
    nuclei = 0.25 * tissue + 1.0 * tumour * np.exp(0.35 * dense)
    haematoxylin = 0.1 * tissue + 0.4 * _smooth(generator.poisson(3 * nuclei).astype(np.float32) / 3, 1)
    fibres = _smooth(generator.standard_normal(nuclei.shape, np.float32), 2)
    eosin = tissue * np.clip(0.40 + 0.25 * fibres - 0.15 * tumour, 0, None)
    return haematoxylin * tissue, eosin


def scanned(haematoxylin: np.ndarray, eosin: np.ndarray, *, scanner: Scanner, generator: np.random.Generator) -> np.ndarray:
    """Pictures uint8 `(n, 3, h, w)` that a scanner makes of stain amounts `(n, h, w)`.

    In shares of the full scale the light of a channel is light · exp(-density of the stains), raised to gamma.
    """
    count = len(haematoxylin)
    absorbed = [blue * haematoxylin + pink * eosin for blue, pink in zip(scanner.haematoxylin, scanner.eosin, strict=True)]
    lamp = 1 + scanner.flicker * generator.standard_normal((count, 1, 1, 1), np.float32)
    passed = lamp * np.array(scanner.light, np.float32)[:, None, None] * np.exp(-np.stack(absorbed, 1))
    passed = np.clip(passed, 0, 1) ** scanner.gamma
    passed += np.float32(0.01) * generator.standard_normal(passed.shape, np.float32)
    marked = generator.random(count) < scanner.pen
    passed[marked] = _marked(passed[marked], generator)
    return np.round(255 * np.clip(passed, 0, 1)).astype(np.uint8)


def _blob(size, centre, radius, lobes, generator) -> np.ndarray:
    """Soft masks `(n, h, w)` of round shapes with lobes; lengths in units of half the height."""
    distance, angle = _polar(size, centre)
    border = np.ones_like(distance)
    for waves in LOBES:
        turn, reach = generator.uniform(0, 2 * np.pi, len(centre)), generator.uniform(0.5, 1.0, len(centre))
        border += lobes * _per_picture(reach) * np.cos(angle * waves + _per_picture(turn))
    return _inside((distance - radius * border) * size[0] / 2)


def _marked(pictures: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The pictures with a curved pen stroke each, somewhere around the tissue."""
    count, _, *size = pictures.shape
    distance, angle = _polar(size, generator.uniform(-0.3, 0.3, (count, 2)))
    radius, middle, half = (generator.uniform(low, high, count) for low, high in ((0.85, 1.1), (-np.pi, np.pi), (0.4, 1.2)))
    turned = np.abs((angle - _per_picture(middle) + np.pi) % (2 * np.pi) - np.pi)
    ink = PEN_COVER * _inside((np.abs(distance - _per_picture(radius)) - PEN_WIDTH) * size[0]) * (turned < _per_picture(half))
    colour = PEN_COLOURS[generator.integers(len(PEN_COLOURS), size=count)]
    return pictures * (1 - ink[:, None]) + colour[:, :, None, None] * ink[:, None]


def _polar(size, centre) -> tuple[np.ndarray, np.ndarray]:
    """Distance from a centre `(n, 2)` in units of half the height, and angle, of every pixel: two arrays `(n, h, w)`."""
    height, width = size
    across = np.linspace(-1, 1, width, dtype=np.float32) * np.float32(width / height) - _per_picture(centre[:, 0])
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None] - _per_picture(centre[:, 1])
    return np.hypot(across, down), np.arctan2(down, across)


def _inside(beyond: np.ndarray) -> np.ndarray:
    """Soft step: 1 far inside a border, 0 far outside; `beyond` is the distance from it [pixels]."""
    return 1 / (1 + np.exp(np.clip(beyond, -30, 30)))


def _per_picture(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)[:, None, None]


def _smooth(fields: np.ndarray, times: int) -> np.ndarray:
    """Fields `(n, h, w)` averaged with their neighbours, weights 1 2 1, along both axes."""
    for axis in (1, 2) * times:
        edge = np.concatenate([fields.take([0], axis), fields, fields.take([-1], axis)], axis)
        length = fields.shape[axis]
        before, here, after = (edge.take(range(start, start + length), axis) for start in (0, 1, 2))
        fields = (before + 2 * here + after) / 4
    return fields


def _between(first, second, share: float):
    if isinstance(first, tuple):
        return tuple(_between(one, other, share) for one, other in zip(first, second, strict=True))
    return (1 - share) * first + share * second
