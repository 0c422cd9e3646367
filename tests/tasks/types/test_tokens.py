"""Tokens with tags: how they are read, tokenised and scored."""

import json

import numpy as np
import pytest
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.models.head import Head
from progsearch.models.loading import load_tokenizer
from progsearch.tasks import load_task, understand
from progsearch.tasks.reading import read_task
from progsearch.tasks.split import IGNORED
from progsearch.tasks.words import tokenise_words, tokenizer_for_words
from tests.support.tiny import save_tiny

WORDS = ("ada", "love", "##lace", "came", "from", "london", ".")
SENTENCES = [
    ("ada lovelace came", "B-PER I-PER O"),
    ("london .", "B-LOC O"),
    ("came from london from london", "O O B-LOC O B-LOC"),
]


def conll(sentences):
    return "\n\n".join(
        "\n".join(f"{w}\t{t}" for w, t in zip(words.split(), tags.split(), strict=True))
        for words, tags in sentences
    )


@pytest.fixture
def write(tmp_path):
    """Writes sentences as a file; gives the config of a task that trains and validates on it."""

    def write(sentences=SENTENCES, validation=None, name="train.conll", **settings):
        (tmp_path / name).write_text(conll(sentences) + "\n")
        (tmp_path / f"dev-{name}").write_text(conll(validation or sentences) + "\n")
        return TaskConfig(
            name="own",
            train_file=str(tmp_path / name),
            validation_file=str(tmp_path / f"dev-{name}"),
            **settings,
        )

    return write


@pytest.fixture
def bert(tmp_path):
    return load_tokenizer(str(save_tiny(tmp_path / "model", WORDS)))


def rows(tmp_path, records, name="a.jsonl", **settings):
    (tmp_path / name).write_text("\n".join(map(json.dumps, records)) + "\n")
    return TaskConfig(name="own", train_file=str(tmp_path / name), **settings)


# -- reading -----------------------------------------------------------------------------------


def test_a_conll_file_is_recognised_and_its_scheme_is_said(write):
    task = read_task(write())
    assert task.type.name == "tokens"
    assert task.head.auto_class == "AutoModelForTokenClassification"
    assert task.head.label_names == ("O", "B-LOC", "B-PER", "I-PER")
    assert task.metrics == ("f1", "precision", "recall", "token_accuracy")
    assert task.train.texts[0][0] == ("ada", "lovelace", "came")
    assert task.train.answers[0] == [2, 3, 0]
    (note,) = task.notes
    assert note.endswith("the tags in column tags are IOB2, 2 kinds of entities: LOC and PER")


def test_parts_of_speech_are_scored_by_words(write):
    task = read_task(write([("ada came", "NN VB"), ("london .", "NN PUNCT")]))
    assert task.metrics == ("token_accuracy",)
    assert "mark no entities (such as B-PER would), so words are scored" in task.notes[0]
    with pytest.raises(TaskError, match="metric f1 does not fit .* 3 tags: give one of token_acc"):
        read_task(write([("ada came", "NN VB"), (".", "PUNCT")], metric="f1"))


def test_lists_in_json_are_recognised_by_their_names_and_lengths(tmp_path):
    records = [
        {"id": i, "tokens": ["ada", "came"], "pos_tags": ["NN", "VB"], "ner_tags": ["B-PER", "O"]}
        for i in range(20)
    ]
    task = read_task(rows(tmp_path, records))
    assert (task.text_columns, task.label_column) == (("tokens",), "ner_tags")
    assert task.notes[-1].endswith("columns left out: pos_tags")
    assert (len(task.train), len(task.validation)) == (18, 2)
    tagged = read_task(rows(tmp_path, records, label_column="pos_tags"))
    assert (tagged.head.label_names, tagged.metrics) == (("NN", "VB"), ("token_accuracy",))


def test_lists_written_as_text_are_read(tmp_path):
    lines = ["tokens,ner_tags", *["\"['ada', 'came']\",\"['B-PER', 'O']\""] * 9]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    task = read_task(TaskConfig(name="own", train_file=str(tmp_path / "a.csv")))
    assert task.type.name == "tokens"
    assert (task.train.texts[0][0], task.train.answers[0]) == (("ada", "came"), [1, 0])


def test_lists_of_labels_beside_texts_stay_labels(tmp_path):
    records = [{"text": f"text {i} and more", "labels": ["a", "b"][: 1 + i % 2]} for i in range(9)]
    assert read_task(rows(tmp_path, records)).type.name == "multilabel"
    # As many labels as choices, but these are no words.
    records = [
        {"question": f"what is {i} now?", "choices": ["x", "y"], "labels": ["a", "b"][: 1 + i % 2]}
        for i in range(9)
    ]
    config = rows(tmp_path, records, text_columns=("question",))
    assert read_task(config).type.name == "multilabel"


def test_numbers_as_tags_are_said_to_have_no_names(tmp_path):
    records = [{"tokens": ["ada", "came"], "ner_tags": [1, 0]}] * 9
    task = read_task(rows(tmp_path, records))
    assert (task.head.label_names, task.metrics) == (("0", "1"), ("token_accuracy",))
    assert "are numbers, so entities are not known" in task.notes[0]


def test_parquet_files_of_datasets_keep_the_names_of_tags(tmp_path):
    import datasets

    names = ["O", "B-PER", "I-PER"]
    features = datasets.Features(
        tokens=datasets.List(datasets.Value("string")),
        ner_tags=datasets.List(datasets.ClassLabel(names=names)),
    )
    data = {"tokens": [["ada", "came"]] * 9, "ner_tags": [[1, 0]] * 9}
    file = tmp_path / "a.parquet"
    datasets.Dataset.from_dict(data, features=features).to_parquet(str(file))
    task = read_task(TaskConfig(name="own", train_file=str(file)))
    assert task.head.label_names == ("O", "B-PER", "I-PER")
    assert task.train.answers[0] == [1, 0]


@pytest.mark.parametrize("name", ["conll2003", "wnut17"])
def test_tasks_of_the_hub_by_their_usual_names(name, monkeypatch):
    import datasets

    asked = []
    features = datasets.Features(
        tokens=datasets.List(datasets.Value("string")),
        pos_tags=datasets.List(datasets.ClassLabel(names=["NN", "VB"])),
        ner_tags=datasets.List(datasets.ClassLabel(names=["O", "B-PER", "I-PER"])),
    )

    def split(tags):
        data = {"tokens": [["ada", "came"]] * 5, "pos_tags": [[0, 1]] * 5, "ner_tags": tags}
        return datasets.Dataset.from_dict(data, features=features)

    def load_dataset(*names, **given):
        asked.append((names[0], given))
        parts = {"train": [[1, 0]] * 5, "validation": [[0, 0]] * 5, "test": [[-1, -1]] * 5}
        return datasets.DatasetDict({key: split(tags) for key, tags in parts.items()})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr("progsearch.tasks.sources.hub_data.offline", lambda: False)
    task = read_task(TaskConfig(name=name))
    hub_name, given = asked[0]
    assert hub_name == {"conll2003": "lhoestq/conll2003", "wnut17": "leondz/wnut_17"}[name]
    assert given == ({} if name == "conll2003" else {"revision": "refs/convert/parquet"})
    assert task.type.name == "tokens"
    # The order that the data declares, though no row has the last one.
    assert task.head.label_names == ("O", "B-PER", "I-PER")
    assert task.validation.answers[0] == [0, 0]
    # Its tags are not given.
    assert task.test is None


def test_files_of_a_task_with_a_usual_name_are_of_its_type(write):
    config = write([("ada came", "NN VB")] * 9, name="train.txt")
    assert read_task(config.model_copy(update={"name": "conll2003"})).type.name == "tokens"


def test_a_tag_that_training_does_not_have_is_one_sentence(write):
    message = r"dev-train.conll, line 3: tag 'B-ORG' does not occur in the training data"
    with pytest.raises(TaskError, match=message):
        read_task(write(validation=[("ada", "B-PER"), ("ada", "B-ORG")]))


@pytest.mark.parametrize(
    ("records", "settings", "message"),
    [
        ([{"tokens": ["a"], "ner_tags": ["O", "O"]}], {}, "row 20 has 1 words and 2 tags"),
        ([{"tokens": ["a"], "ner_tags": [None]}], {}, "row 20 has no list of words or tags in"),
        ([{"tokens": None, "ner_tags": ["O"]}], {}, "1 of 20 rows have no value in column 'tok"),
        ([], {"label_column": "nothing"}, "has no column 'nothing'"),
        ([], {"text_columns": ("id",)}, "--text-columns id must be one column of lists of words"),
    ],
)
def test_what_is_wrong_is_named(records, settings, message, tmp_path):
    good = [{"id": i, "tokens": ["a", "b"], "ner_tags": ["O", "B-X"]} for i in range(19)]
    lines = [json.dumps(record) for record in [*good, *({"id": 99, **r} for r in records)]]
    (tmp_path / "a.json").write_text(f"[{','.join(lines)}]")
    config = TaskConfig(name="own", type="tokens", train_file=str(tmp_path / "a.json"), **settings)
    with pytest.raises(TaskError, match=message):
        read_task(config)


def test_a_table_without_words_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\na b,x\nc d,y\n")
    config = TaskConfig(name="own", type="tokens", train_file=str(tmp_path / "a.csv"))
    with pytest.raises(TaskError, match="no column of lists of words with one of their tags"):
        read_task(config)


def test_rows_without_words_are_left_out_and_said(tmp_path):
    records = [{"tokens": ["ada", "came"], "ner_tags": ["B-PER", "O"]}] * 9
    task = read_task(rows(tmp_path, [*records, {"tokens": [], "ner_tags": []}]))
    assert len(task.train) + len(task.validation) == 9
    assert task.notes[-1].endswith("a.jsonl: 1 row without words left out")


# -- tokens ------------------------------------------------------------------------------------


def test_the_first_piece_of_a_word_has_its_tag_and_no_other(write, bert):
    data = load_task(write(), bert)
    words = bert.convert_ids_to_tokens(data.train.batch([0])["input_ids"][0])
    assert words == ["[CLS]", "ada", "love", "##lace", "came", "[SEP]"]
    assert data.train.batch([0])["labels"][0].tolist() == [IGNORED, 2, 3, IGNORED, 0, IGNORED]
    assert data.train.units.tolist() == [3, 2, 5]
    assert len(data.train.unseen) == 0


def byte_level(kind):
    """A byte-level tokenizer that knows words after a blank."""
    texts = ["It isn't Ada's house in New York or caf\u00e9 7. ada came from london ."] * 9
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=alphabet, special_tokens=["<|endoftext|>"]
    )
    backend.train_from_iterator(texts, trainer)
    model = json.loads(backend.to_str())["model"]
    merges = [tuple(pair.split() if isinstance(pair, str) else pair) for pair in model["merges"]]
    made = getattr(transformers, f"{kind}Tokenizer")(vocab=model["vocab"], merges=merges)
    made.pad_token = "<|endoftext|>"
    return made


@pytest.mark.parametrize("kind", ["GPT2", "Roberta", "Qwen2"])
def test_words_have_the_tokens_that_they_have_in_a_text(kind, tmp_path):
    tokenizer = byte_level(kind)
    given = ["ada", "isn't", "from", "London"]
    naive = tokenizer(given, is_split_into_words=True)["input_ids"]
    chosen = tokenizer_for_words(tokenizer)
    found = tokenise_words([given], chosen, 99)
    assert found.tokens.ids.tolist() == chosen(" ".join(given))["input_ids"] != naive
    pieces = chosen.convert_ids_to_tokens(found.tokens.ids)
    assert [p for p, first in zip(pieces, found.first_pieces(), strict=True) if first][1:3] == [
        "\u0120isn",
        "\u0120from",
    ]
    # The model's own tokenizer is not changed, and the saved one gives the same.
    assert tokenizer(given, is_split_into_words=True)["input_ids"] == naive
    chosen.save_pretrained(tmp_path / "saved")
    saved = transformers.AutoTokenizer.from_pretrained(tmp_path / "saved")
    again = tokenise_words([given], tokenizer_for_words(saved), 99)
    assert again.tokens.ids.tolist() == found.tokens.ids.tolist()
    if kind != "Qwen2":
        # Users give words in this way.
        assert saved(given, is_split_into_words=True)["input_ids"] == found.tokens.ids.tolist()


def test_a_setting_for_blanks_that_cuts_words_otherwise_is_not_used():
    """With it, Qwen's tokenizer would give a token for a blank before 't."""
    tokenizer = tokenizer_for_words(byte_level("Qwen2"))
    found = tokenise_words([["It", "isn't"]], tokenizer, 99)
    assert tokenizer.convert_ids_to_tokens(found.tokens.ids) == ["It", "\u0120isn", "'t"]


def test_a_tokenizer_that_does_not_know_words_is_one_sentence(write):
    with pytest.raises(TaskError, match=r"is a ByT5Tokenizer, which does not say which word"):
        load_task(write(), transformers.ByT5Tokenizer())


def test_words_without_a_token_and_words_cut_off_are_counted_and_said(write, bert):
    # A zero-width joiner is removed by the tokenizer.
    sentences = [
        ("ada \u200d came", "B-PER I-PER O"),
        ("came from london from london", "O O B-LOC O B-LOC"),
    ]
    data = load_task(write(sentences, max_length=6), bert)
    assert data.train.lengths.tolist() == [4, 6]
    assert data.train.units.tolist() == [2, 4]
    unseen = data.validation.unseen
    assert (unseen.rows.tolist(), unseen.places.tolist()) == ([0, 1], [1, 4])
    notes = data.examples.notes
    assert (
        "2 validation words of 8 are not seen, since the sentence is cut before or the tokenizer "
        "gives no token; 2 of 3 entities in them count as missed: raise --max-length if sentences "
        "are cut"
    ) in notes
    understood = understand(data, bert)
    assert understood.splits["train"].cut_rows == 1
    assert understood.splits["train"].answers.classes == {
        "O": 4,
        **{"B-LOC": 2, "B-PER": 1, "I-PER": 1},
    }


def test_a_sentence_of_no_token_is_no_row_of_training(write, bert, caplog):
    data = load_task(write([*SENTENCES, ("\u200d", "O")]), bert)
    assert len(data.train) == 3
    assert "1 of 4 training rows of own have no target" in caplog.text
    assert len(data.validation) == 4


# -- scores ------------------------------------------------------------------------------------


def perfect(data):
    """Logits that are right for each token that the model sees."""
    labels = data.validation.targets["labels"].numpy()
    return np.eye(data.head.n_outputs)[np.where(labels == IGNORED, 0, labels)]


def test_what_is_cut_off_is_missed_and_not_forgotten(write, bert):
    whole = load_task(write(), bert)
    assert whole.evaluate(perfect(whole), whole.validation) == dict.fromkeys(whole.metrics, 1.0)
    cut = load_task(write(max_length=6), bert)
    found = cut.evaluate(perfect(cut), cut.validation)
    # 3 of 4 entities are seen and right.
    assert (found["precision"], found["recall"]) == (1.0, 0.75)
    assert found["f1"] == pytest.approx(6 / 7)
    assert found["token_accuracy"] == 0.9
    assert cut.type.per_class(perfect(cut), cut.validation, cut.head) == {
        "LOC": {"precision": 1.0, "recall": pytest.approx(2 / 3), "f1": 0.8, "support": 3},
        "PER": {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1},
    }


def test_pieces_after_the_first_are_not_scored(write, bert):
    """Scored, they would be further words of their entities."""
    data = load_task(write(), bert)
    logits = perfect(data)
    logits[data.validation.targets["labels"].numpy() == IGNORED] = np.eye(4)[1]
    assert data.evaluate(logits, data.validation)["f1"] == 1.0


def test_words_without_a_token_are_wrong_as_parts_of_speech(write, bert):
    data = load_task(write([("ada came from", "NN VB IN")] * 3, max_length=4), bert)
    assert data.evaluate(perfect(data), data.validation) == {"token_accuracy": 2 / 3}
    table = data.type.per_class(perfect(data), data.validation, data.head)
    assert {name: scores["support"] for name, scores in table.items()} == {
        **{"IN": 3, "NN": 3, "VB": 3}
    }
    assert table["IN"]["recall"] == 0.0 and table["NN"]["f1"] == 1.0


def test_the_constant_answer_is_the_most_frequent_tag(write, bert):
    data = load_task(write(), bert)
    assert (data.metric, data.majority()) == ("f1", 0.0)
    assert data.type.constant("token_accuracy", data.validation) == 0.5
    outside = np.tile(np.eye(4)[0], (len(perfect(data)), 1))
    assert data.is_constant(outside, data.validation)
    # Only the tokens of words count.
    outside[0] = np.eye(4)[1]
    assert data.is_constant(outside, data.validation)
    assert not data.is_constant(perfect(data), data.validation)
    assert np.isnan(data.evaluate(outside * np.nan, data.validation)["f1"])


def test_a_subset_keeps_the_words_that_its_rows_have(write, bert):
    data = load_task(write(max_length=6), bert)
    part = data.validation.subset([2, 0])
    assert (part.unseen.rows.tolist(), part.unseen.places.tolist()) == ([0], [4])
    assert len(data.validation.subset([0, 1]).unseen) == 0
    assert part.fingerprint() != data.validation.subset([2, 0, 1]).fingerprint()


def test_stored_work_follows_the_words_that_are_not_seen(write, bert):
    other = [*SENTENCES[:2], ("came from london from london", "O O B-LOC O O")]
    prints = {load_task(write(s, max_length=6), bert).fingerprint for s in (SENTENCES, other)}
    assert len(prints) == 2


def test_a_trained_head_gives_the_order_of_the_tags(write, bert):
    names = ("B-PER", "O", "I-PER", "B-LOC")
    head = Head(4, names, auto_class="AutoModelForTokenClassification", is_new=False)
    data = load_task(write(), bert, trained=head)
    assert data.head.label_names == names and not data.head.replaces
    assert data.train.batch([0])["labels"][0].tolist() == [IGNORED, 0, 2, IGNORED, 1, IGNORED]
    assert data.evaluate(perfect(data), data.validation)["f1"] == 1.0


def test_subsets_have_entities_of_all_kinds(write, bert):
    many = [("came .", "O O")] * 40 + [("ada", "B-PER"), ("london", "B-LOC")] * 4
    data = load_task(write(many, max_train_samples=12), bert)
    assert {1, 2} <= set(data.train.targets["labels"].tolist())
