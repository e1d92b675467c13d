"""Tables of subjects with censoring: published ones, and one's own.

    data = survival.metabric()                    # from $TOOLKIT_DATA/survival
    data = survival.csv("mine.csv", time="months", event="relapse")
    data = survival.table("whas500")              # where scikit-survival is installed; none of its code is run

The targets `(n, 2)` hold the time and the event: 1 where it was seen, 0 where the subject is censored. Splits keep the share of
events. `mean` and `std` are those of the training subjects; a constant feature keeps a std of 1, so it becomes 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from toolkit.datasets import files, splits
from toolkit.datasets.arrays import Arrays, as_pair, moments
from toolkit.datasets.dataset import Dataset, Pair
from toolkit.datasets.files import DamagedFile, DataNotFound, blaming
from toolkit.datasets.npz import read_npz

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "survival"
PAGE = "https://github.com/jaredleekatzman/DeepSurv"
PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Table:
    """Where the outcome stands in a table that comes with scikit-survival.

    Attributes:
        file: its name.
        time: column.
        event: column.
        seen: value of the event column for an event.
        unused: columns that would give the outcome away or are hardly ever filled.
    """

    file: str
    time: str
    event: str
    seen: str = "1"
    unused: tuple[str, ...] = ()


TABLES = {
    "aids": Table("actg320.arff", "time", "censor", unused=("time_d", "censor_d")),
    "breast_cancer": Table("breast_cancer_GSE7390-metastasis.arff", "t.tdm", "e.tdm"),
    "flchain": Table("flchain.arff", "futime", "death", "dead", unused=("chapter", "creatinine")),
    "gbsg2": Table("GBSG2.arff", "time", "cens"),
    "veterans_lung_cancer": Table("veteran.arff", "Survival_in_days", "Status", "dead"),
    "whas500": Table("whas500.arff", "lenfol", "fstat"),
}


def from_columns(
    features: Arrays,
    time: Arrays,
    event: Arrays,
    *,
    name: str = "own data",
    validation: float = 0.1,
    test: float | tuple[Arrays, Arrays, Arrays] = 0.2,
    seed: int = 0,
    source: str = "own arrays",
    licence: str = "not stated",
    units: str = "",
    simulated: bool = False,
) -> Dataset:
    """Make a `Dataset` of features (or images) and censored times.

    Args:
        features: `(n, d)` numbers, or images as in `datasets.from_arrays`.
        time: to the event or the end of observation `(n,)`, finite and not negative.
        event: 1 where the event was seen, else 0 `(n,)`.
        name: of the set.
        validation: share of the subjects, of the training ones where `test` is given as arrays.
        test: share of the subjects, or features, time and event that somebody else has set apart.
        seed: of the splits.
        source: where the data come from.
        licence: what their origin says about use.
        units: of the features and of the time.
        simulated: computed rather than measured.

    Returns:
        The data on the CPU, with targets `(n, 2)`.

    Raises:
        TypeError: arrays of objects, text or complex numbers.
        ValueError: unequal lengths, times that are negative or not finite, events other than 0 and 1, shares that leave nothing
            for training.

    >>> from_columns([[0.0], [1.0], [2.0]], [3.0, 2.0, 1.0], [1, 0, 1], validation=0, test=0).train[1]
    tensor([[3., 1.],
            [2., 0.],
            [1., 1.]])
    """
    x, y = _pair(features, time, event)
    held_out = _pair(*test) if isinstance(test, tuple) else None
    train, chosen, tested = splits.split(
        len(x), validation=validation, test=0.0 if held_out else test, seed=seed, stratify=y[:, 1]
    )
    mean, std = moments(x[train])
    return Dataset(
        name, (x[train], y[train]), (x[chosen], y[chosen]), held_out or (x[tested], y[tested]),
        classes=None, source=source, licence=licence, units=units, simulated=simulated, mean=mean, std=std,
    )  # fmt: skip


def metabric(folder: str | Path | None = None, *, validation: float = 0.1, seed: int = 0) -> Dataset:
    """METABRIC: breast cancer, 1,904 patients with 9 features (4 genes and 5 clinical), 58 % of the deaths seen.

    Args:
        folder: holds metabric.npz (see `npz`); None looks in $TOOLKIT_DATA/survival and the download cache.
        validation: share of the official training part.
        seed: of that split.

    Raises:
        DataNotFound: not on this machine; the message says where it comes from.
        DamagedFile: the file is not what it claims to be.
    """
    return _deepsurv("metabric", folder, validation, seed, "gene expressions and clinical features; time in months")


def support(folder: str | Path | None = None, *, validation: float = 0.1, seed: int = 0) -> Dataset:
    """SUPPORT: seriously ill adults in hospital, 8,873 patients with 14 features, 68 % of the deaths seen; see `metabric`."""
    return _deepsurv("support", folder, validation, seed, "clinical features; time in days")


def gbsg(folder: str | Path | None = None, *, validation: float = 0.1, seed: int = 0) -> Dataset:
    """Rotterdam and GBSG: breast cancer, 2,232 patients with 7 features, 57 % of the events seen; see `metabric`.

    The test part is another study (GBSG) than the training part (Rotterdam).
    """
    return _deepsurv("gbsg", folder, validation, seed, "clinical features; time in months")


def simulated_linear(folder: str | Path | None = None, *, validation: float = 0.1, seed: int = 0) -> Dataset:
    """6,000 simulated subjects whose log hazard is linear in 2 of 10 features, with a validation part; see `metabric`."""
    return _deepsurv("simulated_linear", folder, validation, seed, "simulated")


def simulated_gaussian(folder: str | Path | None = None, *, validation: float = 0.1, seed: int = 0) -> Dataset:
    """6,000 simulated subjects whose log hazard is a bell over 2 of 10 features, with a validation part; see `metabric`."""
    return _deepsurv("simulated_gaussian", folder, validation, seed, "simulated")


LOADERS: dict[str, Callable[..., Dataset]] = {
    loader.__name__: loader for loader in (metabric, support, gbsg, simulated_linear, simulated_gaussian)
}
NAMES = (*LOADERS, *TABLES)


def load(name: str, **settings: object) -> Dataset:
    """The table called `name`.

    Args:
        name: one of `NAMES`.
        **settings: arguments of `metabric` or, for the tables that come with scikit-survival, of `table`.

    Raises:
        ValueError: no such name.
        DataNotFound, DamagedFile: see `metabric` and `table`.
    """
    if name not in NAMES:
        raise ValueError(f"name must be one of {', '.join(NAMES)}, got {name!r}")
    return LOADERS[name](**settings) if name in LOADERS else table(name, **settings)


def available(name: str) -> bool:
    """Whether the table called `name` is on this machine."""
    if name not in NAMES:
        raise ValueError(f"name must be one of {', '.join(NAMES)}, got {name!r}")
    return _found(name, None) is not None if name in LOADERS else find_spec("sksurv") is not None


def npz(path: str | Path, *, validation: float = 0.1, test: float = 0.2, seed: int = 0) -> Dataset:
    """A table from an .npz file named like the data of DeepSurv.

    Args:
        path: holds x, t and e: features `(n, d)`, times and events `(n,)`; or these with the endings _train, _test and
            possibly _valid.
        validation: share of the subjects, of the training ones where there is a test part; not used with a part _valid.
        test: share of the subjects where there is no test part.
        seed: of the splits.

    Returns:
        The data, named after the file.

    Raises:
        DataNotFound: no such file.
        DamagedFile: not a sound .npz, other names, or arrays that `from_columns` refuses.
    """
    return _read(_existing(path), validation, test, seed, source=f"own file {Path(path).name}")


def csv(
    path: str | Path,
    *,
    time: str,
    event: str,
    features: Sequence[str] | None = None,
    seen: object = None,
    validation: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """One's own table from a CSV file; text columns become one column of 0 and 1 for each of their values but the first.

    Args:
        path: the file, with a header.
        time: name of the column with the time to the event or the end of observation.
        event: name of the column that says whether the event was seen.
        features: names of the columns to learn from; by default all others.
        seen: value of the event column that stands for an event, where it is not coded 1 and 0.
        validation: share of the subjects.
        test: share of the subjects.
        seed: of the splits.

    Returns:
        The data, named after the file.

    Raises:
        DataNotFound: no such file.
        DamagedFile: not a CSV file, a named column is missing, an empty cell, a time or an event that cannot be.
    """
    import pandas as pd

    splits.check(validation=validation, test=test, seed=seed)
    path = _existing(path)
    try:
        frame = pd.read_csv(path)
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DamagedFile(path, f"not a CSV file ({error})") from error
    settings = {"name": path.stem, "source": f"own file {path.name}", "validation": validation, "test": test, "seed": seed}
    with blaming(path):
        return _from_frame(frame, time, event, features, seen, settings)


def table(name: str, *, validation: float = 0.1, test: float = 0.2, seed: int = 0) -> Dataset:
    """A clinical table that comes with scikit-survival (`pip install thesis-toolkit[survival-data]`), read from its files.

    Args:
        name: one of `TABLES`.
        validation: share of the subjects.
        test: share of the subjects.
        seed: of the splits.

    Raises:
        ValueError: no such name.
        DataNotFound: scikit-survival is not installed.
    """
    import pandas as pd
    from scipy.io import arff

    if name not in TABLES:
        raise ValueError(f"name must be one of {', '.join(TABLES)}, got {name!r}")
    splits.check(validation=validation, test=test, seed=seed)
    installed = find_spec("sksurv")  # finds the package without running it
    if installed is None:
        raise DataNotFound(f"{name} comes with scikit-survival, which is not installed: pip install scikit-survival")
    described = TABLES[name]
    path = Path(installed.origin).parent / "datasets" / "data" / described.file
    frame = pd.DataFrame(arff.loadarff(path)[0]).drop(columns=list(described.unused))
    text = frame.select_dtypes(object).columns
    frame[text] = frame[text].apply(lambda column: column.str.decode("utf-8"))
    settings = {
        "name": name, "source": f"{described.file} of scikit-survival", "licence": "GPL-3.0-or-later, as scikit-survival",
        "validation": validation, "test": test, "seed": seed,
    }  # fmt: skip
    with blaming(path):
        return _from_frame(frame, described.time, described.event, None, described.seen, settings)


def _from_frame(
    frame: pd.DataFrame, time: str, event: str, features: Sequence[str] | None, seen: object, settings: Mapping[str, object]
) -> Dataset:
    if time == event:
        raise ValueError(f"time and event must be different columns, got {time!r} for both")
    named = [name for name in frame if name not in (time, event)] if features is None else list(features)
    columns = [time, event, *named]
    for name in columns:
        if name not in frame:
            raise ValueError(f"holds no column {name!r}, only {', '.join(map(str, frame))}")
        if frame[name].isna().any():
            row = int(frame[name].isna().to_numpy().argmax())
            raise ValueError(f"column {name!r} is empty in row {row}, and in {frame[name].isna().sum()} rows in all")
    if not named or {time, event} & set(named):
        raise ValueError(f"features must be columns other than time and event, got {named}")
    numbers = _numbers(frame[named])
    happened = frame[event] if seen is None else (frame[event] == seen)
    if seen is not None and not happened.any():
        raise ValueError(f"column {event!r} never holds {seen!r}, only {', '.join(map(str, frame[event].unique()[:5]))}")
    units = f"features {', '.join(map(str, numbers))}; time in column {time!r}"
    return from_columns(numbers.to_numpy(), frame[time].to_numpy(), happened.to_numpy(), units=units, **settings)


def _numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Text columns as indicators of all their values but the first in the alphabet."""
    import pandas as pd

    text = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    for name in text:
        if (values := frame[name].nunique()) > max(20, len(frame) // 10):
            raise ValueError(f"column {name!r} is text with {values} different values: leave it out with features=")
    return pd.get_dummies(frame, columns=text, drop_first=True, dtype=float).astype(float)


def _deepsurv(name: str, folder: str | Path | None, validation: float, seed: int, units: str) -> Dataset:
    path = _found(name, folder)
    if path is None:
        searched = " or ".join(str(place) for place in files.places(FOLDER, folder))
        raise DataNotFound(
            f"{name}.npz was not found in {searched}: take the experiment's data from {PAGE} (licence: MIT) and save the "
            "arrays x, t and e of its parts as x_train, t_train, e_train and so on"
        )
    source = f"DeepSurv (Katzman et al. 2018), {PAGE}"
    return _read(path, validation, 0.2, seed, source=source, licence="MIT", units=units, simulated="simulated" in name)


def _found(name: str, folder: str | Path | None) -> Path | None:
    paths = (place / f"{name}.npz" for place in files.places(FOLDER, folder))
    return next((path for path in paths if path.is_file()), None)


def _read(path: Path, validation: float, test: float, seed: int, **facts: object) -> Dataset:
    splits.check(validation=validation, test=test, seed=seed)
    arrays = read_npz(files.read(path))
    parts = [tuple(arrays.get(f"{kind}_{part}") for kind in "xte") for part in PARTS]
    train, chosen, tested = [part if all(array is not None for array in part) else None for part in parts]
    whole = tuple(arrays.get(kind) for kind in "xte")
    if train is None and any(array is None for array in whole):
        held = ", ".join(arrays) or "nothing"
        raise DamagedFile(path, f"holds {held}, but neither x, t and e nor x_train, t_train and e_train")
    with blaming(path):
        data = from_columns(
            *(train or whole), name=path.stem, validation=0.0 if chosen else validation, seed=seed, test=tested or test, **facts
        )
        if chosen is None:
            return data
        return replace(data, validation=_pair(*chosen))


def _pair(features: Arrays, time: Arrays, event: Arrays) -> Pair:
    time, event = (_column(name, values) for name, values in (("time", time), ("event", event)))
    if len(time) != len(event):
        raise ValueError(f"time and event must have equal lengths, got {len(time):,} and {len(event):,}")
    if (wrong := np.flatnonzero(~(time >= 0) | ~np.isfinite(time))).size:
        raise ValueError(f"time must be finite and not negative, got {time[wrong[0]]} at position {wrong[0]}")
    if (wrong := np.flatnonzero((event != 0) & (event != 1))).size:
        raise ValueError(f"event must be 1 (seen) or 0 (censored), got {event[wrong[0]]} at position {wrong[0]}")
    return as_pair(features, np.stack([time, event], 1).astype(np.float32))


def _column(name: str, values: Arrays) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be an array of whole or real numbers, got {array.dtype} of shape {array.shape}")
    if array.ndim != 1:
        raise ValueError(f"{name} must have shape (n,), got {array.shape}")
    return array


def _existing(path: str | Path) -> Path:
    path = Path(path).expanduser()
    if not path.is_file():
        raise DataNotFound(f"{path} does not exist")
    return path
