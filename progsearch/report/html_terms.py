"""Explains the page's terms, and builds what several of its parts are made of."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

TERMS = {
    "beats paper": "Whether the mean is better than that of the paper's schedule of 3 stages "
    "(progtuning-3) in every objective. Not tested.",
    "best": "The trial with the best task metric.",
    "best metric": "The trial on the front with the best task metric.",
    "cheapest within 1 pt of full": "The trial with the least cost that loses at most one "
    "percentage point compared with full fine-tuning.",
    "cheapest within 1 pt of the best": "The trial with the least cost that loses at most one "
    "percentage point compared with the best trial.",
    "collapsed": "All predictions are the same, so the metric is that of a constant answer.",
    "constant answer": "The metric of always answering the most frequent class, or the mean.",
    "constant prediction": "The metric of always answering the most frequent class, or the mean.",
    "exact match": "The share of answers that are right in every word, or in what the pattern of "
    "a language model's answers finds.",
    "f1": "The harmonic mean of precision and recall.",
    "f1 of full": "The F1 score with full fine-tuning.",
    "flops": "Floating point operations of the training: the forward and backward passes. Known "
    "before training.",
    "forgetting": "The loss on a general text after the training minus before: less is better.",
    "front": "The trials that no other trial beats in all objectives together.",
    "knee": "The trial on the front after which more cost gains little: the one farthest from "
    "the straight line between the front's ends.",
    "knee of the front": "The trial on the front after which more cost gains little: the one "
    "farthest from the straight line between the front's ends.",
    "learning rate": "The peak learning rate of the training.",
    "memory": "The peak memory of the training: weights, gradients, Adam's moments and "
    "activations. Predicted before training.",
    "method": "What is trained in a block: all of its parameters (full), or those that LoRA, "
    "BitFit or adapters add or select.",
    "on the front": "Trials that no other trial beats in all objectives together.",
    "p (holm)": "The p-value of the test that the schedule loses less than the margin, corrected "
    "by Holm's method for the number of schedules tested.",
    "paid back in flops": "After how many trainings the saved FLOPs equal those of the search.",
    "paid back in time": "After how many trainings the saved time equals that of the search.",
    "precision": "Of the rows that got the class, the share for which that is right.",
    "rate": "The peak learning rate of the training.",
    "recall": "Of the rows of the class, the share that got it.",
    "reference": "A schedule that every study trains and tunes like a trial: full fine-tuning, "
    "the paper's schedules, the last quarter of the blocks, the head alone.",
    "schedule": "What each stage trains: numbers are blocks (0 is next to the embeddings), emb "
    "the embeddings, full everything, head the head alone. The head is always trained.",
    "seeds": "The number of runs with different random seeds.",
    "steps reused": "Optimizer steps that an earlier trial had already made and stored.",
    "stopped early": "Trials that were no longer likely to reach the front. Their metrics are of "
    "unfinished training.",
    "support": "The number of rows of the class.",
    "time": "Seconds of training and evaluation.",
    "to full": "The difference of the metric to full fine-tuning at its best learning rate, in "
    "percentage points (pt).",
    "trained": "Which blocks are trained from when on. Block 0 is next to the embeddings.",
    "trial": "One schedule with its settings. The name of a reference, or a number.",
    "updated": "Updated parameters: the mean over optimizer steps of the parameters that a step "
    "updates, as a share of full fine-tuning's. Known before training.",
    "verdict": "Non-inferior: tests show that it loses less than the margin compared with full "
    "fine-tuning. Inferior: it loses more. Inconclusive: these seeds show neither.",
}


def term(text: str) -> str:
    """A term, with its explanation on hover and focus if there is one."""
    meaning = TERMS.get(text.lower())
    if meaning is None:
        return escape(text)
    return f'<abbr tabindex="0" title="{escape(meaning)}">{escape(text)}</abbr>'


def heading(text: str, kind: str = "") -> str:
    """The head of a table's column."""
    attribute = f' class="{kind}"' if kind else ""
    return f'<th scope="col"{attribute}>{term(text)}</th>'


def table(head: str, body: str, label: str) -> str:
    """A table in a box of its own that scrolls if the table is too wide for the page."""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def command(text: str) -> str:
    """A command with a button that copies it."""
    return (
        f'<div class="command"><code>{escape(text)}</code>'
        f'<button type="button" class="copy" data-copy="{escape(text)}">Copy</button></div>'
    )


def tags(names: Sequence[str]) -> str:
    """Tags after the name of a trial."""
    return "".join(f'<span class="tag">{term(name)}</span>' for name in names)
