import csv as csv_files
import io
import json
import re
from dataclasses import replace

import pytest

from harness.report.formats import FORMATS, as_json, csv, latex, markdown
from harness.report.scores import Score


def markdown_cells(text):
    """The cells of a pipe table, line by line, without its rule."""
    lines = [re.split(r"(?<!\\)\|", line.strip().strip("|")) for line in text.splitlines()]
    return [[cell.strip() for cell in line] for line in (lines[0], *lines[2:])]


def latex_cells(text):
    """The cells of a LaTeX table, line by line, without its rules."""
    body = text.partition(r"\toprule")[2].strip().rpartition(r"\end{tabular}")[0]
    lines = [line.removesuffix(r"\\") for line in body.splitlines() if not re.fullmatch(r"\\(top|mid|bottom)rule", line)]
    return [[cell.strip() for cell in re.split(r"(?<!\\)&", line)] for line in lines]


def test_markdown_shows_units_arrows_and_the_floor_first(table):
    head, floor, first, *_ = markdown_cells(markdown(table))
    assert head[:4] == ["Base", "Method", "distance ↓ (×1e-2)", "likeness ↑"]
    assert floor[:4] == ["Floor", "real against real", "1.20 ± 0.16", "0.012 ± 0.002"]
    assert first[:4] == ["Net", "base", "5.10 ± 0.10", "**0.051 ± 0.001** ‡"]


def test_markdown_has_the_same_number_of_cells_in_each_line_and_aligns_figures_to_the_right(table):
    text = markdown(table)
    assert len({len(line) for line in markdown_cells(text)}) == 1
    rule = [cell.strip() for cell in text.splitlines()[1].strip("|").split("|")]
    assert [cell.endswith(":") for cell in rule] == [False, False, *[True] * 7, False]


def test_labels_cannot_break_a_markdown_table(table):
    row = replace(table.rows[0], base_label="a|b", method_label="snow_ball")
    line = markdown_cells(markdown(replace(table, rows=(row,))))[2]
    assert line[:2] == [r"a\|b", r"snow\_ball"]


def test_latex_read_back_holds_the_cells_of_the_markdown_table(table):
    words = {
        r"$\pm$": "±",
        r"$\times$": "×",
        r"$\downarrow$": "↓",
        r"$\uparrow$": "↑",
        "--": "–",
        "$^\\dagger$": " †",
        "$^\\ddagger$": " ‡",
    }
    expected = markdown_cells(markdown(table))
    found = latex_cells(latex(table).partition("% differences")[0])
    assert len(found) == len(expected)
    for latex_line, markdown_line in zip(found, expected, strict=True):
        for written, other in zip(latex_line, markdown_line, strict=True):
            text = re.sub(r"\\textbf\{([^}]*)\}", r"**\1**", written.replace(r"$\times 10^{-2}$", "×1e-2"))
            for command, letter in words.items():
                text = text.replace(command, letter)
            assert text == other


def test_latex_sets_the_floor_apart_and_declares_every_column(table):
    package, *lines = latex(table).partition("\n% differences")[0].splitlines()
    assert package == r"% needs \usepackage{booktabs}"
    assert lines[0] == r"\begin{tabular}{ll" + "r" * 7 + "l}"
    assert [index for index, line in enumerate(lines) if line == r"\midrule"] == [3, 5]
    assert lines[4].startswith("Floor & real against real")
    assert (lines[1], lines[-2], lines[-1]) == (r"\toprule", r"\bottomrule", r"\end{tabular}")


def test_latex_writes_any_factor(table):
    column = table.board.columns[0]
    halves = replace(column, config=column.config.model_copy(update={"shown_in": 0.5}))
    board = replace(table.board, columns=(halves,))
    assert r"distance $\downarrow$ ($\times 0.5$)" in latex(replace(table, board=board))


def test_a_row_of_latex_does_not_begin_with_what_would_be_an_option_of_the_row_before(table):
    row = replace(table.rows[0], base_label="[a] <b>")
    assert r"{}[a] \textless{}b\textgreater{} & base" in latex(replace(table, rows=(row,)))


@pytest.mark.parametrize("write", [markdown, latex])
def test_what_rounds_to_zero_has_no_sign(table, write):
    floors = {**table.floors, "likeness": Score(-0.0002, 0.0001, 4)}
    text = write(replace(table, floors=floors))
    assert "-0.000" not in text
    assert "0.000 ± 0.000" in text or r"0.000 $\pm$ 0.000" in text


def test_csv_and_json_write_whole_numbers_as_whole_numbers(table):
    not_run = replace(table.rows[0], nfe=None, parameters=None, images_seen=None, seconds=None, done=0)
    uneven = replace(table.rows[0], nfe=10.5)
    floor, first, second, third = csv_files.DictReader(io.StringIO(csv(replace(table, rows=(table.rows[1], uneven, not_run)))))
    counts = ("seeds", "done", "nfe", "parameters", "images_seen", "distance n")
    assert [first[name] for name in counts] == ["3", "3", "10", "50178", "1280", "3"]
    assert (second["nfe"], third["nfe"], third["seeds"], floor["distance n"]) == ("10.5", "", "3", "4")
    rows = json.loads(as_json(table))["rows"]
    assert [type(rows[0][name]) for name in counts] == [int] * 6


def test_latex_has_a_floor_for_each_number_of_samples(data_table):
    assert latex(data_table).partition("% differences")[0].count(r"\midrule") == 4


def test_latex_has_a_table_of_differences_for_each_column_that_ranks(table):
    text = latex(table)
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 3
    assert r"$-3.33$ [$-3.36$, $-3.30$] & \textless{} 0.001" in text


@pytest.mark.parametrize("label", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_a_label_of_a_csv_is_no_formula(table, label):
    row = replace(table.rows[0], base_label=label)
    *_, line = csv_files.DictReader(io.StringIO(csv(replace(table, rows=(row,)))))
    assert line["label"] == f"'{label} × base"


def test_csv_read_back_holds_the_numbers_unrounded(table):
    floor, *lines = csv_files.DictReader(io.StringIO(csv(table)))
    assert float(floor["distance mean"]) == table.floors["distance"].mean
    for line, row in zip(lines, table.rows, strict=True):
        assert (line["base"], line["method"], float(line["seeds"]), float(line["done"])) == (
            row.base,
            row.method,
            row.seeds,
            row.done,
        )
        numbers = [line[f"{name} {part}"] for name in ("distance", "likeness") for part in ("mean", "sd")]
        if row.done:
            assert list(map(float, numbers)) == [part for score in row.scores.values() for part in (score.mean, score.sd)]
        else:
            assert numbers == [""] * 4


def test_json_holds_the_numbers_and_the_direction_of_each_metric(table):
    content = json.loads(as_json(table))
    assert (content["board"], content["protocol"]) == ("rings", 1)
    assert content["metrics"] == {"distance": "lower is better", "likeness": "higher is better"}
    assert content["floor"]["distance n"] == 4
    assert len(content["rows"]) == len(table.rows)
    assert content["rows"][0]["distance mean"] == pytest.approx(0.051, rel=1e-14)
    assert content["rows"][-1]["distance mean"] is None
    assert content["rows"][-1]["status"] == "skipped: chain lacks Likelihood, which tune needs"


@pytest.mark.parametrize("value", [2.938587905123e-14, 1 / 3, 123456.78901234567, 5e-324])
def test_json_holds_every_digit_of_a_number(table, value):
    row = replace(table.rows[0], cost=value, seconds=float("nan"), within={"distance": float("inf")})
    (shown,) = json.loads(as_json(replace(table, rows=(row,))))["rows"]
    assert shown["cost"] == value
    assert (shown["seconds_finetune"], shown["distance within-seed sd"]) == (None, None)


def test_json_has_a_list_of_floors_for_several_numbers_of_samples(data_table):
    content = json.loads(as_json(data_table))
    assert "floor" not in content
    assert [floor["samples"] for floor in content["floors"]] == [200, 100]
    assert [(row["base"], row["samples"]) for row in content["rows"]] == [
        ("good", 200),
        ("bad", 200),
        ("good", 100),
        ("bad", 100),
    ]


def test_csv_and_json_hold_the_same_numbers(table):
    lines = list(csv_files.DictReader(io.StringIO(csv(table))))
    content = json.loads(as_json(table))
    for line, row in zip(lines, [content["floor"], *content["rows"]], strict=True):
        numbers = {name for name, value in row.items() if isinstance(value, float)}
        assert {name: float(line[name]) for name in numbers} == {name: row[name] for name in numbers}
        assert {name: line[name] or None for name in row.keys() - numbers} == {
            name: None if row[name] in (None, "") else str(row[name]) for name in row.keys() - numbers
        }


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_ends_its_last_line_and_is_the_same_each_time(table, name):
    text = FORMATS[name](table)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert text == FORMATS[name](table)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_writes_a_board_without_records(board, name):
    from harness.report.collect import collect_published
    from harness.report.table import Table

    text = FORMATS[name](Table.from_collection(collect_published(board)))
    assert text.count("not run") >= 5
    assert text.count("skipped") == 1


def test_latex_sets_samplers_apart_below_one_floor(sampler_table):
    board_table = latex(sampler_table).split(r"\end{tabular}")[0]
    assert board_table.count(r"\midrule") == 6, "the floor, and five samplers"
    assert board_table.count("Floor") == 1


def test_csv_and_json_name_the_sampler(sampler_table):
    content = json.loads(as_json(sampler_table))
    assert content["floor"]["sampler"] == ""
    assert [row["sampler"] for row in content["rows"]][::6] == ["plain", "walking", "push-0", "push-0.5", "push-2"]
    assert csv(sampler_table).splitlines()[0].startswith("base,method,label,sampler,")
