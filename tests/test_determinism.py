import pytest
import torch

from progsearch.determinism import Repeatable

GPU = torch.device("cuda")


def settings():
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,
    )


@pytest.fixture(autouse=True)
def _as_before():
    yield
    torch.use_deterministic_algorithms(False)


def test_on_a_gpu_others_are_refused_within_and_allowed_again_behind():
    torch.use_deterministic_algorithms(True, warn_only=True)
    before = settings()
    assert Repeatable(GPU).run(settings) == (True, False, False)
    assert settings() == before

    def fail():
        raise ValueError

    with pytest.raises(ValueError):
        Repeatable(GPU).run(fail)
    assert settings() == before


def test_on_a_cpu_nothing_is_set():
    before = settings()
    assert Repeatable(torch.device("cpu")).run(settings) == before


def test_what_has_no_such_form_runs_all_the_same_and_is_not_tried_again(caplog):
    calls = []

    def work():
        calls.append(torch.are_deterministic_algorithms_enabled())
        if calls[-1]:
            raise RuntimeError("scatter does not have a deterministic implementation, but ...")
        return 5

    repeatable = Repeatable(GPU)
    assert repeatable.run(work) == repeatable.run(work) == 5
    assert calls == [True, False, False]
    (message,) = caplog.messages
    assert "scatter" in message


def test_another_error_stays_one():
    def work():
        raise RuntimeError("CUDA error")

    with pytest.raises(RuntimeError, match="CUDA error"):
        Repeatable(GPU).run(work)
