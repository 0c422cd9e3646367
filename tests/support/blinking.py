"""A database that does not answer for a while, without a server."""

from optuna.storages import InMemoryStorage
from sqlalchemy.exc import OperationalError

from progsearch.study.database import Database
from progsearch.study.patient import PatientStorage


class Blinking(InMemoryStorage):
    """Fails calls while it is down, and some that were done before the connection was lost.

    Attributes:
        is_down: Whether it does not answer.
        loses: Names of methods that are done once and then fail as if they were not.
        calls: The names of the calls that it answered.
    """

    def __init__(self):
        super().__init__()
        self.is_down = False
        self.loses = set()
        self.calls = []


def _failing(name):
    method = getattr(InMemoryStorage, name)

    def call(self, *arguments, **named):
        if self.is_down:
            raise error()
        result = method(self, *arguments, **named)
        self.calls.append(name)
        if name in self.loses:
            self.loses.remove(name)
            raise error()
        return result

    return call


for _name in (
    *("create_new_study", "delete_study", "get_study_id_from_name", "get_study_directions"),
    *("get_study_user_attrs", "set_study_user_attr", "get_all_trials", "get_n_trials"),
    *("create_new_trial", "set_trial_user_attr", "set_trial_state_values"),
):
    setattr(Blinking, _name, _failing(_name))


def error():
    """What SQLAlchemy raises if a server is gone."""
    return OperationalError("select 1", {}, Exception("server closed the connection"))


def patient(storage, url="postgresql://u:***@h/db", patience=5.0):
    """The storage as a study uses it."""
    from progsearch.config import StorageUrl

    return PatientStorage(storage, Database(StorageUrl(url), patience))
