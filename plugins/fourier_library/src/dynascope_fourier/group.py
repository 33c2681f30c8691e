"""The context that the Fourier analyzers bind to."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CyclicGroup"]


@dataclass(frozen=True)
class CyclicGroup:
    """What a family states when some of its tokens are the elements of Z_order.

    Attributes:
        order: the number of elements, p.
        first_token: the token of element 0; element t is token ``first_token + t``.
    """

    order: int
    first_token: int = 0
