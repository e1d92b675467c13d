"""Backpropagation through a network so small that every number can be written on it (Burghoff, section 2.2.5).

Two inputs, two hidden neurons, one output; each layer has a bias neuron that is always 1, as the document draws them. Weights
are matrices `(to, from)` whose last column belongs to the bias neuron.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

LOSSES = ("squared error", "cross-entropy")
STAGES = ("inputs", "hidden neurons", "output", "loss", "back to the output", "back to the hidden neurons", "new weights")
WEIGHTS = ("x1_h1", "x2_h1", "b1_h1", "x1_h2", "x2_h2", "b1_h2", "h1_o", "h2_o", "b2_o")


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


ACTIVATIONS: dict[str, tuple[Callable, Callable]] = {  # Φ(z), and Φ'(z), (2.3) to (2.5)
    "sigmoid": (_sigmoid, lambda z: np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z))) ** 2),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": (lambda z: np.maximum(0.0, z), lambda z: (z > 0).astype(float)),
    "linear": (lambda z: z, np.ones_like),
}


@dataclass(frozen=True, slots=True)
class Pass:
    """The network with everything that is known at a stage; what is not known yet is nan.

    Attributes:
        round: of forward, backward and new weights, from 1.
        stage: one of `STAGES`.
        first: `(2, 3)` weights from the inputs and their bias neuron to the hidden neurons.
        second: `(1, 3)` weights from these and their bias neuron to the output.
        inputs: `(2,)`.
        sums: `(3,)` z, of the two hidden neurons and the output: what comes in over their edges.
        values: `(3,)` Φ(z), of the output z itself for the squared error and the sigmoid of it for the cross-entropy.
        loss: L.
        deltas: `(3,)` ∂L/∂z.
        first_gradient: `(2, 3)` ∂L/∂W of `first`.
        second_gradient: `(1, 3)` likewise of `second`.
    """

    round: int
    stage: str
    first: np.ndarray
    second: np.ndarray
    inputs: np.ndarray
    sums: np.ndarray
    values: np.ndarray
    loss: float
    deltas: np.ndarray
    first_gradient: np.ndarray
    second_gradient: np.ndarray


def matrices(weights: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """The two matrices of nine weights.

    Args:
        weights: a number for each of `WEIGHTS`.

    >>> matrices(dict.fromkeys(WEIGHTS, 0.5))[1].tolist()
    [[0.5, 0.5, 0.5]]
    """
    missing = [name for name in WEIGHTS if name not in weights]
    if missing:
        raise ValueError(f"weights must hold {WEIGHTS}, without {missing[0]!r}")
    numbers = np.array([weights[name] for name in WEIGHTS], float)
    return numbers[:6].reshape(2, 3), numbers[6:].reshape(1, 3)


def loss_of(output: float, target: float, kind: str) -> tuple[float, float, float]:
    """What the network answers, its loss, and the loss's derivative by the last sum z.

    "squared error": the answer is z, L = (z - y)²/2 and ∂L/∂z = z - y. "cross-entropy": the answer is the probability σ(z),
    L = -y log σ(z) - (1 - y) log(1 - σ(z)), (2.9) for two classes with the logarithm of the *softmax*, and ∂L/∂z = σ(z) - y.

    Args:
        output: z.
        target: y, for the cross-entropy from 0 to 1.
        kind: one of `LOSSES`.

    >>> loss_of(0.0, 1.0, "squared error")
    (0.0, 0.5, -1.0)
    """
    if kind == "squared error":
        return output, 0.5 * (output - target) ** 2, output - target
    probability = float(_sigmoid(np.float64(output)))
    return probability, float(np.logaddexp(0.0, output) - target * output), probability - target


def passes(
    weights: dict[str, float],
    inputs: tuple[float, float],
    target: float,
    *,
    activation: str = "sigmoid",
    loss: str = "squared error",
    learning_rate: float = 0.5,
    rounds: int = 1,
) -> Iterator[Pass]:
    """Forward, backward and new weights, a record for each of `STAGES` in each round.

    Args:
        weights: a number for each of `WEIGHTS`.
        inputs: x₁ and x₂.
        target: y.
        activation: of the hidden neurons, one of `ACTIVATIONS`.
        loss: one of `LOSSES`.
        learning_rate: α of (2.10).
        rounds: how often.

    Raises:
        ValueError: an unknown name, numbers that are not finite, a target of the cross-entropy outside of 0 .. 1.

    >>> *_, last = passes(dict.fromkeys(WEIGHTS, 0.5), (1.0, 0.0), 1.0, activation="linear")
    >>> last.stage, last.loss
    ('new weights', 0.125)
    """
    if activation not in ACTIVATIONS or loss not in LOSSES:
        raise ValueError(f"activation and loss must be of {tuple(ACTIVATIONS)} and {LOSSES}, got {activation!r} and {loss!r}")
    first, second = matrices(weights)
    if not np.isfinite([*inputs, target, *first.flat, *second.flat, learning_rate]).all():
        raise ValueError(f"inputs, target, weights and learning_rate must be finite, got {inputs}, {target}, {weights}")
    if loss == "cross-entropy" and not 0 <= target <= 1:
        raise ValueError(f"target must lie in 0 .. 1 for the cross-entropy, got {target}")
    if rounds != int(rounds) or rounds < 1:
        raise ValueError(f"rounds must be a whole number, 1 or more, got {rounds!r}")
    return _passes(first, second, np.array(inputs, float), target, activation, loss, learning_rate, rounds)


def _passes(first, second, inputs, target, activation, kind, learning_rate, rounds) -> Iterator[Pass]:
    act, slope = ACTIVATIONS[activation]
    for number in range(1, rounds + 1):
        known = _nothing_known(number, first, second, inputs)
        yield known("inputs")
        sums = first @ [*inputs, 1.0]
        hidden = np.array([*act(sums), 1.0])
        yield known("hidden neurons", sums=_three(sums), values=_three(hidden[:2]))
        total = float((second @ hidden)[0])
        answer, loss, delta = loss_of(total, target, kind)
        yield known("output", sums=_three(sums, total), values=_three(hidden[:2], answer))
        yield known("loss", loss=float(loss))
        second_gradient = delta * hidden[None]
        yield known("back to the output", deltas=_three((np.nan, np.nan), delta), second_gradient=second_gradient)
        deltas = second[0, :2] * delta * slope(sums)  # over the weights that led forward
        first_gradient = np.outer(deltas, [*inputs, 1.0])
        yield known("back to the hidden neurons", deltas=_three(deltas, delta), first_gradient=first_gradient)
        first, second = first - learning_rate * first_gradient, second - learning_rate * second_gradient
        yield known("new weights", first=first, second=second)


def _nothing_known(number: int, first: np.ndarray, second: np.ndarray, inputs: np.ndarray) -> Callable[..., Pass]:
    """A function that takes what has become known at a stage and gives the record of all that is known by then."""
    nothing = np.full(3, np.nan)
    now = Pass(
        number, STAGES[0], first, second, inputs, nothing, nothing, np.nan, nothing, np.full((2, 3), np.nan),
        np.full((1, 3), np.nan),
    )  # fmt: skip

    def known(stage: str, **news: np.ndarray | float) -> Pass:
        nonlocal now
        now = replace(now, stage=stage, **news)
        return now

    return known


def _three(hidden: Sequence[float], output: float = np.nan) -> np.ndarray:
    return np.array([*hidden, output])
