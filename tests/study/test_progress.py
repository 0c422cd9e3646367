from optuna.trial import TrialState, create_trial

from progsearch.study.progress import latest
from progsearch.study.results import Record
from tests.support.fakes import start


def test_patience_counts_whole_trials_and_what_goes_on_with_another(tmp_path):
    folder, _ = start(tmp_path)
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
