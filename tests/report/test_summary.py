"""The first screen of the page."""

from progsearch.report.constant import constant_of
from progsearch.report.data import study_report
from progsearch.report.html import page
from progsearch.schedule import Schedule
from progsearch.study.new_trials import new_trial
from tests.support.fake_runs import fake_runs
from tests.support.fake_study import FakeStudy
from tests.support.pages import plain, plain_page


def searched(rows=400):
    fake = FakeStudy(rows=rows)
    fake.baselines()
    fake.complete(Schedule.full(6), 0.78, name="full", learning_rate=5e-5)
    fake.searched(3)
    return fake


def panel(text, title):
    start = text.index(f"<h2>{title}</h2>")
    return text[start : text.index("</section>", start)]


def test_the_data_and_what_a_row_is_worth_are_told():
    text = plain_page(study_report(searched().study))
    assert "<dt>Rows</dt><dd>400 validation</dd>" in panel(text, "Data")
    assert "<dt>Classes</dt><dd>0 (126, 31.5 %), 1 (274, 68.5 %), f1 is that of 1</dd>" in panel(
        text, "Data"
    )
    noise = panel(text, "Noise")
    assert "<dd>400, one is worth 0.25 points</dd>" in noise
    assert "<dt>Standard error from 400 rows</dt><dd>± 0.02" in noise
    assert "two standard errors" in noise


def test_references_have_their_rates_and_the_constant_answer_has_a_line():
    text = panel(plain_page(study_report(searched().study)), "References")
    assert "Each at the best of 1 to 2 learning rates." in text
    assert ">full</td>" in text and ">1e-4</td>" in text
    assert ">constant answer</td>" in text and ">0.6840</td>" in text


def test_the_cost_says_what_the_picks_save():
    text = panel(plain_page(study_report(searched().study)), "Cost")
    assert "The search cost" in text
    assert "fewer FLOPs and" in text and "than full; the search is paid back" in text


def test_the_page_says_what_does_not_beat_the_constant_answer():
    report = study_report(searched().study)
    sentence = str(constant_of(report))
    assert "does not beat the constant answer (accuracy 0.6840)" in sentence
    assert f"<p>{sentence}.</p>" in panel(plain_page(report), "Noise")


def test_without_verdicts_there_is_the_command_that_gets_them():
    fake = searched()
    text = panel(plain(page(study_report(fake.study), "my studies")), "Confirmation")
    assert "progsearch confirm fake --studies-dir &#x27;my studies&#x27;</code>" in text
    confirmed = study_report(fake.study, fake_runs(fake.study))
    text = panel(plain_page(confirmed), "Confirmation")
    assert "progsearch confirm" not in text
    assert "Means over 5 new seeds" in text and "inferior</td>" in text


def test_a_search_that_has_just_begun_has_a_page():
    fake = FakeStudy(rows=300)
    fake.study.add_trial(new_trial(fake._plan(Schedule.full(6)), name="full"))
    text = plain_page(study_report(fake.study))
    assert ">running</td>" in panel(text, "References")
    assert "No trial has a result yet" in text
    assert '<option value="running">running (1)</option>' in text
    assert "<h2>Confirmation</h2>" not in text
