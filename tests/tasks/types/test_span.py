"""Questions with answers in their texts: reading, targets, choice of answers and metrics."""

import csv
import json

import numpy as np
import pytest
import transformers

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.models.loading import load_tokenizer
from progsearch.tasks import load_task
from progsearch.tasks.reading import read_task
from tests.support.tiny import save_tiny

WORDS = ["who", "ann", "bob", "sings", "well", "here", "and", ".", "##s"]
# "ann" is the first word of the first text, "bob" the third of the second.
TEXTS = ["Ann sings well here.", "Here sings Bob. And Ann."]
RIGHT = [("Ann", 0), ("Bob", 11)]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return load_tokenizer(str(save_tiny(tmp_path_factory.mktemp("model"), WORDS)))


def answers(text, start):
    return {"text": [text], "answer_start": [start]}


@pytest.fixture
def write(tmp_path):
    """Writes rows of question, text and answers, in a format; gives the config of a task."""

    def write(rows=None, form="squad", name="train", **settings):
        rows = rows or [("Who?", *pair) for pair in zip(TEXTS, RIGHT, strict=True)] * 8
        if form == "squad":
            qas = [
                {
                    "context": context,
                    "qas": [
                        {"question": q, "answers": _listed(given), "is_impossible": not given}
                    ],
                }
                for q, context, given in rows
            ]
            file = tmp_path / f"{name}.json"
            file.write_text(json.dumps({"data": [{"title": "t", "paragraphs": qas}]}))
        elif form == "csv":
            file = tmp_path / f"{name}.csv"
            with file.open("w", newline="") as opened:
                writer = csv.writer(opened)
                writer.writerow(["id", "question", "context", "answer", "answer_start"])
                for number, (q, context, given) in enumerate(rows):
                    writer.writerow([number, q, context, *(given or ("", ""))])
        else:
            file = tmp_path / f"{name}.jsonl"
            file.write_text("\n".join(json.dumps(_row(row, form)) for row in rows))
        return TaskConfig(name="own", train_file=str(file), **settings)

    return write


def _listed(given):
    return [{"text": given[0], "answer_start": given[1]}] if given else []


def _row(row, form):
    question, context, given = row
    texts, starts = ([given[0]], [given[1]]) if given else ([], [])
    found = {
        "hub": {"answers": {"text": texts, "answer_start": starts}},
        "list": {"answers": _listed(given)},
        "flat": {"answer_text": given and given[0], "start": given and given[1]},
    }
    return {"id": "x", "question": question, "context": context, **found[form]}


def one_window(tokenizer, config):
    """The task with windows of its own and the scores of its validation tokens, all zero."""
    data = load_task(config, tokenizer)
    return data, np.zeros((int(data.validation.lengths.sum()), 2), dtype=np.float32)


@pytest.mark.parametrize("form", ["squad", "csv", "hub", "list", "flat"])
def test_questions_are_recognised_in_every_layout(write, form):
    task = read_task(write(form=form))
    assert task.type.name == "span"
    assert task.metrics == ("f1", "exact_match")
    assert task.text_columns == ("question", "context")
    everything = [*task.train.answers, *task.validation.answers]
    assert set(everything) == {(RIGHT[0],), (RIGHT[1],)}


@pytest.mark.parametrize("form", ["squad", "csv", "hub", "list", "flat"])
def test_questions_without_an_answer_are_read_as_such(write, tokenizer, form):
    rows = [("Who?", TEXTS[0], RIGHT[0]), ("Who?", TEXTS[1], None)] * 8
    config = write(rows, form, "both", validation_file=write(rows, form, "valid").train_file)
    data = load_task(config, tokenizer)
    assert data.type.answers(data.train, data.head).classes == {"answered": 8, "no answer": 8}
    assert data.majority() == pytest.approx(0.5)


def test_answers_as_hugging_face_writes_them_to_csv(tmp_path):
    file = tmp_path / "train.csv"
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["question", "context", "answers"])
        writer.writerows(["Who?", TEXTS[0], str(answers(*RIGHT[0]))] for _ in range(9))
    task = read_task(TaskConfig(name="own", train_file=str(file)))
    assert (task.type.name, task.train.answers[0]) == ("span", (RIGHT[0],))


def test_columns_may_have_other_names(write, tmp_path):
    file = tmp_path / "train.jsonl"
    row = {"q": "Who?", "body": TEXTS[0], "gold": "Ann", "gold_start": 0}
    file.write_text("\n".join([json.dumps(row)] * 9))
    named = {"text_columns": ("q", "body"), "label_column": "gold"}
    config = TaskConfig(name="own", train_file=str(file), type="span", **named)
    assert read_task(config).train.answers[0] == (RIGHT[0],)
    without = TaskConfig(name="own", train_file=str(file), type="span")
    with pytest.raises(TaskError, match="name the columns question, context, answer and"):
        read_task(without)


def test_a_pair_of_question_and_text_with_a_class_is_no_question_with_an_answer(tmp_path):
    file = tmp_path / "train.csv"
    rows = [
        "question,context,label",
        *(f"Who is it {i}?,Ann sings {i},{i % 2}" for i in range(20)),
    ]
    file.write_text("\n".join(rows))
    assert read_task(TaskConfig(name="own", train_file=str(file))).type.name == "classification"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"answer": "Ann", "answer_start": None}, "line 2: the answers 'Ann' must have one start"),
        ({"answer": "Ann", "answer_start": -1}, "must have one start each"),
        ({"answer": "Ann", "answer_start": "first"}, "must have one start each"),
        ({"answer": ["Ann", "Bob"], "answer_start": [0]}, "must have one start each"),
    ],
)
def test_answers_without_a_start_are_refused(tmp_path, given, message):
    file = tmp_path / "train.jsonl"
    good = {"question": "Who?", "context": TEXTS[0], "answer": "Ann", "answer_start": 0}
    file.write_text("\n".join(map(json.dumps, [good, good | given, good])))
    with pytest.raises(TaskError, match=message):
        read_task(TaskConfig(name="own", train_file=str(file)))


def test_whole_texts_are_held_out(write):
    rows = [("Who?", f"Ann sings {i // 4}", ("Ann", 0)) for i in range(80)]
    task = read_task(write(rows))
    train, validation = (set(part.texts[1]) for part in (task.train, task.validation))
    assert not train & validation
    assert (len(train), len(validation)) == (18, 2)
    assert any(
        "8 of 80 questions, all those on 2 of 20 texts, are held out" in n for n in task.notes
    )


def test_fewer_samples_are_fewer_questions_and_not_windows(write, tokenizer):
    long = " ".join(["here"] * 60) + " Ann"
    rows = [("Who?", f"{long} {i}", ("Ann", 300)) for i in range(30)]
    data = load_task(write(rows, max_length=32, max_train_samples=5), tokenizer)
    assert len(np.unique(data.train.example_of)) == 5
    assert len(data.train) > 10
    assert any("5 questions in" in note and "windows" in note for note in data.examples.notes)


def test_windows_point_at_the_answer_or_at_the_first_token(write, tokenizer):
    context = " ".join(["here"] * 30 + ["Ann", "Bob"])
    rows = [("Who?", context, ("Ann Bob", 150))] * 4
    data = load_task(write(rows, max_length=20, doc_stride=4), tokenizer)
    starts, ends = (data.train.targets[f"{end}_positions"].numpy() for end in ("start", "end"))
    for row in range(len(data.train)):
        tokens = data.train.batch([row])["input_ids"][0]
        words = tokenizer.convert_ids_to_tokens(tokens[starts[row] : ends[row] + 1])
        assert words == (
            ["ann", "bob"] if "ann" in tokenizer.convert_ids_to_tokens(tokens) else ["[CLS]"]
        )
    assert 0 < (starts == 0).sum() < len(starts)


def test_gold_answers_are_taken_through_tokens_and_back(write, tokenizer):
    # "anns" is two pieces, so that "Ann" comes back; "singsx" is one unknown token.
    rows = [("Who?", "Anns here", ("Ann", 0)), ("Who?", "singsx here", ("sings", 0))] * 20
    file = write([rows[0]] * 9, name="valid").train_file
    with pytest.raises(TaskError, match=r"20 of 40 right answers \(50\.0 %\).*'sings'.*'singsx'"):
        load_task(write(rows, validation_file=file), tokenizer)
    few = [("Who?", f"Ann here {i}", ("Ann", 0)) for i in range(60)] + [rows[1]]
    data = load_task(write(few, validation_file=file), tokenizer)
    assert "1 of 61 right answers (1.6 %) do not survive" in " ".join(data.examples.notes)


def test_starts_that_are_off_by_one_are_refused(write, tokenizer):
    """As from a tokenizer or a file that counts otherwise."""
    pairs = zip(TEXTS, RIGHT, strict=True)
    rows = [("Who?", text, (word, start + 1)) for text, (word, start) in pairs] * 8
    with pytest.raises(TaskError, match=r"train rows .*\(100 %\) do not survive"):
        load_task(write(rows), tokenizer)


def scores(split, starts, ends):
    """Scores of all tokens, low but for some."""
    kept = np.full((int(split.lengths.sum()), 2), -9.0, dtype=np.float32)
    for column, places in enumerate((starts, ends)):
        for place, value in places.items():
            kept[place, column] = value
    return kept


def test_the_best_pair_of_start_and_end_is_the_answer(write, tokenizer):
    rows = [("Who?", "Here sings Bob and Ann", ("Bob", 11))]
    file = write(rows, name="valid").train_file
    data = load_task(write(validation_file=file), tokenizer)
    # [CLS] who [UNK] [SEP] here sings bob and ann [SEP]
    split = data.validation
    assert tokenizer.convert_ids_to_tokens(split.batch([0])["input_ids"][0])[6] == "bob"

    def found(starts, ends):
        return data.evaluate(scores(split, starts, ends), split)

    assert found({6: 1}, {6: 1}) == {"f1": 1.0, "exact_match": 1.0}
    # An end before the start, or outside the text, is no answer, however high its score.
    assert found({6: 3, 0: 9}, {4: 9, 0: 9, 6: 1, 2: 7}) == {"f1": 1.0, "exact_match": 1.0}
    assert found({5: 1}, {6: 1}) == {"f1": pytest.approx(2 / 3), "exact_match": 0.0}
    assert np.isnan(data.evaluate(scores(split, {0: np.nan}, {}), split)["f1"])


def test_answers_have_at_most_thirty_tokens(write, tokenizer):
    context = " ".join(["ann"] * 40)
    rows = [("Who?", context, ("ann", 0))]
    file = write(rows, name="valid").train_file
    data = load_task(write(validation_file=file), tokenizer)
    split = data.validation
    first, last = 4, 4 + 30
    kept = scores(split, {first: 9}, {last: 9, first: 1})
    assert data.evaluate(kept, split)["exact_match"] == 1.0
    assert data.evaluate(scores(split, {first: 9}, {last - 1: 9, first: 1}), split)["f1"] < 0.1


@pytest.mark.parametrize(("more_likely", "is_found"), [(19, 1.0), (20, 0.0)])
def test_the_twenty_likeliest_places_are_paired(write, tokenizer, more_likely, is_found):
    rows = [("Who?", " ".join(["ann"] + ["here"] * 40), ("ann", 0))]
    file = write(rows, name="valid").train_file
    data = load_task(write(validation_file=file), tokenizer)
    answer = 4
    # Places after the only likely end begin no answer.
    starts = {answer: 1, **{answer + 1 + place: 9 for place in range(more_likely)}}
    found = data.evaluate(scores(data.validation, starts, {answer: 9}), data.validation)
    assert found["exact_match"] == is_found


def test_no_answer_is_given_if_each_window_says_so(write, tokenizer):
    context = " ".join(["here"] * 30 + ["ann"])
    rows = [("Who?", context, None), ("Who?", TEXTS[0], RIGHT[0])]
    file = write(rows, name="valid").train_file
    data = load_task(write(validation_file=file, max_length=20, doc_stride=4), tokenizer)
    split = data.validation
    firsts = np.cumsum(split.lengths) - split.lengths
    long = firsts[split.example_of == 0]
    assert len(long) == 3
    answer = {int(long[-1]) + 7: 2.0}
    certain = {int(place): 3.0 for place in firsts}
    # The lowest score of "no answer" counts, so that one window is enough for an answer.
    doubtful = certain | {int(long[-1]): 1.0}
    found = data.evaluate(scores(split, certain | answer, certain | answer), split)
    assert found["exact_match"] == 0.5
    found = data.evaluate(scores(split, doubtful | answer, doubtful | answer), split)
    assert found["exact_match"] == 0.0
    # A tie is an answer: "no answer" must be more likely by more than the threshold of 0.
    equal = certain | {int(long[-1]) + 7: 3.0}
    assert data.evaluate(scores(split, equal, equal), split)["exact_match"] == 0.0


def test_where_each_question_has_an_answer_none_is_never_given(write, tokenizer):
    rows = [("Who?", TEXTS[0], RIGHT[0])] * 2
    data, kept = one_window(
        tokenizer, write(rows, validation_file=write(rows, name="v").train_file)
    )
    kept[np.cumsum(data.validation.lengths) - data.validation.lengths] = 9
    assert data.evaluate(kept, data.validation)["f1"] > 0
    assert data.majority() is None


def test_the_same_places_in_all_windows_are_a_constant_answer(write, tokenizer):
    data, kept = one_window(tokenizer, write(validation_file=write(name="valid").train_file))
    assert data.is_constant(kept, data.validation)
    kept[5] = 1
    assert not data.is_constant(kept, data.validation)


def test_texts_and_answers_are_part_of_the_fingerprint(write, tokenizer):
    def fingerprint(rows):
        file = write(rows, name="valid").train_file
        return load_task(write(validation_file=file), tokenizer).fingerprint

    base = [("Who?", "Ann sings well", ("Ann", 0))]
    # The same tokens and the same targets.
    assert (
        len(
            {
                fingerprint(base),
                fingerprint([("Who?", "ann sings well", ("ann", 0))]),
                fingerprint([("Who?", "Ann  sings well", ("Ann", 0))]),
            }
        )
        == 3
    )


def test_a_stride_for_other_types_is_refused(tmp_path):
    file = tmp_path / "train.csv"
    file.write_text("text,label\n" + "\n".join(f"good film {i},{i % 2}" for i in range(9)))
    config = TaskConfig(name="own", train_file=str(file), doc_stride=8)
    with pytest.raises(TaskError, match=r"--doc-stride is for windows .* leave it out"):
        read_task(config)


def test_the_columns_of_the_hub_are_read(tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = {
        "id": ["1", "2"] * 5,
        "question": ["Who?", "Why?"] * 5,
        "context": TEXTS * 5,
        "answers": [answers(*RIGHT[0]), {"text": [], "answer_start": []}] * 5,
    }
    datasets.Dataset.from_dict(rows).to_parquet(str(tmp_path / "data/train.parquet"))
    task = read_task(TaskConfig(name=f"{tmp_path}/data"))
    assert (task.type.name, set(task.train.answers)) == ("span", {(RIGHT[0],)})
    assert set(task.validation.answers) == {()}


def test_decoders_begin_with_the_token_of_no_answer(write, tmp_path):
    """Byte pairs hold the blank before a word, which answers do not lose."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    backend.train_from_iterator(TEXTS * 9, trainer)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", pad_token="</s>"
    )
    data = load_task(write(), tokenizer)
    split = data.train
    for row in range(2):
        ids = split.batch([row])["input_ids"][0]
        first, last = (int(split.targets[f"{e}_positions"][row]) for e in ("start", "end"))
        assert tokenizer.decode(ids[first : last + 1]).strip() in ("Ann", "Bob")
