from optuna.trial import TrialState, create_trial

from progsearch.study.folder import create_study, open_study
from progsearch.study.info import Session as SessionInfo
from progsearch.study.info import StudyInfo
from progsearch.study.metadata import keep_sessions, sessions_of
from progsearch.study.progress import Session, interrupt_running, latest, left, spent, to_retry
from progsearch.study.results import Record
from progsearch.study.trial import INTERRUPTED
from tests.support.fakes import recipe


def test_patience_counts_whole_trials_and_what_goes_on_with_another(tmp_path):
    folder = create_study(recipe(), tmp_path)
    study = folder.study

    def add(state=TrialState.COMPLETE, fraction=1.0, **attributes):
        records = [Record(10, fraction, 1.0, {}, 1.0).to_dict()]
        values = [0.5, 0.5] if state == TrialState.COMPLETE else None
        attributes = {"records": records, **attributes}
        study.add_trial(create_trial(state=state, values=values, user_attrs=attributes))

    add(name="full")
    add()
    for _ in range(4):
        add(TrialState.PRUNED, 1 / 3)
    add(TrialState.FAIL, 1 / 3, reason="interrupted")
    add(continues=5)
    add(TrialState.RUNNING)
    trials = folder.trials()

    def numbers(first, number):
        found = latest(trials, first, number)
        return None if found is None else [trial.number for trial in found]

    # Two thirds of a run that was resumed and one of another.
    assert numbers(0, 1) == [5, 7]
    assert numbers(0, 2) == [2, 3, 4, 5, 7]
    assert numbers(0, 3) == [1, 2, 3, 4, 5, 7]
    assert numbers(0, 4) is None
    assert numbers(3, 2) is None


def test_what_a_killed_search_left_running_is_interrupted_and_left_to_do(tmp_path):
    info = StudyInfo(baselines=("full", "head-only"))
    folder = create_study(recipe(budget=3), tmp_path, info)

    def add(**attributes):
        trial = create_trial(state=TrialState.RUNNING, user_attrs=attributes)
        return folder.add(trial).number

    full, searched = add(name="full"), add()
    folder.study.tell(add(), [0.5, 0.5])
    # A running trial is spent; a reference is left until it has ended.
    assert (left(folder), spent(folder.trials())) == ((2, 2.0, 1.0, 0), 2.0)
    assert interrupt_running(folder) == 2
    assert [trial.reason for trial in folder.trials()] == [INTERRUPTED, INTERRUPTED, None]
    assert [trial.number for trial in to_retry(folder.trials())] == [full, searched]
    assert (left(folder), spent(folder.trials())) == ((2, 2.0, 2.0, 0), 1.0)
    folder.study.tell(add(name="full", retry_of=full), [0.5, 0.5])
    assert [trial.number for trial in to_retry(folder.trials())] == [searched]
    assert left(folder) == (1, 1.0, 2.0, 0)
    assert interrupt_running(folder) == 0


def test_sessions_are_kept_as_they_go(tmp_path):
    folder = create_study(recipe(), tmp_path)
    earlier = SessionInfo(started="2026-11-23T18:00:00", seconds=9.0, trials=4)
    keep_sessions(folder.study, [earlier])
    session = Session(folder)
    session.count_trial()
    # Another process reads it while the search runs.
    found = sessions_of(open_study(folder.path, read_only=True).study)
    assert found[0] == earlier
    assert (len(found), found[1].trials) == (2, 1)
