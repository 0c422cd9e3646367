import gc

from progsearch.importing import collector_paused


def test_the_collector_rests_and_then_looks_at_everything_again():
    frozen = gc.get_freeze_count()
    with collector_paused():
        assert not gc.isenabled()
        with collector_paused():
            pass
        assert not gc.isenabled(), "the outer one ends it"
    assert gc.isenabled()
    assert gc.get_freeze_count() == frozen, "a user's garbage would stay for ever"
