"""Refuses what does not belong into the repository: wheels, and large binary files.

    python .ci/check_files.py [FILE ...]

Without arguments it checks all files that git tracks.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

LIMIT = 200_000
# Its tables of finished runs are what that benchmark is.
EXEMPT = "benchmarks/tabular/"


def mistakes(files: Iterable[str]) -> list[str]:
    """A sentence for each file that is refused."""
    found = []
    for name in files:
        path = Path(name)
        if path.suffix == ".whl":
            found.append(f"{name}: a wheel; install it from an index instead")
        elif not name.startswith(EXEMPT) and path.is_file() and _is_binary(path):
            size = path.stat().st_size
            if size > LIMIT:
                found.append(f"{name}: a binary of {size:,} bytes; at most {LIMIT:,} are allowed")
    return found


def _is_binary(path: Path) -> bool:
    # As git and diff decide it.
    with path.open("rb") as file:
        return b"\0" in file.read(8000)


def _tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True)
    return [name for name in listed.stdout.split("\0") if name]


if __name__ == "__main__":
    refused = mistakes(sys.argv[1:] or _tracked())
    print(*refused, sep="\n", end="\n" if refused else "")
    sys.exit(bool(refused))
