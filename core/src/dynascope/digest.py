"""One digest for everything that identifies data: arrays, dataclasses, settings."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["digest_of"]


def digest_of(value: Any) -> str:
    """Return the SHA-256 of a value, in hexadecimal; equal values give equal digests in every process.

    Takes numbers, strings, None, numpy arrays, dataclasses, functions, and mappings and sequences of them.
    A mapping's order does not count; an array's shape, type and bytes do; of a function its name.

    Raises:
        TypeError: a value of another type.
    """
    hasher = hashlib.sha256()
    _feed(hasher, value)
    return hasher.hexdigest()


def _feed(hasher: Any, value: Any) -> None:
    if isinstance(value, np.ndarray):
        array = np.asarray(value, order="C")
        hasher.update(f"array {array.dtype.str} {array.shape} ".encode())
        hasher.update(array.data if array.size else b"")
    elif isinstance(value, (str, int, float, type(None), np.generic)):
        plain = value.item() if isinstance(value, np.generic) else value
        hasher.update(f"{type(plain).__name__} {plain!r};".encode())
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        hasher.update(f"{type(value).__name__} ".encode())
        _feed(hasher, {field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
    elif isinstance(value, Mapping):
        hasher.update(f"mapping {len(value)} ".encode())
        for key in sorted(value):
            _feed(hasher, key)
            _feed(hasher, value[key])
    elif isinstance(value, (list, tuple, range)):
        hasher.update(f"sequence {len(value)} ".encode())
        for item in value:
            _feed(hasher, item)
    elif inspect.isfunction(value):
        _feed(hasher, f"{value.__module__}.{value.__qualname__}")
    else:
        raise TypeError(f"A {type(value).__name__} cannot be hashed; use numbers, strings, arrays or dataclasses.")
