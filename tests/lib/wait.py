"""Waiting for what happens behind the scenes: a condition, never a fixed time."""

import time


def until(condition, seconds=15):
    """The first true value that condition() gives."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)
