"""The arguments of the command line, which other users of a machine can see in `ps`."""

from __future__ import annotations

import json
import os
import sys
from itertools import pairwise

from progsearch.config import StorageUrl

_OPTION = "--storage"
# Carries the words with a password across the new start, and is gone after it.
_HANDED_OVER = "_PROGSEARCH_STORAGE_OPTION"


def arguments() -> list[str]:
    """The arguments, of which the system shows no password.

    With a password in ``--storage`` this process starts once more under the same number, with
    ``***`` in its place: lists of processes, Ray's job list and loggers show the command line.
    """
    found = sys.argv[1:]
    for place, word in json.loads(os.environ.pop(_HANDED_OVER, "{}")).items():
        found[int(place)] = word
    line = list(sys.orig_argv)
    hidden = {}
    for index, (before, word) in enumerate(pairwise(["", *line])):
        prefix = f"{_OPTION}=" if word.startswith(f"{_OPTION}=") else ""
        if not (prefix or before == _OPTION):
            continue
        try:
            url = StorageUrl(word.removeprefix(prefix))
        except ValueError:
            continue  # the command says what is wrong
        if url.given:
            # Counted from the end, which both lists share.
            hidden[index - len(line)] = word
            line[index] = f"{prefix}{url}"
    if hidden:
        os.environ[_HANDED_OVER] = json.dumps(hidden)
        os.execv(sys.executable, line)
    return found
