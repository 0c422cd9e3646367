import pytest

from progsearch.tasks.types.schemes import ordered, scheme_of


@pytest.mark.parametrize(
    ("sentences", "name"),
    [
        (["B-A I-A O B-A", "O B-B"], "IOB2"),
        # Two entities of one kind beside each other.
        (["I-A I-A B-A O", "I-B"], "IOB1"),
        (["I-A O I-B"], "IOB1"),
        # B- after another kind is IOB2 with an error, not IOB1.
        (["I-A B-B"], "IOB2"),
        (["B-A O", "B-B O"], "IOB2"),
        (["S-A O B-A E-A"], "BIOES"),
        (["U-A O B-A L-A"], "BILOU"),
        (["S-A O B-A M-A E-A"], "BMES"),
        (["NN VB O"], None),
        (["B-A NN"], None),
        (["O O"], None),
        (["0 3 4"], None),
    ],
)
def test_the_scheme_is_recognised(sentences, name):
    tags = [sentence.split() for sentence in sentences]
    names = sorted({tag for sentence in tags for tag in sentence})
    found = scheme_of(names, tags)
    assert (found and found.name) == name


def test_kinds_of_entities_may_have_hyphens():
    found = scheme_of(["O", "B-creative-work", "I-creative-work"], [])
    assert found is not None and found.kinds == ("creative-work",)


def test_tags_are_ordered_by_kind():
    given = {"I-B", "O", "B-B", "E-A", "B-A", "S-A", "I-A"}
    assert ordered(given) == ("O", "B-A", "I-A", "E-A", "S-A", "B-B", "I-B")
    assert ordered({"VB", "NN"}) == ("NN", "VB")
