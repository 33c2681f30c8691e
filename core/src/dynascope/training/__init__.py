"""The training engine: schedules, the loop, and the view of the metrics that it writes."""

from dynascope.training.loop import TrainingResult, train
from dynascope.training.schedule import parse_schedule

__all__ = ["TrainingResult", "parse_schedule", "train"]
