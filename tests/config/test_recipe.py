import pytest

from progsearch.config import SAMPLERS, Recipe, TaskConfig, parse
from progsearch.errors import ConfigError

TASK = TaskConfig(name="mrpc")


@pytest.mark.parametrize(
    ("sampler", "n_candidates", "keeps", "scheduler"),
    [
        ("ehvi", 64, True, "freeze-thaw"),
        ("tpe", 1, False, "dominance"),
        ("nsga2", 1, False, "dominance"),
        ("gp", 1, False, "dominance"),
        ("random", 1, False, "dominance"),
        ("grid", 1, False, "dominance"),
    ],
)
def test_what_goes_with_each_sampler(sampler, n_candidates, keeps, scheduler):
    recipe = Recipe(task=TASK, sampler=sampler)
    assert recipe.n_candidates == n_candidates
    assert recipe.keeps_candidates is keeps
    assert recipe.judged_by == scheduler
    more = Recipe(task=TASK, sampler=sampler, candidates=8)
    assert more.keeps_candidates is (sampler not in ("tpe", "nsga2", "gp"))


def test_every_sampler_is_described():
    assert list(dict(SAMPLERS.described())) == ["ehvi", "tpe", "nsga2", "gp", "random", "grid"]
    assert all(text and "\n" not in text for _, text in SAMPLERS.described())


def test_an_unknown_sampler_is_refused():
    with pytest.raises(ConfigError, match="sampler: input should be 'ehvi', .* or 'grid', got"):
        parse(Recipe, {"task": {"name": "mrpc"}, "sampler": "annealing"}, "recipe.yaml")
