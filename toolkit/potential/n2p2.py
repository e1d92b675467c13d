"""Files of n2p2 and RuNNer: input.nn, scaling.data and weights.NNN.data, read and written.

A potential trained here and written by `write` runs in LAMMPS through n2p2 (`pair_style nnp`); published potentials are loaded
by
`read`. The files do not say their units; by convention they are Bohr and Hartree. What differs from this package's conventions:

* angular functions count each angle once there and twice here;
* each element has its own list of functions there; here all share one list, and a function that an element does not use is
dead; * functions are numbered in a sorted order, by type, cutoff, eta, R_s, zeta, lambda and elements.

The formats are those of the program's documentation; they are written from their description, not from its code.
"""

from __future__ import annotations

import itertools
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from ase import units
from ase.data import atomic_numbers, chemical_symbols
from torch import Tensor

from toolkit.datasets.files import DamagedFile, DataNotFound, blaming
from toolkit.potential.angular import species_pairs
from toolkit.potential.functions import G1, G2, G3, G4, G5
from toolkit.potential.network import HighDimensionalNetwork
from toolkit.potential.potential import Potential
from toolkit.potential.scaling import Scaling
from toolkit.potential.symmetry import SymmetryFunctions

LETTERS = {"linear": "l", "tanh": "t", "logistic": "s", "softplus": "p", "ReLU": "r"}
CUTOFF_TYPES = {"cosine": 1, "tanh": 2}
SCALINGS = {  # keywords of input.nn for each kind of scaling
    "min-max": {"scale_symmetry_functions"},
    "shift and scale": {"center_symmetry_functions", "scale_symmetry_functions"},
    "standard": {"scale_symmetry_functions_sigma"},
    "shift": {"center_symmetry_functions"},
}
NOT_KNOWN = ("conv_length", "conv_energy", "mean_energy", "element_nodes_short", "element_activation_short", "normalize_nodes")


@dataclass(frozen=True, order=True)
class Line:
    """One symmetry function of one element, in the order in which n2p2 numbers them; lengths in the file's unit.

    Attributes:
        centre: atomic number of the central atom.
        kind: 2 for G2, 3 for G4, 9 for G5, the program's types.
        r_c: cutoff radius.
        eta: width.
        r_s: shell radius of G2.
        zeta: exponent of G4 and G5.
        lambda_: sign of G4 and G5.
        neighbours: atomic numbers of one or two neighbours.
    """

    centre: int
    kind: int
    r_c: float
    eta: float
    r_s: float = 0.0
    zeta: float = 0.0
    lambda_: float = 0.0
    neighbours: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """As in input.nn."""
        symbols = " ".join(f"{chemical_symbols[number]:2}" for number in self.neighbours)
        values = (self.eta, self.r_s, self.r_c) if self.kind == 2 else (self.eta, self.lambda_, self.zeta, self.r_c)
        numbers = " ".join(f"{value:.17g}" for value in values)
        return f"symfunction_short {chemical_symbols[self.centre]:2} {self.kind} {symbols} {numbers}"


def read(folder: str | Path, *, length: float = units.Bohr, energy: float = units.Hartree) -> Potential:
    """The potential in a folder with input.nn, scaling.data and a weights file for each element.

    Args:
        folder: where the files are.
        length: the files' unit of length [Å].
        energy: their unit of energy [eV].

    Returns:
        The potential, in float64.

    Raises:
        DataNotFound: a file is missing.
        DamagedFile: a file is damaged, or asks for something that is not known here; the message names the file and the fault.
    """
    folder = Path(folder).expanduser()
    with blaming(folder / "input.nn"):
        settings = _settings(_text(folder / "input.nn"))
        species = sorted(_number(symbol) for symbol in _words(settings, "elements"))
        lines = sorted(_line(words) for words in settings.get("symfunction_short", []))
        functions, columns = _functions(lines, species, length, _cutoff_kind(settings))
        hidden, activations = _layers(settings)
        offsets = _offsets(settings, species)
        network = HighDimensionalNetwork(len(functions), hidden=hidden, activation=activations, species=len(species)).double()
    with blaming(folder / "scaling.data"):
        statistics = _statistics(_rows(_text(folder / "scaling.data"), 5), columns, len(functions), len(functions.radial))
    with blaming(folder / "input.nn"):
        scaling = _scaling(settings, statistics)
    for element, part, own in zip(species, network.networks, columns, strict=True):
        path = folder / f"weights.{element:03d}.data"
        with blaming(path):
            _load_weights(part, [row[0] for row in _rows(_text(path), 1)], own)
    return Potential(functions, scaling, network, offset=[energy * offset for offset in offsets], scale=energy)


def write(
    potential: Potential,
    folder: str | Path,
    *,
    species: Sequence[str] | None = None,
    length: float = units.Bohr,
    energy: float = units.Hartree,
) -> None:
    """Write input.nn, scaling.data and a weights file for each element, each by atomic replace.

    In LAMMPS the potential then runs with `pair_style nnp dir "folder" cflength 1.8897261 cfenergy 0.0367493 ...`, which turn Å
    and eV into the files' units.

    Args:
        potential: with functions that n2p2 knows: G1 (as G2 with eta 0), G2, G4 and G5.
        folder: where the files go; it is made if it is not there.
        species: symbols, where the functions were made without.
        length: the files' unit of length [Å].
        energy: their unit of energy [eV].

    Raises:
        ValueError: the functions or the activation are not known to n2p2, or species are missing; nothing is written.
    """
    functions = potential.functions
    numbers = functions.species or tuple(_number(symbol) for symbol in species or ())
    if len(numbers) != len(potential.network.networks):
        raise ValueError(f"species must name {len(potential.network.networks)} elements, got {species!r}")
    unknown = [name for name in potential.network.activations if name not in LETTERS]
    if unknown:
        raise ValueError(f"potential: n2p2 has no activation {unknown[0]!r}, only {', '.join(LETTERS)}")
    every = _lines_of_columns(functions, numbers, length)
    chosen = []  # for each element its lines in n2p2's order, each with its column
    for position, number in enumerate(numbers):
        living = [column for column in range(len(functions)) if not potential.scaling.dead[position, column]]
        chosen.append(sorted((replace(every[column], centre=number), column) for column in living))
    by_number = sorted(range(len(numbers)), key=lambda position: numbers[position])
    texts = {
        "input.nn": _input_text(potential, [numbers[p] for p in by_number], [chosen[p] for p in by_number], energy, by_number)
    }
    texts["scaling.data"] = _scaling_text(potential, [chosen[p] for p in by_number], by_number)
    for position in by_number:
        part, own = potential.network.networks[position], [column for _, column in chosen[position]]
        texts[f"weights.{numbers[position]:03d}.data"] = _weights_text(part, own, float(potential.scale) / energy)
    folder = Path(folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        _replace(folder / name, text)


# Reading ---------------------------------------------------------------------------------------------------------------


def _text(path: Path) -> str:
    if not path.is_file():
        raise DataNotFound(f"{path} does not exist; a potential is input.nn, scaling.data and weights.NNN.data")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DamagedFile(path, f"not a text file ({error.reason})") from error


def _settings(text: str) -> dict[str, list[list[str]]]:
    """Keyword to the words of each of its lines."""
    settings: dict[str, list[list[str]]] = {}
    for line in text.splitlines():
        if words := line.partition("#")[0].split():
            settings.setdefault(words[0], []).append(words[1:])
    if unknown := [keyword for keyword in NOT_KNOWN if keyword in settings]:
        raise ValueError(f"{unknown[0]} is not supported")
    return settings


def _words(settings: dict[str, list[list[str]]], keyword: str, default: list[str] | None = None) -> list[str]:
    if keyword not in settings and default is not None:
        return default
    if not settings.get(keyword) or not settings[keyword][0]:
        raise ValueError(f"says nothing of {keyword}")
    return settings[keyword][0]


def _number(symbol: str) -> int:
    if symbol not in atomic_numbers:
        raise ValueError(f"{symbol!r} is not an element")
    return atomic_numbers[symbol]


def _line(words: list[str]) -> Line:
    shown = " ".join(words)
    try:
        centre, kind = _number(words[0]), int(words[1])
        if kind == 2:
            eta, r_s, r_c = map(float, words[3:6])
            return Line(centre, kind, r_c, eta, r_s, neighbours=(_number(words[2]),))
        if kind in (3, 9):
            eta, lambda_, zeta, r_c = map(float, words[4:8])
            if len(words) > 8 and float(words[8]) != 0:
                raise ValueError(f"symfunction_short {shown}: shifted angular functions are not supported")
            both = tuple(sorted((_number(words[2]), _number(words[3]))))
            return Line(centre, kind, r_c, eta, 0.0, zeta, lambda_, both)
    except (IndexError, TypeError) as error:
        raise ValueError(f"symfunction_short {shown}: too few words") from error
    raise ValueError(f"symfunction_short {shown}: types 2, 3 and 9 are supported, not {kind}")


def _cutoff_kind(settings: dict[str, list[list[str]]]) -> str:
    words = _words(settings, "cutoff_type", ["1"])
    kinds = {str(number): kind for kind, number in CUTOFF_TYPES.items()}
    if words[0] not in kinds or any(float(word) for word in words[1:]):
        raise ValueError(f"cutoff_type {' '.join(words)}: types 1 and 2 without an inner cutoff are supported")
    return kinds[words[0]]


def _functions(lines: list[Line], species: list[int], length: float, cutoff: str) -> tuple[SymmetryFunctions, list[list[int]]]:
    """All functions of all elements, and for each element the columns of its lines in their order."""
    if not lines:
        raise ValueError("holds no symfunction_short")
    shared = [(line.kind, line.r_c, line.eta, line.r_s, line.zeta, line.lambda_) for line in lines]
    radial = list(dict.fromkeys(row for row in shared if row[0] == 2))
    angular = list(dict.fromkeys(row for row in shared if row[0] != 2))
    functions = SymmetryFunctions(
        [G2(row[1] * length, row[2] / length**2, row[3] * length) for row in radial],
        [(G4 if row[0] == 3 else G5)(row[1] * length, row[2] / length**2, row[4], row[5]) for row in angular],
        species=species, cutoff=cutoff,
    )  # fmt: skip
    pairs = [tuple(sorted((species[one], species[other]))) for one, other in species_pairs(len(species))]
    columns: list[list[int]] = [[] for _ in species]
    for line, row in zip(lines, shared, strict=True):
        if line.kind == 2:
            column = species.index(line.neighbours[0]) * len(radial) + radial.index(row)
        else:
            column = len(radial) * len(species) + pairs.index(line.neighbours) * len(angular) + angular.index(row)
        columns[species.index(line.centre)].append(column)
    return functions, columns


def _layers(settings: dict[str, list[list[str]]]) -> tuple[list[int], list[str]]:
    names = {letter: name for name, letter in LETTERS.items()}
    hidden = [int(word) for word in _words(settings, "global_nodes_short")]
    letters = _words(settings, "global_activation_short")
    if len(letters) != len(hidden) + 1 or letters[-1] != "l" or not set(letters) <= set(names):
        known = ", ".join(names)
        raise ValueError(f"global_activation_short {' '.join(letters)}: one of {known} for each hidden layer, then l")
    return hidden, [names[letter] for letter in letters[:-1]]


def _offsets(settings: dict[str, list[list[str]]], species: list[int]) -> list[float]:
    given = {_number(words[0]): float(words[1]) for words in settings.get("atom_energy", [])}
    return [given.get(number, 0.0) for number in species]


def _rows(text: str, least: int) -> list[list[float]]:
    """The numbers at the beginning of each line that is no comment, at least so many."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        values = [float(word) for word in itertools.takewhile(_NUMBER.fullmatch, words)]
        if len(values) >= least:
            found.append(values)
        elif words and not len(values) == len(words) == 2:  # RuNNer ends scaling.data with the least and greatest energy
            raise ValueError(f"line {number} must begin with {least} numbers: {line.strip()[:60]!r}")
    return found


_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def _statistics(rows: list[list[float]], columns: list[list[int]], functions: int, radial: int) -> dict[str, Tensor]:
    """Least, greatest, mean and deviation for each element and function; equal ends for functions that are not used."""
    found = {name: torch.zeros(len(columns), functions, dtype=torch.float64) for name in ("low", "high", "mean", "deviation")}
    found["deviation"] += 1
    for element, numbers in enumerate(columns):
        mine = {int(row[1]): row[2:] for row in rows if row[0] == element + 1}
        for place, column in enumerate(numbers, 1):
            if place not in mine:
                raise ValueError(f"has no line for function {place} of element {element + 1}")
            twice = 2.0 if column >= radial * len(columns) else 1.0  # ordered pairs
            for name, value in zip(found, mine[place], strict=False):
                found[name][element, column] = twice * value
    return found


def _scaling(settings: dict[str, list[list[str]]], statistics: dict[str, Tensor]) -> Scaling:
    given = {keyword for keywords in SCALINGS.values() for keyword in keywords} & set(settings)
    kind = next((kind for kind, keywords in SCALINGS.items() if keywords == given), None)
    if kind is None:
        raise ValueError(f"scaling by {', '.join(sorted(given)) or 'nothing'} is not supported")
    ends = tuple(float(_words(settings, f"scale_{end}_short", [default])[0]) for end, default in (("min", "0"), ("max", "1")))
    return Scaling(kind, **statistics, ends=(0.0, 1.0) if kind == "shift" else ends)


def _load_weights(network: torch.nn.Sequential, values: list[float], columns: list[int]) -> None:
    """Layer by layer: weights from the first input to all outputs, from the second, and so on; then the biases."""
    linear = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
    needed = sum((len(columns) if layer is linear[0] else layer.in_features) * layer.out_features for layer in linear)
    needed += sum(layer.out_features for layer in linear)
    if len(values) != needed:
        raise ValueError(f"holds {len(values)} weights, the network of input.nn has {needed}")
    left = torch.tensor(values, dtype=torch.float64)
    with torch.no_grad():
        for layer in linear:
            inputs = columns if layer is linear[0] else list(range(layer.in_features))
            taken = len(inputs) * layer.out_features
            layer.weight.zero_()
            layer.weight[:, inputs] = left[:taken].view(len(inputs), -1).T
            layer.bias.copy_(left[taken : taken + layer.out_features])
            left = left[taken + layer.out_features :]


# Writing ---------------------------------------------------------------------------------------------------------------


def _lines_of_columns(functions: SymmetryFunctions, numbers: Sequence[int], length: float) -> list[Line]:
    """What each column is, without its central atom."""
    if any(isinstance(function, G3) for function in functions.radial):
        raise ValueError("potential: n2p2 has no G3")
    radial = [
        Line(0, 2, function.r_c / length, 0.0 if isinstance(function, G1) else function.eta * length**2,
             0.0 if isinstance(function, G1) else function.r_s / length, neighbours=(number,))
        for number in numbers for function in functions.radial
    ]  # fmt: skip
    angular = [
        Line(0, 3 if isinstance(function, G4) else 9, function.r_c / length, function.eta * length**2, 0.0, function.zeta,
             function.lambda_, tuple(sorted((numbers[one], numbers[other]))))
        for one, other in species_pairs(len(numbers)) for function in functions.angular
    ]  # fmt: skip
    return radial + angular


Chosen = list[tuple[Line, int]]


def _input_text(potential: Potential, numbers: list[int], chosen: list[Chosen], energy: float, by_number: list[int]) -> str:
    scaling, network = potential.scaling, potential.network
    letters = " ".join([*(LETTERS[name] for name in network.activations), "l"])
    offsets = [float(potential.offset[position]) / energy for position in by_number]
    rows = [
        f"number_of_elements {len(numbers)}",
        f"elements {' '.join(chemical_symbols[number] for number in numbers)}",
        *(f"atom_energy {chemical_symbols[number]} {offset:.17g}" for number, offset in zip(numbers, offsets, strict=True)),
        f"cutoff_type {CUTOFF_TYPES[potential.functions.cutoff]} 0.0",
        *sorted(SCALINGS[scaling.kind]),
        f"scale_min_short {scaling.ends[0]:.17g}",
        f"scale_max_short {scaling.ends[1]:.17g}",
        f"global_hidden_layers_short {len(network.hidden)}",
        f"global_nodes_short {' '.join(map(str, network.hidden))}",
        f"global_activation_short {letters}",
        *(line.text for own in chosen for line, _ in own),
    ]
    return "\n".join(rows) + "\n"


def _scaling_text(potential: Potential, chosen: list[Chosen], by_number: list[int]) -> str:
    scaling, rows = potential.scaling, ["# element function min max mean sigma"]
    for element, (position, own) in enumerate(zip(by_number, chosen, strict=True), 1):
        for place, (line, column) in enumerate(own, 1):
            once = 1.0 if line.kind == 2 else 0.5  # unordered pairs
            statistics = (scaling.low, scaling.high, scaling.mean, scaling.deviation)
            values = " ".join(f"{once * float(table[position, column]):24.16E}" for table in statistics)
            rows.append(f"{element:4d} {place:4d} {values}")
    return "\n".join(rows) + "\n"


def _weights_text(network: torch.nn.Sequential, columns: list[int], scale: float) -> str:
    """Value, a for a weight or b for a bias, running number, and which neurons it joins; the last layer carries the unit."""
    linear = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
    rows, number = ["# value kind index layer neuron layer neuron"], 0
    for depth, layer in enumerate(linear, 1):
        unit, weight, bias = scale if layer is linear[-1] else 1.0, layer.weight.detach(), layer.bias.detach()
        inputs = columns if layer is linear[0] else range(layer.in_features)
        for source, column in enumerate(inputs, 1):
            for target in range(1, layer.out_features + 1):
                number += 1
                value = unit * float(weight[target - 1, column])
                rows.append(f"{value:24.16E} a {number:9d} {depth - 1:5d} {source:5d} {depth:5d} {target:5d}")
        for target in range(1, layer.out_features + 1):
            number += 1
            rows.append(f"{unit * float(bias[target - 1]):24.16E} b {number:9d} {depth:5d} {target:5d}")
    return "\n".join(rows) + "\n"


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
