"""`harness render`: pages from published records, a check whether they are current, and tables in other formats."""

import os
import shutil

import pytest
from matplotlib.figure import Figure

from harness.report.plots.plot import Plot


@pytest.fixture
def published(filled):
    """A shell with a board whose records and page are published."""
    assert filled("publish", "leaderboards/small").returncode == 0
    return filled


def test_a_board_without_results_is_no_fault(shell):
    assert shell("render", "leaderboards/small", "--check").stdout == "leaderboards/small: nothing published\n"


def test_a_page_is_current_until_somebody_changes_it_and_again_after_render(published):
    assert published("render", "leaderboards/small", "--check").stdout == "leaderboards/small: up to date\n"
    page = published.folder / "README.md"
    page.write_text(page.read_text() + "more")
    done = published("render", "leaderboards/small", "--check")
    assert (done.returncode, done.stdout) == (1, "")
    assert "README.md: stale" in done.stderr
    assert "run: harness render leaderboards/small" in done.stderr
    assert "wrote leaderboards/small/README.md" in published("render", "leaderboards/small").stdout
    assert not page.read_text().endswith("more")
    assert published("render", "leaderboards/small", "--check").returncode == 0


def test_a_finding_that_the_records_do_not_bear_out_is_exit_1_and_stands_on_the_page(published):
    file = published.folder / "board.yaml"
    claim = "better ddpm/none than ddpm/mle in sliced-w2"
    file.write_text(f"findings: 'So {{{{{claim}}}}}'\n" + file.read_text())
    done = published("render", "leaderboards/small")
    line = f"leaderboards/small/board.yaml:1: findings: the records do not bear out: {claim}: difference "
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith(line)
    assert "So **[not borne out by the records: " in (published.folder / "README.md").read_text()
    checked = published("render", "leaderboards/small", "--check")
    assert (checked.returncode, checked.stdout, checked.stderr) == (1, "", done.stderr)


def test_a_format_that_is_none_is_said_in_plain_words(shell):
    done = shell("render", "leaderboards/small", "--format", "xml")
    assert done.returncode == 2
    assert "'--format': 'xml' is not one of 'markdown', 'latex', 'csv', 'json'." in done.stderr


def test_reported_numbers_of_another_board_are_left_out_and_said(published):
    head = "board,type,model,method,params_m,nfe,guidance,metric,value,source,note\n"
    (published.folder / "reported.csv").write_text(f"{head}small,,a net,,,,,w2,1.5,a paper,\nlarge,,wide net,,,,,w2,1,a paper,\n")
    line = "leaderboards/small/reported.csv: 1 row is left out, of other boards than small: large\n"
    assert published("render", "leaderboards/small").stderr == line
    assert line in published("validate", "leaderboards/small").stderr
    page = (published.folder / "README.md").read_text()
    assert ("a net" in page, "wide net" in page) == (True, False)


def test_a_plot_that_cannot_be_written_is_exit_1_and_the_page_is_written_without_it(published, monkeypatch):
    plot = Plot("curves.png", "A curve", "{}", lambda: Figure(figsize=(1, 1)))
    monkeypatch.setattr("harness.report.render.curves_plot", lambda *_: plot)
    plots = published.folder / "plots"
    plots.write_text("by hand")
    done = published("render", "leaderboards/small")
    assert (done.returncode, done.stdout) == (1, "wrote leaderboards/small/README.md\n")
    (line,) = done.stderr.splitlines()
    assert line.startswith("curves.png is not drawn: leaderboards/small/plots/curves.png: ")
    assert "a file stands where a folder must be; move leaderboards/small/plots away" in line
    assert "(plots/" not in (published.folder / "README.md").read_text()
    assert published("publish", "leaderboards/small").returncode == 0, "the records are published all the same"
    plots.unlink()
    assert published("render", "leaderboards/small").returncode == 0


def test_files_that_count_for_nothing_are_named(published):
    results = published.folder / "results"
    assert published("render", "leaderboards/small").stderr == ""
    (results / "ddpm__gone__s0.json").write_bytes((results / "ddpm__ddo__s0.json").read_bytes())
    (results / "ddpm__gone__s0.log.jsonl").write_text("")
    (results / "ddpm__mle__s0.json").write_bytes((results / "ddpm__ddo__s0.json").read_bytes())
    for options in ((), ("--check",)):
        lines = published("render", "leaderboards/small", *options).stderr.splitlines()
        assert [line.removeprefix("leaderboards/small/results/") for line in lines[:3]] == [
            "ddpm__gone__s0.json: of nothing that the board has; it counts for nothing",
            "ddpm__gone__s0.log.jsonl: of nothing that the board has; it counts for nothing",
            "ddpm__mle__s0.json: holds the record of another, ddpm/ddo/s0; it counts for nothing",
        ]


def test_a_damaged_record_is_exit_2(published):
    path = published.folder / "results" / "ddpm__ddo__s0.json"
    path.write_bytes(path.read_bytes()[:300])
    done = published("render", "leaderboards/small", "--check")
    assert done.returncode == 2
    assert "ddpm__ddo__s0.json: damaged: not a whole record: restore the file" in done.stderr


@pytest.mark.parametrize(
    "name",
    ["results/ddpm__ddo__s0.json", "results/ddpm__ddo__s0.log.jsonl", "results/preview__real.json", "reported.csv"],
)
@pytest.mark.parametrize("kind", ["pipe", "link to a device"])
def test_a_pipe_or_a_device_among_the_files_is_one_line_and_is_not_waited_for(published, name, kind):
    path = published.folder / name
    path.unlink(missing_ok=True)
    os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
    for command in (("render", "leaderboards/small"), ("render", "leaderboards/small", "--check")):
        done = published(*command)
        assert done.returncode == 2
        assert [line for line in done.stderr.splitlines() if f"{path.name}: " in line]
        assert "a pipe or a device stands where a file must be" in done.stderr


@pytest.mark.parametrize(("form", "start"), [("latex", r"% needs \usepackage{booktabs}"), ("csv", "base,method,"), ("json", "{")])
def test_other_formats_print_the_table_and_write_nothing(published, form, start):
    (published.folder / "README.md").unlink()
    done = published("render", "leaderboards/small", "--format", form)
    assert done.stdout.startswith(start)
    assert not (published.folder / "README.md").exists()


def test_several_boards_are_rendered_one_after_the_other(published):
    shutil.copytree(published.folder, published.folder.parent / "other")
    done = published("render", "leaderboards/small", "leaderboards/other", "--format", "csv")
    assert done.stdout.count("base,method,") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["leaderboards/small", "--check", "--format", "csv"], "--check compares pages: leave --format out"),
        (["leaderboards/small", "leaderboards/none", "--format", "json"], "--format json: give one board"),
        (["leaderboards/none"], "leaderboards/none: no board there"),
    ],
)
def test_what_cannot_be_rendered_is_one_message(shell, arguments, message):
    done = shell("render", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
