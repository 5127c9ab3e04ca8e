"""What sanitizers and failed assertions have said in the logs of processes."""

import os

MARKS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "PANIC at ")


def findings(*folders):
    """Lines of logs that tell of one."""
    found = []
    for folder in folders:
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                with open(path, encoding="utf-8", errors="replace") as f:
                    found += [line for line in f if any(mark in line for mark in MARKS)]
    return found


def findings_below(top):
    """As findings, in every folder of logs below that one."""
    return findings(*(path for path, _, _ in os.walk(top) if os.path.basename(path) == "logs"))
