"""What the Tab key offers for the values of options."""

import pytest

from harness.cli import value_completion
from harness.cli.value_completion import LINE


@pytest.fixture
def offered(folder, monkeypatch):
    """Returns what a completer offers on a line that ends with the incomplete word. The board `small` is there."""

    def call(complete, incomplete, before="harness run leaderboards/small --only"):
        monkeypatch.setenv(LINE, f"{before} {incomplete}")
        return list(complete(incomplete))

    return call


@pytest.mark.parametrize(
    ("incomplete", "values"),
    [
        ("me", ["method="]),
        ("method=", ["method=ddo", "method=mle", "method=none"]),
        ("method=d", ["method=ddo"]),
        ("method!=n", ["method!=none"]),
        ("method=ddo,m", ["method=ddo,mle", "method=ddo,method=", "method=ddo,model="]),
        ("method=ddo,seed=", ["method=ddo,seed=0", "method=ddo,seed=1"]),
        ("seed=0,base=", ["seed=0,base=ddpm"]),
        ("nonsense=", []),
    ],
)
def test_a_filter_goes_on_with_keys_and_with_values_of_the_board(offered, incomplete, values):
    assert offered(value_completion.filters, incomplete) == values


def test_without_a_board_a_filter_names_what_is_installed(offered):
    assert "method=sft-pg" in offered(value_completion.filters, "method=s", "harness run nowhere --only")
    assert offered(value_completion.filters, "seed=", "harness run nowhere --only") == []


def test_a_board_that_is_broken_offers_nothing(offered, folder):
    (folder / "board.yaml").write_text("title: [")
    assert offered(value_completion.filters, "seed=") == []


def test_names_follow_each_other_with_commas_and_each_is_offered_once(offered):
    metrics = value_completion.names_of("metric", with_commas=True)
    assert offered(metrics, "fid,k") == ["fid,kid"]
    assert "fid,fid" not in offered(metrics, "fid,f")


@pytest.mark.parametrize(
    ("incomplete", "some"),
    [("ki", "kid."), ("kid.su", "kid.subset_size="), ("fid-se.b", "fid-se.by="), ("fid-se.by=b", "fid-se.by=bootstrap")],
)
def test_settings_go_on_with_the_component_its_settings_and_their_choices(offered, incomplete, some):
    assert some in offered(value_completion.settings_of("metric", "extractor"), incomplete)


def test_settings_of_a_model_are_those_of_the_model_on_the_line(offered):
    line = "harness convert a b --model edm-unet --set"
    assert offered(value_completion.model_settings, "arch", line) == ["architecture="]
    assert "architecture=adm" in offered(value_completion.model_settings, "architecture=", line)
    assert offered(value_completion.model_settings, "arch", "harness convert a b --set") == []


def test_a_comparison_goes_on_with_methods_and_columns_of_its_board(offered):
    line = "harness compare leaderboards/small"
    assert offered(value_completion.methods_of_board, "", line) == ["ddo", "mle", "none"]
    assert offered(value_completion.methods_of_board, "leader", "harness compare") == ["leaderboards/small"]
    assert offered(value_completion.columns_of_board, "", f"{line} --metric") == ["sliced-w2"]


def test_a_search_goes_on_with_the_searches_of_its_board_and_their_bases(offered, folder):
    file = folder / "board.yaml"
    grid = "methods: {none: , mle: , ddo: , grid: {method: {name: mle, optimizer: {lr: {grid: [0.1, 0.2]}}}}}"
    space = "space: {optimizer.lr: {low: 0.01, high: 1}}"
    search = f"search: {{rate: {{method: mle, bases: ddpm, {space}, seeds: [9], metric: sliced-w2, chosen: r.yaml}}}}\n"
    file.write_text(file.read_text().replace("methods: {none: , mle: , ddo: }", grid) + search)
    line = "harness search leaderboards/small"
    assert offered(value_completion.searches_of_board, "", f"{line} --only") == ["rate"]
    assert offered(value_completion.searched_bases_of_board, "d", f"{line} --base") == ["ddpm"]
    assert offered(value_completion.searches_of_board, "", "harness search --only") == []
    methods = ["grid", "grid[lr=0.1]", "grid[lr=0.2]"]  # the whole grid, and each of its points
    assert offered(value_completion.methods_of_board, "g", "harness compare leaderboards/small") == methods


def test_a_quote_that_is_open_still_hides_no_board(offered):
    assert offered(value_completion.filters, "seed=1", 'harness run leaderboards/small --only "') == ["seed=1"]


def test_presets_are_offered_by_name(offered):
    assert all(name.startswith("edm2") for name in offered(value_completion.presets, "edm2"))
