"""Waiting for what happens behind the scenes: a condition, never a fixed time."""

import time

# How long something may take before it counts as not happening. Only what fails waits so long: how soon a thing happens
# is the machine's affair, which may be doing ten others.
PATIENCE = 60


def until(condition, seconds=PATIENCE, what="it did not come about"):
    """The first true value that condition() gives."""
    deadline, pause = time.monotonic() + seconds, 0.002
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, what
        time.sleep(pause)
        pause = min(2 * pause, 0.05)
