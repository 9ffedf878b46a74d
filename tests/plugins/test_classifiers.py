"""The frozen classifiers: the committed weights are the pinned ones, they classify, and their training repeats."""

import dataclasses
import hashlib
import math

import pytest
import torch
from safetensors.torch import load, save

from harness import NoConfig, UserError
from harness.components import Dataset, Extractor
from harness.interfaces import Batch
from harness.plugins import registry
from harness.streams import seeded, stream
from harness_classifiers import extractor, network, train
from harness_classifiers.network import FROZEN, as_bytes, prepared


def held_out(name):
    component = registry().get(Dataset, name, where="test")
    component.check_readiness(component.config())
    return component.create(component.config()).evaluation(0, 400)


@pytest.mark.parametrize(("name", "least"), [("digits-cnn", 0.96), ("mnist-cnn", 0.95), ("fashion-cnn", 0.85)])
def test_images_that_it_never_saw_are_classified(name, least):
    try:
        batch = held_out(FROZEN[name].dataset)
    except UserError as error:
        pytest.skip(str(error))
    logits = extractor.Classifier(FROZEN[name])(as_bytes(batch.x))["logits"]
    assert (logits.argmax(1) == batch.labels).float().mean() > least


@pytest.mark.parametrize("name", FROZEN)
def test_no_feature_is_dead_so_a_covariance_of_some_hundred_images_has_full_rank(name):
    images = torch.randint(0, 256, (300, 1, 8, 8), dtype=torch.uint8, generator=stream(0, "images"))
    features = extractor.Classifier(FROZEN[name])(images)["features"].double()
    assert torch.linalg.matrix_rank(features.T.cov()) == 64


def test_other_weights_than_the_pinned_ones_are_refused():
    with pytest.raises(UserError, match=r"extractor digits-cnn: .*digits-cnn\.safetensors has sha256 .* not 000"):
        extractor.Classifier(dataclasses.replace(FROZEN["digits-cnn"], sha256="0" * 64))


def test_a_missing_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(network, "WEIGHTS", tmp_path)
    with pytest.raises(
        UserError, match=r"extractor mnist-cnn: .*mnist-cnn\.safetensors is not there; install finetune-harness again"
    ):
        extractor.mnist_cnn(NoConfig())


def test_the_weights_are_small():
    assert all(one.path.stat().st_size < 500_000 for one in FROZEN.values())


def test_training_repeats_bit_for_bit_whatever_the_global_randomness():
    batch = held_out("digits")
    frozen = FROZEN["digits-cnn"]

    def digest(seed):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return hashlib.sha256(save(train.trained(frozen, batch, epochs=2).state_dict())).hexdigest()

    assert digest(1) == digest(2)


def test_training_learns():
    batch = held_out("digits")
    made = train.trained(FROZEN["digits-cnn"], batch, epochs=25)
    assert train.accuracy(made, batch, 8) > 0.8


def test_grey_and_the_same_grey_as_colour_are_one_image():
    grey = torch.randint(0, 256, (5, 1, 28, 28), dtype=torch.uint8, generator=stream(1, "images"))
    # 0.299 + 0.587 + 0.114 is 1 up to rounding.
    torch.testing.assert_close(prepared(grey.expand(-1, 3, -1, -1), 28), prepared(grey, 28), rtol=0, atol=1e-5)


def test_colour_becomes_luma():
    colour = torch.tensor([200, 100, 50], dtype=torch.uint8).reshape(1, 3, 1, 1).expand(1, 3, 8, 8)
    expected = (0.299 * 200 + 0.587 * 100 + 0.114 * 50) / 127.5 - 1
    torch.testing.assert_close(prepared(colour, 8), torch.full((1, 1, 8, 8), expected))


def test_images_of_the_right_size_are_not_resized_and_others_are():
    images = torch.randint(0, 256, (2, 1, 8, 8), dtype=torch.uint8, generator=stream(2, "images"))
    torch.testing.assert_close(prepared(images, 8), images / 127.5 - 1)
    assert prepared(images, 28).shape == (2, 1, 28, 28)
    assert prepared(torch.full((1, 1, 5, 9), 51, dtype=torch.uint8), 28).unique().tolist() == pytest.approx([51 / 127.5 - 1])


def test_bytes_of_a_dataset_are_its_pixels():
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    assert torch.equal(as_bytes(levels.float() / 127.5 - 1), levels)


def test_a_shift_moves_images_whole_and_black_comes_in():
    x = torch.full((50, 1, 8, 8), -1.0)
    x[:, 0, 4, 4] = 1.0
    moved = train.shifted(x, 2, stream(3, "shift"))
    assert moved.shape == x.shape
    assert moved.sum((1, 2, 3)).tolist() == x.sum((1, 2, 3)).tolist()
    places = (moved == 1).nonzero()[:, 2:]
    assert (places.amin(0).tolist(), places.amax(0).tolist()) == ([2, 2], [6, 6])
    assert len({tuple(place) for place in places.tolist()}) > 10


IMAGES = torch.randint(0, 256, (5, 3, 12, 10), dtype=torch.uint8, generator=stream(4, "images"))


@pytest.mark.parametrize("name", FROZEN)
def test_outputs_are_the_layers_of_the_network(name):
    classifier = extractor.Classifier(FROZEN[name])
    outputs = classifier(IMAGES)
    net, x = classifier.network, prepared(IMAGES, FROZEN[name].size)
    hidden = torch.nn.functional.silu(net.conv1(x))
    last_map = net.conv3(torch.nn.functional.silu(net.conv2(hidden)))
    features = torch.nn.functional.silu(net.hidden(torch.nn.functional.silu(last_map).flatten(1)))
    torch.testing.assert_close(outputs["features"], features)
    torch.testing.assert_close(outputs["logits"], net.classify(features))
    channels, side = FROZEN[name].spatial_channels, last_map.shape[-1]
    torch.testing.assert_close(outputs["spatial"].view(5, channels, side, side), last_map[:, :channels])


@pytest.mark.parametrize("name", FROZEN)
def test_what_the_component_declares_is_what_the_network_gives(name):
    component = registry().get(Extractor, name, where="test")
    built = component.create(component.config())
    assert dict(component.outputs) == dict(built.outputs) == {key: rows.shape[1] for key, rows in built(IMAGES).items()}
    assert built.weights_sha256 == FROZEN[name].sha256
    assert not any(output.requires_grad for output in built(IMAGES).values())


def test_a_features_row_is_of_its_own_image_alone():
    classifier = extractor.digits_cnn(NoConfig())
    whole = classifier(IMAGES)["features"]
    alone = torch.cat([classifier(image[None])["features"] for image in IMAGES])
    torch.testing.assert_close(whole, alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [8, 28])
def test_preprocessing_is_the_line_that_records_keep(size):
    frozen = next(one for one in FROZEN.values() if one.size == size)
    assert f"other sizes than {size}x{size} to it by torch bilinear, antialias, not rounded; / 127.5 - 1" in frozen.preprocessing
    assert "\n" not in frozen.preprocessing


def test_the_rate_warms_up_over_a_hundred_steps_and_ends_at_0():
    rates = [train._rate(step, 1000) for step in range(1001)]
    assert rates[0] == pytest.approx(0.01, rel=1e-4)
    assert max(rates) == pytest.approx(rates[99], rel=1e-9)
    assert rates[550] == pytest.approx(0.5 * (1 + math.cos(math.pi * 0.55)))
    assert rates[1000] == pytest.approx(0, abs=1e-12)


def test_dropout_keeps_the_mean_of_the_logits():
    """Averaged over many draws, the hidden layer is what it is without dropout."""
    with seeded(0):
        net = network.SmallCNN(FROZEN["digits-cnn"]).eval()
    x, labels = torch.randn(1, 1, 8, 8, generator=stream(0, "x")).expand(4000, -1, -1, -1), torch.zeros(4000, dtype=torch.long)
    seen = []
    net.classify.register_forward_hook(lambda *call: seen.append(call[1][0]))
    with torch.no_grad():
        train._loss(net, x, labels, stream(0, "dropout"))
        features = net.features(net.map(x[:1]))
    # 30 % of the units are 0, and the others are larger by 1 / 0.7: the standard error is 1 % of a unit.
    torch.testing.assert_close(seen[0].mean(0), features[0], rtol=0.05, atol=1e-3)
    assert (seen[0] == 0).float().mean().item() == pytest.approx(train.DROPOUT, abs=0.01)


def test_the_command_writes_the_weights_and_a_row_of_the_table(tmp_path, monkeypatch, capsys):
    short = dataclasses.replace(FROZEN["digits-cnn"], epochs=1)
    monkeypatch.setitem(FROZEN, "digits-cnn", short)
    monkeypatch.setattr("sys.argv", ["train", "digits-cnn", str(tmp_path / "new")])
    try:
        train.main()
    finally:
        torch.use_deterministic_algorithms(False)
    written = tmp_path / "new" / "digits-cnn.safetensors"
    out = capsys.readouterr().out
    assert out.startswith("| `digits-cnn` | digits | ")
    assert hashlib.sha256(written.read_bytes()).hexdigest() in out
    assert load(written.read_bytes()).keys() == network.SmallCNN(short).state_dict().keys()


def test_an_unknown_name_is_refused_by_the_command(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["train", "digits-rnn"])
    with pytest.raises(SystemExit):
        train.main()
    assert "invalid choice: 'digits-rnn'" in capsys.readouterr().err


def test_accuracy_is_the_share_of_largest_logits():
    class Fixed(torch.nn.Module):
        """Says the first pixel's grey level as the class."""

        map = features = staticmethod(lambda x: x)

        def classify(self, x):
            return torch.nn.functional.one_hot(((x[:, 0, 0, 0] + 1) * 127.5).round().long() % 10, 10).float()

    levels = torch.tensor([0, 1, 2, 3]).view(4, 1, 1, 1).expand(4, 1, 8, 8)
    data = Batch(levels / 127.5 - 1, torch.tensor([0, 1, 2, 9]))
    assert train.accuracy(Fixed(), data, 8) == 0.75  # type: ignore[arg-type]


def test_no_shift_leaves_images_as_they_are():
    x = torch.randn(3, 1, 8, 8, generator=stream(0, "x"))
    assert torch.equal(train.shifted(x, 0, stream(0, "shift")), x)
