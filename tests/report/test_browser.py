"""The page in a browser: Debian's Chromium, of which nothing is downloaded."""

import shutil
from pathlib import Path

import pytest

from progsearch.report.data import study_report
from progsearch.report.html import write_page
from progsearch.schedule import Schedule
from tests.support.fake_runs import fake_runs
from tests.support.fake_study import FakeStudy, fake_study

playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
CHROMIUM = shutil.which("chromium")
CHECKS = (Path(__file__).parents[1] / "support" / "page_checks.js").read_text(encoding="utf-8")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt-get install chromium)"),
]


def eventful():
    """A confirmed study with trials that were stopped, failed and collapsed."""
    fake = FakeStudy(budget=30, rows=408)
    fake.baselines()
    fake.searched(20)
    fake.stop(0.71, 2, schedule=Schedule.last_blocks(6, 1))
    fake.complete(Schedule.full(6), 0.684, constant_from=1)
    fake.fail("out of memory at step 3 of 345: " + "a long reason without an end, " * 8)
    fake.fail("interrupted")
    return study_report(fake.study, fake_runs(fake.study))


def nothing_learned():
    fake = FakeStudy(rows=100)
    for name, schedule in (
        ("full", Schedule.full(6)),
        ("progtuning-3", Schedule.progtuning(6, 3)),
        ("last-quarter", Schedule.last_blocks(6, 1)),
        ("head-only", Schedule.last_blocks(6, 0)),
    ):
        fake.complete(schedule, 0.684, name=name)
    report = study_report(fake.study)
    assert report.nothing_learned
    return report


PAGES = {
    "eventful": eventful,
    "nothing learned": nothing_learned,
    "three objectives": lambda: study_report(
        fake_study(("metric", "flops", "peak_memory"), n_blocks=12)
    ),
    "no result": lambda: study_report(FakeStudy().study),
}


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        # Chromium's own sandbox does not work as root, as in a container.
        found = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    for name, report in PAGES.items():
        write_page(report(), folder / f"{name}.html")
    return {name: (folder / f"{name}.html").as_uri() for name in PAGES}


@pytest.fixture
def opened(browser, addresses):
    """Opens a page; what it says on the console and what it asks of a network fails the test."""
    contexts, wrong = [], []

    def open_page(name, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: ask(request.url))
        page.goto(addresses[name])
        page.wait_for_function(
            "document.querySelectorAll('.plot:not(.js-plotly-plot)').length == 0"
        )
        return page

    def ask(url):
        if not url.startswith(("file:", "data:")):
            wrong.append(url)

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def on(width, mode):
    return {"viewport": {"width": width, "height": 844}, "color_scheme": mode}


@pytest.mark.parametrize("width", [390, 800, 1280])
@pytest.mark.parametrize("name", PAGES)
def test_all_text_can_be_read_in_both_modes_which_may_change_while_the_page_is_open(
    opened, name, width
):
    page = opened(name, **on(width, "light"))
    page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    grounds = set()
    for mode in ("light", "dark"):
        page.emulate_media(color_scheme=mode)
        page.wait_for_timeout(300)
        found = page.evaluate(CHECKS)
        assert found.pop("lines") > 15
        assert found == {"overlaps": [], "outside": [], "pale": [], "overflow": 0}
        grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(grounds) == 2


def test_the_width_may_change_while_the_page_is_open(opened):
    page = opened("eventful", **on(1280, "light"))
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(500)
    found = page.evaluate(CHECKS)
    assert (found["overlaps"], found["outside"], found["overflow"]) == ([], [], 0)


def shown(page, column):
    rows = page.locator("#all-trials tbody tr:visible")
    return [row.locator("td").nth(column).inner_text() for row in rows.all()]


def test_the_table_is_sorted_by_its_headings(opened):
    page = opened("eventful", **on(1280, "light"))
    titles = [title.strip() for title in page.locator("#all-trials th").all_inner_texts()]
    column = titles.index("accuracy")
    button = page.locator("#all-trials th button").nth(column)
    for direction in ("ascending", "descending"):
        # As with a keyboard.
        button.focus()
        page.keyboard.press("Enter")
        found = shown(page, column)
        # Trials without a result are last either way.
        assert found[-4:].count("") >= 3
        numbers = [float(text.split()[0]) for text in found if text]
        assert numbers == sorted(numbers, reverse=direction == "descending")
        sorts = page.locator("#all-trials th[aria-sort]:not([aria-sort=none])")
        assert sorts.count() == 1
        assert sorts.get_attribute("aria-sort") == direction
    page.locator("#all-trials th button").nth(titles.index("learning rate")).click()
    rates = [float(text) for text in shown(page, titles.index("learning rate"))]
    assert rates == sorted(rates)


def test_the_table_is_filtered_by_kind_and_by_text(opened):
    page = opened("eventful", **on(1280, "light"))
    total = page.locator("#all-trials tbody tr").count()
    page.select_option("#kind-filter", "stopped")
    assert set(shown(page, 1)) == {"stopped early"}
    page.select_option("#kind-filter", "reference")
    page.fill("#text-filter", "HEAD-only")
    assert [text.split()[0] for text in shown(page, 0)] == ["#3"]
    assert page.locator("#shown").inner_text() == f"1 of {total} shown"
    page.fill("#text-filter", "no such thing")
    assert shown(page, 0) == []
    page.fill("#text-filter", "")
    page.select_option("#kind-filter", "")
    assert len(shown(page, 0)) == total


def test_every_link_leads_to_a_map_that_then_shows(opened):
    page = opened("eventful", **on(800, "dark"))
    links = page.locator("#all-trials td.name a")
    for link in links.all():
        target = link.get_attribute("href")
        assert page.locator(target).count() == 1
    folded = page.locator("details .map").last
    number = folded.get_attribute("id")
    page.locator(f"#all-trials a[href='#{number}']").first.click()
    page.wait_for_timeout(600)
    assert folded.is_visible()
    box = folded.bounding_box()
    assert 0 <= box["y"] < 844


def test_the_picks_are_commands_that_can_be_copied(opened):
    page = opened("eventful", permissions=["clipboard-read", "clipboard-write"])
    cards = page.locator(".card")
    for card, how in zip(cards.all(), ("best", "knee", "cheapest@1pt"), strict=True):
        button = card.get_by_role("button", name="Copy")
        button.click()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == card.locator("code").inner_text()
        assert copied.startswith(f"progsearch export fake --pick {how} --out {how[:4]}")
        card.get_by_text("Copied").wait_for()


def test_a_command_is_selected_if_the_clipboard_is_closed(opened):
    page = opened("eventful")
    page.evaluate("void (navigator.clipboard.writeText = () => Promise.reject())")
    page.locator(".card .copy").first.click()
    page.wait_for_timeout(100)
    assert page.evaluate("getSelection().toString()").startswith("progsearch export fake")


def test_terms_are_explained_on_hover_focus_and_touch(opened):
    page = opened("eventful", **on(390, "light"), has_touch=True)
    term = page.locator("abbr", has_text="updated").first
    tip = page.locator("#tip")
    assert not tip.is_visible()

    def explained():
        box = tip.bounding_box()
        assert "optimizer steps" in tip.inner_text()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390

    term.hover()
    explained()
    page.mouse.move(0, 0)
    assert not tip.is_visible()
    term.focus()
    explained()
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    term.blur()
    term.tap()
    explained()
