import json

import pytest


def test_this_machine(progsearch, tmp_path):
    outcome = progsearch("doctor", "--train-file", tmp_path / "gone.csv", "--json")
    found = json.loads(outcome.stdout)
    (machine,) = found["machines"]
    states = {check["what"]: check["state"] for check in machine["checks"]}
    assert (outcome.code, found["ready"], machine["name"]) == (2, False, "this machine")
    assert (states["torch"], states["clock"], states["paths"]) == ("ok", "ok", "error")


def test_lines_for_people(progsearch):
    outcome = progsearch("doctor")
    assert outcome.code == 0
    assert "\n  clock" in outcome.stdout and "error" not in outcome.stdout


def test_a_database_that_does_not_answer(progsearch):
    url = "postgresql://user:word@127.0.0.1:1/db"
    outcome = progsearch("doctor", "--storage", url)
    assert outcome.code == 2
    assert "error: the database postgresql://user:***@127.0.0.1:1/db" in outcome.stdout
    assert "word@" not in outcome.stdout + outcome.stderr


@pytest.mark.slow
def test_the_nodes_of_a_cluster_are_named(progsearch, tmp_path):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        gone = tmp_path / "gone.csv"
        place = cluster.address
        outcome = progsearch("doctor", "--address", place, "--train-file", gone, "--json")
        (node,) = json.loads(outcome.stdout)["machines"]
        states = {check["what"]: check["state"] for check in node["checks"]}
        assert (outcome.code, states["paths"], states["torch"]) == (2, "error", "ok")
    finally:
        cluster.shutdown()
