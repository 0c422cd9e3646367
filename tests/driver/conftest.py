import pytest
import ray


@pytest.fixture(scope="package")
def shared_ray():
    """One Ray for all searches of this folder: a search uses what is there."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield
    ray.shutdown()


@pytest.fixture(scope="package")
def tiny(tmp_path_factory):
    """The folder of the tiny model and its data."""
    return tmp_path_factory.mktemp("tiny")
