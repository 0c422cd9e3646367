"""How to load and use a saved model, as code for its model card."""

from __future__ import annotations

from progsearch.config import RunConfig


def how_to_load(config: RunConfig, name: str, auto_class: str, *, is_on_hub: bool) -> str:
    """The section of a model card that loads the model and gives it an input.

    Args:
        config: The model's run.
        name: Its folder, or its name on the hub.
        auto_class: The class of transformers that loads it.
        is_on_hub: Which of the two the name is.
    """
    use = _use(config, auto_class)
    if config.method.merges:
        lines = [
            f"from transformers import AutoTokenizer, {auto_class}",
            f'tokenizer = AutoTokenizer.from_pretrained("{name}")',
            f'model = {auto_class}.from_pretrained("{name}")',
            use,
        ]
    else:
        place = f'huggingface_hub.snapshot_download("{name}")' if is_on_hub else f'"{name}"'
        lines = [
            *(["import huggingface_hub"] if is_on_hub else []),
            "from transformers import AutoTokenizer",
            "from progsearch.training import load_trained",
            f'tokenizer = AutoTokenizer.from_pretrained("{name}")',
            f"model = load_trained({place})",
            use,
        ]
    code = "\n".join(lines)
    return f"## How to load it\n\n```python\n{code}\n```"


def _use(config: RunConfig, auto_class: str) -> str:
    """The lines that give a model its input."""
    understood = config.understood
    match auto_class:
        case "AutoModelForMultipleChoice":
            # Such a model takes a batch of questions, each with all of its choices.
            return (
                'pairs = [("A question.", "A choice."), ("A question.", "Another.")]\n'
                'inputs = tokenizer(pairs, return_tensors="pt", padding=True)\n'
                "outputs = model(**{name: rows[None] for name, rows in inputs.items()})"
            )
        case "AutoModelForCausalLM":
            return (
                'inputs = tokenizer("A prompt.", return_tensors="pt")\n'
                "outputs = model.generate(**inputs, max_new_tokens=100)"
            )
        case "AutoModelForQuestionAnswering":
            texts = '"A question?", "The text with its answer."'
        case _:
            is_pair = understood is not None and len(understood.texts) > 1
            texts = '"A text.", "Another."' if is_pair else '"A text."'
    return f'outputs = model(**tokenizer({texts}, return_tensors="pt"))'
