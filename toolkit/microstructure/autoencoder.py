"""The variational autoencoder of porous structures (Zhao, sections 2.6.5 and 4.2.2, Table 4.3).

    model = VAE(32)
    data.train[0]  # (n, 1, 32, 32, 32), uint8, 255 where there is material
    run = training.fit(model, data, loss=NegativeBound(), optimizer=torch.optim.Adam(model.parameters(), 1e-3), epochs=20,
                       metrics=[reconstruction, divergence])

Called on a batch the model gives the two terms of the bound, not volumes: with those two numbers per structure the training
loop, its evaluation and its memory stay those of any other network. Shapes: `b` batch, `s` voxels along an edge, `l` latent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from toolkit.networks import seeded
from toolkit.training.settings import whole

CHANNELS = (16, 32, 64, 128)  # of the four convolutions of Table 4.3
KERNEL, STRIDE, PADDING = 4, 2, 1  # the padding is not printed; 128 -> 64 -> 32 -> 16 -> 8 needs it
SIZES = (32, 64, 128)
BATCH = 64


def gaussian_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence of N(μ, σ²) from N(0, 1), summed over the latent dimensions: ½ Σ (μ² + σ² - 1 - ln σ²).

    The second term of (2.52) for the Gaussians that the document assumes.

    Args:
        mean: μ, `(b, l)`.
        log_variance: ln σ², `(b, l)`.

    Returns:
        `(b,)` [nat], zero or more.

    >>> gaussian_divergence(torch.tensor([[0.0], [2.0]]), torch.zeros(2, 1)).tolist()
    [0.0, 2.0]
    """
    return 0.5 * (mean.square() + torch.expm1(log_variance) - log_variance).sum(1)


def reparameterised(mean: Tensor, log_variance: Tensor) -> Tensor:
    """A draw z = μ + σ ε with ε of N(0, 1), through which gradients reach μ and σ.

    Args:
        mean: μ, `(b, l)`.
        log_variance: ln σ², `(b, l)`.

    Returns:
        `(b, l)`; ε comes from torch's global generator, which `training.fit` seeds at every step.

    >>> reparameterised(torch.ones(1, 1), torch.full((1, 1), -200.0)).item()
    1.0
    """
    return mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)


class VAE(nn.Module):
    """The network of Table 4.3, and the same at other sizes: 153,490,273 weights at 128³, 4,790,113 at 32³.

    The text gives neither the padding (1 here, without which 128 does not become 64) nor what "σ" is (ln σ² here) nor the first
    weights. These are He's, which keep the spread of the signal from layer to layer: from torch's own, meant for other layers,
    less than a hundredth of it reaches μ, and training begins with hundreds of steps in which nothing is learned.

    Args:
        size: voxels along an edge, a multiple of 16.
        latent: latent dimensions l.
        hidden: units of the dense layer in front of μ and σ.
        share: of material that the decoder puts into every voxel at first; half of it without prior knowledge.
        seed: of the weights; None draws from torch's global generator.

    Raises:
        ValueError: a size that four halvings do not fit, or no units.

    >>> sum(weight.numel() for weight in VAE(32).parameters())
    4790113
    """

    def __init__(self, size: int, *, latent: int = 256, hidden: int = 2048, share: float = 0.5, seed: int | None = None):
        super().__init__()
        self.size = _checked_size(size)
        self.latent, self.hidden = whole("latent", latent, 1), whole("hidden", hidden, 1)
        if not 0 < share < 1:
            raise ValueError(f"share must lie between 0 and 1, got {share}")
        edge = self.size // STRIDE ** len(CHANNELS)
        flat = CHANNELS[-1] * edge**3
        with seeded(None if seed is None else whole("seed", seed, 0)):
            self.features = nn.Sequential(*_convolutions((1, *CHANNELS)), nn.Flatten(), nn.Linear(flat, self.hidden), nn.ReLU())
            self.mean = nn.Linear(self.hidden, self.latent)
            self.log_variance = nn.Linear(self.hidden, self.latent)
            self.decoder = nn.Sequential(
                nn.Linear(self.latent, flat), nn.ReLU(), nn.Unflatten(1, (CHANNELS[-1], edge, edge, edge)),
                *_transposed((*CHANNELS[::-1], 1)),
            )  # fmt: skip
            self._begin(share)

    def _begin(self, share: float) -> None:
        """He's weights where a ReLU follows; small ones for ln σ² and the logits, which begin near 0 and the share."""
        last = self.decoder[-1]
        for layer in self.modules():
            if isinstance(layer, nn.Linear | nn.Conv3d | nn.ConvTranspose3d):
                gain = 1.0 if layer is self.mean else 0.01 if layer in (self.log_variance, last) else 2.0
                nn.init.normal_(layer.weight, std=math.sqrt(gain / _inputs_of_one_output(layer)))
                nn.init.zeros_(layer.bias)
        nn.init.constant_(last.bias, math.log(share / (1 - share)))

    def encode(self, volumes: Tensor) -> tuple[Tensor, Tensor]:
        """μ and ln σ² of the posterior, `(b, l)` each.

        Args:
            volumes: share of material, `(b, 1, s, s, s)` between 0 and 1.
        """
        features = self.features(volumes)
        return self.mean(features), self.log_variance(features)

    def decode(self, z: Tensor) -> Tensor:
        """Logits of material in every voxel, `(b, 1, s, s, s)`; their sigmoid is the last layer of Table 4.3."""
        return self.decoder(z)

    def forward(self, volumes: Tensor) -> Tensor:
        """The two terms of -ELBO (2.52), `(b, 2)` [nat]: binary cross-entropy summed over the voxels, and the divergence.

        Args:
            volumes: share of material, `(b, 1, s, s, s)` between 0 and 1.
        """
        mean, log_variance = self.encode(volumes)
        logits = self.decode(reparameterised(mean, log_variance))
        error = functional.binary_cross_entropy_with_logits(logits, volumes, reduction="none").flatten(1).sum(1)
        return torch.stack([error, gaussian_divergence(mean, log_variance)], 1)


def _checked_size(size: int) -> int:
    step = STRIDE ** len(CHANNELS)
    if isinstance(size, bool) or not isinstance(size, int) or size < step or size % step:
        raise ValueError(f"size must be a multiple of {step} voxels such as {SIZES}, got {size!r}")
    return size


def _inputs_of_one_output(layer: nn.Module) -> int:
    """How many numbers are summed for each number that a layer gives."""
    if isinstance(layer, nn.ConvTranspose3d):
        return layer.in_channels * (KERNEL // STRIDE) ** 3
    return layer.weight[0].numel()


def _convolutions(channels: Sequence[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before, after in zip(channels, channels[1:], strict=False):
        layers += [nn.Conv3d(before, after, KERNEL, STRIDE, PADDING), nn.ReLU()]
    return layers


def _transposed(channels: Sequence[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before, after in zip(channels[:-2], channels[1:-1], strict=True):
        layers += [nn.ConvTranspose3d(before, after, KERNEL, STRIDE, PADDING), nn.ReLU()]
    return [*layers, ToOneChannel(channels[-2])]  # the sigmoid is in the loss, which is exact for large logits


class ToOneChannel(nn.ConvTranspose3d):
    """The last transposed convolution, to one channel, as a convolution: the same weights and numbers in half the time.

    Along an axis the outputs 2i take the inputs i - 1 and i, the outputs 2i + 1 the inputs i and i + 1, each with two of the
    four weights. So eight kernels of 2³ give all outputs, one for each choice of even and odd, and they are woven together.

    Args:
        channels: of the input.
    """

    def __init__(self, channels: int):
        super().__init__(channels, 1, KERNEL, STRIDE, PADDING)

    def forward(self, maps: Tensor, output_size: None = None) -> Tensor:
        """From `(b, c, s, s, s)` to `(b, 1, 2s, 2s, 2s)`."""
        taps = self.weight.new_tensor([3, 1, 2, 0], dtype=torch.long)  # of even outputs, of odd ones
        kernels = self.weight[:, 0][:, taps][:, :, taps][:, :, :, taps]
        kernels = kernels.unflatten(3, (2, 2)).unflatten(2, (2, 2)).unflatten(1, (2, 2))
        kernels = kernels.permute(1, 3, 5, 0, 2, 4, 6).reshape(8, self.in_channels, 2, 2, 2)
        found = functional.conv3d(maps, kernels.contiguous(), self.bias.expand(8), padding=1)
        edge = maps.shape[-1]
        corners = [
            found[:, 4 * i + 2 * j + k, i : i + edge, j : j + edge, k : k + edge]
            for i in (0, 1)
            for j in (0, 1)
            for k in (0, 1)
        ]
        woven = torch.stack(corners, -1).unflatten(-1, (2, 2, 2)).permute(0, 1, 4, 2, 5, 3, 6)
        return woven.reshape(len(maps), 1, 2 * edge, 2 * edge, 2 * edge)


class NegativeBound:
    """The loss: cross-entropy + β KL, the mean over the batch; β = 1 is -ELBO (2.52).

    The document does not print β. It may be changed while a run goes on.

    Args:
        beta: β, zero or more.

    >>> NegativeBound(2.0)(torch.tensor([[5.0, 1.0], [7.0, 2.0]]), None).item()
    9.0
    """

    def __init__(self, beta: float = 1.0):
        self.beta = beta

    @property
    def beta(self) -> float:
        """Weight of the divergence."""
        return self._beta

    @beta.setter
    def beta(self, value: float) -> None:
        if not (0 <= value < math.inf):
            raise ValueError(f"beta must be a finite number, zero or more, got {value}")
        self._beta = float(value)

    def __call__(self, terms: Tensor, targets: Tensor | None) -> Tensor:
        """From the model's terms `(b, 2)` to a scalar; the volumes are inputs and targets in one, so `targets` is not used."""
        return (terms[:, 0] + self._beta * terms[:, 1]).mean()


def reconstruction(terms: Tensor, targets: Tensor) -> Tensor:
    """Metric for `training.fit`: the mean cross-entropy of a structure [nat]."""
    return terms[:, 0].mean()


def divergence(terms: Tensor, targets: Tensor) -> Tensor:
    """Metric for `training.fit`: the mean divergence of a structure [nat]."""
    return terms[:, 1].mean()


@torch.no_grad()
def latent_means(model: VAE, volumes: Tensor) -> Tensor:
    """μ of every structure, which stands for it in all distances here and is not sampled.

    Args:
        model: the autoencoder.
        volumes: `(n, 1, s, s, s)` or `(n, s, s, s)`; bool or the generator's 0 and 1, uint8 with 255 for all material, or
            shares between 0 and 1.

    Returns:
        `(n, l)` on the model's device.

    Raises:
        ValueError: volumes of another size or with other values.

    >>> latent_means(VAE(32, latent=3, hidden=8), torch.zeros(2, 32, 32, 32, dtype=torch.bool)).shape
    torch.Size([2, 3])
    """
    return torch.cat([model.encode(batch)[0] for batch in _batches(model, volumes)])


@torch.no_grad()
def reconstructed(model: VAE, volumes: Tensor) -> Tensor:
    """What the decoder makes of the latent means: the share of material in each voxel.

    Args:
        model: the autoencoder.
        volumes: see `latent_means`.

    Returns:
        `(n, 1, s, s, s)` between 0 and 1.
    """
    return torch.cat([model.decode(model.encode(batch)[0]).sigmoid() for batch in _batches(model, volumes)])


@torch.no_grad()
def decoded(model: VAE, z: Tensor) -> Tensor:
    """The structures of latent points `(n, l)`: the share of material in each voxel, `(n, 1, s, s, s)`.

    Raises:
        ValueError: points of another dimension.
    """
    if z.ndim != 2 or z.shape[1] != model.latent:
        raise ValueError(f"z must have shape (n, {model.latent}), got {tuple(z.shape)}")
    z = z.to(model.mean.weight)
    return torch.cat([model.decode(batch).sigmoid() for batch in z.split(BATCH)])


def as_shares(volumes: Tensor, size: int) -> Tensor:
    """Volumes in any stored type as shares of material, float32 `(n, 1, s, s, s)`.

    Args:
        volumes: see `latent_means`.
        size: voxels along an edge that they must have.

    Raises:
        TypeError, ValueError: not a tensor of that size, or values outside the range of its type.

    >>> as_shares(torch.full((1, 16, 16, 16), 255, dtype=torch.uint8), 16).unique().tolist()
    [1.0]
    """
    volumes = _shaped(volumes, size)
    return volumes.float() / _full(volumes)


def _full(volumes: Tensor) -> float:
    """The number that stands for nothing but material; refuses what can be no share of it."""
    if not volumes.numel() or volumes.dtype is torch.bool:
        return 1.0
    least, most = float(volumes.min()), float(volumes.max())
    if volumes.dtype is torch.uint8:
        return 255.0 if most > 1 else 1.0
    if not (least >= 0 and most <= 1):  # nan fails as well
        raise ValueError(f"volumes must lie between 0 and 1, got {least:g} to {most:g}")
    return 1.0


def _shaped(volumes: Tensor, size: int) -> Tensor:
    if not isinstance(volumes, Tensor):
        raise TypeError(f"volumes must be a tensor, got {type(volumes).__name__}")
    if volumes.ndim == 4:
        volumes = volumes[:, None]
    if volumes.shape[1:] != (1, size, size, size):
        raise ValueError(f"volumes must have shape (n, 1, {size}, {size}, {size}), got {tuple(volumes.shape)}")
    return volumes


def _batches(model: VAE, volumes: Tensor):
    """Shares of material on the model's device, in batches, so that memory does not grow with the number of structures."""
    weight, full = model.mean.weight, _full(_shaped(volumes, model.size))
    for batch in _shaped(volumes, model.size).split(BATCH):
        yield batch.to(weight) / full


def training_memory(size: int, *, batch: int = BATCH, latent: int = 256, hidden: int = 2048) -> dict[str, float]:
    """Bytes that a training step keeps at one time, from the shapes alone [MB]; float32 and Adam.

    Args:
        size: voxels along an edge.
        batch: structures in a step.
        latent: latent dimensions.
        hidden: units of the dense layer.

    Returns:
        "weights" (with gradients and both moments of Adam), "activations" (what the backward pass needs) and "total".

    >>> round(training_memory(128)["weights"])
    2456
    """
    with torch.device("meta"):
        model = VAE(size, latent=latent, hidden=hidden)
    weights = sum(weight.numel() for weight in model.parameters())
    edges = [size // STRIDE**number for number in range(len(CHANNELS) + 1)]
    maps = sum(count * edge**3 for count, edge in zip((1, *CHANNELS), edges, strict=True))
    numbers = 2 * maps + hidden + 5 * latent  # what goes into each layer; the logits take the place of the volumes
    parts = {"weights": 16 * weights / 1e6, "activations": 4 * batch * numbers / 1e6}
    return parts | {"total": sum(parts.values())}
