import base64
import gzip
import re

import pytest
from optuna.trial import TrialState
from plotly.offline import get_plotlyjs

from progsearch.config import Answers, Understood, UnderstoodSplit
from progsearch.report.data import study_report
from progsearch.report.html import page, write_page
from progsearch.schedule import Schedule
from progsearch.study.confirmed_runs import ConfirmedRun, ConfirmedRuns
from progsearch.study.metadata import info_of, keep_info, keep_recipe
from tests.support.fake_runs import fake_runs
from tests.support.fake_study import FakeStudy, fake_study
from tests.support.pages import own, plain


@pytest.fixture(scope="module")
def html():
    return page(study_report(fake_study()))


def test_the_page_is_one_file_with_plotly_in_it_once(html):
    (packed,) = re.findall(r'id="plotly">([^<]*)</script>', html)
    assert gzip.decompress(base64.b64decode(packed)).decode() == get_plotlyjs()
    text = own(html)
    assert len(text) < 200_000
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", text)
    assert text.count('class="plot"') == 7


def test_the_page_of_many_trials_stays_small():
    html = page(study_report(fake_study(n_blocks=24, n_searched=80)))
    assert len(html.encode()) < 5_000_000


def test_the_page_tells_what_was_searched_and_what_the_numbers_are_worth(html):
    text = plain(html)
    assert "<b>minilm-l6</b> on <b>mrpc</b>: accuracy against updated parameters" in text
    assert "<dt>Searched trials</dt><dd>24</dd>" in text
    assert "<dt>Budget</dt><dd>24 of 24 whole trials</dd>" in text
    assert "<dt>Failed</dt><dd>2</dd>" in text
    assert "chosen on the same validation data" in text
    assert "trained with one seed" in text
    assert "progsearch export fake --pick knee --out knee.yaml" in text


def test_the_page_of_trials_with_several_seeds_says_so():
    fake = FakeStudy()
    fake.baselines()
    keep_recipe(fake.study, fake.recipe.model_copy(update={"seeds": 3}))
    text = plain(page(study_report(fake.study)))
    assert "A run is the mean over 3 seeds" in text
    assert "one seed" not in text
    assert "<dt>Seeds</dt><dd>3 per trial</dd>" in text


def test_the_page_tells_what_was_understood_of_the_data():
    fake = FakeStudy()
    understood = Understood(
        type="classification",
        texts=("one", "two"),
        label="<label>",
        splits={
            "train": UnderstoodSplit(
                rows=3668, answers=Answers(classes={"no": 1194, "<b>": 2474}), unknown=0.25, cut=0
            ),
            "validation": UnderstoodSplit(rows=408),
        },
        notes=("columns left out: <id>",),
        doubts=("the <order> is an assumption",),
    )
    report = study_report(fake.study)
    assert "Summary of the data" not in page(report)
    keep_recipe(fake.study, fake.recipe.model_copy(update={"understood": understood}))
    report = study_report(fake.study)
    text = plain(page(report))
    assert "Read as classification, text from one and two, label from &lt;label&gt;." in text
    assert "columns left out: &lt;id&gt;." in text
    assert "Note: the &lt;order&gt; is an assumption." in text
    classes = "no (1,194, 32.6 %), &lt;b&gt; (2,474, 67.4 %)"
    assert f'<td class="number">3,668</td><td class="wide">{classes}</td>' in text
    assert '<td class="number">25.0 %</td><td class="number">0 %</td>' in text
    data = report.to_dict()
    assert data["understood"]["splits"]["train"]["answers"]["classes"] == {"no": 1194, "<b>": 2474}
    assert "understood" not in data["recipe"]


def test_the_table_has_the_front_and_the_baselines(html):
    report = study_report(fake_study())
    text = plain(html)
    for trial in report.front:
        assert re.search(rf'<td class="name">{trial.label}(<span|</td>)', text)
    assert "References not on the front" in text


def test_failures_are_listed_with_their_reasons_escaped(html):
    assert "the loss is not a number at step 40 &lt;nan&gt;" in html


def test_names_cannot_break_the_page():
    fake = FakeStudy()
    fake.baselines()
    name = "</title><script>alert(1)</script>"
    keep_recipe(fake.study, fake.recipe.model_copy(update={"model": name}))
    assert "<script>alert(1)" not in plain(page(study_report(fake.study)))


@pytest.mark.parametrize(
    ("objectives", "plots"),
    [(("metric",), 5), (("metric", "seconds"), 7), (("metric", "flops", "peak_memory"), 9)],
)
def test_any_number_of_objectives_makes_a_page(objectives, plots):
    text = plain(page(study_report(fake_study(objectives=objectives))))
    assert text.count('class="plot"') == plots


def test_a_study_without_results_makes_a_page():
    fake = FakeStudy()
    fake.fail("out of memory", name="full")
    fake.fail("stopped", state=TrialState.PRUNED)
    keep_info(fake.study, info_of(fake.study).model_copy(update={"contributions": {}}))
    text = plain(page(study_report(fake.study)))
    assert "No trial has a result yet" in text
    assert "out of memory" in text
    assert 'class="plot"' not in text


def test_the_page_is_written(tmp_path):
    fake = FakeStudy()
    fake.complete(Schedule.full(6), 0.8, name="full")
    write_page(study_report(fake.study), tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert text.rstrip().endswith("</html>")


def test_confirmed_schedules_have_a_section_with_figure_and_table():
    study = fake_study()
    kept = fake_runs(study)
    failed = ConfirmedRun(trial=1, seed=6, reason="the loss is <nan>")
    text = plain(page(study_report(study, kept.having(failed))))
    assert text.count('class="plot"') == 8
    section = text[text.index("<h2>Confirmed on 6 new seeds</h2>") :]
    section = section[: section.index("</section>")]
    assert "a loss of 1 pt or more" in section
    assert section.count("<tr") == 1 + 12
    assert "non-inferior" in section and "inferior" in section
    assert "5, 1 failed" in section


def test_a_confirmation_that_failed_says_why():
    study = fake_study()
    kept = ConfirmedRuns(
        margin=0.01, runs=(ConfirmedRun(trial=0, seed=1, reason="the loss is <nan>"),)
    )
    text = plain(page(study_report(study, kept)))
    assert text.count('class="plot"') == 7
    assert "no run has a result: the loss is &lt;nan&gt;" in text
