"""Searches without any signal, and at rates that are far too high, with the installed command."""

import json
import random

import pytest
import yaml

from tests.e2e.conftest import SETTINGS

pytestmark = pytest.mark.slow

# The other tests count the studies in the usual folder.
ELSEWHERE = ("--studies-dir", "failures")


def write(folder, study, rates, *, labels):
    """A recipe, its space and data whose labels the words tell, or that are pure noise."""
    draw = random.Random(1)
    for name, rows in (("train", 64), ("dev", 100)):
        lines = ["text,label"]
        for _ in range(rows):
            word = draw.choice(("bad", "good"))
            label = word if labels == "words" else draw.choice(("bad", "good"))
            lines.append(f"{' '.join([word] * draw.randint(2, 5))},{label}")
        (folder / f"{study}-{name}.csv").write_text("\n".join(lines) + "\n")
    dimensions = {
        "learning_rate": {"type": "categorical", "choices": rates},
        "n_stages": {"type": "categorical", "choices": [1, 2]},
    }
    (folder / f"{study}-space.yaml").write_text(yaml.safe_dump({"dimensions": dimensions}))
    recipe = yaml.safe_load(SETTINGS)
    files = {"train_file": f"{study}-train.csv", "validation_file": f"{study}-dev.csv"}
    recipe |= {"study": study, "task": {"name": study} | files}
    recipe["space"] = f"{study}-space.yaml"
    del recipe["training"]["learning_rate"], recipe["front_seeds"]
    (folder / f"{study}.yaml").write_text(yaml.safe_dump(recipe))


def without_disk(done):
    """The lines of ``done``'s output, less what the disk holds: it depends on the moment."""
    return [line for line in done.stdout.splitlines() if not line.startswith("disk: ")]


def test_pure_noise_ends_with_nothing_was_learned(home, progsearch):
    write(home, "noise", [1e-3, 5e-4], labels="noise")
    done = progsearch("run", "noise.yaml", *ELSEWHERE)
    assert done.returncode == 1, done.stderr
    sentence = done.stderr.splitlines()[-1].removeprefix("Error: ")
    assert sentence.startswith("nothing was learned: no reference beats the constant answer (acc")
    assert "each with 100 validation rows" in sentence
    for advice in ("learning rates", "more epochs", "cleaner data", "another model"):
        assert advice in sentence
    assert f"report: {home}/failures/noise/report.html" in done.stdout.splitlines()
    assert "constant answer" in done.stdout
    assert "knee" not in done.stdout and "export:" not in done.stdout

    again = progsearch("resume", "noise", *ELSEWHERE)
    assert (again.returncode, without_disk(again)) == (1, without_disk(done))
    assert again.stderr.splitlines()[-1] == f"Error: {sentence}"
    data = json.loads((home / "failures/noise/report.json").read_text())
    assert data["nothing_learned"] == sentence
    assert sentence in progsearch("status", "noise", *ELSEWHERE).stdout

    export = ("export", "noise", "--out", "noise-best.yaml", *ELSEWHERE)
    refused = progsearch(*export)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert sentence in refused.stderr and "--anyway" in refused.stderr
    meant = progsearch(*export, "--anyway")
    assert meant.returncode == 0, meant.stderr


def test_rates_far_too_high_end_with_collapsed_runs_named_and_a_tuned_reference(home, progsearch):
    write(home, "too-high", [0.3, 0.5], labels="words")
    done = progsearch("run", "too-high.yaml", *ELSEWHERE)
    assert done.returncode == 0, done.stderr
    data = json.loads((home / "failures/too-high/report.json").read_text())
    runs = [t for t in data["trials"] if t.get("name") == "full"]
    collapsed = {t["collapsed"]["learning_rate"] for t in runs if t["collapsed"]}
    assert {0.3, 0.5} <= collapsed
    lines = [line for line in done.stderr.splitlines() if " full at " in line]
    assert any("; collapsed from epoch 1 at learning rate 5e-1" in line for line in lines)
    (full,) = (trial for trial in data["baselines"] if trial["name"] == "full")
    assert full["collapsed"] is None
    assert full["user_attrs"]["run"]["training"]["learning_rate"] <= 0.03
    # With some seeds it collapses at this rate, too.
    assert full["values"][0] > 0.6


def test_rates_that_are_all_too_high_are_named_where_none_is_found(home, progsearch):
    write(home, "no-rate", [0.3, 0.5], labels="noise")
    done = progsearch("run", "no-rate.yaml", *ELSEWHERE)
    assert done.returncode == 1, done.stderr
    assert "runs of references collapsed; try other learning rates" in done.stderr
