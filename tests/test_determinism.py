import pytest
import torch

from progsearch.determinism import Determinism

GPU = torch.device("cuda")


def settings():
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
    )


@pytest.fixture(autouse=True)
def _as_before():
    yield
    torch.use_deterministic_algorithms(False)


def test_on_a_gpu_others_are_refused_while_it_is_on_and_allowed_again_afterwards():
    torch.use_deterministic_algorithms(True, warn_only=True)
    before = settings()
    determinism = Determinism(GPU)
    with determinism.on():
        assert settings() == (True, False, False)
        assert determinism.settle(settings) == (True, False, False)
        assert settings() == (True, False, False)
    assert settings() == before
    assert determinism.settle(settings) == (True, False, False)
    assert settings() == before

    def fail():
        raise ValueError

    with pytest.raises(ValueError):
        determinism.settle(fail)
    assert settings() == before


def test_on_a_cpu_nothing_is_set_and_nothing_is_rehearsed():
    before = settings()
    determinism = Determinism(torch.device("cpu"))
    with determinism.on():
        assert settings() == before
    assert determinism.settle(settings) == before
    determinism.rehearse(lambda: pytest.fail("there is nothing to settle"))


class Refused:
    """Work of which an operation has no deterministic form."""

    def __init__(self):
        self.calls = []

    def __call__(self):
        self.calls.append(torch.are_deterministic_algorithms_enabled())
        if self.calls[-1]:
            raise RuntimeError("scatter does not have a deterministic implementation, but ...")
        return 5


def test_what_has_no_such_form_runs_all_the_same_and_is_not_tried_again(caplog):
    work, determinism = Refused(), Determinism(GPU)
    before = settings()
    assert determinism.settle(work) == determinism.settle(work) == 5
    assert work.calls == [True, False, False]
    assert settings() == before
    (message,) = caplog.messages
    assert "scatter" in message


def test_once_it_is_refused_the_rest_of_what_it_is_on_for_runs_as_usual():
    work, determinism = Refused(), Determinism(GPU)
    before = settings()
    with determinism.on():
        determinism.rehearse(work)
        assert settings() == before
        assert work() == 5
    assert settings() == before
    assert work.calls == [True, False, False]


def test_another_error_stays_one():
    def work():
        raise RuntimeError("CUDA error")

    with pytest.raises(RuntimeError, match="CUDA error"):
        Determinism(GPU).settle(work)
