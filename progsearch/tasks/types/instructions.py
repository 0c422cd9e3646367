"""Reads rows of instruction data, and renders them as text: prompts, answers and conversations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.tasks.next_tokens import Piece
from progsearch.tasks.sources.cells import is_missing
from progsearch.tasks.sources.table import Table
from progsearch.tasks.types.columns import read_texts
from progsearch.tasks.types.kinds import has_usual_label

Form = Literal["text", "completion", "messages"]

_CONVERSATIONS = ("messages", "conversations", "conversation")
# The columns of Alpaca, and of Dolly, which are written with the same template.
_INSTRUCTIONS = (("input", "output"), ("context", "response"))
_INPUTS = tuple(given for given, _ in _INSTRUCTIONS)
# Who speaks, as ShareGPT's files call them.
_ROLES = {"human": "user", "gpt": "assistant", "chatgpt": "assistant", "bing": "assistant"}
_ROLES |= {"model": "assistant", "bot": "assistant"}
_TEXTS = ("text", "content")
_SHARE = 0.9
_ROWS = 1000

# The prompts of Stanford Alpaca (Taori et al. 2023, github.com/tatsu-lab/stanford_alpaca).
_WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further "
    "context. Write a response that appropriately completes the request.\n\n### Instruction:\n"
    "{instruction}\n\n### Input:\n{input}\n\n### Response:"
)
_WITHOUT_INPUT = (
    "Below is an instruction that describes a task. Write a response that appropriately completes "
    "the request.\n\n### Instruction:\n{instruction}\n\n### Response:"
)


@dataclass(frozen=True)
class Layout:
    """Which columns hold what.

    Attributes:
        form: What a row is: a text, a prompt with its completion, or a conversation.
        prompts: The columns of the prompt; the text or the conversation if there is no completion.
        completion: The column of the completion.
        template: How a prompt is made of its columns, in a few words.
    """

    form: Form
    prompts: tuple[str, ...]
    completion: str | None = None
    template: str = ""

    @property
    def required(self) -> tuple[str, ...]:
        """The columns that each row must have a value in."""
        named = [name for name in self.prompts if not (self.is_alpaca and name in _INPUTS)]
        return (*named, *([self.completion] if self.completion else []))

    @property
    def is_alpaca(self) -> bool:
        """Whether prompts are written with Alpaca's template."""
        return self.template == "Alpaca's template"

    def examples(self, table: Table) -> tuple[list[str], ...]:
        """The text, or the prompt and the completion, or the conversation as JSON of each row.

        Raises:
            TaskError: A row cannot be used; the message names it.
        """
        if self.form == "messages":
            (name,) = self.prompts
            cells = enumerate(table.column(name))
            return ([_conversation(table, row, name, cell) for row, cell in cells],)
        if self.completion is None:
            return (read_texts(table, self.prompts[0]),)
        columns = [
            [str(cell or "") for cell in table.column(name)]
            if name not in self.required
            else read_texts(table, name)
            for name in self.prompts
        ]
        return [self._prompt(cells) for cells in zip(*columns, strict=True)], read_texts(
            table, self.completion
        )

    def _prompt(self, cells: Sequence[str]) -> str:
        if self.is_alpaca:
            instruction, given = cells[0], "".join(cells[1:])
            form = _WITH_INPUT if given.strip() else _WITHOUT_INPUT
            return form.format(instruction=instruction, input=given)
        return "\n".join(cells) + ("\n" if self.template else "")


def known_layout(table: Table) -> Layout | None:
    """The layout of a table whose column names are those of instruction data."""
    names = set(table.columns)
    for name in _CONVERSATIONS:
        if name in names and _holds_messages(table.columns[name]):
            return Layout("messages", (name,))
    if {"prompt", "completion"} <= names:
        return Layout("completion", ("prompt",), "completion")
    for given, output in _INSTRUCTIONS:
        if names >= {"instruction", output} and (output == "output" or not has_usual_label(table)):
            prompts = ("instruction", *([given] if given in names else []))
            return Layout("completion", prompts, output, "Alpaca's template")
    if names == {"question", "answer"} and _are_free_texts(table.columns["answer"]):
        return _lines(("question",), "answer")
    return None


def layout_of(table: Table, config: TaskConfig) -> Layout:
    """The layout of a table, by the columns that the user names or by the known names.

    Raises:
        TaskError: It is not clear, or a column does not exist.
    """
    texts, label = config.text_columns, config.label_column
    for name in (*(texts or ()), *([label] if label else [])):
        table.column(name)
    if texts and label:
        known = (texts, label) == (("prompt",), "completion")
        return Layout("completion", texts, label) if known else _lines(texts, label)
    if texts and len(texts) == 1 and _holds_messages(table.columns[texts[0]]):
        return Layout("messages", texts)
    if texts and len(texts) == 1:
        return Layout("text", texts)
    known_form = None if texts or label else known_layout(table)
    if known_form is not None:
        return known_form
    named = [name for name in table.columns if name in _TEXTS]
    single = named if len(named) == 1 else list(table.columns)
    if not (texts or label) and len(single) == 1:
        return Layout("text", (single[0],))
    raise TaskError(
        f"{table.source} has the columns {', '.join(table.columns)}, and it is not clear which "
        "ones a language model must learn from: name the prompt with --text-columns and its "
        "completion with --label-column, or a single text with --text-columns (the columns "
        "messages, conversations, prompt and completion, instruction and output or response, "
        "question and answer, or text "
        "need not be named)"
    )


def conversation_pieces(examples: Sequence[str], tokenizer: Any) -> list[list[Piece]]:
    """Conversations in the tokenizer's chat template; what the assistant says is learned.

    Args:
        examples: Conversations as JSON.
        tokenizer: The model's.

    Raises:
        TaskError: The tokenizer has no chat template, or its template refuses a conversation.
    """
    if not tokenizer.chat_template:
        raise TaskError(
            f"the tokenizer of {tokenizer.name_or_path} has no chat template, which conversations "
            "need: choose a model that was trained for instructions, or give the data as prompt "
            "and completion"
        )
    return [_pieces(json.loads(example), tokenizer) for example in examples]


def last_answer(example: str) -> str:
    """The last thing that the assistant says in a conversation."""
    said = [m["content"] for m in json.loads(example) if m["role"] == "assistant"]
    return str(said[-1])


def _pieces(messages: list[dict[str, str]], tokenizer: Any) -> list[Piece]:
    last = max(i for i, message in enumerate(messages) if message["role"] == "assistant")
    messages = messages[: last + 1]
    whole = _rendered(messages, tokenizer)
    pieces, done = [], 0
    for place, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        before = _rendered(messages[:place], tokenizer, prompts=True)
        after = whole if place == last else _rendered(messages[: place + 1], tokenizer)
        # Some templates write an earlier answer otherwise than the last one (Qwen3 leaves out its
        # thoughts). Such an answer is read and not learned.
        if not (whole.startswith(after) and after.startswith(before)) or len(before) < done:
            continue
        pieces += [Piece(whole[done : len(before)], False), Piece(after[len(before) :], True)]
        done = len(after)
    if done < len(whole):
        raise TaskError(
            f"the chat template of {tokenizer.name_or_path} writes a prompt otherwise before an "
            "answer than alone, so it is not clear what must be learned: give the data as prompt "
            "and completion"
        )
    return pieces


def _rendered(messages: Sequence[dict[str, str]], tokenizer: Any, *, prompts: bool = False) -> str:
    from jinja2 import TemplateError

    try:
        return str(
            tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=prompts
            )
        )
    except TemplateError as error:
        roles = ", ".join(message["role"] for message in messages)
        raise TaskError(
            f"the chat template of {tokenizer.name_or_path} refuses a conversation with the roles "
            f"{roles} ({error}): correct the data, or choose another model"
        ) from None


def _conversation(table: Table, row: int, name: str, cell: Any) -> str:
    """The messages of a cell as JSON."""
    messages = _messages(cell)
    if messages is None or not any(m["role"] == "assistant" for m in messages):
        raise TaskError(
            f"{table.source}, {table.places([row])} is no conversation in column {name!r}: "
            'write a list such as [{"role": "user", "content": "..."}, {"role": "assistant", '
            '"content": "..."}], with at least one answer of the assistant'
        )
    return json.dumps(messages, ensure_ascii=False)


def _messages(cell: Any) -> list[dict[str, str]] | None:
    """The messages of a conversation, which ShareGPT writes with ``from`` and ``value``."""
    if not isinstance(cell, list):
        return None
    found = []
    for message in cell:
        if not isinstance(message, dict):
            return None
        role = message.get("role", message.get("from"))
        content = message.get("content", message.get("value"))
        if not isinstance(role, str) or not isinstance(content, str):
            return None
        found.append({"role": _ROLES.get(role, role), "content": content})
    return found


def _holds_messages(cells: Sequence[Any]) -> bool:
    return any(
        isinstance(cell, list)
        and any(
            isinstance(m, dict) and (("role" in m) or {"from", "value"} <= m.keys()) for m in cell
        )
        for cell in cells[:_ROWS]
    )


def _are_free_texts(cells: Sequence[Any]) -> bool:
    """Whether answers are written freely, and are not names of classes: most are different."""
    shown = [cell for cell in cells[:_ROWS] if not is_missing(cell)]
    texts = [cell for cell in shown if isinstance(cell, str) and " " in cell.strip()]
    return len(texts) > _SHARE * len(shown) and len(set(texts)) > _SHARE * len(texts)


def _lines(prompts: tuple[str, ...], completion: str) -> Layout:
    return Layout("completion", prompts, completion, "a line of its own each")
