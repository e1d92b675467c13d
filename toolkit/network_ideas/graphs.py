"""Messages on a graph (section 2.6.4): after T rounds a node knows what lies at most T steps away."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import torch
from scipy.sparse.csgraph import shortest_path
from scipy.spatial import Delaunay
from torch import Tensor, nn
from torch.nn import functional

from toolkit.network_ideas.sketches import Pairs, Sketch, fitted, sketches
from toolkit.networks import seeded

NODES, SOURCES, REACH, WIDTH = 60, 2, 3, 12


class MessageNetwork(nn.Module):
    """T rounds of (2.49) with the same f and g: each node adds up its neighbours' messages and updates its state.

    Args:
        adjacency: `(nodes, nodes)` ones where two nodes are joined.
        rounds: T.
    """

    def __init__(self, adjacency: Tensor, rounds: int):
        super().__init__()
        self.adjacency, self.rounds = adjacency, rounds
        self.start = nn.Linear(1, WIDTH)
        self.message = nn.Linear(WIDTH, WIDTH)
        self.update = nn.Linear(2 * WIDTH, WIDTH)
        self.readout = nn.Linear(WIDTH, 2)

    def forward(self, sources: Tensor) -> Tensor:
        """Logits `(b, 2, nodes)` of sources `(b, nodes)`."""
        state = functional.relu(self.start(sources.unsqueeze(2)))
        for _ in range(self.rounds):
            messages = self.adjacency @ functional.relu(self.message(state))
            state = functional.relu(self.update(torch.cat([state, messages], 2)))
        return self.readout(state).transpose(1, 2)


@cache
def graph() -> tuple[np.ndarray, np.ndarray]:
    """A graph in the plane: positions `(60, 2)` and pairs of joined nodes `(edges, 2)`, without the longest edges."""
    positions = np.random.default_rng(4).uniform(0, 1, (NODES, 2))
    corners = Delaunay(positions).simplices
    edges = np.unique(np.sort(np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [0, 2]]]), axis=1), axis=0)
    lengths = np.linalg.norm(positions[edges[:, 0]] - positions[edges[:, 1]], axis=1)
    return positions, edges[lengths < 0.2]


def adjacency() -> np.ndarray:
    """Ones where two nodes of `graph` are joined, `(60, 60)`."""
    matrix = np.zeros((NODES, NODES), np.float32)
    for first, second in graph()[1]:
        matrix[first, second] = matrix[second, first] = 1.0
    return matrix


def near_a_source(n: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """Two nodes of the graph are sources; every node's label says whether one is at most three steps away.

    Args:
        n: samples.
        seed: of the draws.

    Returns:
        `(n, nodes)` ones at the sources, and labels `(n, nodes)`.
    """
    draw = np.random.default_rng(seed)
    steps = shortest_path(adjacency(), unweighted=True)
    chosen = np.stack([draw.choice(NODES, SOURCES, replace=False) for _ in range(n)])
    sources = np.zeros((n, NODES), np.float32)
    sources[np.arange(n)[:, None], chosen] = 1.0
    return torch.tensor(sources), torch.tensor((steps[chosen].min(axis=1) <= REACH).astype(int))


def learn(rounds: int, *, epochs: int, learning_rate: float, seed: int) -> Iterator[Sketch]:
    """Train and show one graph of the validation part: sources, labels and predicted probabilities.

    Args:
        rounds: T, of messages.
        epochs: passes over the samples.
        learning_rate: of Adam.
        seed: of data, weights and order.
    """
    data = Pairs.of(*near_a_source(500, seed=seed))
    with seeded(seed):
        model = MessageNetwork(torch.tensor(adjacency()), rounds)
    sources, labels = (part[0] for part in data.validation)

    def picture() -> dict[str, np.ndarray]:
        near = model(sources[None]).softmax(1)[0, 1]
        return {"sources": sources.numpy(), "labels": labels.numpy(), "near": near.numpy()}

    run = fitted(model, data, functional.cross_entropy, epochs=epochs, learning_rate=learning_rate, seed=seed)
    return sketches(run, picture)
