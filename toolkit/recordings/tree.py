"""Trees of numbers, strings, arrays and tensors as JSON and named arrays.

JSON has no tuple, no int key and no nan. A JSON object therefore always means one of `{"tuple": [...]}`,
`{"dict": [[key, value], ...]}`, `{"OrderedDict": ...}`, `{"float": "nan"}`, `{"array": name}`, `{"number": name}` and
`{"tensor": [name, dtype]}`; lists, strings, finite numbers, true, false and null stand for themselves.
"""

from __future__ import annotations

import math
import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np

ADMITTED = "dict, list, tuple, None, bool, int, float, str, numpy arrays and numbers, torch tensors"
ARRAY_KINDS = "biufcSUmM"
INTEGER_OF_SIZE = {1: "uint8", 2: "int16", 4: "int32"}


def encode(value: Any, place: tuple, arrays: dict[str, np.ndarray]) -> Any:
    """JSON form of a tree; its arrays are added to `arrays` under the names that the JSON gives."""
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if kind is list:
        return [encode(item, (*place, i), arrays) for i, item in enumerate(value)]
    if kind is tuple:
        return {"tuple": [encode(item, (*place, i), arrays) for i, item in enumerate(value)]}
    if kind in (dict, OrderedDict):
        pairs = [[checked_key(key, place), encode(item, (*place, key), arrays)] for key, item in value.items()]
        return {kind.__name__: pairs}
    return _encode_array(value, place, arrays)


def _encode_array(value: Any, place: tuple, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    name = f"{len(arrays):06d}"
    if is_array(value):
        arrays[name] = np.asarray(checked_array(value, place))
        return {"array" if type(value) is np.ndarray else "number": name}
    if is_tensor(value):
        arrays[name] = _bits(checked_tensor(value, place))
        return {"tensor": [name, str(value.dtype).removeprefix("torch.")]}
    raise refused(value, place)


def decode(node: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """The tree of a JSON form."""
    if isinstance(node, list):
        return [decode(item, arrays) for item in node]
    if not isinstance(node, dict):
        return node
    ((kind, content),) = node.items()
    return _DECODERS[kind](content, arrays)


def _decode_pairs(pairs: list, arrays: Mapping[str, np.ndarray]) -> dict:
    return {key: decode(item, arrays) for key, item in pairs}


def _decode_tensor(content: list, arrays: Mapping[str, np.ndarray]) -> Any:
    name, dtype = content
    tensor = torch_module().from_numpy(arrays[name])
    stored = getattr(torch_module(), dtype)
    return tensor if tensor.dtype is stored else tensor.view(stored)


_DECODERS: dict[str, Callable[[Any, Mapping[str, np.ndarray]], Any]] = {
    "float": lambda text, arrays: float(text),
    "tuple": lambda items, arrays: tuple(decode(items, arrays)),
    "dict": _decode_pairs,
    "OrderedDict": lambda pairs, arrays: OrderedDict(_decode_pairs(pairs, arrays)),
    "array": lambda name, arrays: arrays[name],
    "number": lambda name, arrays: arrays[name][()],
    "tensor": _decode_tensor,
}


def torch_module() -> Any:
    """PyTorch, imported only where a tensor was met: reading and writing plain numbers must not wait for it."""
    import torch

    return torch


def is_array(value: Any) -> bool:
    """Whether the value is a plain array or a numpy number; masked arrays and matrices are not."""
    return type(value) is np.ndarray or isinstance(value, np.generic)


def is_tensor(value: Any) -> bool:
    """Whether the value is a tensor; where PyTorch has not been imported there is none."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _bits(tensor: Any) -> np.ndarray:
    """The tensor as an array on the CPU; types that numpy lacks, such as bfloat16, as integers of the same bits."""
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous()
    try:
        return tensor.numpy()
    except TypeError:
        return tensor.view(getattr(torch_module(), INTEGER_OF_SIZE[tensor.element_size()])).numpy()


def checked_array(array: Any, place: tuple) -> Any:
    """The array, if its type can be saved."""
    if array.dtype.kind not in ARRAY_KINDS:
        admitted = "numbers, bools, dates and text of fixed width"
        raise TypeError(f"{_name(place)}: array of dtype {array.dtype} cannot be saved; admitted are {admitted}")
    return array


def checked_tensor(tensor: Any, place: tuple) -> Any:
    """The tensor, if it holds its values one by one."""
    if tensor.layout is not torch_module().strided or tensor.is_quantized or tensor.is_nested or tensor.is_meta:
        what = f"{tensor.layout}, {tensor.dtype}, on {tensor.device}".replace("torch.", "")
        raise TypeError(f"{_name(place)}: tensor ({what}) cannot be saved; admitted are dense tensors with values")
    return tensor


def checked_key(key: Hashable, place: tuple) -> str | int:
    """The key of a dict, if it can be saved."""
    if type(key) not in (str, int):
        what = f"key {key!r} of type {type(key).__name__}"
        raise TypeError(f"{_name(place)}: {what} cannot be saved; admitted are str and int")
    return key


def refused(value: Any, place: tuple) -> TypeError:
    """The error for a value of a type that cannot be saved."""
    what = f"object of type {type(value).__name__}"
    return TypeError(f"{_name(place)}: {what} cannot be saved; admitted are {ADMITTED}")


def _name(place: tuple) -> str:
    return ".".join(map(str, place)) or "state"
