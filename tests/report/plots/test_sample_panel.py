from matplotlib.figure import Figure

from harness.report.plots.sample_panel import SamplePanel, write_below_title
from harness.report.preview import Preview

PREVIEW = Preview("x", [[0.0, 0.0]])


def test_a_panel_of_a_model_is_headed_by_its_base_and_its_method(board):
    row = board.cells[3].row
    assert SamplePanel.from_row(row, PREVIEW) == SamplePanel("Net", "more of it", PREVIEW)


def test_a_panel_of_data_is_headed_by_the_data_alone(data_board):
    row = data_board.cells[0].row
    assert SamplePanel.from_row(row, PREVIEW) == SamplePanel("", "as good", PREVIEW)


def test_what_is_written_below_the_title_is_above_the_axis_in_its_middle():
    axis = Figure().subplots()
    write_below_title(axis, "Net")
    (text,) = axis.texts
    assert text.get_text() == "Net"
    assert text.get_horizontalalignment() == "center"
    assert axis.transAxes.inverted().transform(text.get_transform().transform(text.get_position())).round(6).tolist() == [
        0.5,
        1.02,
    ]
