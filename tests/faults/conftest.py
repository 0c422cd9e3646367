import subprocess

import pytest


@pytest.fixture
def small_disk(tmp_path):
    """Makes a real file system of 4 MiB and fills it up to a given number of free bytes."""
    folder = tmp_path / "small-disk"

    def make(free, options=""):
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size=4m{options}", "tmpfs", str(folder)]
        try:
            mounted = subprocess.run(
                command, capture_output=True, text=True, timeout=10, check=False
            )
        except FileNotFoundError:
            pytest.skip("there is no mount command")
        if mounted.returncode:
            pytest.skip(f"a small disk needs the right to mount one: {mounted.stderr.strip()}")
        (folder / "ballast").write_bytes(bytes(2**22 - free))
        return folder

    yield make
    if folder.is_mount():
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=10)
