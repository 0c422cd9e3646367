"""Wrong URLs of storages: a reason, and never a password in what is shown."""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

from progsearch.config import Recipe, StorageUrl, parse
from progsearch.errors import StudyError
from progsearch.study.storage import open_storage
from tests.fuzz.mutations import damaged_bytes
from tests.fuzz.running import Fault, fault_of
from tests.fuzz.world import World

SECRET = "geh3im-W0rt"
_URLS = (
    f"postgresql://user:{SECRET}@host:5432/studies?sslmode=require",
    f"postgresql+psycopg://user:{SECRET}@[::1]/studies?connect_timeout=3",
    f"mysql+pymysql://user@host/db?password={SECRET}&charset=utf8",
    "sqlite:///studies.db",
    "sqlite:////no/such/folder/x.db",
)
_PARTS = ("://", ":", "@", "/", "?", "&", "=", "%", "%40", "#", "[", "]", "é", " ", "\n", ":0x")


def inputs(world: World) -> st.SearchStrategy[str]:
    """URLs with pieces added, lost, repeated or replaced."""

    @st.composite
    def edited(draw: st.DrawFn, url: str) -> str:
        for _ in range(draw(st.integers(1, 3))):
            places = [n for n in range(len(url) + 1) if not _is_inside_secret(url, n)]
            place = draw(st.sampled_from(places))
            url = url[:place] + draw(st.sampled_from(_PARTS)) + url[place:]
        return url

    valid = st.sampled_from(_URLS)
    torn = valid.flatmap(lambda url: damaged_bytes(url.encode())).map(
        lambda data: data.decode(errors="replace")
    )
    return st.one_of(valid.flatmap(edited), valid.flatmap(edited), torn, st.text(max_size=30))


def _is_inside_secret(url: str, place: int) -> bool:
    start = url.find(SECRET)
    return start >= 0 and start < place < start + len(SECRET)


def fault(world: World, url: str) -> Fault | None:
    """An error, or a shown secret."""
    return fault_of(lambda: _check(url))


def _check(text: str) -> None:
    try:
        url = StorageUrl(text)
    except ValueError as error:
        assert SECRET not in str(error), "an error shows the password"
    else:
        assert StorageUrl(str(url)).place == url.place, "a written URL is read differently"
        # Whether this text is the password of the URL depends on what was damaged.
        if SECRET in url.given.values():
            assert SECRET not in str(url), "a URL shows its password"
            assert SECRET in url.whole({}), "a URL loses its password"
        # Others would ask a network.
        if str(url).startswith("sqlite:///"):
            _opened(url)
    parse(Recipe, {"task": {"name": "mrpc"}, "storage": text}, "a test")


def _opened(url: StorageUrl) -> None:
    try:
        open_storage(url, Path("unused"))
    except StudyError as error:
        assert SECRET not in str(error), "an error shows the password"
