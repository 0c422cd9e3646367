"""Searches in a process of its own and says on stdout what happens, one JSON list a line."""

import json
import sys

from progsearch import search
from progsearch.config import Recipe
from progsearch.errors import ProgsearchError
from progsearch.study.view import View


class Talker(View):
    def started(self, folder, goal):
        say("started", goal.n_baselines, goal.budget)

    def run_started(self, run):
        say("run_started", run.trial.number)

    def run_ended(self, run):
        say("run_ended", run.trial.number, run.trial.state.name)

    def record(self, run, record):
        say("record", run.trial.number, record.epoch)

    def finished(self, ending):
        say("finished", ending)


def say(*words):
    print(json.dumps(words), flush=True)


if __name__ == "__main__":
    recipe = Recipe.model_validate_json(sys.argv[1])
    try:
        search(recipe, studies_dir=sys.argv[2], view=Talker())
    except ProgsearchError as error:
        say("error", type(error).__name__, str(error))
        sys.exit(error.exit_code)
