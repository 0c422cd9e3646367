import subprocess
import sys

import pytest

from progsearch.study import folder as study
from progsearch.version import __version__

HEAVY = ["torch", "ray", "transformers", "datasets", "optuna"]


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(option):
    script = f"""
import sys
from progsearch.cli import main
sys.argv = ["progsearch", {option!r}]
try:
    main()
except SystemExit as leaving:
    assert not leaving.code, leaving.code
print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.strip()) == (0, "[]")


def test_a_search_begins_without_what_its_workers_and_its_report_need():
    late = ["torch", "transformers", "datasets", "sklearn", "optuna_dashboard"]
    script = f"""
import sys
import progsearch.show.searching, progsearch.driver.search
print([name for name in {late} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]")


def test_version(progsearch):
    assert progsearch("--version").stdout == f"progsearch {__version__}\n"


def test_every_command_explains_itself(progsearch):
    overview = progsearch("--help").stdout
    for command in (
        "run", "resume", "status", "report", "confirm", "export", "train", "contributions",
        "selfcheck", "doctor", "dashboard", "ls", "cp", "validate", "cache", "rm",
    ):  # fmt: skip
        assert f"\n  {command} " in overview
        assert progsearch(command, "-h").stdout.startswith(f"Usage: progsearch {command} ")


def test_a_bug_keeps_its_traceback(progsearch, monkeypatch):
    def broken(*arguments, **keywords):
        raise RuntimeError("a bug")

    monkeypatch.setattr(study, "open_study", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        progsearch("status", "any")


def test_unknown_options_are_wrong_input(progsearch):
    outcome = progsearch("status", "any", "--jsn")
    assert outcome.code == 2
    assert "--jsn" in outcome.stderr
