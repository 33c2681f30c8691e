"""The training engine: recipes, the loop, stacks of variants, replay, and the view of the metrics that it writes."""

from dynascope.schedule import parse_schedule
from dynascope.training.loop import TrainingResult, train

__all__ = ["TrainingResult", "parse_schedule", "train"]
