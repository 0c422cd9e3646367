"""Feeds damaged inputs to progsearch and counts how they end.

Command lines, recipes, spaces, exported configs, data files, journals, stored segments and more
start from valid ones and are damaged by the strategies of `tests/fuzz`; nothing is trained. An
input fails if it ends in a traceback, a hang, an undocumented exit code or a wrong number.

    python benchmarks/fuzz.py --inputs 10000 --seed 1 --out counts.json
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import logging
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from progsearch.version import ENGINE_VERSION, __version__
from tests.fuzz.kinds import KINDS
from tests.fuzz.running import DEADLINE
from tests.fuzz.work import no_work
from tests.fuzz.world import World

# Times its share, the inputs of one kind in a round; the counts grow together.
_ROUND = 1
_SETTINGS = settings(
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def main() -> None:
    """Run inputs and write the counts after each round."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="JSON of counts and failures")
    parser.add_argument("--kind", choices=sorted(KINDS), action="append")
    given_ = parser.parse_args()
    kinds = given_.kind or list(KINDS)
    out = given_.out.absolute()
    counts: Counter[str] = Counter()
    failures: dict[str, dict[str, Any]] = {}
    started = time.perf_counter()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder, no_work():
        os.chdir(folder)
        os.environ["PROGSEARCH_CACHE"] = f"{folder}/cache"
        world = World(Path(folder))
        strategies = {name: KINDS[name].inputs(world) for name in kinds}
        number = 0
        while counts.total() < given_.inputs:
            for kind in kinds:
                rest = given_.inputs - counts.total()
                most = min(_ROUND * KINDS[kind].share, rest)
                number += 1
                run = given(strategies[kind])(_counting(world, kind, counts, failures))
                if most > 0:
                    seed(f"{given_.seed}/{number}")(settings(_SETTINGS, max_examples=most)(run))()
                result = {
                    "version": __version__,
                    "engine": ENGINE_VERSION,
                    "seed": given_.seed,
                    "inputs": counts.total(),
                    "by_kind": dict(counts),
                    "seconds": round(time.perf_counter() - started, 1),
                    "failures": failures,
                }
                out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{counts.total()} inputs, {len(failures)} ways to fail: {out}")
    sys.exit(bool(failures))


def _counting(
    world: World, name: str, counts: Counter[str], failures: dict[str, dict[str, Any]]
) -> Callable[[Any], None]:
    """A function that runs an input of a kind and keeps how it ends."""

    def run(content: Any) -> None:
        # What hangs in C cannot be interrupted otherwise.
        faulthandler.dump_traceback_later(5 * DEADLINE, exit=True)
        fault = KINDS[name].fault(world, content)
        faulthandler.cancel_dump_traceback_later()
        counts[name] += 1
        if fault is None:
            return
        shown = repr(content)
        before = failures.setdefault(f"{name}: {fault.where}", {"count": 0})
        before["count"] += 1
        # The shortest input of each failure is kept.
        if len(shown) < len(before.get("input", shown + " ")):
            before |= {"input": shown, "detail": fault.detail[-3000:]}

    return run


if __name__ == "__main__":
    main()
