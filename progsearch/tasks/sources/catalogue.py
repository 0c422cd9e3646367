"""The built-in tasks by name, with their task metrics and without their data; fast to import."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from progsearch.config import TaskConfig
from progsearch.errors import TaskError

DEMO = "bbc-headlines"
GLUE_ON_HUB = "nyu-mll/glue"
ALIASES = {
    "sst-2": "sst2",
    "sts-b": "stsb",
    "squad2": "squad_v2",
    "squad-v2": "squad_v2",
    "conll-2003": "conll2003",
    "wnut_17": "wnut17",
    "wnut-17": "wnut17",
}
# Where the hub keeps data sets as Parquet files whose own form is a program.
_CONVERTED = "refs/convert/parquet"


@dataclass(frozen=True)
class GlueTask:
    """One GLUE task (Wang et al. 2018, arXiv 1804.07461): where its data is, and its metrics.

    Attributes:
        name: The name on the command line, and of the subset on the hub.
        description: One line for `progsearch ls tasks`.
        folder: Name of its folder in the GLUE layout.
        text_columns: Its one or two text columns in the TSV files.
        label_column: Its label column in the TSV files.
        hub_text_columns: Its text columns on the hub.
        labels: Official label names in the order of their indices; empty for regression.
        metrics: Its official metrics, the primary one first.
        header: Column names if the TSV files have none.
        extra_validation: Further validation sets, as ``(name, file stem, hub split)``.
    """

    name: str
    description: str
    folder: str
    text_columns: tuple[str, ...]
    label_column: str
    hub_text_columns: tuple[str, ...]
    labels: tuple[str, ...]
    metrics: tuple[str, ...] = ("accuracy",)
    header: tuple[str, ...] = ()
    validation: tuple[str, str] = ("dev", "validation")
    extra_validation: tuple[tuple[str, str, str], ...] = ()

    @property
    def type(self) -> str:
        """The task type."""
        return "classification" if self.labels else "regression"


_PAIR = ("sentence1", "sentence2")
_ENTAILMENT = ("entailment", "not_entailment")

GLUE = {
    task.name: task
    for task in (
        GlueTask(
            "cola",
            "GLUE: is the sentence grammatical? 8,551 training rows",
            "CoLA",
            ("sentence",),
            "label",
            ("sentence",),
            ("unacceptable", "acceptable"),
            metrics=("matthews_correlation",),
            header=("source", "label", "star", "sentence"),
        ),
        GlueTask(
            "mnli",
            "GLUE: does the premise entail the hypothesis? 392,702 training rows",
            "MNLI",
            _PAIR,
            "gold_label",
            ("premise", "hypothesis"),
            ("entailment", "neutral", "contradiction"),
            validation=("dev_matched", "validation_matched"),
            extra_validation=(("mismatched", "dev_mismatched", "validation_mismatched"),),
        ),
        GlueTask(
            "mrpc",
            "GLUE: are the two sentences paraphrases? 3,668 training rows",
            "MRPC",
            ("#1 String", "#2 String"),
            "Quality",
            _PAIR,
            ("not_equivalent", "equivalent"),
            metrics=("accuracy", "f1"),
        ),
        GlueTask(
            "qnli",
            "GLUE: does the sentence answer the question? 104,743 training rows",
            "QNLI",
            ("question", "sentence"),
            "label",
            ("question", "sentence"),
            _ENTAILMENT,
        ),
        GlueTask(
            "qqp",
            "GLUE: do the two questions ask the same? 363,846 training rows",
            "QQP",
            ("question1", "question2"),
            "is_duplicate",
            ("question1", "question2"),
            ("not_duplicate", "duplicate"),
            metrics=("accuracy", "f1"),
        ),
        GlueTask(
            "rte",
            "GLUE: does the first sentence entail the second? 2,490 training rows",
            "RTE",
            _PAIR,
            "label",
            _PAIR,
            _ENTAILMENT,
        ),
        GlueTask(
            "sst2",
            "GLUE: is the film review positive? 67,349 training rows",
            "SST-2",
            ("sentence",),
            "label",
            ("sentence",),
            ("negative", "positive"),
        ),
        GlueTask(
            "stsb",
            "GLUE: how alike are the two sentences, 0 to 5? 5,749 training rows",
            "STS-B",
            _PAIR,
            "score",
            _PAIR,
            (),
            metrics=("pearson", "spearman"),
        ),
        GlueTask(
            "wnli",
            "GLUE: does the sentence with the pronoun resolved follow? 635 training rows",
            "WNLI",
            _PAIR,
            "label",
            _PAIR,
            ("not_entailment", "entailment"),
        ),
    )
}


@dataclass(frozen=True)
class HubTask:
    """A task of another kind than GLUE's whose data is on the hub.

    Attributes:
        name: The name on the command line.
        type: The task type.
        description: One line for `progsearch ls tasks`.
        dataset: The name of the data set on the hub.
        subset: Its configuration.
        revision: Its branch, if it is not the main one.
        text_columns: Its text columns, if the type does not know them by their names.
        label_column: Its label column, likewise.
    """

    name: str
    type: str
    description: str
    dataset: str
    subset: str | None = None
    revision: str | None = None
    text_columns: tuple[str, ...] | None = None
    label_column: str | None = None


HUB_TASKS = {
    task.name: task
    for task in (
        HubTask(
            "squad",
            "span",
            "SQuAD 1.1: the answer to a question in a passage, 87,599 training questions",
            "rajpurkar/squad",
        ),
        HubTask(
            "squad_v2",
            "span",
            "SQuAD 2.0: the answer, or that there is none, 130,319 training questions",
            "rajpurkar/squad_v2",
        ),
        HubTask(
            "conll2003",
            "tokens",
            "CoNLL-2003: persons, places, organisations and others, 14,041 training sentences",
            "lhoestq/conll2003",
            text_columns=("tokens",),
            label_column="ner_tags",
        ),
        HubTask(
            "wnut17",
            "tokens",
            "WNUT-17: rare entities in tweets, 3,394 training sentences",
            "leondz/wnut_17",
            revision=_CONVERTED,
            text_columns=("tokens",),
            label_column="ner_tags",
        ),
        HubTask(
            "swag",
            "multiple-choice",
            "SWAG: which of four sentences follows? 73,546 training rows",
            "allenai/swag",
            "regular",
        ),
        HubTask(
            "gsm8k",
            "causal-lm",
            "GSM8K: school problems with worked solutions, 7,473 training rows",
            "openai/gsm8k",
            "main",
        ),
    )
}


def task_names() -> list[tuple[str, str]]:
    """Name of every built-in task, the demo first; its type and a one-line description."""
    demo = (
        DEMO,
        "classification; demo: topic of a BBC headline, 5 topics, 2,096 rows; needs no download",
    )
    glue = [(task.name, f"{task.type}; {task.description}") for task in GLUE.values()]
    return [demo, *glue, *((t.name, f"{t.type}; {t.description}") for t in HUB_TASKS.values())]


def hub_dataset(task: TaskConfig) -> str | None:
    """The name on the hub of a task's data; None for data of this machine and for the demo."""
    if task.train_file is not None or task.data_dir is not None:
        return None
    name = canonical_name(task.name)
    if name in HUB_TASKS:
        return HUB_TASKS[name].dataset
    if name in GLUE:
        return GLUE_ON_HUB
    return name if "/" in name else None


def canonical_name(name: str) -> str:
    """The name of the built-in task that the user meant: in any case, ``sst-2`` for ``sst2``.

    Any other name is returned unchanged.
    """
    known = [known for known, _ in task_names()]
    lower = ALIASES.get(name.lower(), name.lower())
    return lower if lower in known else name


def unknown_task(name: str) -> TaskError:
    """The error for a name that is not a built-in task and has no data."""
    known = [known for known, _ in task_names()]
    close = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return TaskError(
        f"there is no task {name!r}: {hint}give one of {', '.join(known)}, a data set of the hub "
        "as owner/name, or your own data with --train-file"
    )
