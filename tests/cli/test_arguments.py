"""What the system shows of a command line."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, os, sys
from progsearch.cli.arguments import arguments
found = arguments()
shown = open("/proc/self/cmdline").read() + "".join(os.environ) + "".join(os.environ.values())
print(json.dumps([found, "ses" "ame" in shown + str(sys.argv), os.getpid()]))
"""


@pytest.mark.parametrize(
    "words",
    [
        [
            *("run", "--storage", "postgresql://u:sesame%40me@h/db", "--task", "ä b"),
            *("--storage=postgresql://h/db?password=sesame", "--storage", "sqlite:///a.db"),
            *("--storage", "mysql://u:sesame@h/db?token=b", "--storage"),
        ],
        ["run", "--storage", "postgresql://u@h/db"],
    ],
)
def test_a_password_is_seen_by_the_command_alone(words):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *words], stdout=subprocess.PIPE, text=True
    )
    output, _ = process.communicate(timeout=60)
    assert json.loads(output) == [words, False, process.pid]
