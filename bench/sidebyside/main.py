"""The command line of bench/run: alternates the two servers case by case, prints medians, spread and ratios."""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time

from check.context import Context
from lib.certificates import Authority

from . import bridges, everyday, federation, large, media, people
from .cases import CASES as OWN
from .federation import Peers
from .servers import Side
from .world import World

ORDINARY = {**OWN, **everyday.CASES, **media.CASES, **people.CASES, **federation.CASES, **bridges.CASES}
CASES = {**ORDINARY, **large.CASES}

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COLUMNS = f"{'':24}|{'median ms':>12} {'p99':>9} |{'median ms':>12} {'p99':>9} |{'ratio':>7} |{'CPU ms':>9} {'CPU ms':>9} {'ratio':>7} " \
          f"{'from':>6} {'to':>6} |{'1/s':>8} {'1/s':>8}\n" \
          f"{'case':24}|{'Ganglion':>12} {'':9} |{'Synapse':>12} {'':9} |{'':7} |{'Ganglion':>9} {'Synapse':>9} {'':7} {'':6} {'':6} |" \
          f"{'Ganglion':>8} {'Synapse':>8}"


def measure(worlds, name, rounds, factor):
    """The sides take turns; the first round of each only warms caches."""
    result = {side: {"seconds": [], "cpu": [], "rate": []} for side in worlds}
    for number in range(rounds + 1):
        for side, world in worlds.items():
            taken, cpu, rate = CASES[name].round(world, factor if number else min(factor, 0.2))
            if number:
                result[side]["seconds"] += taken
                result[side]["cpu"].append(cpu)
                result[side]["rate"].append(rate)
    return result


def quantile(values, q):
    return sorted(values)[min(len(values) - 1, int(len(values) * q))] * 1000


def line(name, result):
    ours, theirs = result["ganglion"], result["synapse"]
    ms = [statistics.median(side["seconds"]) * 1000 for side in (ours, theirs)]
    cpu = [statistics.median(side["cpu"]) * 1000 for side in (ours, theirs)]
    ratios = [b / max(a, 1e-9) for a, b in zip(ours["cpu"], theirs["cpu"])]
    return (f"{name:24}|{ms[0]:12.3f} {quantile(ours['seconds'], 0.99):9.3f} |{ms[1]:12.3f} {quantile(theirs['seconds'], 0.99):9.3f} |"
            f"{ms[1] / ms[0]:7.1f} |{cpu[0]:9.3f} {cpu[1]:9.3f} {cpu[1] / max(cpu[0], 1e-9):7.1f} {min(ratios):6.1f} {max(ratios):6.1f} |"
            f"{statistics.median(ours['rate']):8.0f} {statistics.median(theirs['rate']):8.0f}")


def print_growth(results):
    """CPU of the second case of each pair for that of the first."""
    pairs = [pair for pair in large.GROWTH if all(name in results for name in pair)]
    if pairs:
        print("\nten times the size costs, times as much CPU:                  Ganglion  Synapse")
    for pair in pairs:
        grown = [statistics.median(results[pair[1]][side]["cpu"]) / statistics.median(results[pair[0]][side]["cpu"])
                 for side in ("ganglion", "synapse")]
        print(f"{pair[0]:25} to {pair[1]:28} {grown[0]:12.2f} {grown[1]:8.2f}")


def print_memory(sides, idle):
    print("\nmemory (PSS, MiB): just started, and after the run")
    for name, side in sides.items():
        after = side.memory()
        for process in after:
            print(f"{name:10} {process:20} {idle[name].get(process, 0) / 2**20:8.1f} {after[process] / 2**20:8.1f}")


def print_footprint(worlds):
    for name, world in worlds.items():
        n, sizes = large.footprint(world)
        print(f"\n{name}: PSS in MiB, and each time {n} pages of a large room more were read: " +
              " ".join(f"{size / 2**20:.1f}" for size in sizes))


def run(args, sides, names):
    results = {}
    time.sleep(2)
    idle = {name: side.memory() for name, side in sides.items()}
    scale = (lambda n: max(5, n // 5)) if args.quick else (lambda n: n)
    worlds = {name: World(side, scale) for name, side in sides.items()}
    print(COLUMNS, flush=True)
    for name in names:
        results[name] = measure(worlds, name, args.rounds, args.factor or (0.25 if args.quick else 1))
        print(line(name, results[name]), flush=True)
    print_growth(results)
    print_memory(sides, idle)
    if "messages, 100000 events" in names:
        print_footprint(worlds)
    starts = {name: [side.start_up() for _ in range(3)] for name, side in sides.items()}
    print("\nstart-up of main, seconds to its first answer: " +
          ", ".join(f"{name} {statistics.median(taken):.3f}" for name, taken in starts.items()))
    return {"results": results, "idle": idle, "start": starts, "load": os.getloadavg()}


def arguments():
    parser = argparse.ArgumentParser(prog="bench/run")
    parser.add_argument("--quick", action="store_true", help="fewer requests, small rooms")
    parser.add_argument("--split", action="store_true", help="both with workers")
    parser.add_argument("--rounds", type=int, default=None, help="measured rounds of each case")
    parser.add_argument("--factor", type=float, help="scales the number of requests")
    parser.add_argument("--large", action="store_true", help="the cases of rooms and accounts that are large, and whether their size is paid for")
    parser.add_argument("--only", help="cases, with ; between")
    parser.add_argument("--json", help="writes all figures to this file")
    args = parser.parse_args()
    args.rounds = args.rounds or (1 if args.quick else 3)
    return args


def main():
    args = arguments()
    names = [n.strip() for n in args.only.split(";")] if args.only else list(large.CASES if args.large else ORDINARY)
    unknown = [name for name in names if name not in CASES]
    if unknown:
        print(f"no such case: {', '.join(unknown)}; there are: {'; '.join(CASES)}", file=sys.stderr)
        return 2
    folder = tempfile.mkdtemp(prefix="ganglion-bench-")
    os.chmod(folder, 0o755)
    context = Context(folder)
    build = context.build("release")
    python = os.environ.get("SYNAPSE_PYTHON") or context.venv("synapse", os.path.join(TOP, "tests", "interop", "requirements.txt"))
    if build is None or python is None:
        return 1
    os.environ["SYNAPSE_PYTHON"] = python
    sides, peers = {}, Peers(Authority(os.path.join(folder, "certificates")))
    try:
        for name, is_python in (("ganglion", False), ("synapse", True)):
            sides[name] = Side(name, folder, build, args.split, is_python, peers, bridged=any(n in bridges.CASES for n in names))
        figures = run(args, sides, names)
        if args.json:
            with open(args.json, "w", encoding="utf-8") as f:
                json.dump(figures, f)
    finally:
        for side in sides.values():
            side.stop()
        peers.stop()
        context.close()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
