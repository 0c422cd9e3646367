from torch import nn

from progsearch.engine.shortcuts.forwards import replaced


def test_a_module_may_be_replaced_inside_another_replacement():
    layer = nn.Identity()
    with replaced({layer: lambda value: value + 1}):
        outer = layer.forward
        with replaced({layer: lambda value: outer(value) * 10}):
            assert layer(1) == 20
        assert layer(1) == 2
    assert layer(1) == 1
    assert "forward" not in vars(layer)


def test_modules_are_themselves_again_after_an_error():
    layer = nn.Identity()
    try:
        with replaced({layer: lambda value: value + 1}):
            raise ValueError
    except ValueError:
        assert layer(1) == 1
