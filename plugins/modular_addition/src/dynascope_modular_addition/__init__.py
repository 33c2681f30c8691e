"""A one-layer transformer on modular addition: the family whose solution is known."""

from dynascope_modular_addition.family import ModularAddition1Layer

__all__ = ["ModularAddition1Layer"]
