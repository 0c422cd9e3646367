"""Ctrl-C at the installed command."""

import json
import signal

import pytest

from tests.e2e.conftest import stopped_after_one_run

pytestmark = pytest.mark.slow


def test_ctrl_c_then_resume(home, progsearch):
    arguments = ("run", "words.yaml", "--study", "stopped", "--budget", "1")
    code, err = stopped_after_one_run(home, *arguments)
    assert code == 130, err
    assert err.splitlines()[-1].endswith("continue with `progsearch resume stopped`")
    states = json.loads(progsearch("status", "stopped", "--json").stdout)["states"]
    assert states["RUNNING"] == 0
    assert states["COMPLETE"] >= 1
    assert (home / "studies" / "stopped" / "report.html").is_file()

    resumed = progsearch("resume", "stopped", "--json")
    assert resumed.returncode == 0, resumed.stderr
    report = json.loads(resumed.stdout)
    done = [trial for trial in report["trials"] if trial["state"] == "COMPLETE"]
    assert len(done) == 6
    assert "RUNNING" not in {trial["state"] for trial in report["trials"]}


@pytest.mark.parametrize(("kind", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_batch_system_that_ends_every_process(home, kind, code):
    """The report is written, and Ray says nothing."""
    study = f"ended-by-{kind.name}"
    arguments = ("run", "words.yaml", "--study", study, "--budget", "1")
    found, err = stopped_after_one_run(home, *arguments, kind=kind, group=True)
    assert found == code, err
    assert err.splitlines()[-1].endswith(f"continue with `progsearch resume {study}`")
    assert "raylet" not in err and "Traceback" not in err and "***" not in err
    assert (home / "studies" / study / "report.html").is_file()
