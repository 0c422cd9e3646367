import copy
import pickle
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy import make_url

from progsearch.config import Recipe, StorageUrl, TaskConfig, parse, plain
from progsearch.errors import ConfigError
from tests.support.guarded import PASSWORDS

VARIABLE = "PROGSEARCH_STORAGE_PASSWORD"


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize(
    "form",
    [
        "postgresql://u:{}@h/db",
        "mysql+pymysql://u@server:{}@h:3306/db?charset=utf8",
        "postgresql://:{}@/db?host=/var/run",
        "postgresql://u@h/db?sslmode=require&password={}",
        "postgresql://h/db?passwd={}&x=1",
        "mysql://h/db?PWD={}",
        "sqlite:////home/me@work/a:b.db?sslpassword={}",
        "mssql+pyodbc:///?odbc_connect={}",
        "postgresql://h/db?api_token={}&client-secret={}",
    ],
)
def test_a_secret_is_in_nothing_but_the_whole_url(form, password):
    url = StorageUrl(form.replace("{}", quote(password, safe="")))
    shown = form.replace("{}", "***")
    assert str(url) == shown
    assert repr(url) == f"StorageUrl({shown!r})"
    assert str(pickle.loads(pickle.dumps(url))) == shown
    assert make_url(url.whole({})) == make_url(form.replace("{}", quote(password, safe="")))
    assert copy.deepcopy(url).whole({}) == url.whole({})
    # What was saved gets it back from the environment.
    again = StorageUrl(shown)
    assert again == url
    assert again.variables == url.variables == again.missing({})
    assert url.missing({}) == []
    environment = dict.fromkeys(url.variables, password)
    assert again.missing(environment) == []
    assert make_url(again.whole(environment)) == make_url(url.whole({}))


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:p/w@h/db",
        "postgresql://u:p:w@h/db",
        "postgresql://u:p?w#%zz é@h/db?sslmode=require",
        "postgresql://u:{p}@h:5432/db",
        "postgresql://u@h/db",
        "postgresql://u:@h/db",
        "postgresql:///db?password=a@b+c&password=d",
        "mysql://h/db?passwd=&x",
        "mysql+pymysql://[::1]:3306/db",
        "sqlite:////home/u:pw@x/a%20b.db",
        "sqlite://",
    ],
)
def test_urls_are_read_as_sqlalchemy_reads_them(text):
    expected, found = make_url(text), make_url(StorageUrl(text).whole({}))
    empty = expected.password == ""
    assert found == (expected.set(password=None) if empty else expected) or (
        empty and found.password is None and found.host == expected.host
    )
    shown = make_url(str(StorageUrl(text)))
    assert shown.password in (None, "***")
    assert {shown.query.get(key, "***") for key in ("password", "passwd")} <= {
        "***",
        ("***", "***"),
    }


@pytest.mark.parametrize(
    "text",
    [
        "postgresql:/u:sesame@h/db",
        "postgresql:u:sesame@h",
        "u:sesame@h/db",
        "postgresql://u:open@sesame@h/db",
        "postgresql://u:open@/sesame@h/db",
        "postgresql://u:open@x?sesame@h/db",
        "postgresql://u:open@x?y=sesame@h/db",
        "postgresql://u/n:sesame@h/db",
        "postgresql://h:5432/db?password=open@sesame",
        ["postgresql://u:sesame@h/db"],
        {"url": "postgresql://u:sesame@h/db"},
    ],
)
def test_a_url_that_cannot_be_read_is_not_shown(text):
    with pytest.raises(ConfigError, match="storage: .*(write|URL)") as error:
        parse(Recipe, {"task": {"name": "a"}, "storage": text}, "a.yaml")
    assert "sesame" not in str(error.value) and "open" not in str(error.value)


def test_a_mistake_of_indentation_does_not_show_the_storage():
    data = {"task": {"name": "a"}, "space": {"storage": "postgresql://u:sesame@h/db"}}
    with pytest.raises(ConfigError, match="space: ") as error:
        parse(Recipe, data, "a.yaml")
    assert "sesame" not in str(error.value)


@given(st.text())
def test_of_no_password_a_part_is_shown(password):
    assume("password=" not in password)
    try:
        url = StorageUrl(f"postgresql://u:{password}@h/db")
    except ValueError:
        return
    assert str(url) == ("postgresql://u:***@h/db" if password else "postgresql://u@h/db")


def test_a_recipe_is_written_and_sent_without_the_password():
    recipe = Recipe(task=TaskConfig(name="a"), storage="postgresql://u:sesame@h/db")
    assert plain(recipe)["storage"] == "postgresql://u:***@h/db"
    assert "sesame" not in repr(recipe)
    assert b"sesame" not in pickle.dumps(recipe)
    assert "sesame" not in recipe.model_dump_json()
    changed = recipe.model_copy(update={"budget": 3})
    assert changed.storage.whole({}) == "postgresql://u:sesame@h/db"


def test_the_environment_gives_a_password_that_the_url_never_had():
    environment = {VARIABLE: "a@b"}
    assert StorageUrl("postgresql://u@h/db").whole(environment) == "postgresql://u:a%40b@h/db"
    assert StorageUrl("postgresql:///db").whole(environment) == "postgresql://:a%40b@/db"
    assert StorageUrl("sqlite:///a.db").whole(environment) == "sqlite:///a.db"
    assert StorageUrl("postgresql://u:c@h/db").whole(environment) == "postgresql://u:c@h/db"
    assert StorageUrl("postgresql://u@h/db").missing({}) == []


def test_without_the_secret_its_place_is_left_out():
    url = StorageUrl("postgresql://u:***@h/db?token=***&x=1")
    assert make_url(url.whole({})) == make_url("postgresql://u@h/db?x=1")
    assert url.missing({}) == [VARIABLE, "PROGSEARCH_STORAGE_TOKEN"]


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_message_is_shown_without_the_secret_however_it_is_written(password):
    environment = {VARIABLE: password}
    text = f"{password} {quote(password)} {quote_plus(password)} {password!r} no"
    for url in (
        StorageUrl("postgresql://u:***@h/db"),
        StorageUrl(f"postgresql://u:{quote(password, safe='')}@h/db"),
    ):
        shown = url.hide_in(text, environment)
        assert shown in ("*** *** *** '***' no", '*** *** *** "***" no')
