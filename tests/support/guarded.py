"""A database with a password and no server: ``guarded://user:password@host/FILE`` is SQLite."""

import sqlite3
from urllib.parse import quote, quote_plus

from sqlalchemy import URL
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

PASSWORDS = [
    "sesame",
    "open@sesame",
    "a:b/c?d=e&f",
    "50%41%zz",
    "sésäme✓",
    "{x} 'y' \"z\"",
    "p\\w",
]
PASSWORD = "op:en@ses/äm%e"


class Guarded(SQLiteDialect_pysqlite):
    """Refuses a wrong password as careless drivers do, and shows it."""

    supports_statement_cache = True

    def create_connect_args(self, url):
        given = url.password or url.query.get("password")
        if given != PASSWORD:
            raise sqlite3.OperationalError(f"wrong password {given!r} in {url.query}")
        return super().create_connect_args(URL.create("sqlite", database=url.database))


registry.register("guarded", __name__, "Guarded")


def guarded_url(file, form="guarded://someone:{}@host/{}"):
    """The URL of a guarded database in a file, with its password."""
    return form.format(quote(PASSWORD, safe=""), file)


def leaks(folder, *texts):
    """The files below a folder, and the texts, that hold the password in any form."""
    forms = {
        PASSWORD,
        quote(PASSWORD),
        quote(PASSWORD, safe=""),
        quote_plus(PASSWORD),
        ascii(PASSWORD)[1:-1],
        # Parts that a careless reading of the URL would take for something else.
        "ses/äm",
        "op:en",
    }
    found = [text for text in texts if any(form in text for form in forms)]
    encoded = [form.encode() for form in forms]
    files = [file for file in folder.rglob("*") if file.is_file()]
    return found + [f for f in files if any(form in f.read_bytes() for form in encoded)]
