"""Searches in a process of its own and says on stdout what happens, one JSON list a line."""

import json
import sys

from progsearch import search
from progsearch.config import Recipe
from progsearch.errors import ProgsearchError
from progsearch.study.view import View


class Talker(View):
    def started(self, folder, n_baselines, budget):
        say("started", n_baselines, budget)

    def trial_started(self, trial):
        say("trial_started", trial.number)

    def trial_finished(self, trial):
        say("trial_finished", trial.number, trial.state.name)

    def record(self, trial, record):
        say("record", trial.number, record["epoch"])

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
