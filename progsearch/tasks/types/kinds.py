"""Says of a column what its values are: prose, ids, dates, categories and so on."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

from progsearch.tasks.sources.cells import number
from progsearch.tasks.sources.table import Table

PAIRS = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("question", "answer"),
    ("question", "context"),
    ("question", "passage"),
    ("query", "passage"),
    ("query", "document"),
    ("claim", "evidence"),
    ("context", "response"),
    ("title", "text"),
    ("title", "content"),
    ("title", "body"),
    ("title", "description"),
    ("title", "abstract"),
    ("summary", "text"),
    ("summary", "review_text"),
    ("headline", "text"),
    ("headline", "body"),
    ("subject", "body"),
    ("subject", "message"),
    ("subject", "description"),
)
"""Names of two columns that are a pair of texts, in their order."""

TEXT_NAMES = frozenset(
    (
        *("text", "sentence", "review", "comment", "content", "body", "message", "tweet"),
        *("document", "comment_text", "review_text", "review_body"),
        *(name for pair in PAIRS for name in pair),
    )
)
"""Names of a column of texts."""

_USUAL_LABELS = ("label", "labels", "target", "class", "score", "rating")

SPLIT_NAMES = "split names"
IDS = "ids"
DATES = "dates"

_SHOWN = 10
_SAMPLE = 1000
_MOST = 0.95

_IDS = {
    *("id", "ids", "idx", "index", "uid", "qid", "pid", "docid", "uuid", "guid", "key", "pk"),
    *("rowid", "row", "nr", "hash", "md5", "asin", "isbn"),
}
_CLASSES = {"label", "target", "class", "sentiment", "category", "intent", "topic"}
_DATES = {"date", "time", "datetime", "timestamp", "day", "month", "year", "utc"}
_SPLITS = {"split", "splits", "fold", "subset", "partition"}
_SPLIT_VALUES = {"train", "training", "test", "testing", "val", "valid", "validation", "dev"}
_YES_OR_NO = {"yes", "no", "y", "n", "true", "false", "t", "f", "0", "1", "0.0", "1.0"}

_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}([-/.]\d{1,2})?([T ]\d{1,2}:\d{2}\S*( ?[AP]M)?( ?([+-][\d:]+|UTC|GMT))?)?"
    r"|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}(,? \d{1,2}:\d{2}\S*( ?[AP]M)?)?"
    r"|\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?",
    re.IGNORECASE,
)
_DATE_NAMES = {
    *("mon", "tue", "wed", "thu", "fri", "sat", "sun", "jan", "feb", "mar", "apr", "may", "jun"),
    *("jul", "aug", "sep", "oct", "nov", "dec"),
}
_DATE_PART = re.compile(
    r"\d{1,4}(st|nd|rd|th|\.)?|\d{1,2}:\d{2}\S*|[+-]\d{2}:?\d{2}|[A-Za-z]{2,4}"
)
# Seconds and milliseconds since 1970, of the years 2001 to 2039.
_EPOCHS = ((1e9, 2.2e9), (1e12, 2.2e12))
_HASH = re.compile(r"[0-9a-f]{16,128}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_URL = re.compile(r"(https?://|www\.)\S+", re.IGNORECASE)
_FILE = re.compile(r"[^\s/\\]*\.[a-z][a-z0-9]{1,4}|\S*[/\\]\S+\.[a-z][a-z0-9]{1,4}", re.IGNORECASE)
_CODE = re.compile(r"[a9_.:#/-]*9[a9_.:#/-]*")
_MAIL = re.compile(r"\S+@\S+\.\w+")
ADDRESSES = ("addresses", "e-mail addresses", "file names")
_PATTERNS = (
    ("dates", _DATE),
    ("hashes", _HASH),
    ("addresses", _URL),
    ("e-mail addresses", _MAIL),
    ("file names", _FILE),
)


@dataclass(frozen=True)
class Kind:
    """What the values of a column are.

    Attributes:
        never: What they are, if they are neither texts nor labels: "ids", "dates"; None otherwise.
        distinct: How many different values there are.
        rows: How many rows have a value.
        words: Whether most are strings that are no numbers.
        prose: Whether they are texts of several words, which are mostly different.
        yes_or_no: Whether they are the two answers to a question, such as 0 and 1.
        lists: Whether some are lists.
    """

    never: str | None
    distinct: int
    rows: int
    words: bool
    prose: bool
    yes_or_no: bool
    lists: bool = False

    @property
    def may_be_label(self) -> bool:
        """Whether they can be classes or numbers to predict."""
        if self.never is not None or self.prose:
            return False
        return not self.words or self.distinct <= max(10, self.rows / 2)

    @property
    def repeats(self) -> bool:
        """Whether they are few values that return again and again."""
        return self.yes_or_no or 10 * self.distinct <= self.rows


_found: WeakKeyDictionary[Table, dict[str, Kind]] = WeakKeyDictionary()


def normalised(name: str) -> str:
    """A column's name as it is compared: ``Label Text``, ``labelText``, ``label_text``."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name.strip())
    return re.sub(r"[\s_\-]+", "_", parted.casefold()).strip("_")


def named_columns(table: Table) -> dict[str, str]:
    """The names of a table's columns by how they are compared; of equal ones the first."""
    return {normalised(name): name for name in reversed(list(table.columns))}


def first_named(named: Mapping[str, str], wanted: Iterable[str]) -> str | None:
    """The first of the wanted names among `named_columns`, as the table has it."""
    return next((named[name] for name in wanted if name in named), None)


def has_usual_label(table: Table, *but: str) -> bool:
    """Whether a column, other than those of ``but``, has a name that only labels have."""
    return any(normalised(name) in _USUAL_LABELS for name in table.columns if name not in but)


def kind_of(table: Table, name: str) -> Kind:
    """What the values of a column are; a thousand of them are looked at in detail."""
    # Each task type that is asked whether it recognises the data needs it again.
    known = _found.setdefault(table, {})
    if name not in known:
        known[name] = _kind_of(table, name)
    return known[name]


def _kind_of(table: Table, name: str) -> Kind:
    values = [value for value in table.columns[name] if not table.is_missing(value)]
    distinct = len(set(map(str, values)))
    step = max(1, len(values) // _SAMPLE)
    sample = values[::step]
    texts = [str(value).strip() for value in sample]
    words = 2 * sum(isinstance(v, str) and number(v) is None for v in sample) > len(sample)
    return Kind(
        never=_never(normalised(name), sample, texts, distinct, len(values)),
        distinct=distinct,
        rows=len(values),
        words=words,
        prose=words and _are_prose(texts),
        yes_or_no=distinct == 2 and {text.casefold() for text in texts} <= _YES_OR_NO,
        lists=any(isinstance(value, (list, dict)) for value in values),
    )


def _never(
    name: str, values: Sequence[Any], texts: Sequence[str], distinct: int, rows: int
) -> str | None:
    if not texts:
        return "empty"
    if any(
        isinstance(item, dict) for value in values if isinstance(value, list) for item in value
    ):
        return "lists of objects"
    short = _share(texts, lambda text: len(text.split()) <= 3) >= _MOST
    by_name = _never_by_name(name, mostly_different=2 * distinct > rows > 5) if short else None
    # The index of a class is a label, and a duration is no date.
    is_index = by_name == IDS and name.split("_", 1)[0] in _CLASSES and 2 * distinct <= rows
    is_duration = by_name == DATES and _are_small_decimals(texts)
    if by_name is not None and not is_index and not is_duration:
        return by_name
    if distinct == 1 and rows > 1:
        return "the same everywhere"
    return _never_by_values(values, texts, distinct, rows)


def _never_by_name(name: str, *, mostly_different: bool) -> str | None:
    parts = name.replace(".", "_").split("_")
    if re.fullmatch(r"column_\d+|unnamed:_\d+", name) or name.startswith("index_level"):
        return "without a name"
    # "qid1" and "userid" are ids, but "valid" with two values is not.
    ends_so = mostly_different and re.search(r"id\d*$", name)
    if parts[-1].rstrip("0123456789") in _IDS or parts[0] in ("id", "idx") or ends_so:
        return IDS
    if parts[-1] in _DATES or (len(parts) > 1 and parts[-1] == "at"):
        return DATES
    return SPLIT_NAMES if name in _SPLITS or parts[-1] == "split" else None


def _never_by_values(
    values: Sequence[Any], texts: Sequence[str], distinct: int, rows: int
) -> str | None:
    if _are_splits(texts):
        return SPLIT_NAMES
    if (
        isinstance(values[0], (datetime.date, datetime.time))
        or _share(texts, _is_date_in_words) >= _MOST
        or (2 * distinct > rows > 1 and _are_epochs(values))
    ):
        return DATES
    if any(number(text) is None for text in texts):
        for what, pattern in _PATTERNS:
            if _share(texts, pattern.fullmatch) >= _MOST:
                return what
    return IDS if distinct == rows > 5 and _are_codes(values, texts) else None


def _is_date_in_words(text: str) -> bool:
    """Whether a text is a date such as ``Mon Apr 06 22:19:45 PDT 2009`` or ``May 5, 2020``."""
    parts = text.replace(",", " ").split()
    return (
        2 <= len(parts) <= 7
        and any(part[:1].isdigit() for part in parts)
        and any(part[:3].casefold() in _DATE_NAMES for part in parts)
        and all(_DATE_PART.fullmatch(p) or p[:3].casefold() in _DATE_NAMES for p in parts)
    )


def _are_epochs(values: Sequence[Any]) -> bool:
    numbers = [found for found in map(number, values) if found is not None]
    return len(numbers) == len(values) and any(
        low <= min(numbers) and max(numbers) <= high for low, high in _EPOCHS
    )


def _are_small_decimals(texts: Sequence[str]) -> bool:
    """Whether they are numbers such as 12.5, which are durations and no dates."""
    numbers = [found for found in map(number, texts) if found is not None]
    return (
        len(numbers) == len(texts)
        and max(numbers) < _EPOCHS[0][0]
        and not all(found.is_integer() for found in numbers)
    )


def _are_splits(texts: Sequence[str]) -> bool:
    found = {text.casefold() for text in texts}
    return len(found) > 1 and found <= _SPLIT_VALUES


def _are_codes(values: Sequence[Any], texts: Sequence[str]) -> bool:
    """Whether different values are ids: numbered in order, or words of one shape with digits."""
    numbers = [found for found in map(number, values) if found is not None]
    if len(numbers) == len(values):
        # Of many values only each n-th is looked at.
        sampled = len(values) >= _SAMPLE
        steps = {b - a for a, b in pairwise(numbers if sampled else sorted(numbers))}
        return len(steps) == 1 and (sampled or steps == {1}) and numbers[0].is_integer()
    shapes = {re.sub(r"[A-Za-z]+", "a", re.sub(r"[0-9]+", "9", text)) for text in texts}
    return len(shapes) == 1 and bool(_CODE.fullmatch(min(shapes)))


def _are_prose(texts: Sequence[str]) -> bool:
    """Whether they are texts: several words each, or long as where no blanks part words."""
    if not texts:
        return False
    words = sum(len(text.split()) for text in texts) / len(texts)
    length = sum(map(len, texts)) / len(texts)
    return (words >= 2.5 or length >= 20) and 2 * len(set(texts)) > len(texts)


def _share(texts: Sequence[str], holds: Callable[[str], Any]) -> float:
    return sum(bool(holds(text)) for text in texts) / max(1, len(texts))


def have_same_values(table: Table, name: str, label: str) -> bool:
    """Whether each value of a column has its own label and each label its own value."""
    pairs = {
        (str(value).strip(), str(answer).strip())
        for value, answer in zip(table.columns[name], table.columns[label], strict=True)
        if not (table.is_missing(value) or table.is_missing(answer))
    }
    values, answers = ({pair[side] for pair in pairs} for side in (0, 1))
    return len(pairs) == len(values) == len(answers) and 1 < len(pairs) < len(table)


def listed(names: Sequence[str], word: str = "and") -> str:
    """The first ten names in words: ``a, b and c``."""
    shown = list(names[:_SHOWN])
    if len(names) > _SHOWN:
        return ", ".join([*shown, "..."])
    return f" {word} ".join(filter(None, (", ".join(shown[:-1]), shown[-1]))) if shown else ""
