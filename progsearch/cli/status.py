"""`progsearch status`: the progress of a study."""

from __future__ import annotations

from progsearch.cli import options
from progsearch.show.output import print_json, say


def status(
    study: options.Study,
    studies_dir: options.StudiesDir = options.STUDIES,
    json: options.Json = False,
) -> None:
    """Show the progress of a study.

    Whether it runs and the command that continues it, trials by state, the front so far, the
    time left, what reuse saved, what the search cost and what its front saves. Changes nothing,
    so it may be used while the study runs.

    Examples:
        progsearch status reviews
        progsearch status reviews --json
    """
    from progsearch.numerals import duration
    from progsearch.report.activity import doing
    from progsearch.report.counts import counts_in_words, run_again
    from progsearch.report.data import study_report
    from progsearch.report.formatting import spent_in_words
    from progsearch.report.status import status as status_of
    from progsearch.show.results import name_of, print_front, print_payback
    from progsearch.study.confirmed_runs import read_confirmed
    from progsearch.study.folder import open_study

    folder = open_study(study, studies_dir, read_only=True)
    report = study_report(folder.study, read_confirmed(folder.path))
    now = doing(report, folder)
    if json:
        print_json(status_of(report) | now.to_dict())
        return
    left = report.seconds_left
    if report.nothing_learned:
        say(report.nothing_learned)
    say(f"study {report.study}: {counts_in_words(report, died=now.activity == 'died')}")
    say(now.sentence)
    say(
        f"{spent_in_words(report.spent, report.recipe.budget)} of the budget spent in "
        f"{duration(report.seconds)}" + (f", about {duration(left)} left" if left else "")
    )
    for trial in run_again(report):
        say(f"{name_of(trial)} (try {trial.tries}) was run again: {trial.reason}")
    if report.reuse.steps_reused:
        say(str(report.reuse))
    if report.front:
        print_front(report)
        print_payback(report)
