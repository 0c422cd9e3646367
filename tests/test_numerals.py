"""Numbers as people write them."""

import pytest

from progsearch.config import Answers, Rows, UnderstoodSplit
from progsearch.numerals import counted, duration, learning_rate, percent


@pytest.mark.parametrize(
    ("written", "as_text"),
    [
        (counted(1, "row"), "1 row"),
        (counted(2096, "row"), "2,096 rows"),
        (counted(0, "trial"), "0 trials"),
        (duration(59.7), "1 min 0 s"),
        (percent(0), "0 %"),
        (percent(0.0004), "0.04 %"),
        (learning_rate(5e-05), "5e-5"),
        (Rows.of("validation", 314, "accuracy").one, "is worth 0.32 points"),
        (Rows.of("validation", 50, "f1_micro").one, "is 2.00 % of them"),
    ],
)
def test_each_has_one_form(written, as_text):
    assert written == as_text


def test_shares_of_several_labels_a_row_are_of_rows():
    several = Answers(classes={"price": 3, "service": 1}, labelled=3)
    split = UnderstoodSplit(rows=4, answers=several, cut=0.01, cut_rows=1)
    assert str(split) == (
        "4 rows; price (3, 75.0 %), service (1, 25.0 %); 3 with a label; "
        "1 text cut, 1.0 % of tokens lost"
    )
    one = Answers(classes={str(n): 1 for n in range(12)})
    assert one.in_words(12).endswith("9 (1, 8.3 %), 2 more")
