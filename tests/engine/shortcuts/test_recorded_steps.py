import pytest

from progsearch.config import method_of
from progsearch.engine.shortcuts.recorded_steps import recordable
from progsearch.methods import apply_method
from progsearch.models.anatomy import find_anatomy
from tests.engine.test_gpu import WAITING
from tests.support.tiny import TINY, tiny_model


def test_steps_of_those_models_are_recorded_that_are_tested(caplog):
    with caplog.at_level("INFO", logger="progsearch"):
        found = {name for name in TINY if recordable(tiny_model(name))}
    assert found == set(TINY) - set(WAITING)
    assert [message.split()[-1] for message in caplog.messages] == sorted(WAITING)


@pytest.mark.parametrize("method", ["lora", "bitfit", "adapter"])
def test_a_method_does_not_hide_what_model_it_is(method):
    model = tiny_model("bert")
    apply_method(model, find_anatomy(model), method_of(method), seed=0)
    assert recordable(model)
