"""Of several tables of tensors that fit a network, the averaged one is read where its name says so; else the file is refused."""

import pytest
import torch
from torch import nn

from harness.components import Model
from harness.errors import UserError
from harness.weights import network_files
from harness.weights.network_files import NetworkFile


class Block(nn.Module):
    """A network with a buffer, whose names have one, two and three words."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
        self.scale = nn.Parameter(torch.zeros(2))


MODEL = Model("block", build="a:b", summary="", provides=frozenset(), sampler="euler")
NAMES = list(Block().state_dict())
PARAMETERS = [name for name, _ in Block().named_parameters()]
MARK = "inner.0.weight"


def weights(value, names=NAMES):
    """All tensors of the network, filled with a number by which a test tells them."""
    own = Block().state_dict()
    return {name: torch.full_like(own[name], value) for name in names}


RAW, AVERAGED = weights(1), weights(5)


def renamed(tensors, before):
    return {before + name: value for name, value in tensors.items()}


def values(tensors, names=NAMES):
    return [tensors[name] for name in names]


@pytest.fixture
def read(tmp_path):
    """Save a checkpoint and read the network's tensors from it; the result has the number that fills them, and the table."""

    def call(content, table="", part=""):
        torch.save(content, tmp_path / "w.pt")
        found = network_files.find([NetworkFile(tmp_path / "w.pt", part, table)], MODEL, Block())
        return float(found.tensors[MARK][0, 0]), found.tables[0].table

    return call


SD = {
    **renamed(RAW, "model.diffusion_model."),
    **{f"model_ema.diffusion_model{name.replace('.', '')}": value for name, value in weights(5, PARAMETERS).items()},
    "model_ema.decay": torch.tensor(0.99), "model_ema.num_updates": torch.tensor(3),
    "first_stage_model.quant.weight": torch.zeros(2),
}  # fmt: skip

AS_TRAINERS_WRITE_THEM = {
    "timm": ({"state_dict": RAW, "state_dict_ema": AVERAGED}, "state_dict_ema"),
    "stylegan": ({"G": weights(2), "G_ema": AVERAGED}, "G_ema"),
    "model and G_ema": ({"model": RAW, "G_ema": AVERAGED}, "G_ema"),
    "rosinality": ({"g": RAW, "g_ema": AVERAGED, "d": {"x": torch.zeros(1)}, "g_optim": {"state": {}}}, "g_ema"),
    "k-diffusion": ({"model": RAW, "model_ema": AVERAGED, "opt": {"state": {0: {"exp_avg": torch.zeros(3)}}}}, "model_ema"),
    "basicsr": ({"params": RAW, "params_ema": AVERAGED}, "params_ema"),
    "dit": ({"model": RAW, "ema": AVERAGED, "opt": {}, "args": {}}, "ema"),
    "ema_model": ({"net": RAW, "ema_model": AVERAGED}, "ema_model"),
    "net_ema": ({"net": RAW, "net_ema": AVERAGED}, "net_ema"),
    "camel case": ({"model": RAW, "modelEMA": AVERAGED}, "modelEMA"),
    "lucidrains": (
        {"model": RAW, "ema": {**renamed(RAW, "online_model."), **renamed(AVERAGED, "ema_model."), "initted": torch.tensor(True),
                               "step": torch.tensor(3)}},
        "ema.ema_model",
    ),
    "swa_utils": ({"model": RAW, "swa_model": {"n_averaged": torch.tensor(3), **renamed(AVERAGED, "module.")}}, "swa_model"),
    "averaged_model": ({"model": RAW, "averaged_model": AVERAGED}, "averaged_model"),
    "average_model": ({"model": RAW, "average_model": AVERAGED}, "average_model"),
    "lightning, WeightAveraging": ({"state_dict": AVERAGED, "current_model_state": RAW}, "state_dict"),
    "lightning, a callback": (
        {"state_dict": renamed(RAW, "model."), "callbacks": {"EMACallback": {"ema_state_dict": AVERAGED}}},
        "callbacks.EMACallback.ema_state_dict",
    ),
    "lightning, two networks": (
        {"state_dict": {**renamed(RAW, "model."), **renamed(AVERAGED, "ema_model.")}},
        "state_dict.ema_model",
    ),
    "stable diffusion": ({"state_dict": SD}, "state_dict.model_ema.diffusion_model"),
    "score_sde": (
        {"model": renamed(RAW, "module."), "step": 3, "optimizer": {"state": {}},
         "ema": {"decay": 0.999, "num_updates": 3,
                 "shadow_params": values(AVERAGED, PARAMETERS)}},
        "ema.shadow_params",
    ),
    "diffusers' EMAModel": (
        {"unet": RAW, "unet_ema": {"decay": 0.99, "shadow_params": values(AVERAGED, PARAMETERS)}},
        "unet_ema.shadow_params",
    ),
    "a list of buffers too": (
        {"model": RAW, "shadow_params": [v for v in values(AVERAGED) if v.is_floating_point()]},
        "shadow_params",
    ),
    "nemo": (
        {"state_dict": RAW, "optimizer_states": [{"opt": {"state": {0: {"exp_avg": torch.zeros(3)}}},
                                                  "ema": values(AVERAGED, PARAMETERS)}]},
        "optimizer_states.0.ema",
    ),
    "an optimiser's": ({"model": RAW, "optim_ema": AVERAGED}, "optim_ema"),
    "a schedule's": ({"model": RAW, "ema_scheduled": AVERAGED, "schedule": {"x": torch.zeros(2)}}, "ema_scheduled"),
    "by its decay": ({"model": RAW, "ema": {0.9999: AVERAGED}}, "ema.0.9999"),
    "averages of parameters alone": ({"model": RAW, "ema": weights(5, PARAMETERS)}, "ema"),
    "in tables of their own": (
        {"trainer": {"net": {"state_dict": RAW}, "ema": {"state_dict": AVERAGED}}},
        "trainer.ema.state_dict",
    ),
    "non-EMA weights": ({"non_ema": RAW, "ema": AVERAGED}, "ema"),
}  # fmt: skip


@pytest.mark.parametrize("trainer", AS_TRAINERS_WRITE_THEM)
def test_the_averaged_weights_of_every_trainer_are_read_and_named(read, trainer):
    content, table = AS_TRAINERS_WRITE_THEM[trainer]
    assert read(content) == (5, table)
    assert read(dict(reversed(content.items()))) == (5, table)


@pytest.mark.parametrize(
    ("content", "tables"),
    [
        ({"model": RAW, "net": AVERAGED}, ["model", "net"]),
        ({"generator": RAW, "best": AVERAGED}, ["generator", "best"]),
        ({"model": RAW, "ema_0.999": AVERAGED, "ema_0.9999": weights(6)}, ["ema_0.999", "ema_0.9999", "model"]),
        ({"net": RAW, "ema": {"stds": [0.05, 0.1], "emas": [AVERAGED, weights(6)]}}, ["ema.emas.0", "ema.emas.1", "net"]),
        ({"student": RAW, "teacher": AVERAGED}, ["student", "teacher"]),
        ({"net": RAW, "ema": {0.99: AVERAGED, 0.9999: weights(6)}}, ["ema.0.99", "ema.0.9999", "net"]),
        ({"net": RAW, "ema_a": weights(5, PARAMETERS), "ema_b": weights(6, PARAMETERS)}, ["ema_a", "ema_b", "net"]),
        ({"state_dict": {**renamed(RAW, "a."), **renamed(AVERAGED, "b.")}}, ["state_dict.a", "state_dict.b"]),
    ],
)
def test_where_names_do_not_decide_the_tables_are_listed_and_one_can_be_chosen(read, content, tables):
    with pytest.raises(UserError) as caught:
        read(content)
    message = str(caught.value)
    assert "w.pt: " in message
    assert "of its tables fit the network: " in message
    assert all(f"'{table}'" in message for table in tables)
    assert any(f"choose one by its name: `part: {table}` beside `file:` on a board" in message for table in tables)
    for table in tables:
        assert read(content, table)[1] == table


@pytest.mark.parametrize("name", ["state_dict", "model.state_dict", "model"])
def test_a_table_may_be_named_by_the_end_or_the_beginning_of_its_name(read, name):
    assert read({"model": {"state_dict": RAW}, "ema": AVERAGED}, name) == (1, "model.state_dict")


def test_a_name_that_no_table_has_lists_those_that_there_are(read):
    with pytest.raises(UserError, match=r"has no table of tensors called 'emma'; did you mean 'ema'\? it has model, ema$"):
        read({"model": RAW, "ema": AVERAGED}, "emma")


def test_the_users_choice_goes_before_averaged_weights(read):
    assert read({"model": RAW, "ema": AVERAGED}, "model") == (1, "model")


def test_one_table_under_two_keys_is_one_table(read):
    assert read({"model": RAW, "net": RAW}) == (1, "model")


@pytest.mark.parametrize(
    ("averages", "reason"),
    [
        ({"shadow_params": [torch.zeros(3)] * 6}, r"'ema\.shadow_params' \(a list without names\)"),
        ({name: value for name, value in AVERAGED.items() if name != MARK}, r"'ema' \(1 missing: inner\.0\.weight \(3, 2\)\)"),
    ],
)
def test_averaged_weights_that_cannot_be_read_are_not_passed_over_in_silence(read, averages, reason):
    content = {"model": RAW, "ema": averages}
    with pytest.raises(
        UserError, match=f"its averaged weights do not fit the network: {reason}; 'model', not averaged, would fit"
    ):
        read(content)
    assert read(content, "model") == (1, "model")


@pytest.mark.parametrize(
    "rename",
    [
        lambda name: name.replace(".", ""),  # LitEma's names, in a table of their own
        lambda name: name.replace(".", "_"),
        lambda name: f"ema_{name}",
        lambda name: str(NAMES.index(name)),
    ],
)
def test_averaged_weights_under_other_names_are_not_passed_over_in_silence(read, rename):
    named = {rename(name): value for name, value in weights(5, PARAMETERS).items()}
    content = {"model": RAW, "ema": {"decay": torch.tensor(0.99), "num_updates": torch.tensor(3), **named}}
    with pytest.raises(UserError, match="its averaged weights do not fit the network: 'ema' "):
        read(content)
    assert read(content, "model") == (1, "model")


def test_averaged_weights_that_cannot_be_read_beside_a_network_at_the_top_have_no_advice_to_choose_a_name(read):
    content = {**RAW, "ema": renamed(weights(5, PARAMETERS), "ema_")}
    with pytest.raises(
        UserError, match=r"the top of the file, not averaged, would fit; .*save its tensors in a file of their own"
    ):
        read(content)


class Pair(nn.Module):
    """A network that has an averaged copy of its half."""

    def __init__(self):
        super().__init__()
        self.net, self.ema_net = Block(), Block()


@pytest.mark.parametrize("nest", [lambda own: own, lambda own: {"model": own}, lambda own: renamed(own, "module.")])
def test_a_part_of_the_network_that_is_called_averaged_is_read_with_the_network(tmp_path, nest):
    own = {**renamed(RAW, "net."), **renamed(AVERAGED, "ema_net.")}
    torch.save(nest(own), tmp_path / "w.pt")
    found = network_files.find([NetworkFile(tmp_path / "w.pt")], MODEL, Pair()).tensors
    assert {name: float(value.flatten()[0]) for name, value in found.items()} == {
        name: 5 if name.startswith("ema_net.") else 1 for name in own
    }


@pytest.mark.parametrize("key", ["exp_avg", "exp_avg_sq", "adam"])
def test_an_optimisers_moments_are_not_averaged_weights(read, key):
    for moments in (
        AVERAGED,
        values(AVERAGED),
        values(AVERAGED, PARAMETERS),
        {"exp_avg": AVERAGED, "exp_avg_sq": values(AVERAGED)},
    ):
        assert read({"model": RAW, key: moments, "optimizer": {key: moments}}) == (1, "model")


def test_averages_that_lack_buffers_can_be_chosen_by_their_name(read):
    assert read({"model": RAW, "ema": weights(5, PARAMETERS)}, "ema") == (5, "ema")
    assert read({"model": RAW, "ema": {"shadow_params": values(AVERAGED, PARAMETERS)}}, "ema") == (5, "ema.shadow_params")


def test_a_list_of_averages_lacks_buffers_and_frozen_parameters_which_the_raw_table_gives(tmp_path):
    network = Block()
    network.scale.requires_grad_(False)
    trained = [name for name, value in network.named_parameters() if value.requires_grad]
    torch.save({"model": renamed(RAW, "module."), "ema": {"shadow_params": values(AVERAGED, trained)}}, tmp_path / "w.pt")
    found = network_files.find([NetworkFile(tmp_path / "w.pt")], MODEL, network)
    fills = {name: float(value.flatten()[0]) for name, value in found.tensors.items()}
    assert fills == {name: 5 if name in trained else 1 for name in NAMES}
    assert found.tables[0].not_read == ("'model'",)


def test_averages_of_another_network_are_nothing_to_this_one(read):
    assert read({"model": RAW, "ema_loss": {"value": torch.zeros(1)}, "D_ema": {"d.weight": torch.zeros(2)}}) == (1, "model")


@pytest.mark.parametrize(
    "before",
    [
        "module.",
        "_orig_mod.",
        "module._orig_mod.",
        "_orig_mod.module.",
        "module.module._orig_mod.module.",
        "_forward_module.module.",
    ],
)
@pytest.mark.parametrize(
    "wrap", [lambda tensors: tensors, lambda tensors: {"model": tensors}, lambda tensors: {"sd": {"net": tensors}}]
)
def test_prefixes_of_wrappers_come_off_in_any_order_and_number(read, before, wrap):
    assert read(wrap(renamed(RAW, before)))[0] == 1


def test_what_was_read_is_one_line_for_the_user(tmp_path):
    def remark(content):
        torch.save(content, tmp_path / "w.pt")
        (table,) = network_files.find([NetworkFile(tmp_path / "w.pt")], MODEL, Block()).tables
        return table.remark.replace(str(tmp_path), "")

    assert remark(RAW) == ""
    assert remark({"model": RAW}) == "/w.pt: the table 'model' was read"
    assert remark({"model": RAW, "ema": AVERAGED}) == "/w.pt: the averaged weights 'ema' were read, not 'model'"
    half = {name: value.half() if value.is_floating_point() else value for name, value in RAW.items()}
    assert remark(half) == "/w.pt: float16 was read as float32"


@pytest.mark.filterwarnings("ignore")  # PyTorch will remove quantised tensors, and files hold them
def test_a_part_that_both_files_hold_must_be_the_same(tmp_path):
    torch.save(RAW, tmp_path / "w.pt")

    def find(part):
        torch.save(part, tmp_path / "inner.pt")
        return network_files.find([NetworkFile(tmp_path / "w.pt"), NetworkFile(tmp_path / "inner.pt", "inner")], MODEL, Block())

    inner = {name.removeprefix("inner."): value for name, value in RAW.items() if name.startswith("inner.")}
    weight = inner["0.weight"]
    quantised = torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8)
    for value, fault in (
        (weight.to_sparse(), "is a tensor of the layout sparse_coo"), (quantised, "is quantised"), (weight * float("nan"), "NaN"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=rf"inner\.pt: inner\.0\.weight .*{fault}"):
            find({**inner, "0.weight": value})
    assert float(find(inner).tensors[MARK][0, 0]) == 1
    with pytest.raises(
        UserError,
        match=r"inner\.pt: brings the part 'inner', which the file of the network \(or of the model's settings\) holds too",
    ):
        find({**inner, "0.weight": inner["0.weight"] + 1})
