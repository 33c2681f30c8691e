"""Probes of modular arithmetic."""

from __future__ import annotations

import numpy as np

from dynascope import Batch, Config, Probe

__all__ = ["FULL_GRID", "pair_tokens"]


def pair_tokens(p: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Return the tokens ``a b =`` of every pair, ``"pair position"``, a-major: row ``a * p + b``."""
    a, b = np.divmod(np.arange(p * p, dtype=np.int64), p)
    return np.stack([a, b, np.full_like(a, p)], axis=1)


def _full_grid(config: Config) -> Batch:
    p = config.parameters.p
    return Batch(pair_tokens(p), {"a": np.arange(p), "b": np.arange(p)})


FULL_GRID = Probe("full_grid", "All pairs (a, b)", _full_grid, needs=("cyclic_group",))
