import signal
import subprocess
import sys

from progsearch.workers.owned import owned_folder

MAKE = """
import sys, time
from pathlib import Path
from progsearch.workers.owned import owned_folder
print(owned_folder(Path(sys.argv[1]), "mine-"), flush=True)
time.sleep(60)
"""


def test_the_folder_of_a_killed_process_is_removed_and_that_of_a_living_one_is_not(tmp_path):
    other = subprocess.Popen([sys.executable, "-c", MAKE, tmp_path], stdout=subprocess.PIPE)
    folder = tmp_path / other.stdout.readline().decode().strip()
    (tmp_path / "mine-without-an-owner").mkdir()
    (folder / "kept").write_text("")
    mine = owned_folder(tmp_path, "mine-")
    assert folder.is_dir() and mine.is_dir()

    other.send_signal(signal.SIGKILL)
    other.wait()
    again = owned_folder(tmp_path, "mine-")
    assert not folder.exists()
    assert mine.is_dir() and again.is_dir() and (tmp_path / "mine-without-an-owner").is_dir()
