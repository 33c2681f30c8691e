"""Interleaved timing: what is compared is run in turn, so that a machine's drift meets all alike."""

import statistics
import time
from collections.abc import Callable, Mapping


def medians(actions: Mapping[str, Callable[[], object]], rounds: int, warmup: int = 2) -> dict[str, float]:
    """Return the median time of each action in milliseconds."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for turn in range(rounds + warmup):
        for name, action in actions.items():
            begun = time.perf_counter()
            action()
            if turn >= warmup:
                times[name].append(1e3 * (time.perf_counter() - begun))
    return {name: statistics.median(values) for name, values in times.items()}


def report(title: str, times: Mapping[str, float], baseline: str) -> None:
    """Print each median with its ratio to the baseline."""
    print(f"\n{title}")
    for name, value in times.items():
        print(f"  {name:<44} {value:9.2f} ms   {value / times[baseline]:6.3f} x {baseline}")
