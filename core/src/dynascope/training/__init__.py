"""The training engine: schedules, the loop, and the view of the metrics that it writes."""

from dynascope.schedule import parse_schedule
from dynascope.training.loop import TrainingResult, train

__all__ = ["TrainingResult", "parse_schedule", "train"]
