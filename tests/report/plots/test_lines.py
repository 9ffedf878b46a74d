from harness.report.plots.lines import DASHES, MARKERS, look
from harness.report.plots.plot import COLOURS


def test_no_two_of_the_first_lines_look_alike():
    looks = [tuple(look(index).values()) for index in range(len(COLOURS) * len(DASHES))]
    assert len(looks) == 42
    assert len(set(looks)) == len(looks)


def test_the_first_lines_differ_in_colour_and_in_marker():
    first = [look(index) for index in range(len(COLOURS))]
    assert len({line["color"] for line in first}) == len({line["marker"] for line in first}) == len(MARKERS)


def test_a_line_that_repeats_a_colour_has_another_marker():
    for index in range(28):
        one, next_round = look(index), look(index + len(COLOURS))
        assert one["color"] == next_round["color"]
        assert one["marker"] != next_round["marker"]
