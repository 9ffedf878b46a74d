from dataclasses import replace

from harness.site.figures import AT_FLOOR, BOLD, figure_of, floor_figure


def figures_of(rendered, base, method, seeds=(0, 1, 2)):
    table = rendered.table
    row = next(row for row in table.rows if (row.base, row.method) == (base, method))
    return {column.name: figure_of(row, column, statistic, table, [*seeds]) for column, statistic in table.columns}


def test_an_explanation_says_the_marks_the_differences_and_the_seeds(rendered):
    notes = figures_of(rendered, "net", "tune")["distance"].notes
    assert notes[0] == BOLD
    assert notes[1].startswith("Less the floor: 0.")
    assert [note.partition(":")[0] for note in notes] == [BOLD.partition(":")[0], "Less the floor", "Less its base", "By seed"]
    assert notes[-1] == "By seed: 0: 1.67, 1: 1.79, 2: 1.87."


def test_a_row_of_fewer_seeds_than_the_board_shows_its_own(rendered):
    assert figures_of(rendered, "net", "tune", seeds=(0, 2))["distance"].notes[-1] == "By seed: 0: 1.67, 2: 1.87."


def test_a_row_that_does_not_train_has_no_base_to_differ_from(rendered):
    notes = figures_of(rendered, "net", "none")["distance"].notes
    assert [note.partition(":")[0] for note in notes] == ["Less the floor", "By seed"]


def test_a_dagger_is_explained(rendered):
    marks = [
        (figure.mark, AT_FLOOR in figure.notes)
        for base in ("net", "chain")
        for method in ("none", "fit", "tune")
        for figure in figures_of(rendered, base, method).values()
    ]
    assert all((mark == "†") == is_explained for mark, is_explained in marks)


def test_explanations_can_be_read_without_a_mouse_and_without_eyes(page):
    for button in page.all("button", cls="figure"):
        tip = next(page.all(id=button.attributes["aria-describedby"]))
        assert tip.text


def floor_notes(table):
    column, statistic = table.columns[0]
    return floor_figure(table, column, None, statistic).notes


def test_a_floor_is_what_a_perfect_model_gets_unless_its_draws_are_stratified(rendered):
    table, dataset = rendered.table, rendered.table.board.dataset
    assert [note.partition(": ")[2] for note in floor_notes(table)] == ["what a perfect model would get."]
    spaced = replace(dataset, component=replace(dataset.component, stratified=lambda _: "evenly spaced"))
    notes = floor_notes(replace(table, board=replace(table.board, dataset=spaced)))
    assert [note.partition(": ")[2] for note in notes] == ["no model reaches it, since draws are stratified (evenly spaced)."]
