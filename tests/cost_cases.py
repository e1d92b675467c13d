"""Random networks with sums and concatenations, and a count of their FLOPs by hand, pair of channels by pair of channels."""

import numpy as np
import torch
from torch import nn


class Drawn(nn.Module):
    """A network that follows a plan: a list of steps `(operation, numbers of the tensors that it takes, module or None)`."""

    def __init__(self, plan):
        super().__init__()
        self.plan = [(operation, taken) for operation, taken, _ in plan]
        for number, (_, _, module) in enumerate(plan):
            if module is not None:
                setattr(self, f"step{number}", module)

    def forward(self, x):
        tensors = [x]
        for number, (operation, taken) in enumerate(self.plan):
            inputs = [tensors[one] for one in taken]
            if operation == "add":
                tensors.append(inputs[0] + inputs[1])
            elif operation == "cat":
                tensors.append(torch.cat(inputs, 1))
            elif operation == "flatten":
                tensors.append(inputs[0].flatten(1))
            else:
                tensors.append(getattr(self, f"step{number}")(inputs[0]))
        return tensors[-1]


def draw(seed, *, norm_share=0.8):
    """A network, its plan, and the shape of its input."""
    rng = np.random.default_rng(seed)
    channels, side = int(rng.integers(1, 5)), int(rng.choice([6, 8, 9]))
    shapes, plan = [(channels, side)], []

    def take(operation, taken, module, shape):
        plan.append((operation, taken, module))
        shapes.append(shape)

    def pairs(same_width):
        return [
            (a, b) for a in range(len(shapes)) for b in range(a)
            if shapes[a][1] == shapes[b][1] and (shapes[a][0] == shapes[b][0] or not same_width)
        ]  # fmt: skip

    def convolve(wide):
        source = int(rng.integers(max(0, len(shapes) - 4), len(shapes)))
        inputs, size = shapes[source]
        kernel, stride = int(rng.choice([1, 3])), int(rng.choice([1, 1, 1, 2])) if size >= 4 else 1
        take(
            "layer", [source], nn.Conv2d(inputs, wide, kernel, stride=stride, padding=kernel // 2),
            (wide, (size - 1) // stride + 1),
        )  # fmt: skip
        if rng.random() < norm_share:
            take("layer", [len(shapes) - 1], nn.BatchNorm2d(wide), shapes[-1])
        take("layer", [len(shapes) - 1], nn.ReLU(), shapes[-1])

    for _ in range(int(rng.integers(3, 9))):
        kind = rng.choice(["conv", "conv", "conv", "add", "add", "cat", "depthwise", "norm", "pool"])
        last = len(shapes) - 1
        if kind == "add" and (possible := pairs(True)):
            a, b = possible[int(rng.integers(len(possible)))]
            take("add", [a, b], None, shapes[a])
        elif kind == "cat" and (possible := pairs(False)):
            a, b = possible[int(rng.integers(len(possible)))]
            if shapes[a][0] + shapes[b][0] <= 24:
                take("cat", [a, b], None, (shapes[a][0] + shapes[b][0], shapes[a][1]))
        elif kind == "depthwise" and shapes[last][0] > 1:
            wide = shapes[last][0]
            take("layer", [last], nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False), shapes[last])
        elif kind == "norm":
            take("layer", [last], nn.BatchNorm2d(shapes[last][0]), shapes[last])
        elif kind == "pool" and shapes[last][1] >= 4:
            take("layer", [last], nn.MaxPool2d(2), (shapes[last][0], shapes[last][1] // 2))
        else:
            earlier = [one[0] for one in shapes if one[0] <= 8]
            convolve(int(rng.choice([*earlier, int(rng.integers(1, 7))])))
    take("flatten", [len(shapes) - 1], None, (shapes[-1][0] * shapes[-1][1] ** 2, 1))
    take("layer", [len(shapes) - 1], nn.Linear(shapes[-1][0], 3), (3, 1))
    return Drawn(plan).eval(), plan, (channels, side, side)


def randomised(model, seed):
    """Batch norm with random scales, about half of them zero with their offset."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                kept = torch.rand(module.weight.shape, generator=draw) < 0.5
                module.weight.copy_(torch.randn(module.weight.shape, generator=draw) * kept)
                module.bias.copy_(torch.randn(module.bias.shape, generator=draw) * kept)
                module.running_mean.copy_(torch.randn(module.weight.shape, generator=draw))
    return model


def counted(plan, input_shape, *, source, threshold):
    """Cost and penalty by loops over pairs of channels; channels that are tied are found by walking along their ties."""
    born, ties, strengths, fixed, layers = [0], [], {}, set(), []

    def new(count):
        first = born[0]
        born[0] += count
        return list(range(first, first + count))

    x = torch.zeros(1, *input_shape)
    tensors = [(x, new(input_shape[0]), [False] * input_shape[0])]
    fixed.update(tensors[0][1])
    for operation, taken, module in plan:
        parts = [tensors[one] for one in taken]
        x, labels, gated = parts[0]
        if operation == "add":
            ties += list(zip(labels, parts[1][1], strict=True))
            tensors.append((x + parts[1][0], labels, [a and b for a, b in zip(gated, parts[1][2], strict=True)]))
        elif operation == "cat":
            tensors.append((torch.cat([x, parts[1][0]], 1), labels + parts[1][1], gated + parts[1][2]))
        elif operation == "flatten":
            each = x[0, 0].numel()
            tensors.append(
                (x.flatten(1), [one for one in labels for _ in range(each)], [g for g in gated for _ in range(each)])
            )
        elif isinstance(module, nn.Conv2d | nn.Linear):
            y = module(x)
            outputs = new(y.shape[1])
            weights = module.weight.detach()
            positions = y[0, 0].numel() if y.ndim == 4 else 1
            multiply_adds = positions * (weights[0, 0].numel() if weights.ndim == 4 else 1)
            deep = getattr(module, "groups", 1) > 1
            layers.append((multiply_adds, labels, outputs, deep))
            if deep:
                ties += list(zip(labels, outputs, strict=True))
            else:
                fixed.update(one for one, open_ in zip(labels, gated, strict=True) if not open_)
            if source == "group_lasso":
                for one, row in zip(outputs, weights, strict=True):
                    strengths.setdefault(one, []).append(float((row.double() ** 2).mean() ** 0.5))
            tensors.append(
                (y, outputs, [True] * len(outputs) if source == "group_lasso" else gated if deep else [False] * len(outputs))
            )
        elif isinstance(module, nn.BatchNorm2d) and source == "gamma":
            for one, scale in zip(labels, module.weight.tolist(), strict=True):
                strengths.setdefault(one, []).append(abs(scale))
            tensors.append((module(x), labels, [True] * len(labels)))
        else:
            tensors.append((module(x), labels, gated))
    fixed.update(tensors[-1][1])
    alive, r = _settled(born[0], ties, strengths, fixed, threshold)
    cost = penalty = 0.0
    for multiply_adds, inputs, outputs, deep in layers:
        for a, b in zip(inputs, outputs, strict=True) if deep else ((a, b) for a in inputs for b in outputs):
            cost += 2 * multiply_adds * (alive[a] and alive[b])
            penalty += 2 * multiply_adds * ((r[a] + r[b]) if deep else (alive[a] * r[b] + alive[b] * r[a]))
    return cost, penalty


def _settled(count, ties, strengths, fixed, threshold):
    """Alive or not, and the strength, for each channel."""
    neighbours = {one: set() for one in range(count)}
    for a, b in ties:
        neighbours[a].add(b)
        neighbours[b].add(a)
    alive, r = {}, {}
    for one in range(count):
        reached, rest = {one}, [one]
        while rest:
            fresh = neighbours[rest.pop()] - reached
            reached |= fresh
            rest += fresh
        values = [value for member in reached for value in strengths.get(member, [])]
        free = bool(values) and not reached & fixed
        r[one] = max(values) if free else 0.0
        alive[one] = not free or r[one] > threshold
    return alive, r
