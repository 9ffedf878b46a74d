import os

import pytest
from PIL import Image
from png_files import decoded, ink, metadata, shows

from harness.report.plots.plot import COLOURS, DIGEST_ENTRY, DPI, STYLE, WIDTH, Plot, drawn_from, plain


def bars(colour=COLOURS[0]):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 1))
    figure.subplots().bar([1, 2], [1, 2], color=colour)
    return figure


@pytest.fixture
def plot():
    return Plot("bars.png", "Two bars", "1 2", bars)


def test_a_png_has_the_size_of_the_figure_and_shows_what_was_drawn(plot):
    picture = decoded(plot.png())
    assert picture.shape == (DPI, 2 * DPI, 3)
    assert shows(picture, COLOURS[0], least=1000)
    assert 0.1 < ink(picture) < 0.9
    assert picture[0, 0].tolist() == [255, 255, 255]


def test_the_same_figure_gives_the_same_bytes(plot):
    assert plot.png() == plot.png()


def test_a_png_carries_its_digest_and_no_version_of_a_library(plot):
    entries = metadata(plot.png())
    assert entries[DIGEST_ENTRY] == plot.digest
    assert "Software" not in entries


def test_settings_of_the_user_do_not_reach_a_plot(plot):
    import matplotlib

    expected = plot.png()
    with matplotlib.rc_context({"font.size": 30, "axes.spines.top": True, "figure.facecolor": "red"}):
        assert plot.png() == expected


def test_a_digest_is_of_the_inputs_and_of_the_style_alone(plot, monkeypatch):
    assert Plot("other.png", "Other words", plot.inputs, lambda: bars("black")).digest == plot.digest
    assert Plot(plot.name, plot.caption, "1 3", plot.draw).digest != plot.digest
    before = plot.digest
    monkeypatch.setattr("harness.report.plots.plot.STYLE", STYLE + 1)
    assert plot.digest != before


def test_a_file_says_what_it_was_drawn_from(plot, tmp_path):
    (tmp_path / "bars.png").write_bytes(plot.png())
    assert drawn_from(tmp_path / "bars.png") == plot.digest


def test_files_without_a_digest_say_nothing(tmp_path):
    from PIL import Image

    Image.new("L", (2, 2)).save(tmp_path / "plain.png")
    (tmp_path / "text.png").write_text("no picture")
    assert [drawn_from(tmp_path / name) for name in ("plain.png", "text.png", "absent.png")] == [None] * 3


def test_colours_are_far_apart_and_none_is_near_black_or_white():
    from PIL import ImageColor

    known = [ImageColor.getrgb(colour) for colour in (*COLOURS, "black", "white")]
    for index, first in enumerate(known):
        for second in known[:index]:
            assert sum(abs(a - b) for a, b in zip(first, second, strict=True)) > 80


def test_a_plot_of_full_width_is_as_wide_as_a_page_of_github():
    assert WIDTH * DPI == 900


def test_dollar_signs_of_labels_are_shown_and_no_formula():
    from matplotlib.figure import Figure

    figure = Figure()
    text = figure.text(0.5, 0.5, plain("$x$ costs 3 $"))
    figure.canvas.draw()
    assert text.get_text() == r"\$x\$ costs 3 \$"
    assert plain("no dollar") == "no dollar"


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n" + b"x" * 100])
def test_a_damaged_picture_says_nothing(tmp_path, content):
    (tmp_path / "x.png").write_bytes(content)
    assert drawn_from(tmp_path / "x.png") is None


def test_a_picture_of_any_size_and_a_pipe_say_nothing(tmp_path):
    Image.new("1", (30_000, 30_000)).save(tmp_path / "large.png")
    os.mkfifo(tmp_path / "pipe.png")
    assert drawn_from(tmp_path / "large.png") is None
    assert drawn_from(tmp_path / "pipe.png") is None
