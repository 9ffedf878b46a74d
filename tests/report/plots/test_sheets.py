import numpy as np
import torch
from harness_fake_images import shades
from png_files import decoded, ink, shows

from harness.report.plots.plot import Plot
from harness.report.plots.sample_panel import SamplePanel
from harness.report.plots.sheets import padded, sheets_figure
from harness.report.preview import Preview
from harness.report.sheet import sheet_of


def panel(x, method="fit", base="Net"):
    return SamplePanel(base, method, Preview("x", sheet=sheet_of(x, None)))


def coloured(red, green, blue, n=4):
    """Images (n, 3, 2, 2) of one colour, each part in [-1, 1]."""
    return torch.tensor([red, green, blue]).view(1, 3, 1, 1).expand(n, 3, 2, 2)


def picture(panels):
    return decoded(Plot("samples.png", "", "", lambda: sheets_figure(panels)).png())


def test_pixels_are_drawn_as_they_are_with_hard_edges():
    shown = picture([panel(coloured(1.0, -1.0, -1.0)), panel(coloured(-1.0, -1.0, 1.0))])
    assert shows(shown, "#FF0000", least=500)
    assert shows(shown, "#0000FF", least=500)
    # Red, blue, the white of the page, and letters in grey; nothing between red and white, as smoothing would make.
    reddish = (shown[..., 0] > 200) & (shown[..., 1] > 60) & (shown[..., 1] < 180) & (shown[..., 2] < 180)
    assert reddish.sum() == 0


def test_panels_are_headed_by_method_and_base():
    figure = sheets_figure([panel(shades(4), "held-out images", "real"), panel(shades(4))])
    assert [axis.get_title().strip() for axis in figure.axes] == ["held-out images", "fit"]
    assert [axis.texts[0].get_text() for axis in figure.axes] == ["real", "Net"]
    assert not any(axis.axison for axis in figure.axes)


def test_a_fourth_panel_begins_a_second_line():
    sizes = [sheets_figure([panel(shades(4))] * number).get_size_inches() for number in (1, 3, 4)]
    assert sizes[1][0] == 3 * sizes[0][0] == sizes[2][0]
    assert sizes[2][1] == 2 * sizes[1][1]


def test_sheets_of_fewer_classes_are_padded_with_white_to_one_size():
    first, second = padded([np.zeros((3, 8, 3), np.uint8), np.zeros((2, 5, 3), np.uint8)])
    assert first.shape == second.shape == (3, 8, 3)
    assert (second[:2, :5] == 0).all()
    assert second[2:].min() == second[:, 5:].min() == 255


def test_a_small_sheet_beside_a_large_one_keeps_its_scale():
    large, small = panel(-torch.ones(40, 1, 2, 2)), panel(-torch.ones(10, 1, 2, 2))
    both, alone = picture([large, small]), picture([large, large])
    # The smaller sheet has a quarter of the images; drawn larger it would be as black as the other.
    assert ink(both) < 0.7 * ink(alone)
