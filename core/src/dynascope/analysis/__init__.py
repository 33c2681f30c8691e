"""The analysis engine: what is missing, and one forward pass per checkpoint for all of it."""

from dynascope.analysis.binding import NotApplicable
from dynascope.analysis.plan import Plan, Task, plan
from dynascope.analysis.run import analyze

__all__ = ["NotApplicable", "Plan", "Task", "analyze", "plan"]
