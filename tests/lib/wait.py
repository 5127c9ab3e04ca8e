"""Waiting for what happens behind the scenes: a condition, never a fixed time."""

import time

# How long something may take before it counts as not happening. Only what fails waits so long: how soon a thing happens
# is the machine's affair, which may be doing ten others.
PATIENCE = 60


def until(condition, seconds=PATIENCE, what="it did not come about"):
    """The first true value that condition() gives."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
