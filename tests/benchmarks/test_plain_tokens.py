"""The plain script and progsearch give the same numbers for the same weights."""

import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY
from tests.support.tiny import save_tiny

pytestmark = pytest.mark.slow


def test_a_plain_script_of_transformers_has_the_same_f1_and_loss(tmp_path):
    save_tiny(tmp_path / "model", ("ada", "lovelace", "came", "from", "london"))
    sentence = "ada\tB-PER\nlovelace\tI-PER\ncame\tO\nfrom\tO\nlondon\tB-LOC\n"
    other = "london\tB-LOC\nada\tB-PER\nfrom\tO\n"
    (tmp_path / "a.conll").write_text("\n".join([sentence, other] * 40))
    # The last word of the longer sentence is cut off.
    options = ["--model", str(tmp_path / "model"), "--steps", "40", "--max-length", "6"]
    script = ["benchmarks/plain_tokens.py", "--data", str(tmp_path / "a.conll")]
    done = subprocess.run(
        [sys.executable, *script, *options],
        cwd=REPOSITORY,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    plain, ours = (line.split("F1")[1] for line in done.stdout.splitlines())
    assert plain.split()[0] == ours.split()[0]
    assert 0 < float(ours.split()[0]) < 100
