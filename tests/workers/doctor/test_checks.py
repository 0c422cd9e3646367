"""What the doctor says of machines, with facts that stand in for theirs."""

from dataclasses import replace

import pytest

from progsearch.errors import ConfigError
from progsearch.workers.cluster import Machines
from progsearch.workers.doctor import before
from progsearch.workers.doctor.before import check_nodes
from progsearch.workers.doctor.checks import checks
from progsearch.workers.doctor.facts import PACKAGES, Facts, gather, unread
from progsearch.workers.doctor.nodes import Node
from progsearch.workers.doctor.report import judged, local_paths
from tests.support.fakes import recipe

GIB = 2**30
HERE = Facts(
    host="here",
    python="3.11.7",
    packages=dict.fromkeys(PACKAGES, "1.2.3"),
    clock=1e9,
    memory=16 * GIB,
    shared=8 * GIB,
    open_files=65536,
    cache="/cache",
    cache_fault=None,
    disk=100 * GIB,
    unread={},
    gpus=[],
    gpu_build=True,
)


def trouble(there, **settings):
    settings = {"drift": 0.0, "paths": 1} | settings
    found = checks(there, HERE, **settings)
    return [(check.what, check.state, check.text) for check in found if check.state != "ok"]


def test_a_machine_like_this_one_is_fine():
    assert trouble(replace(HERE, python="3.11.9", clock=1e9 + 3, open_files=-1)) == []


@pytest.mark.parametrize(
    ("changes", "what", "state", "word"),
    [
        ({"python": "3.12.1"}, "Python", "error", "here 3.11.7"),
        ({"packages": HERE.packages | {"torch": None}}, "torch", "error", "install torch 1.2.3"),
        ({"packages": HERE.packages | {"ray": "2.0"}}, "ray", "error", "2.0, here 1.2.3"),
        ({"unread": {"/d.csv": "Permission denied"}}, "paths", "error", "/d.csv cannot be read"),
        ({"cache_fault": "Read-only file system"}, "cache", "error", "PROGSEARCH_CACHE"),
        ({"disk": GIB}, "disk", "warning", "only 1.0 GiB free"),
        ({"memory": GIB}, "memory", "warning", "only 1.0 GiB free"),
        ({"memory": None}, "memory", "warning", "does not report"),
        ({"shared": 2**26}, "shared memory", "warning", "--shm-size"),
        ({"open_files": 1024}, "open files", "warning", "ulimit -n"),
        ({"gpus": [("H", 80 * GIB, GIB)]}, "GPUs", "warning", "holds their memory"),
        ({"gpus": [("H", 8, 8)], "gpu_build": False}, "GPUs", "error", "without CUDA"),
    ],
)
def test_each_fault_has_a_line_and_a_cure(changes, what, state, word):
    ((found, how, text),) = trouble(replace(HERE, **changes))
    assert (found, how) == (what, state)
    assert word in text


def test_a_clock_may_differ_a_little():
    assert trouble(HERE, drift=4.0) == []
    ((what, state, _),) = trouble(HERE, drift=40.0)
    assert (what, state) == ("clock", "warning")


def test_a_node_without_a_gpu_beside_others_and_one_without_an_answer():
    with_gpu = Node("a", replace(HERE, gpus=[("H", 80 * GIB, 80 * GIB)]))
    found = judged([with_gpu, Node("b", HERE), Node("c", None, "gone")], Node("d", HERE), 0)
    bad = [(part.name, c.what, c.state) for part in found for c in part.checks if c.state != "ok"]
    assert bad == [("b", "GPUs", "warning"), ("c", "answer", "error")]


def test_facts_of_this_machine(tmp_path):
    there, gone = tmp_path / "there", tmp_path / "gone"
    there.write_text("")
    found = Facts(**gather([str(there), str(gone), str(tmp_path)]))
    assert found.unread == {str(gone): "No such file or directory"}
    assert set(found.packages) == set(PACKAGES)
    assert found.open_files and found.cache and found.disk
    assert unread([]) == {}


def test_the_paths_of_a_recipe_are_its_models_and_its_files():
    task = recipe().task.model_copy(update={"train_file": "/t.csv", "data_dir": "/d"})
    assert local_paths(recipe(model="/m", task=task)) == ["/m", "/t.csv", "/d"]
    assert local_paths(recipe(model="owner/name", task=task)) == ["/t.csv", "/d"]


def test_a_node_that_lacks_a_path_is_named_before_the_first_trial(monkeypatch):
    bare = replace(HERE, unread={"/t.csv": "No such file or directory"})
    old = replace(HERE, packages=gather([])["packages"] | {"torch": "1.0"}, python="3.11.7")
    nodes = [Node("a (10.0.0.1)", bare), Node("b", old)]
    asked = []

    def nodes_of_cluster(paths, needs):
        asked.append((paths, needs))
        return nodes

    monkeypatch.setattr(before, "nodes_of_cluster", nodes_of_cluster)
    monkeypatch.setattr(before, "here", lambda paths: Node("here", HERE))
    task = recipe().task.model_copy(update={"train_file": "/t.csv"})
    notes = []
    with pytest.raises(ConfigError, match=r"node a \(10.0.0.1\): /t.csv cannot be read"):
        check_nodes(recipe(task=task), Machines(1, 1.0), notes.append)
    assert asked == [(["/t.csv"], {"CPU": 1.0, "GPU": 1.0})]
    nodes.pop(0)
    check_nodes(recipe(task=task), Machines(1, 0.0), notes.append)
    assert any(note.startswith("node b: torch: 1.0") for note in notes)
