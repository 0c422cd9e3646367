"""The code on model cards: it must run as it stands."""

import pytest

from progsearch.report.how_to_load import how_to_load
from tests.study.test_trial import RUN
from tests.support.language import save_language_model
from tests.support.tiny import save_tiny


@pytest.mark.parametrize(
    "kind", ["SequenceClassification", "QuestionAnswering", "MultipleChoice", "CausalLM"]
)
def test_the_code_of_each_type_runs(kind, tmp_path):
    auto_class = f"AutoModelFor{kind}"
    if kind == "CausalLM":
        save_language_model(tmp_path)
    else:
        save_tiny(tmp_path, auto_class=auto_class)
    run = RUN.model_copy(update={"model": str(tmp_path)})
    text = how_to_load(run, str(tmp_path), auto_class, is_on_hub=False)
    found: dict = {}
    exec(text.split("```")[1].removeprefix("python"), found)
    outputs = found["outputs"]
    if kind == "MultipleChoice":
        assert outputs.logits.shape == (1, 2)
    elif kind == "CausalLM":
        assert outputs.shape[1] > found["inputs"]["input_ids"].shape[1]
    else:
        assert outputs[0].shape[0] == 1
