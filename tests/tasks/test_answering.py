"""Answers that a language model generates."""

import torch

from progsearch.tasks.answering import Question, exact_match, pattern_of
from tests.support.language import byte_tokenizer
from tests.support.tiny import tiny_language_model


def saying(letter, tokenizer):
    """A model whose most likely token is always the same."""
    model = tiny_language_model("gpt2", vocab_size=len(tokenizer), n_positions=128)
    with torch.no_grad():
        model.transformer.ln_f.weight.zero_()
        model.transformer.ln_f.bias.fill_(1.0)
        model.lm_head.weight.zero_()
        model.lm_head.weight[tokenizer.convert_tokens_to_ids(letter)] = 1.0
    return model


def test_answers_are_as_long_as_the_right_ones_and_not_cut_at_the_default_of_generate():
    tokenizer = byte_tokenizer()
    model = saying("a", tokenizer)
    prompt = tokenizer("why? ")["input_ids"]
    questions = [Question(prompt, "a" * 40), Question(prompt[:2], "a" * 3)]
    assert exact_match(model, tokenizer, questions, pattern_of("(a{40})")) == 0.5
    assert exact_match(model, tokenizer, questions[:1], pattern_of("(a{3})")) == 1.0
