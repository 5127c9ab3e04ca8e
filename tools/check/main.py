"""The command line of ./check: runs suites one after the other, counts, and ends with `N passed, N failed`."""

import argparse
import os
import shutil
import sys
import tempfile
import time

from . import suites
from .context import Context


def main():
    parser = argparse.ArgumentParser(prog="./check", description="Builds Ganglion and runs its tests.")
    parser.add_argument("suite", nargs="*", help="which ones; the usual ones unless named")
    parser.add_argument("--list", action="store_true", help="names the suites")
    parser.add_argument("--keep", action="store_true", help="keeps the tests' folder")
    args = parser.parse_args()
    table = {**suites.SUITES, **suites.NAMED}
    if args.list:
        for name, (_, doc) in table.items():
            print(f"{name:14} {doc}")
        return 0
    unknown = [name for name in args.suite if name not in table]
    if unknown:
        print(f"./check: no suite {', '.join(unknown)}; there are {', '.join(table)}", file=sys.stderr)
        return 2
    context = Context(tempfile.mkdtemp(prefix="ganglion-check-"))
    os.chmod(context.folder, 0o755)  # PostgreSQL runs as another user
    passed = failed = 0
    try:
        for name in args.suite or suites.SUITES:
            started = time.monotonic()
            good, bad = table[name][0](context)
            passed, failed = passed + good, failed + bad
            print(f"{'ok  ' if bad == 0 and good > 0 else 'FAIL'} {name}: {good} passed, {bad} failed ({time.monotonic() - started:.0f} s)",
                  flush=True)
            if good == 0 and bad == 0:
                failed += 1  # a suite that ran nothing has not passed
    finally:
        context.close()
        if not args.keep:
            shutil.rmtree(context.folder, ignore_errors=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
