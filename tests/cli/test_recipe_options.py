import inspect
import warnings

from progsearch.cli.contributions import contributions
from progsearch.cli.run import run
from progsearch.config import Recipe
from progsearch.words import recipe_options


def test_every_option_of_a_recipe_is_one_of_run():
    names = [option.name for option in recipe_options()]
    assert len(names) == len(set(names))
    own = ["recipe_file", "studies_dir", "dry_run", "quiet", "json"]
    assert list(inspect.signature(run).parameters) == [*names, *own]


def test_every_field_of_a_recipe_has_an_option():
    given = {option.place[0] for option in recipe_options()}
    # `understood` is written by a search.
    assert given == set(Recipe.model_fields) - {"understood"}


def test_contributions_take_what_decides_scores():
    names = set(inspect.signature(contributions).parameters)
    assert {"task", "model", "seed", "max_length"} <= names
    assert not names & {"test_file", "task_metric", "budget", "epochs"}


def test_an_option_that_is_false_is_heard(monkeypatch, progsearch, tmp_path):
    seen = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)

    def prepare(recipe, studies_dir):
        seen.append((recipe.reuse, recipe.prefix_cache, recipe.objectives, recipe.time_limit))
        raise SystemExit(0)

    monkeypatch.setattr("progsearch.api.prepare", prepare)
    options = ("--no-reuse", "--objective", "metric", "--objective", "flops", "--time", "2m")
    progsearch("run", "--task", "mrpc", *options)
    assert seen == [(False, True, ("metric", "flops"), 120.0)]
