"""Sites of fake boards, of hostile ones, and of the committed ones."""

import io
import json
import re
import zipfile
from pathlib import Path
from urllib.parse import unquote, urljoin

import pytest
from board_fixtures import BOARD, DATA_BOARD, SAMPLER_BOARD
from html_pages import read_page

from harness.board.reading.load import load_board
from harness.errors import UserError
from harness.report.difference_tables import difference_tables
from harness.report.formats import FORMATS, MARKDOWN
from harness.report.render import render_published
from harness.site.site import site_of

ROOT = Path(__file__).resolve().parents[2]
LEADERBOARDS = sorted(folder.parent for folder in (ROOT / "leaderboards").glob("*/results"))
LARGEST = 5 * 2**20
"""Bytes of a site of one board, without pictures and without the pages of single cells."""
LARGEST_PAGE, LARGEST_RECORD = 2 * 2**20, 2**16
"""Bytes of a board's page, and of the page of a cell."""
REQUESTED = ("src", "srcset", "poster", "data", "action", "background", "ping")


def check_pages(files):
    """Check every page of a site: tags closed, ids unique, links that lead somewhere, and nothing fetched from elsewhere."""
    pages = {path: read_page(content) for path, content in files.items() if path.endswith(".html")}
    ids = {}
    for path, page in pages.items():
        found = [element.attributes["id"] for element in page.all() if "id" in element.attributes]
        assert len(set(found)) == len(found), path
        ids[path] = set(found)
    for path, page in pages.items():
        for element in page.all():
            check_element(path, element, files, ids)


def check_element(path, element, files, ids):
    for name in ("aria-labelledby", "aria-describedby", "for"):
        assert element.attributes.get(name, "") in ids[path] | {""}, (path, element.attributes)
    assert not [name for name in element.attributes if name.startswith("on") or name == "style"], (path, element.attributes)
    if element.tag == "script" and "src" not in element.attributes:
        assert element.attributes["type"] == "application/json"
    for name in REQUESTED:
        if name in element.attributes:
            assert leads_to(path, element.attributes[name]) in files, (path, element.attributes)
    address = element.attributes.get("href")
    if address is None or (element.tag == "link" and address == "data:,"):
        return
    if "://" in address:
        assert element.tag == "a"
        assert element.attributes.get("rel") == "noreferrer"
        return
    target, _, anchor = address.partition("#")
    linked = leads_to(path, target) if target else path
    assert linked in files, (path, address)
    assert not anchor or anchor in ids[linked], (path, address)


def leads_to(path, address):
    return unquote(urljoin(f"http://site/{path}", address).removeprefix("http://site/"))


def loaded(write_board, fake_plugins, publish_records, text, name="rings"):
    board = load_board(write_board(text, name), plugins=fake_plugins)
    publish_records(board)
    return render_published(board)


@pytest.mark.parametrize("text", [BOARD, DATA_BOARD, SAMPLER_BOARD])
def test_pages_of_boards_are_whole(text, write_board, fake_plugins, publish_records):
    check_pages(site_of([loaded(write_board, fake_plugins, publish_records, text)]).files)


def test_the_index_counts_the_cells_that_can_run(rendered, files, board, change_record):
    assert "6 rows; 15 of 15 cells have a record" in read_page(files["index.html"]).text
    change_record(board, "chain/tune/s0", status="skipped", reason="cannot", metrics={})
    files = site_of([render_published(board)]).files
    assert "6 rows; 15 of 15 cells have a record" in read_page(files["index.html"]).text
    links = [link.attributes["href"] for link in read_page(files["rings/index.html"]).all("a")]
    assert "records/chain__tune__s0.html" in links


def test_a_board_that_nobody_ran_has_a_page(board):
    files = site_of([render_published(board)]).files
    check_pages(files)
    assert "Nobody has run this board yet" in read_page(files["rings/index.html"]).text
    assert "not run yet" in read_page(files["index.html"]).text


HOSTILE = "</title><script>alert('x')</script>\"'><img src=https://example.org/p.png onerror=alert(1)>{{ 7 * 7 }}\\u003c"


def test_no_script_comes_out_of_a_board_or_a_record(write_board, fake_plugins, publish_records, change_record):
    quoted, without_claims = json.dumps(HOSTILE), json.dumps(HOSTILE.replace("{{ 7 * 7 }}", ""))
    text = BOARD.replace("title: Rings", f"title: {quoted}\ndescription: {quoted}\nfindings: {without_claims}")
    text = text.replace("label: Net,", f"label: {quoted},").replace("note: the control", f"note: {quoted}")
    board = load_board(write_board(text), plugins=fake_plugins)
    publish_records(board)
    facts = {
        "environment": {HOSTILE: HOSTILE},
        "created": HOSTILE,
        "samples_sha256": HOSTILE,
        "pretraining": {HOSTILE: [HOSTILE]},
    }
    change_record(board, "net/fit/s0", **facts)
    change_record(board, "net/fit/s1", status="failed", reason=HOSTILE, metrics={})
    (board.folder / "reported.csv").write_text(
        "board,type,model,method,params_m,nfe,guidance,metric,value,source,note\n"
        + ",".join(
            [
                "rings",
                "diffusion",
                *['"' + HOSTILE.replace('"', '""') + '"'] * 2,
                "",
                "1",
                "none",
                "fid",
                "1",
                "javascript:x",
                "<b>",
            ]
        )
        + "\n"
    )
    files = site_of([render_published(board)]).files
    check_pages(files)
    for path, content in files.items():
        if path.endswith(".html"):
            tags = {element.tag for element in read_page(content).all()}
            assert not tags & {"img", "b", "iframe", "object"}, path
            assert b"49" not in content or b"{{ 7 * 7 }}" in content
            assert b"<script>" not in content
            assert b"alert('x')</script>" not in content


def test_the_policy_of_pages_forbids_scripts_in_them_and_other_machines(files):
    for path, content in files.items():
        if path.endswith(".html"):
            policy = next(read_page(content).all("meta", **{"http-equiv": "Content-Security-Policy"})).attributes["content"]
            assert "default-src 'none'; script-src 'self';" in policy
            assert "http" not in policy
            assert "connect-src" not in policy


def test_the_archive_holds_the_records_as_they_are_and_is_the_same_every_time(rendered):
    first, second = (site_of([rendered]).files["rings/records.zip"] for _ in range(2))
    assert first == second
    archive = zipfile.ZipFile(io.BytesIO(first))
    folder = rendered.content.collection.board.folder / "results"
    assert len(archive.namelist()) == 15
    assert all(archive.read(name) == (folder / name).read_bytes() for name in archive.namelist())


def test_downloads_are_the_formats_of_render(rendered, files):
    assert files["rings/rings.csv"].decode() == FORMATS["csv"](rendered.table)
    assert files["rings/rings.json"].decode() == FORMATS["json"](rendered.table)
    assert files["rings/rings.tex"].decode() == FORMATS["latex"](rendered.table)


def test_two_boards_of_one_name_are_refused(write_board, fake_plugins, tmp_path):
    first = load_board(write_board(), plugins=fake_plugins)
    other = tmp_path / "elsewhere" / "rings"
    other.mkdir(parents=True)
    (other / "board.yaml").write_text(BOARD)
    with pytest.raises(UserError, match="boards of one name, rings"):
        site_of([render_published(first), render_published(load_board(other, plugins=fake_plugins))])


def test_reported_numbers_stand_apart_with_their_sources_as_links(board):
    (board.folder / "reported.csv").write_text(
        "board,type,model,method,params_m,nfe,guidance,metric,value,source,note\n"
        "rings,diffusion,DDPM,base,,10,none,W2,8.29,arXiv:2301.13362 Table 1,as the paper says\n"
    )
    page = read_page(site_of([render_published(board)]).files["rings/index.html"])
    table = page.one("table", cls="reported")
    assert [cell.text for cell in table.one("tbody").all("td")] == [
        "DDPM", "base", "10", "W2", "8.29", "arXiv:2301.13362 Table 1", "as the paper says",
    ]  # fmt: skip
    assert table.one("a").attributes["href"] == "https://arxiv.org/abs/2301.13362"
    assert "8.29" not in page.one("table", id="results-table").text


def test_boards_link_to_each_other(write_board, fake_plugins, publish_records):
    text = BOARD.replace("title: Rings", "title: Rings\ndescription: see [the other](../two/README.md)")
    boards = [
        loaded(write_board, fake_plugins, publish_records, text, "one"),
        loaded(write_board, fake_plugins, publish_records, BOARD, "two"),
    ]
    files = site_of(boards).files
    check_pages(files)
    for path, address in (("one/index.html", "../two/index.html"), ("index.html", "two/index.html")):
        links = [link.attributes["href"] for link in read_page(files[path]).all("a") if link.text == "the other"]
        assert links == [address]


def markdown_cell(text):
    """Return the text of a cell of a table in Markdown, and whether it is bold."""
    plain = re.sub(r"\\(.)", r"\1", text.strip()).replace("&lt;", "<").replace("&amp;", "&")
    return plain.replace("**", ""), "**" in plain


def table_after(lines, heading):
    """Return the cells of the first table in Markdown after a line."""
    start = next(number for number, line in enumerate(lines) if line.startswith(heading))
    rows = []
    for line in lines[start:]:
        if line.startswith("|"):
            rows.append([markdown_cell(cell) for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif rows:
            break
    return rows[:1] + rows[2:]


def shown_cells(row):
    """Return the texts of a row of the site's table, and whether each is bold."""
    cells = []
    for cell in row.children:
        (shown,) = list(cell.all("button", cls="figure")) or [cell]
        hidden = [each.text for each in cell.all("span", cls="also")]
        text = shown.text.removesuffix(hidden[0]) if hidden else shown.text
        cells.append((text, any(True for _ in cell.all("strong"))))
    return cells


@pytest.mark.parametrize("folder", LEADERBOARDS, ids=lambda folder: folder.name)
def test_a_committed_board_has_a_site_with_the_figures_of_its_page(folder):
    rendered = render_published(load_board(folder))
    files = site_of([rendered]).files
    check_pages(files)
    assert len(files[f"{folder.name}/index.html"]) < LARGEST_PAGE
    sizes = {path: len(content) for path, content in files.items() if not path.endswith(".png")}
    of_cells = {path: size for path, size in sizes.items() if path.startswith(f"{folder.name}/records/")}
    assert sum(sizes.values()) - sum(of_cells.values()) < LARGEST
    assert max(of_cells.values()) < LARGEST_RECORD
    page = read_page(files[f"{folder.name}/index.html"])
    lines = (folder / "README.md").read_text(encoding="utf-8").splitlines()
    heads, *rows = table_after(lines, "## Results")
    table = page.one("table", id="results-table")
    assert [head.one("button").text for head in table.one("thead").all("th")] == [text for text, _ in heads]
    shown = [next(body.all("tr")) for body in table.all("tbody")]
    assert [shown_cells(row) for row in shown] == rows
    check_differences(page, rendered, lines)


def check_differences(page, rendered, lines):
    """Check that the tables of differences are those of the page in Markdown, and say the same p and intervals."""
    tables = difference_tables(rendered.table, MARKDOWN)
    section = next(page.all("section", id="differences"), None)
    assert (section is None) == (not tables)
    for markdown, table in zip(tables, [] if section is None else section.all("table"), strict=True):
        expected = [[markdown_cell(cell)[0] for cell in row] for row in markdown.rows]
        assert [[cell.text for cell in row.all("td")] for row in table.one("tbody").all("tr")] == expected
    if tables:
        first = [[text for text, _ in row] for row in table_after(lines, "## Differences")[1:]]
        assert first == [[markdown_cell(cell)[0] for cell in row] for row in tables[0].rows]
