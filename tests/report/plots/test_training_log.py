import json

import pytest
from png_files import decoded, ink, shows

from harness.errors import UserError
from harness.report.collect import collect_published
from harness.report.logs import TrainingLogs
from harness.report.plots.plot import COLOURS
from harness.report.plots.seed_lines import Line, Panel
from harness.report.plots.training_log import MOST_PANELS, _draw_panel, training_log_plot
from harness.training.training_log import LogLine


def lines(*values, name="loss"):
    return tuple(LogLine(10 * i, 640 * i, {name: value}) for i, value in enumerate(values, 1))


def panels(collection, logs):
    return json.loads(training_log_plot(collection, logs).inputs)


def test_a_line_is_the_mean_and_deviation_over_seeds_and_pretraining_has_panels_of_its_own(collection):
    logs = TrainingLogs(
        {"net/fit/s0": lines(3.0, 1.0), "net/fit/s1": lines(5.0, 1.0), "net/fit/s2": lines(4.0, 1.0)}, {"net": (lines(9.0),)}
    )
    pretraining, fit = panels(collection, logs)
    assert (pretraining["title"], fit["title"]) == ("pretraining: loss", "more of it: loss")
    (line,) = fit["lines"]
    assert (line["label"], line["images"], line["means"]) == ("Net", [640, 1280], [4.0, 1.0])
    assert line["sds"] == pytest.approx([1.0, 0.0])
    assert pretraining["lines"][0]["sds"] == [0.0]


def test_each_scalar_has_a_panel_and_points_of_the_curve_have_none(collection):
    values = {"loss": 1.0, "accuracy": 0.5}
    logs = TrainingLogs({"net/tune/s0": (LogLine(0, 0, {"curve": 9.0}), LogLine(10, 640, values))})
    assert [panel["title"] for panel in panels(collection, logs)] == ["tune: loss", "tune: accuracy"]


def test_seeds_that_logged_at_other_steps_are_compared_where_both_did(collection):
    other = (LogLine(20, 1280, {"loss": 2.0}), LogLine(25, 1600, {"loss": 7.0}))
    (panel,) = panels(collection, TrainingLogs({"net/fit/s0": lines(3.0, 4.0), "net/fit/s1": other}))
    assert (panel["lines"][0]["images"], panel["lines"][0]["means"]) == ([1280], [3.0])


def test_steps_of_pretraining_are_told_apart(collection):
    titles = [panel["title"] for panel in panels(collection, TrainingLogs({}, {"net": (lines(2.0), lines(1.0))}))]
    assert titles == ["pretraining, step 1: loss", "pretraining, step 2: loss"]


def test_a_step_of_pretraining_without_a_log_leaves_the_others_their_numbers(collection):
    titles = [panel["title"] for panel in panels(collection, TrainingLogs({}, {"net": ((), lines(1.0))}))]
    assert titles == ["pretraining, step 2: loss"]


def test_a_mean_over_fewer_seeds_than_are_done_says_so(collection):
    accuracy = tuple(LogLine(line.step, line.images, {**line.values, "accuracy": 0.5}) for line in lines(4.0))
    loss, other = panels(collection, TrainingLogs({"net/fit/s0": lines(3.0), "net/fit/s1": lines(3.0), "net/fit/s2": accuracy}))
    assert (loss["lines"][0]["label"], other["lines"][0]["label"]) == ("Net", "Net (1 of 3 seeds)")
    (panel,) = panels(collection, TrainingLogs({"net/fit/s0": lines(3.0)}))
    assert panel["lines"][0]["label"] == "Net (1 of 3 seeds)"


def test_seeds_that_are_not_done_are_none_of_the_seeds_of_a_mean(board, publish_records):
    publish_records(board, [cell for cell in board.cells if cell.name in ("net/fit/s0", "net/fit/s1")])
    publish_records(board, [cell for cell in board.cells if cell.name == "net/fit/s2"], status="diverged")
    (panel,) = panels(collect_published(board), TrainingLogs({"net/fit/s0": lines(3.0), "net/fit/s1": lines(3.0)}))
    assert panel["lines"][0]["label"] == "Net"


@pytest.mark.parametrize(("shared", "label"), [(2, "Net (2 of 3 seeds)"), (1, "Net (2 of 3 seeds, 1 of 4 logged steps)")])
def test_a_line_at_fewer_than_half_of_the_logged_steps_says_so(collection, shared, label):
    dense = lines(4.0, 3.0, 2.0, 1.0)
    (panel,) = panels(collection, TrainingLogs({"net/fit/s0": dense, "net/fit/s1": dense[:shared]}))
    assert (panel["lines"][0]["label"], len(panel["lines"][0]["images"])) == (label, shared)


def test_a_line_of_seeds_that_share_no_logged_step_is_named(collection):
    apart = {"net/fit/s0": lines(3.0), "net/fit/s1": (LogLine(7, 448, {"loss": 1.0}),)}
    plot = training_log_plot(collection, TrainingLogs({**apart, "net/tune/s0": lines(3.0)}))
    assert plot.caption.endswith("; not drawn, since no step was logged by all seeds: Net, more of it: loss")
    with pytest.raises(UserError, match="no step was logged by all seeds: Net, more of it: loss"):
        training_log_plot(collection, TrainingLogs(apart))


def test_cells_that_are_not_done_are_left_out(board, publish_records):
    publish_records(board, [cell for cell in board.cells if cell.name == "net/fit/s0"], status="diverged")
    logs = TrainingLogs({"net/fit/s0": lines(1.0)})
    assert training_log_plot(collect_published(board), logs) is None
    assert training_log_plot(collect_published(board), TrainingLogs()) is None


def test_a_plot_has_so_many_panels_at_most_and_says_how_many_more_there_are(collection):
    values = {f"scalar {number}": 1.0 for number in range(MOST_PANELS + 3)}
    plot = training_log_plot(collection, TrainingLogs({"net/fit/s0": (LogLine(10, 640, values),)}))
    assert len(json.loads(plot.inputs)) == MOST_PANELS
    assert plot.caption.endswith("; 3 more are in the logs")


def test_the_picture_shows_each_base_in_its_colour(collection):
    logs = TrainingLogs({"net/fit/s0": lines(3.0, 1.0, 2.0), "chain/fit/s0": lines(5.0, 1.0, 4.0)})
    picture = decoded(training_log_plot(collection, logs).png())
    assert picture.shape == (280, 900, 3)
    assert 0.01 < ink(picture) < 0.6
    assert all(shows(picture, colour) for colour in COLOURS[:2])
    assert not shows(picture, COLOURS[2], least=1), "there is no third base"


def test_dollar_signs_of_labels_are_no_formulas():
    from matplotlib.figure import Figure

    axis = Figure().subplots()
    _draw_panel(axis, Panel("$x$: loss", (Line("$a$", 0, (1, 2), (3.0, 4.0), (0.0, 0.0)),)))
    assert (axis.get_title(), axis.get_legend_handles_labels()[1]) == (r"\$x\$: loss", [r"\$a\$"])


def test_the_seeds_of_a_base_are_seeds_of_one_line(load):
    step = "{method: fit, training: {images: 1280}"
    board = load((f"model: net, pretrain: {step}}}", f"model: net, pretrain: {step}, seeds: [7, 8]}}"))
    logs = TrainingLogs({}, {"net of seed 7": (lines(9.0),), "net of seed 8": (lines(5.0),)})
    (panel,) = panels(collect_published(board), logs)
    assert [(line["label"], line["means"]) for line in panel["lines"]] == [("Net", [7.0])]


def test_lesser_points_of_grids_have_no_lines_and_the_caption_says_so(collection):
    logs = TrainingLogs({"net/fit/s0": lines(3.0), "net/tune/s0": lines(2.0)})
    plot = training_log_plot(collection, logs, {("net", "fit")})
    assert [panel["title"] for panel in json.loads(plot.inputs)] == ["tune: loss"]
    assert plot.caption.endswith("; of each grid, the point that is best in the first column that ranks")


def test_bases_of_the_same_weights_share_a_line(load, publish_records):
    net = "  net: {label: Net, model: net, pretrain: {method: fit, training: {images: 1280}}}\n"
    board = load((net, net + net.replace("net: {label: Net", "again: {label: Again")))
    publish_records(board)
    logs = TrainingLogs({}, {"net": (lines(2.0),), "again": (lines(2.0),)})
    (panel,) = panels(collect_published(board), logs)
    assert [line["label"] for line in panel["lines"]] == ["Net"]


def test_long_titles_are_broken_into_lines():
    from matplotlib.figure import Figure

    axis = Figure().subplots()
    _draw_panel(axis, Panel("DDO, alpha 1, beta 0.005, learning rate 0.0001: accuracy", ()))
    assert axis.get_title() == "DDO, alpha 1, beta 0.005, learning rate\n0.0001: accuracy"
