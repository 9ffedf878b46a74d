import json

from board_fixtures import fake_record
from html_pages import read_page

from harness.site.record_charts import log_charts, log_charts_of
from harness.site.record_facts import facts_of, metric_rows
from harness.site.record_page import record_html
from harness.site.templates import json_data
from harness.store.records import ComponentFacts, ExtractorFacts, Measured, SourceFacts, WeightsRead
from harness.training.training_log import LogLine

LOG = (
    LogLine(10, 640, {"loss": 0.5, "round/1": 1.0}),
    LogLine(10, 640, {"curve": 3.0}),
    LogLine(20, 1280, {"loss": 0.25}),
)


def page_of(board, cell_name="net/fit/s1", log=(), **fields):
    cells = [cell for cell in board.cells if cell.name.startswith("net/fit/")]
    cell = next(cell for cell in cells if cell.name == cell_name)
    return read_page(record_html(cell, fake_record(cell, **fields), log, cells, board, live=False))


def test_a_page_has_all_that_makes_a_number_again(board):
    settings = {"lr": 0.001, "betas": [0.9, 0.999], "inner": {"name": "adam", "clip": None}}
    extractor = ExtractorFacts(name="cnn", version="1/1", settings={}, weights_sha256="e" * 64, preprocessing="grey")
    page = page_of(
        board,
        finetuning=ComponentFacts(name="fit", version="3/1", settings=settings),
        extractors={"cnn": extractor},
        sources=[SourceFacts(component="method fit", distribution="fake", version="9", commit="abc+", sha256="f" * 64)],
        environment={"commit": "1234567", "torch": "2.4.0", "unheard of": 3},
        weights_read=[WeightsRead(part="unet", table="ema")],
        selected_images=640,
    )
    text = page.one("main").text
    for part in ("a" * 64, "b" * 64, "e" * 64, "f" * 64, "ring-1", "1234567", "PyTorch", "unheard of", "abc+", "fake 9", "ema"):
        assert part in text
    assert "[0.9, 0.999]" in text
    assert "{name: adam, clip: none}" in text
    assert "640 images" in text


def test_metrics_stand_unrounded_with_every_draw_and_what_else_they_gave(board):
    cell = next(cell for cell in board.cells if cell.name == "net/fit/s0")
    record = fake_record(cell, metrics={"distance": Measured(values=[0.1, 0.2], seconds=1.5, also={"sd": [0.01, 0.02]})})
    assert metric_rows(record) == [
        ("distance", repr(0.15000000000000002), ["0.1", "0.2"], "1.50"),
        ("distance: sd", "", ["0.01", "0.02"], ""),
    ]


def test_other_seeds_of_the_row_are_linked(board):
    links = [link.attributes["href"] for link in page_of(board).one("nav", **{"aria-label": "Other seeds"}).all("a")]
    assert links == ["net__fit__s0.html", "net__fit__s2.html"]


def test_a_log_gives_a_chart_for_each_scalar_but_no_round(board):
    assert [chart.title for chart in log_charts(LOG)] == ["loss"]
    figures = list(page_of(board, log=LOG).all("figure"))
    assert [figure.one("figcaption").text for figure in figures] == ["distance along training", "loss"]


def test_logs_of_trainings_under_way_share_a_chart_a_scalar():
    charts = log_charts_of({"net/fit/s0": list(LOG), "net/fit/s1": [LogLine(10, 640, {"loss": 0.75})]})
    assert {chart.title: [line["label"] for line in json.loads(json_data(chart.data))["lines"]] for chart in charts} == {
        "loss": ["net/fit/s0", "net/fit/s1"],
        "curve": ["net/fit/s0"],
    }


def test_a_failed_cell_says_why_and_has_no_metrics(board):
    page = page_of(board, status="failed", reason="<b>out of memory</b>", metrics={}, curve=[])
    assert "<b>out of memory</b>" in page.one("main").text
    assert "which ended as failed" in page.one("main").text
    assert not list(page.all("b"))


def test_facts_without_values_have_no_heading(board):
    cell = next(cell for cell in board.cells if cell.name == "net/fit/s0")
    headings = [facts.heading for facts in facts_of(fake_record(cell))]
    assert "Pretraining" not in headings
    assert "Environment" in headings
