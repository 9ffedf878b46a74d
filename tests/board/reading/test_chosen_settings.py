import pytest
from search_boards import SEARCH_BOARD, plugins, written

from harness.board.chosen_file import ChosenFile, write
from harness.board.reading.load import load_board
from harness.errors import UserError
from harness.run.searching.trials import Trial
from harness.store.runs_folder import RunsFolder

POINT = {"strength": 0.5, "optimizer.lr": 0.3, "bank": 7}
FROM = SEARCH_BOARD.replace("label: Tune,", "label: Tune, settings_from: searched/tune.yaml,")


@pytest.fixture
def searched(studies, tmp_path):
    """Writes the file of a search that chose POINT; returns the file."""

    def write(text=FROM):
        for study in studies(text):
            trials = [Trial(number=0, point=POINT, end="done", values=[1.5])]
            written(study, trials, RunsFolder(tmp_path / "runs"))
        return study.folder / study.search.chosen

    return write


@pytest.fixture
def load(write_board):
    return lambda text=FROM: load_board(write_board(text), plugins=plugins())


@pytest.fixture
def fault(load):
    def message(text=FROM):
        with pytest.raises(UserError) as error:
            load(text)
        return str(error.value)

    return message


def keys(board):
    return [cell.key for cell in board.cells]


def test_chosen_settings_enter_keys_as_if_written_by_hand(searched, load):
    searched()
    by_hand = "method: {name: weigh, critic: {lr: 0.2}, strength: 0.5, optimizer: {lr: 0.3}, bank: 7}"
    board = load()
    assert keys(board) == keys(load(SEARCH_BOARD.replace("method: {name: weigh, critic: {lr: 0.2}}", by_hand)))
    (chosen,) = board.chosen
    assert (chosen.entry, chosen.base, chosen.study.settings) == ("tune", "net", POINT)
    assert chosen.remarks == ()


def test_a_file_that_is_not_there_yet_says_how_to_make_it(fault):
    message = fault()
    assert "board.yaml:9: searched/tune.yaml is not there yet; run: harness search" in message


def test_a_file_that_was_edited_is_a_fault(searched, fault):
    file = searched()
    file.write_text(file.read_text().replace("strength: 0.5", "strength: 0.6"))
    assert "searched/tune.yaml was edited by hand: the hash of the study of net does not match" in fault()
    file.write_text("search: x\n")
    assert "searched/tune.yaml is not as a search wrote it: method is missing" in fault()


def test_a_comment_is_no_edit(searched, load):
    file = searched()
    file.write_text(file.read_text() + "# good ones\n")
    assert load().chosen


@pytest.mark.parametrize(
    ("change", "remark"),
    [
        (("low: 0.01", "low: 0.02"), "space of the search 'weights' changed since the file was written"),
        (("seeds: [100, 101]", "seeds: [100]"), "seeds of the search 'weights' changed"),
        (("lr: 0.2", "lr: 0.3"), "settings of 'tune' that the search holds fixed changed since"),
        (("images: 5760", "images: 11520"), "settings of 'tune' that the search holds fixed changed since"),
    ],
)
def test_a_changed_search_is_noticed_in_one_line(searched, load, change, remark):
    searched()
    (line,) = load(FROM.replace(*change)).chosen[0].remarks
    assert remark in line
    assert "run: harness search BOARD --only weights" in line
    assert not load(FROM.replace("trials: 12", "trials: 40")).chosen[0].remarks


def test_a_setting_stands_in_one_place(searched, fault):
    searched()
    assert "strength stands in this entry and in searched/tune.yaml" in fault(FROM.replace("critic:", "strength: 1.0, critic:"))


def test_a_file_of_another_method_is_a_fault(searched, fault):
    file = searched()
    assert "has settings of weigh, and this entry is fit" in fault(FROM.replace("name: weigh", "name: fit"))
    assert file.exists()


def test_a_study_of_several_is_named(searched, fault, load, studies):
    file = searched()
    (study,) = studies()
    facts = load().chosen[0].study
    write(file, ChosenFile(search="weights", method="weigh", studies={"net": facts, "chain": facts}), str(study.folder))
    assert "has several studies: write settings_from: {file: …, base: …}; there are: net, chain" in fault()
    named = FROM.replace("settings_from: searched/tune.yaml", "settings_from: {file: searched/tune.yaml, base: chain}")
    assert load(named).chosen[0].base == "chain"
    assert "has no study of 'other'; there are: net, chain" in fault(named.replace("base: chain}", "base: other}"))
