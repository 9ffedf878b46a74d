import json

import pytest
from board_fixtures import fake_record
from html_pages import read_page

from harness.board.log_files import base_logs, cell_log
from harness.errors import UserError
from harness.report.board_previews import BoardPreviews
from harness.site.live import LiveSite
from harness.store.records import save_record
from harness.store.runs_folder import RunsFolder
from harness.training.training_log import LogLine, TrainingLog


@pytest.fixture
def runs(tmp_path):
    return RunsFolder(tmp_path / "runs")


@pytest.fixture
def live(board, runs, monkeypatch):
    """The site of a board that is about to run; previews, which need the dataset, are left out."""
    monkeypatch.setattr("harness.site.live._Previews.__call__", lambda *_: BoardPreviews())
    return LiveSite([board], runs, lambda progress: f"{progress.job} {progress.stage}")


def begin(log, runs, *losses):
    """Write the log of a training under way."""
    _, path = log.sources(runs)
    path.parent.mkdir(parents=True, exist_ok=True)
    training_log = TrainingLog(path, log.training_key)
    training_log.begin(None)
    for step, loss in enumerate(losses, 1):
        training_log.add(LogLine(step, 64 * step, {"loss": loss}))


def shown(live):
    return read_page(live.site.files["rings/index.html"])


def under_way(live):
    """The lines of the charts of trainings under way."""
    section = shown(live).one("section", id="running")
    return [json.loads(script.raw)["lines"] for script in section.all("script")]


def test_a_site_is_made_anew_when_a_record_comes_and_not_before(live, board, runs):
    assert live.refresh()
    assert not live.refresh()
    version = live.version
    cell = board.cells[0]
    save_record(fake_record(cell), runs.record(board.name, cell.name, cell.key))
    assert live.refresh()
    assert live.version != version
    assert "rings/records/net__none__s0.html" in live.site.files


def test_a_training_under_way_has_its_curve_until_its_record_is_there(live, board, runs):
    cell = next(cell for cell in board.cells if cell.name == "net/fit/s0")
    begin(cell_log(cell), runs, 0.5, 0.25)
    live.refresh()
    ((line,),) = under_way(live)
    assert (line["label"], line["x"], line["mean"]) == ("net/fit/s0", [64, 128], [0.5, 0.25])
    begin(cell_log(cell), runs, 0.5, 0.25, 0.125)
    assert live.refresh()
    assert under_way(live)[0][0]["mean"] == [0.5, 0.25, 0.125]
    save_record(fake_record(cell), runs.record(board.name, cell.name, cell.key))
    assert live.refresh()
    assert under_way(live) == []


def test_the_pretraining_of_a_base_is_under_way_too(live, board, runs):
    begin(base_logs(board.bases[0])[0], runs, 0.75)
    live.refresh()
    assert under_way(live)[0][0]["label"] == "base net"


def test_pages_ask_their_own_server_alone(live):
    live.refresh()
    for path in ("index.html", "rings/index.html"):
        page = read_page(live.site.files[path])
        policy = next(page.all("meta", **{"http-equiv": "Content-Security-Policy"})).attributes["content"]
        assert "connect-src 'self'" in policy
        assert next(page.all("meta", name="live")).attributes["content"] == ("../" if "/" in path else "")


def test_a_damaged_record_stops_the_start_and_later_leaves_the_site_as_it_was(live, board, runs):
    cell = board.cells[0]
    path = runs.record(board.name, cell.name, cell.key)
    save_record(fake_record(cell), path)
    whole = path.read_text()
    path.write_text(whole.replace('"done"', '"cone"'))
    with pytest.raises(UserError, match="damaged"):
        live.refresh()
    path.write_text(whole)
    live.refresh()
    site = live.site
    path.write_text(whole.replace('"done"', '"lone"') + " ")
    live.refresh()
    assert live.site is site
    assert "damaged" in live.fault
    path.write_text(whole)
    live.refresh()
    assert live.fault == ""
