"""Kills searches at random moments until they are done, and compares them with undisturbed ones.

    python -m tests.faults.campaign [--kills 200] [--seed 0] [--out FILE]

A search of a tiny model with one worker is killed again and again: its driver, its whole process
group, a worker, Ray's raylet or its control service, by SIGKILL, SIGTERM, SIGINT or SIGHUP, or it
is stopped for some seconds and goes on; from its start to its last second. After each end it is
resumed. When it is done, its trials must be those of an undisturbed search, number for number;
nothing may wait, be lost or be left behind; then the next study begins, with an empty cache.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from progsearch.store import Store
from progsearch.study.folder import StudyFolder, open_study
from progsearch.study.progress import to_retry
from progsearch.version import ENGINE_VERSION, __version__
from progsearch.workers.owned import owned_folder
from tests.support.tiny_task import tiny_recipe

_COMMAND = [sys.executable, "-c", "from progsearch.cli import main; main()"]
_STOPPED = 3.0  # seconds
# Without a line, a result or a stored step.
_HANG = 60.0
_UNDISTURBED = 300.0
_LEAVE = 60.0
_DONE = 0

KINDS: tuple[tuple[str, signal.Signals], ...] = (
    ("driver", signal.SIGKILL),
    ("driver", signal.SIGTERM),
    ("driver", signal.SIGINT),
    ("driver", signal.SIGSTOP),
    ("group", signal.SIGKILL),
    ("group", signal.SIGINT),
    ("group", signal.SIGHUP),
    ("worker", signal.SIGKILL),
    ("worker", signal.SIGTERM),
    ("worker", signal.SIGSTOP),
    ("raylet", signal.SIGKILL),
    ("gcs_server", signal.SIGKILL),
)


@dataclass
class Campaign:
    """What was done, and what was wrong.

    Attributes:
        folder: Where everything is written.
        kills: How many kills there were, by what and how.
        faults: A sentence each.
        studies: How many studies were done.
        longest_silence: Seconds in which a search wrote nothing.
        longest_end: Seconds from a signal that ends a search to the end of its process.
        ended_by_core: Sessions that Ray's core ended while it joined Ray, without a word of what
            is saved: nothing in the process can prevent that. They are resumed as all others.
        swept_later: Folders of killed searches that the next start of Ray removes.
    """

    folder: Path
    draw: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    studies: int = 0
    longest_silence: float = 0.0
    longest_end: float = 0.0
    swept_later: int = 0
    ended_by_core: int = 0

    def run(
        self,
        wanted: int,
        say: Callable[[str], None] = lambda text: None,
        done: Callable[[Campaign], None] = lambda campaign: None,
    ) -> None:
        """Kill ``wanted`` times, and let the last study come to its end.

        Args:
            wanted: How many kills there should be in all.
            say: Is told each kill and each end of a study.
            done: Called after each study.
        """
        recipe = tiny_recipe(self.folder / "tiny", rows=1_000, budget=3, parallel=1)
        recipe_file = self.folder / "recipe.yaml"
        recipe_file.write_text(yaml.safe_dump(recipe.model_dump(mode="json", exclude_none=True)))
        began = time.monotonic()
        undisturbed, code = self._undisturbed(recipe_file)
        lasts = time.monotonic() - began
        say(f"undisturbed: exit code {code} after {lasts:.0f} s")
        while self.kills.total() < wanted:
            place = self._place()
            lasts = self._study(recipe_file, place, lasts, wanted, say)
            self._audit(place, undisturbed)
            self.studies += 1
            shutil.rmtree(place)
            say(f"{self.kills.total()} kills, {self.studies} studies, faults: {self.faults}")
            done(self)

    def result(self, seed: int) -> dict[str, Any]:
        """What is kept of it."""
        return {
            "version": __version__,
            "engine": ENGINE_VERSION,
            "seed": seed,
            "kills": self.kills.total(),
            "by_kind": dict(sorted(self.kills.items())),
            "studies": self.studies,
            "swept_later": self.swept_later,
            "ended_by_core": self.ended_by_core,
            "longest_end_seconds": round(self.longest_end, 1),
            "longest_silence_seconds": round(self.longest_silence, 1),
            "faults": self.faults,
        }

    def _place(self) -> Path:
        # Ray's sockets need short paths.
        return Path(tempfile.mkdtemp(prefix="pc", dir="/tmp"))

    def _begin(self, place: Path, *arguments: str) -> subprocess.Popen[bytes]:
        variables = {"TMPDIR": str(place), "PROGSEARCH_CACHE": str(place / "cache")}
        log = (place / "output").open("ab")
        return subprocess.Popen(
            [*_COMMAND, *arguments, "--studies-dir", str(place / "studies")],
            env=os.environ | variables,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def _undisturbed(self, recipe_file: Path) -> tuple[list[Any], int]:
        place = self._place()
        code = self._begin(place, "run", str(recipe_file)).wait(_UNDISTURBED)
        found = trained(open_study("tiny", place / "studies"))
        shutil.rmtree(place)
        return found, code

    def _study(
        self, recipe_file: Path, place: Path, lasts: float, wanted: int, say: Callable[[str], None]
    ) -> float:
        """One study, killed until it is done; returns how long a session lasts at most.

        Args:
            recipe_file: Its recipe.
            place: Where everything is written.
            lasts: Seconds that a whole search takes.
            wanted: How many kills there should be in all.
            say: Is told each kill.
        """
        for _ in range(100):
            known = (place / "studies" / "tiny" / "journal.log").exists()
            began = time.monotonic()
            running = self._begin(
                place, *(["resume", "tiny"] if known else ["run", str(recipe_file)])
            )
            self._disturb(running, place, lasts, wanted, say)
            code = self._end_of(running, place)
            if code == _DONE:
                return lasts if known else min(lasts, time.monotonic() - began)
            if code not in (
                3,
                129,
                130,
                143,
                -signal.SIGKILL,
                -signal.SIGHUP,
                -signal.SIGTERM,
                -signal.SIGINT,
            ):
                last = _last_lines(place / "output")
                if any(code == known and text in last for known, text in _ENDED_BY_CORE):
                    self.ended_by_core += 1
                else:
                    self.faults.append(f"exit code {code}: {last}")
        self.faults.append("a study was not done after 100 sessions")
        return lasts

    def _disturb(
        self,
        running: subprocess.Popen[bytes],
        place: Path,
        lasts: float,
        wanted: int,
        say: Callable[[str], None],
    ) -> None:
        """Kill at random moments of a session, until it ends or there are enough kills."""
        longest = 1.1 * lasts
        while self.kills.total() < wanted:
            if self._end_of(running, place, self.draw.uniform(0, longest)) is not None:
                return
            what, how = self.draw.choice(KINDS)
            if self._kill(running, what, how):
                self.kills[f"{what} {how.name}"] += 1
                say(f"{what} {how.name}")
            # A session that survived one is disturbed again.
            longest = 0.5 * lasts

    def _end_of(
        self, running: subprocess.Popen[bytes], place: Path, seconds: float = math.inf
    ) -> int | None:
        """The exit code of a session; None if it still runs after some seconds.

        A session that neither writes nor says anything for too long hangs.
        """
        until, silent_since, before = time.monotonic() + seconds, time.monotonic(), -1
        while time.monotonic() < until:
            code = running.poll()
            if code is not None:
                return code
            now = _written(place)
            if now != before:
                before, silent_since = now, time.monotonic()
            silence = time.monotonic() - silent_since
            self.longest_silence = max(self.longest_silence, silence)
            if silence > _HANG:
                self.faults.append(f"a search hung: {_last_lines(place / 'output')}")
                os.killpg(running.pid, signal.SIGKILL)
                return running.wait()
            time.sleep(0.1)
        return None

    def _kill(self, running: subprocess.Popen[bytes], what: str, how: signal.Signals) -> bool:
        """Send a signal; returns whether there was a process that could get it."""
        try:
            if what == "group":
                os.killpg(running.pid, how)
            elif what == "driver":
                running.send_signal(how)
            else:
                self._process(running, what).send_signal(how)
            if how == signal.SIGSTOP:
                time.sleep(_STOPPED)
                target = running if what == "driver" else self._process(running, what)
                target.send_signal(signal.SIGCONT)
        except (LookupError, ProcessLookupError, psutil.Error):
            return False
        if what in ("driver", "group") and how != signal.SIGSTOP:
            began = time.monotonic()
            try:
                running.wait(_LEAVE)
            except subprocess.TimeoutExpired:
                self.faults.append(f"{what} {how.name}: not ended after {_LEAVE:.0f} s")
            self.longest_end = max(self.longest_end, time.monotonic() - began)
        return True

    def _process(self, running: subprocess.Popen[bytes], what: str) -> psutil.Process:
        """Raises LookupError if there is none."""
        for process in psutil.Process(running.pid).children(recursive=True):
            command = process.cmdline()
            name = " ".join(command) if what == "worker" else Path((command or [""])[0]).name
            if ("TrialWorker" if what == "worker" else what) in name:
                return process
        raise LookupError(what)

    def _audit(self, place: Path, undisturbed: list[Any]) -> None:
        """Compare a study with the undisturbed one, and look for what was left behind."""
        study = open_study("tiny", place / "studies")
        every = study.trials()
        if any(trial.is_running for trial in every) or to_retry(every):
            self.faults.append("trials are running, or interrupted and not run again")
        found = trained(study)
        if found != undisturbed:
            differing = [
                pair for pair in zip(found, undisturbed, strict=False) if pair[0] != pair[1]
            ]
            self.faults.append(f"other trials or numbers: {len(found)} trials, {differing[:1]}")
        for file in (place / "cache").rglob("*.safetensors"):
            if Store(file.parent).load(file.stem) is None:
                self.faults.append(f"a stored entry is damaged: {file.name}")
        until = time.monotonic() + _LEAVE
        while (alive := _alive(place)) and time.monotonic() < until:
            time.sleep(0.5)
        if alive:
            self.faults.append(
                f"processes are left: {[' '.join(p.cmdline())[:60] for p in alive]}"
            )
            for process in alive:
                process.kill()
        # A search that had nothing left to do does not start Ray.
        unowned = list(place.glob("ray/progsearch-*"))
        owned_folder(place / "ray", "progsearch-")
        left = [path.name for path in unowned if path.exists()]
        self.swept_later += len(unowned) - len(left)
        left += [path.name for path in place.iterdir() if path.name not in _EXPECTED]
        if left:
            self.faults.append(f"folders or files are left: {left}")


# While the core waits to be let in, it exits if Ray's daemon dies, and aborts at SIGTERM.
_ENDED_BY_CORE = (
    (1, "Failed to register worker to Raylet"),
    (-signal.SIGABRT, "SIGTERM received"),
)
_EXPECTED = {"cache", "studies", "output", "ray"}


def trained(study: StudyFolder) -> list[Any]:
    """What a study trained, without attempts that were interrupted."""
    return [
        (trial.name, trial.params, trial.key, trial.state.name, trial.frozen.values)
        for trial in study.trials()
        if not trial.is_interrupted
    ]


def _written(place: Path) -> int:
    """The latest time at which a session wrote something, in ns."""
    latest = 0
    for file in [place / "output", *place.glob("studies/tiny/*"), *place.glob("cache/*")]:
        with contextlib.suppress(FileNotFoundError):
            latest = max(latest, file.stat().st_mtime_ns)
    return latest


def _alive(place: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR") == str(place):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def _last_lines(file: Path) -> str:
    return " | ".join(file.read_text(errors="replace").splitlines()[-3:])


def main() -> None:
    """Run a campaign and write what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(Path(folder), random.Random(given.seed))

        def keep(campaign: Campaign) -> None:
            if given.out is not None:
                given.out.write_text(json.dumps(campaign.result(given.seed), indent=1) + "\n")

        campaign.run(given.kills, lambda text: print(text, flush=True), keep)
    print(json.dumps(campaign.result(given.seed), indent=1))
    sys.exit(1 if campaign.faults else 0)


if __name__ == "__main__":
    main()
