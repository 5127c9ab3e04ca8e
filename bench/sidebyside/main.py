"""The command line of bench/run: alternates the two servers case by case, prints medians, spread and ratios."""

import argparse
import asyncio
import inspect
import json
import os
import shutil
import statistics
import sys
import tempfile
import time

from check.context import Context

from .cases import CASES, World
from .load import Client, timed
from .servers import Side

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


async def one_round(world, name, factor):
    """Seconds of each request, and CPU seconds of the whole side for each."""
    case, n, at_once = CASES[name]
    n = max(2, int(n * factor))
    async with Client(world.side) as client:
        if inspect.iscoroutinefunction(case):
            before = world.side.cpu()
            taken = await case(world, client, n)
        else:
            jobs = await asyncio.to_thread(case, world, client, n)
            before = world.side.cpu()
            taken = await timed(jobs, at_once)
        await asyncio.sleep(0.3)  # what is done after the answer counts too
        return taken, (world.side.cpu() - before) / len(taken)


def measure(worlds, name, rounds, factor):
    result = {side: {"seconds": [], "cpu": []} for side in worlds}
    for number in range(rounds + 1):
        for side, world in worlds.items():
            taken, cpu = asyncio.run(one_round(world, name, factor))
            if number > 0:  # the first round warms caches
                result[side]["seconds"] += taken
                result[side]["cpu"].append(cpu)
    return result


def milliseconds(values):
    return statistics.median(values) * 1000


def p99(values):
    return sorted(values)[max(0, int(len(values) * 0.99) - 1)] * 1000


def line(name, result):
    ours, theirs = result["ganglion"], result["synapse"]
    spread = max(ours["cpu"]) / max(min(ours["cpu"]), 1e-9)
    return (f"{name:24} {milliseconds(ours['seconds']):9.3f} {p99(ours['seconds']):9.3f} {milliseconds(theirs['seconds']):9.3f} "
            f"{p99(theirs['seconds']):9.3f} {milliseconds(theirs['seconds']) / milliseconds(ours['seconds']):8.1f} "
            f"{milliseconds(ours['cpu']):9.3f} {milliseconds(theirs['cpu']):9.3f} "
            f"{statistics.median(theirs['cpu']) / max(statistics.median(ours['cpu']), 1e-9):8.1f} {spread:7.2f}")


def start_up(side):
    """Seconds from the start of a main process to its first answer, the database being there."""
    process = side.deployment.processes["main"]
    process.stop()
    started = time.perf_counter()
    side.deployment.start_process()
    return time.perf_counter() - started


def main():
    parser = argparse.ArgumentParser(prog="bench/run")
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests, small rooms")
    parser.add_argument("--split", action="store_true", help="both with workers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="cases, with ; between")
    parser.add_argument("--json", help="writes all figures to this file")
    args = parser.parse_args()
    names = [n.strip() for n in args.only.split(";")] if args.only else list(CASES)
    folder = tempfile.mkdtemp(prefix="ganglion-bench-")
    os.chmod(folder, 0o755)
    context = Context(folder)
    build = context.build("release")
    python = context.venv("synapse", os.path.join(TOP, "tests", "interop", "requirements.txt"))
    if build is None or python is None:
        return 1
    os.environ["SYNAPSE_PYTHON"] = python
    scale = (lambda n: max(5, n // 10)) if args.quick else (lambda n: n)
    sides, results = {}, {}
    try:
        for name, is_python in (("ganglion", False), ("synapse", True)):
            sides[name] = Side(name, folder, build, args.split, is_python)
        time.sleep(2)
        idle = {name: side.memory() for name, side in sides.items()}
        worlds = {name: World(side, scale) for name, side in sides.items()}
        print(f"{'':24} {'ms':>9} {'p99':>9} {'ms':>9} {'p99':>9} {'ratio':>8} {'cpu ms':>9} {'cpu ms':>9} {'ratio':>8} {'spread':>7}")
        print(f"{'case':24} {'ganglion':>9} {'':9} {'synapse':>9} {'':9} {'':8} {'ganglion':>9} {'synapse':>9}")
        for name in names:
            results[name] = measure(worlds, name, args.rounds, 0.1 if args.quick else 1)
            print(line(name, results[name]), flush=True)
        print("\nmemory (PSS, MiB), just started and after the run")
        for name, side in sides.items():
            after = side.memory()
            for process in after:
                print(f"{name:10} {process:20} {idle[name].get(process, 0) / 2**20:8.1f} {after[process] / 2**20:8.1f}")
        print("\nstart-up of main (s): " + ", ".join(f"{name} {start_up(side):.2f}" for name, side in sides.items()))
        if args.json:
            with open(args.json, "w", encoding="utf-8") as f:
                json.dump({"results": results, "idle": idle}, f)
    finally:
        for side in sides.values():
            side.stop()
        context.close()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
