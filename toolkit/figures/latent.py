"""Latent space of membranes, recipes found in it: live frames and static figures (Zhao, Figs. 4.9 to 4.13, A.1 to A.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from toolkit.figures import colours, frame, layers
from toolkit.figures.membranes import AXES, MATERIAL, PORE

SHADES = colormaps["viridis"]
DIRECTIONS = {**AXES, "xy": colours.PURPLE, "xz": colours.ORANGE, "yz": colours.SKY, "none": colours.GREY}
STRATEGIES = {
    "transfer": colours.BLUE,
    "scratch": colours.VERMILION,
    "random encoder": colours.PURPLE,
    "mean": colours.GREY,
}
CROP = colours.PURPLE
SIDE, GAP = 110, 18  # pixels of a slice, and of what is between slices
LEVELS = 5


# Live -------------------------------------------------------------------------------------------------------------------


def latent_frame(
    points: np.ndarray,
    values: Sequence[Any],
    *,
    axes: tuple[str, str],
    chosen: int,
    here: tuple[float, float],
    volumes: Sequence[tuple[str, np.ndarray]],
    explained: np.ndarray,
    quantity: str,
    note: str,
    crops: np.ndarray | None = None,
) -> str:
    """Structures in two components, slices of what the decoder makes of the place pointed at, and explained variance.

    Args:
        points: `(n, 2)`.
        values: of the quantity that colours them, texts or numbers, `(n,)`.
        axes: labels of the components.
        chosen: number of the structure that is marked.
        here: place of the decoded structure in the same plane.
        volumes: title and slice `(h, w)` of shares of material.
        explained: share of variance of each component.
        quantity: name of the values.
        note: a line above.
        crops: of a tomograph, `(m, 2)`, drawn over the structures as in Fig. 4.11; then it is one of them that is chosen.

    Returns:
        A `<div>` element.
    """
    numbers, palette, entries = _coloured(values, quantity)
    shown = np.concatenate([points, *([] if crops is None else [crops]), [here]])
    limits = [layers.margins(column) for column in shown.T]
    marks = [] if crops is None else [(*place, CROP, f"crop {number}") for number, place in enumerate(crops.tolist())]
    choosable, kind = (points, "structure") if crops is None else (crops, "crop")
    marks += [
        (*choosable[chosen].tolist(), frame.TEXT, f"chosen {kind} {chosen}"),
        (*map(float, here), colours.YELLOW, "decoded place"),
    ]
    entries += [] if crops is None else [("crops", CROP)]
    scatter = frame.plot(
        [], title=f"{len(points)} structures", x_label=axes[0], y_label=f"up: {axes[1]}", size=layers.SIZE, x_limits=limits[0],
        y_limits=limits[1], points=marks,
    )  # fmt: skip
    clouds = [layers.cloud(points[numbers == n], limits, colour=colour) for n, colour in enumerate(palette)]
    plots = [layers.under(scatter, "".join(clouds)), slices_plot(volumes), _explained(explained)]
    return frame.compose(plots, above=(frame.text(note), frame.legend(entries)), description=f"Latent space: {note}")


def _coloured(values: Sequence[Any], quantity: str) -> tuple[np.ndarray, list[str], list[tuple[str, str]]]:
    """Number of each value's colour, the colours, the legend."""
    values = np.asarray(values)
    if values.dtype.kind in "OUS":
        names = [name for name in DIRECTIONS if name in set(values.tolist())]
        numbers = np.array([names.index(value) for value in values.tolist()])
        return numbers, [DIRECTIONS[name] for name in names], [(f"stretched along {name}", DIRECTIONS[name]) for name in names]
    edges = np.quantile(values, np.linspace(0, 1, LEVELS + 1))
    numbers = np.clip(np.searchsorted(edges[1:-1], values, side="right"), 0, LEVELS - 1)
    palette = [_hex(SHADES(share)) for share in np.linspace(0, 0.95, LEVELS)]
    legend = [
        (f"{quantity} {low:.3g} to {high:.3g}", colour)
        for low, high, colour in zip(edges[:-1], edges[1:], palette, strict=True)
        if low < high
    ]
    return numbers, palette, legend


def _hex(colour: Sequence[float]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in colour[:3])


def slices_plot(volumes: Sequence[tuple[str, np.ndarray]]) -> str:
    """Up to four slices with titles, dark where there is material."""
    parts = []
    for number, (title, one) in enumerate(volumes):
        left, top = 8 + number % 2 * (SIDE + GAP + 14), 16 + number // 2 * (SIDE + GAP)
        parts.append(f'<text x="{left}" y="{top - 4}" font-size="10" font-weight="600">{escape(title)}</text>')
        parts.append(layers.picture(painted(one), (left, top, SIDE, SIDE)))
    return layers.svg("".join(parts))


def painted(one: np.ndarray) -> np.ndarray:
    """Colours `(h, w, 3)` of shares of material `(h, w)`."""
    share = np.clip(np.asarray(one, float), 0, 1)[..., None]
    return (1 - share) * np.array(PORE) + share * np.array(MATERIAL)


def _explained(explained: np.ndarray) -> str:
    total = np.cumsum(explained)
    numbers = np.arange(1, len(total) + 1)
    lines = [
        frame.Line(numbers, total, "cumulative share of variance", colours.BLUE),
        frame.Line([1, len(total)], [0.95, 0.95], "95 %", colours.GREY, dash="2 4", width=1.2),
    ]
    title, limits = "explained variance, cumulative", (0, 1.02)
    return frame.plot(lines, title=title, x_label="principal components", size=layers.SIZE, y_limits=limits)


def inverse_frame(
    volumes: Sequence[tuple[str, np.ndarray]],
    trials: Sequence[Any],
    *,
    rows: Sequence[tuple[str, float, float | None]],
    initial: int,
    note: str,
) -> str:
    """Slices of target and best structure, distance against experiments (Fig. 4.12), recipe wanted and found.

    Args:
        volumes: title and slice of shares of material.
        trials: records with `number`, `value` and `best`.
        rows: name of a variable, its value in the target, its value in the best recipe or None.
        initial: how many experiments were drawn at random.
        note: a line above.

    Returns:
        A `<div>` element.
    """
    numbers = [trial.number for trial in trials]
    lines = [
        frame.Line(numbers, [trial.value for trial in trials], "distance tried", colours.SKY, width=1.0),
        frame.Line(numbers, [trial.best for trial in trials], "least distance so far", colours.BLUE, width=2.4),
    ]
    marks = [(initial + 0.5, colours.GREY, "from here on the model proposes")] if trials else []
    title = "distance in the latent space" if trials else "distance: press Run"
    curve = frame.plot(lines, title=title, x_label="structures tried", log_y=True, size=layers.SIZE, marks=marks)
    plots = [slices_plot(volumes), curve, _recipes(rows)]
    entries = [("tried", colours.SKY), ("least so far", colours.BLUE)]
    return frame.compose(plots, above=(frame.text(note), frame.legend(entries)), description=f"Recipe of a membrane: {note}")


def _recipes(rows: Sequence[tuple[str, float, float | None]]) -> str:
    parts = ['<text x="8" y="14" font-weight="600">recipe</text>']
    for x, head in ((170, "target"), (240, "best"), (310, "error")):
        parts.append(f'<text x="{x}" y="40" text-anchor="end" font-weight="600">{head}</text>')
    for number, (name, wanted, found) in enumerate(rows):
        y = 64 + 24 * number
        parts.append(f'<text x="8" y="{y}">{escape(name)}</text><text x="170" y="{y}" text-anchor="end">{wanted:.4g}</text>')
        if found is not None:
            parts.append(f'<text x="240" y="{y}" text-anchor="end">{found:.4g}</text>')
            parts.append(f'<text x="310" y="{y}" text-anchor="end">{100 * (found / wanted - 1):+.1f} %</text>')
    return layers.svg("".join(parts))


# Static -----------------------------------------------------------------------------------------------------------------


def draw_training(ax: Axes, curve: Sequence[Mapping[str, float]]) -> None:
    """Loss of the training and the validation part against epochs (Fig. 4.9).

    Args:
        ax: where to draw.
        curve: `epoch`, `train_loss` and `validation_loss` of each epoch.
    """
    for name, colour in (("train_loss", colours.BLUE), ("validation_loss", colours.GREY)):
        kept = [(row["epoch"], row[name]) for row in curve if name in row]
        ax.plot(*zip(*kept, strict=True), color=colour, label=name.replace("_", " "), ls="-" if "train" in name else "--")
    ax.set(xlabel="epoch", ylabel="cross-entropy + KL [nat]")
    ax.legend(frameon=False)


def draw_errors(ax: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    """Error of reconstructions against the numbers that are kept: autoencoder and PCA.

    Args:
        ax: where to draw.
        rows: `method`, `numbers` and `squared_error`.
    """
    methods = {"PCA": colours.ORANGE, "PCA of moved copies": colours.VERMILION, "autoencoder": colours.BLUE}
    for method, colour in methods.items():
        kept = [(row["numbers"], row["squared_error"]) for row in rows if row["method"] == method]
        ax.plot(*zip(*kept, strict=True), "o-", color=colour, label=method, ms=9 if method == "autoencoder" else 5)
    mean = [row["squared_error"] for row in rows if row["numbers"] == 0]
    ax.axhline(mean[0], color=colours.GREY, ls=":", label="mean of the training part")
    ax.set(xscale="log", xlabel="numbers kept of each structure", ylabel="mean squared error per voxel")
    ticks = sorted({row["numbers"] for row in rows} - {0})
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()
    ax.legend(frameon=False, fontsize=8)


def draw_scatter(ax: Axes, points: np.ndarray, values: Sequence[Any], *, axes: tuple[str, str], quantity: str) -> None:
    """Structures in two components, coloured by direction or by a number (Fig. 4.10).

    Args:
        ax: where to draw.
        points: `(n, 2)`.
        values: texts or numbers, `(n,)`.
        axes: labels of the components.
        quantity: what the values are.
    """
    values = np.asarray(values)
    if values.dtype.kind in "OUS":
        for name in [name for name in DIRECTIONS if name in set(values.tolist())]:
            ax.scatter(*points[values == name].T, s=7, color=DIRECTIONS[name], alpha=0.6, label=name, lw=0)
        ax.legend(frameon=False, fontsize=8, title=quantity, markerscale=2)
    else:
        drawn = ax.scatter(*points.T, s=7, c=values, cmap=SHADES, alpha=0.8, lw=0)
        ax.figure.colorbar(drawn, ax=ax, label=quantity)
    ax.set(xlabel=axes[0], ylabel=axes[1])


def draw_crops(ax: Axes, points: np.ndarray, *, label: str, colour: str = CROP) -> None:
    """Crops of a tomograph over the structures of `draw_scatter`, as in Fig. 4.11.

    Args:
        ax: where to draw.
        points: `(m, 2)`.
        label: of the crops.
        colour: of their stars.
    """
    ax.plot(*np.asarray(points).T, "*", ms=10, mec="white", mew=0.7, color=colour, label=label)
    ax.legend(frameon=False, fontsize=8)


def draw_pairs(axes: np.ndarray, points: np.ndarray, directions: Sequence[str], *, labels: Sequence[str]) -> None:
    """Structures in every pair of coordinates, coloured by direction; their distribution on the diagonal (Figs. A.2, A.3).

    Args:
        axes: `(k, k)` of them; those above the diagonal are taken away.
        points: `(n, k)`.
        directions: along which the structures are stretched, `(n,)`.
        labels: of the k coordinates.
    """
    groups = [(colour, np.asarray(directions) == name) for name, colour in DIRECTIONS.items()]
    for (row, column), ax in np.ndenumerate(axes):
        ax.tick_params(labelsize=6)
        if row < column:
            ax.remove()
            continue
        for colour, rows in groups:
            if row == column and rows.any():
                ax.hist(points[rows, row], bins=24, histtype="step", color=colour)
            elif rows.any():
                ax.plot(points[rows, column], points[rows, row], ".", color=colour, ms=2, alpha=0.6, mew=0, rasterized=True)
        if row == column:
            ax.set_yticks([])
        if row == len(axes) - 1:
            ax.set_xlabel(labels[column], fontsize=8)
        if column == 0:
            ax.set_ylabel(labels[row] if row else "structures", fontsize=8)


def draw_loadings(ax: Axes, loadings: np.ndarray) -> None:
    """Correlations of the first components with every latent dimension (Fig. A.1b).

    Args:
        ax: where to draw.
        loadings: `(c, l)`.
    """
    for number, (row, colour) in enumerate(zip(loadings, colours.CYCLE, strict=False)):
        ax.plot(np.arange(len(row)), row, ".", color=colour, label=f"PC{number + 1}")
    ax.axhline(0, color=colours.GREY, lw=0.8)
    ax.set(xlabel="latent dimension", ylabel="correlation loading", ylim=(-1, 1))
    ax.legend(frameon=False, fontsize=8, ncols=len(loadings))


def draw_explained(ax: Axes, explained: np.ndarray) -> None:
    """Cumulative share of the variance (Fig. A.1a).

    Args:
        ax: where to draw.
        explained: share of each component.
    """
    ax.plot(np.arange(1, len(explained) + 1), np.cumsum(explained), color=colours.BLUE)
    ax.axhline(0.95, color=colours.GREY, ls=":")
    ax.set(xlabel="principal components", ylabel="cumulative share of variance", ylim=(0, 1.02))


def draw_histories(
    ax: Axes, found: Sequence[Any], *, strangers: float | None = None, title: str = "", legend: bool = False
) -> None:
    """Least distance against structures tried: all searches grey, the median one blue (Fig. 4.12).

    Args:
        ax: where to draw.
        found: searches for one target, with `best` and `distance`.
        strangers: distance of structures with the target's recipe and another seed, as a dotted line.
        title: of the axes.
        legend: whether the lines are named.
    """
    runs = sorted(found, key=lambda one: one.distance)
    for one in runs:
        ax.plot(np.arange(1, len(one.best) + 1), one.best, color=colours.GREY, lw=0.8, alpha=0.6)
    median = runs[(len(runs) - 1) // 2]
    ax.plot(np.arange(1, len(median.best) + 1), median.best, color=colours.BLUE, lw=2, label="median search")
    if strangers is not None:
        ax.axhline(strangers, color=colours.VERMILION, ls=":", label="same recipe, other seed")
    ax.set(xlabel="structures tried", ylabel="latent distance", title=title)
    ax.set_ylim(bottom=0)
    if legend:
        ax.legend(frameon=False, fontsize=8, loc="center right")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def draw_transfer(ax: Axes, outcomes: Sequence[Any], strategies: Sequence[str] = tuple(STRATEGIES)) -> None:
    """Mean squared errors of all repeats on both parts (Fig. 4.13).

    Args:
        ax: where to draw.
        outcomes: with `strategy`, `train_error` and `test_error`.
        strategies: which are drawn.
    """
    names = [name for name in strategies if any(one.strategy == name for one in outcomes)]
    for place, part in enumerate(("train", "test")):
        errors = [[getattr(one, f"{part}_error") for one in outcomes if one.strategy == name] for name in names]
        places = [place * (len(names) + 1) + number for number in range(len(names))]
        boxes = ax.boxplot(errors, positions=places, widths=0.7, patch_artist=True, medianprops={"color": "black"})
        for box, name in zip(boxes["boxes"], names, strict=True):
            box.set(facecolor=STRATEGIES[name], alpha=0.7)
    half = (len(names) - 1) / 2
    ax.set_xticks([half, half + len(names) + 1], ["training part", "test part"])
    ax.set(yscale="log", ylabel="mean squared error of τ")
    handles = [ax.plot([], [], "s", color=STRATEGIES[name], label=name)[0] for name in names]
    ax.legend(handles=handles, frameon=False, fontsize=8)


def draw_slices(axes: Sequence[Axes], volumes: Sequence[tuple[str, np.ndarray]]) -> None:
    """Slices of shares of material with titles, one on each of the axes."""
    for ax, (title, one) in zip(axes, volumes, strict=True):
        ax.imshow(painted(one), interpolation="nearest")
        ax.set_title(title, fontsize=9)
        ax.set_axis_off()
