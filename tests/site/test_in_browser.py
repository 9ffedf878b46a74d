"""Sites of two committed boards in a real Chromium: sorting, filters, keyboard, charts; no request leaves the machine."""

import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from board_fixtures import fake_record
from browser import browsing

from harness.board.log_files import cell_log
from harness.board.reading.load import load_board
from harness.report.board_previews import BoardPreviews
from harness.report.render import render_published
from harness.site.live import LiveSite
from harness.site.serve import LiveServer
from harness.site.site import site_of
from harness.site.writing import write_site
from harness.store.records import save_record
from harness.store.runs_folder import RunsFolder
from harness.training.training_log import LogLine, TrainingLog

LEADERBOARDS = Path(__file__).resolve().parents[2] / "leaderboards"
ROWS = "[...document.querySelectorAll('#results-table tbody:not([hidden])')]"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with the sites of a board of images and of a board of points."""
    folder = tmp_path_factory.mktemp("site")
    write_site(site_of([render_published(load_board(LEADERBOARDS / name)) for name in ("digits", "swiss-roll")]).files, folder)
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with browsing(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def board(browser, site):
    """The page of the board of images, in a wide window, with nothing chosen."""
    browser.complaints.clear()
    browser.requests.clear()
    browser.show()
    browser.open((site / "digits" / "index.html").as_uri())
    browser.run("sessionStorage.clear()")
    browser.open((site / "digits" / "index.html").as_uri())
    browser.until("document.querySelector('#filters') && !document.querySelector('#filters').hidden")
    yield browser
    assert browser.complaints == []
    assert browser.left_the_machine == []


def column(browser, number):
    return browser.value(f"{ROWS}.map(body => body.rows[0].cells[{number}].dataset.value)")


def press_head(browser, number):
    browser.run(f"document.querySelectorAll('#results-table thead button')[{number}].click()")


def test_a_head_sorts_up_then_down_then_as_the_board_has_it(board):
    first, as_it_was = column(board, 2)[0], column(board, 2)
    press_head(board, 2)
    values = [float(value) for value in column(board, 2)]
    assert values[0] == float(first)  # the floor stays on top
    assert values[1:] == sorted(values[1:])
    press_head(board, 2)
    assert [float(value) for value in column(board, 2)][1:] == sorted(values[1:], reverse=True)
    assert board.value("document.querySelectorAll('#results-table thead th')[2].getAttribute('aria-sort')") == "descending"
    press_head(board, 2)
    assert column(board, 2) == as_it_was


def test_text_is_sorted_as_text(board):
    press_head(board, 1)
    names = column(board, 1)[1:]
    assert names == sorted(names, key=str.lower)


def test_filters_keep_rows_and_say_how_many(board):
    board.run(
        'const box = document.querySelector(\'fieldset[data-column="0"] input[value="EDM2"]\');'
        "box.checked = false; box.dispatchEvent(new Event('change', {bubbles: true}))"
    )
    assert "EDM2" not in column(board, 0)
    assert board.value("document.getElementById('shown-rows').textContent") == "13 of 17 rows"
    board.run(
        "const search = document.getElementById('search'); search.value = 'ddo ddpm'; search.dispatchEvent(new Event('input'))"
    )
    assert column(board, 1) == ["real against real", "DDO", "DDO"]
    board.open(board.value("location.href"))  # the page keeps what its reader chose
    board.until("document.getElementById('shown-rows').textContent === '2 of 17 rows'")
    board.run("document.querySelector('#filters button[type=reset]').click()")
    assert len(column(board, 0)) == 18


def test_columns_can_be_hidden(board):
    board.run(
        "const box = document.querySelector('#columns input[value=\"3\"]');"
        "box.checked = false; box.dispatchEvent(new Event('change', {bubbles: true}))"
    )
    assert board.value(f"{ROWS}.every(body => body.rows[0].cells[3].hidden && !body.rows[0].cells[2].hidden)")


def test_seeds_are_shown_one_by_one_and_lead_to_their_records(board):
    board.run("document.querySelectorAll('button.seeds')[2].click()")
    seeds = "[...document.querySelectorAll('tr.seed:not([hidden])')]"
    assert board.value(f"{seeds}.map(row => row.cells[0].textContent.trim())") == ["seed 0", "seed 1", "seed 2"]
    assert board.value("document.querySelectorAll('button.seeds')[2].getAttribute('aria-expanded')") == "true"
    board.run(f"{seeds}[1].querySelector('a').click()")
    board.until("document.querySelector('h1') && document.querySelector('h1').textContent.endsWith('DDO, seed 1')")
    board.until("document.querySelector('.plot svg')")


def test_a_figure_is_explained_by_the_mouse_and_by_the_keyboard_and_escape_closes_it(board):
    board.point("tbody.row button.figure")
    board.until("!document.getElementById('tip').hidden")
    assert "Less the floor: " in board.value("document.getElementById('tip').textContent")
    board.press("Escape", 27)
    assert board.value("document.getElementById('tip').hidden")
    board.run("document.querySelector('tbody.floor button.figure').focus()")
    for key, code in (("ArrowDown", 40), ("ArrowRight", 39)):
        board.press(key, code)
    assert board.value("document.activeElement.getAttribute('aria-describedby')") == "figure-1-1"
    assert "precision" not in board.value("document.getElementById('tip').textContent")
    assert not board.value("document.getElementById('tip').hidden")
    assert board.value("document.querySelectorAll('#results-table button.figure[tabindex=\"0\"]').length") == 1


def test_the_tab_key_reaches_the_skip_link_first_and_one_figure_of_the_table(board):
    board.press("Tab", 9)
    assert board.value("document.activeElement.className") == "skip"
    reached = []
    for _ in range(40):
        board.press("Tab", 9)
        reached.append(board.value("document.activeElement.className"))
    assert reached.count("figure") == 1


def test_charts_are_drawn_and_follow_what_is_chosen(board):
    board.run("document.getElementById('pareto').scrollIntoView()")
    board.until("document.querySelector('#chart-pareto .plot svg')")
    board.run(
        "const select = document.querySelector('#chart-pareto select[data-choice=cost]'); select.value = '3';"
        "select.dispatchEvent(new Event('change'))"
    )
    board.until("document.querySelector('#chart-pareto svg').textContent.includes('network evaluations for a sample (NFE)')")


OVERLAPPING = """
    const shown = text => text.textContent.trim() && text.getAttribute('opacity') !== '0';
    const texts = [...document.querySelectorAll('#chart-pareto svg text')].filter(shown);
    const boxes = texts.map(text => [text.textContent, text.getBoundingClientRect()]);
    const meet = (a, b) => a.left < b.right - 1 && a.right > b.left + 1 && a.top < b.bottom - 2 && a.bottom > b.top + 2;
    const over = ([name, box], others) => others.filter(other => meet(box, other[1])).map(other => [name, other[0]]);
    return boxes.flatMap((box, place) => over(box, boxes.slice(place + 1)))
"""
CUT = """
    const texts = [...document.querySelectorAll('figure.chart svg text')].filter(text => text.textContent.trim());
    const outside = text => text.getBoundingClientRect().right > text.closest('.plot').getBoundingClientRect().right + 1;
    return texts.filter(text => outside(text) && !text.closest('.chart-pairs')).map(text => text.textContent)
"""


@pytest.mark.parametrize("width", [390, 1440])
def test_no_text_of_a_chart_lies_over_another_or_is_cut(board, site, width):
    board.show(width=width)
    board.open((site / "swiss-roll" / "index.html").as_uri())
    for name in ("pareto", "seeds"):
        board.run(f"document.getElementById('chart-{name}').scrollIntoView()")
        board.until(f"document.querySelector('#chart-{name} .plot svg')")
    for cost in (0, 2):
        board.run(
            f"const select = document.querySelector('#chart-pareto select[data-choice=cost]'); select.value = '{cost}';"
            "document.querySelector('#chart-pareto .plot').dataset.drawn = ''; select.dispatchEvent(new Event('change'))"
        )
        board.until("document.querySelector('#chart-pareto .plot').dataset.drawn === 'yes'")
        assert (board.run(OVERLAPPING), board.run(CUT)) == ([], [])
    assert board.value("[...document.querySelectorAll('#chart-seeds svg text')].every(text => !text.textContent.includes('…'))")


def test_two_methods_stand_side_by_side_from_the_same_noise(board):
    board.run("document.getElementById('pair').scrollIntoView()")
    assert board.value("document.querySelectorAll('#pair-shown img').length") == 2
    bases = "[...document.querySelectorAll('#pair-second option')].map(option => option.textContent.split(' × ')[0])"
    assert set(board.value(bases)) == {"EDM (DDPM++)"}
    board.run(
        "const slider = document.getElementById('pair-sample'); slider.value = '12'; slider.dispatchEvent(new Event('input'))"
    )
    assert board.value(
        "[...document.querySelectorAll('.chosen')].map(box => box.style.left === document.querySelector('.chosen').style.left)"
    ) == [True, True]


def test_points_of_two_methods_are_drawn(board, site):
    board.open((site / "swiss-roll" / "index.html").as_uri())
    board.run("document.getElementById('pair').scrollIntoView()")
    board.until("document.querySelector('#pair-shown svg')")
    assert board.value("document.querySelectorAll('#pair-shown svg path').length") > 1000


@pytest.mark.parametrize(("width", "dark"), [(390, False), (820, True), (1440, False)])
def test_no_page_is_wider_than_its_window(board, site, width, dark):
    board.show(width=width, dark=dark)
    for page in ("index.html", "digits/index.html", "swiss-roll/index.html", "digits/records/edm__none__s10.html"):
        board.open((site / page).as_uri())
        assert board.value("document.documentElement.scrollWidth <= innerWidth"), page
        background = board.value("getComputedStyle(document.body).backgroundColor")
        assert background == ("rgb(22, 24, 28)" if dark else "rgb(255, 255, 255)")


def test_on_a_phone_the_first_column_names_the_row_and_stays_in_sight(board):
    board.show(width=390)
    row = "document.querySelector('tbody.row tr')"
    assert board.value(f"{row}.cells[0].innerText.includes('base')")
    assert board.value(f"getComputedStyle({row}.cells[1]).display") == "none"
    left = board.value(f"{row}.cells[0].getBoundingClientRect().left")
    board.run("document.getElementById('results-scroll').scrollLeft = 500")
    assert board.value(f"{row}.cells[0].getBoundingClientRect().left") == left
    board.show()
    assert board.value(f"getComputedStyle({row}.cells[0].querySelector('.also')).display") == "none"


def test_the_reader_chooses_the_theme(board):
    board.run("document.getElementById('theme').click()")
    assert board.value("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 28)"
    board.run("document.getElementById('theme').click()")
    assert board.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_every_link_of_the_index_opens(board, site):
    board.open((site / "index.html").as_uri())
    assert board.value("[...document.querySelectorAll('.card a')].length") >= 2
    board.run("document.querySelector('.card h2 a').click()")
    board.until("document.querySelector('#results-table')")


@contextmanager
def serving(live):
    """Serve a site in a thread."""
    server = LiveServer(live, 0, print)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server.address
    finally:
        server.end()
        thread.join(30)
        assert not thread.is_alive()


def test_a_page_follows_a_run_and_keeps_what_its_reader_chose(browser, write_board, fake_plugins, tmp_path, monkeypatch):
    monkeypatch.setattr("harness.site.live._Previews.__call__", lambda *_: BoardPreviews())
    monkeypatch.setattr("harness.site.serve.EVERY_SECONDS", 0.1)
    board, runs = load_board(write_board(), plugins=fake_plugins), RunsFolder(tmp_path / "runs")
    cells = {cell.name: cell for cell in board.cells}
    log = cell_log(cells["net/fit/s0"])
    path = log.sources(runs)[1]
    path.parent.mkdir(parents=True)
    training_log = TrainingLog(path, log.training_key)
    training_log.begin(None)
    training_log.add(LogLine(1, 64, {"loss": 0.5}))
    live = LiveSite([board], runs, str)
    live.refresh()
    browser.complaints.clear()
    browser.requests.clear()
    browser.show()
    with serving(live) as address:
        browser.open(f"{address}rings/")
        browser.until("document.querySelector('#running-list').textContent === 'Nothing runs now.'")
        browser.run(
            "const search = document.getElementById('search'); search.value = 'net'; search.dispatchEvent(new Event('input'))"
        )
        training_log.add(LogLine(2, 128, {"loss": 0.25}))
        data = "JSON.parse(document.querySelector('#running script').textContent).lines[0].mean"
        browser.until(f"{data}.length === 2")
        cell = cells["net/none/s0"]
        save_record(fake_record(cell), runs.record(board.name, cell.name, cell.key))
        browser.until("document.querySelector('a[href=\"records/net__none__s0.html\"]')")
        assert browser.value("document.getElementById('search').value") == "net"
        assert browser.value("document.getElementById('shown-rows').textContent") == "3 of 6 rows"
    browser.until("document.documentElement.dataset.connected === 'no'")
    assert browser.value("document.getElementById('search').value") == "net"
    assert browser.left_the_machine == []
    assert [each for each in browser.complaints if "ERR_CONNECTION_REFUSED" not in each] == []
