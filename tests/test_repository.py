"""What may lie in the repository, and what checks it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
CHECK = ROOT / ".ci" / "check_files.py"


def check(folder, *files):
    command = [sys.executable, str(CHECK), *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)


def test_wheels_and_large_binaries_are_refused(tmp_path):
    (tmp_path / "benchmarks" / "tabular").mkdir(parents=True)
    large = b"\0" * 200_001
    for name in ("large.bin", "benchmarks/tabular/table.npz"):
        (tmp_path / name).write_bytes(large)
    (tmp_path / "small.bin").write_bytes(large[:200_000])
    (tmp_path / "long.txt").write_text("word " * 100_000)
    (tmp_path / "some-1.0-py3-none-any.whl").touch()
    files = ("large.bin", "benchmarks/tabular/table.npz", "small.bin", "long.txt")
    done = check(tmp_path, *files, "some-1.0-py3-none-any.whl")
    assert done.returncode == 1
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == [
        "large.bin",
        "some-1.0-py3-none-any.whl",
    ]
    assert check(tmp_path, *files[1:]).returncode == 0


def test_both_ci_and_pre_commit_run_the_check():
    for file in (".ci/run", ".pre-commit-config.yaml"):
        text = (ROOT / file).read_text(encoding="utf-8")
        for command in ("ruff check", "ruff format", "mypy", "lint-imports", "check_files.py"):
            assert command in text, (file, command)


def test_cases_are_not_in_the_fast_suite():
    modules = sorted((ROOT / "tests" / "cases").glob("test_*.py"))
    assert modules
    for module in modules:
        assert "\npytestmark = pytest.mark.slow\n" in module.read_text(encoding="utf-8"), module
