"""The look at model and task by a process of its own; what is seen is tested with the searches."""

import os
import signal

import psutil
import pytest

from progsearch.errors import ModelError, TaskError
from progsearch.space.space import Space
from progsearch.workers.cluster import Machines
from progsearch.workers.inspect_problem import look
from progsearch.workers.inspection import examination
from tests.support.tiny_task import tiny_recipe

FIT = Machines(parallel=1, gpus_per_trial=0.0)


def processes():
    children = psutil.Process().children()
    return [child for child in children if look.__module__ in child.cmdline()]


@pytest.mark.slow
def test_a_process_of_its_own_sees_what_this_one_sees(tmp_path):
    recipe = tiny_recipe(tmp_path, space="progtuning")
    space = Space.load(recipe.space, recipe.methods)
    question = (recipe, space.methods(), space.metrics())
    with examination(*question) as answer:
        found = answer(FIT)
    assert found == look(*question)
    assert set(found.contributions) >= {"taylor", "depth"}


@pytest.mark.slow
def test_a_mistake_comes_back_as_what_it_is(tmp_path):
    recipe = tiny_recipe(tmp_path)
    task = recipe.task.model_copy(update={"label_column": "topic"})
    with examination(recipe.model_copy(update={"task": task}), [], []) as answer:
        with pytest.raises(TaskError, match="topic"):
            answer(FIT)


def test_a_killed_process_is_an_error_of_the_model(tmp_path):
    with examination(tiny_recipe(tmp_path), [], []) as answer:
        (process,) = processes()
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(ModelError, match="was killed; is there enough memory"):
            answer(FIT)


def test_whoever_leaves_early_leaves_no_process_behind(tmp_path):
    with pytest.raises(KeyError), examination(tiny_recipe(tmp_path), [], []):
        assert len(processes()) == 1
        raise KeyError
    assert processes() == []
