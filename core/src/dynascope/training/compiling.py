"""Compiling the pass where it pays, and going on without where it cannot be done."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

__all__ = ["compiled_or_not", "pays"]

log = logging.getLogger(__name__)

WORTH_IT = 8e7
"""Rows times epochs from which compiling (10 to 40 s the first time, then cached on disk) pays on two cores."""


def pays(rows: int, epochs: int) -> bool:
    """Tell whether compiling pays for a training of ``epochs`` over ``rows`` examples (both splits)."""
    return rows * epochs >= WORTH_IT


def compiled_or_not(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function`` compiled when it is called; as it is, with one line in the log, once that has failed.

    What was compiled is cached on disk by torch: the next process starts in seconds.
    """
    import torch

    compiled = torch.compile(function)
    works = True

    def call(*arguments: Any) -> Any:
        nonlocal works
        if works:
            try:
                return compiled(*arguments)
            except Exception as error:  # whatever a compiler, or its absence, may raise
                reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
                log.warning("Not compiled, training goes on without: %s", reason)
                works = False
        return function(*arguments)

    return call
