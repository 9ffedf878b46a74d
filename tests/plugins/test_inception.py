"""The Inceptions: through stand-in weights of the right shapes, the same features as the libraries' own paths give."""

import hashlib
import io
import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from harness import NoConfig, UserError
from harness.components import Extractor
from harness.plugins import registry
from harness.streams import seeded, stream
from harness.testing.extractors import check_extractor
from harness_inception import files
from harness_inception.clean import InceptionClean
from harness_inception.fidelity import Inception
from harness_inception.nvidia import InceptionNvidia

# torch deprecates TorchScript, which is what the published file is; clean-fid loads it too.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning", "ignore:`torch.jit:DeprecationWarning")

IMAGES = torch.randint(0, 256, (3, 3, 20, 26), dtype=torch.uint8, generator=stream(0, "images"))


def component(name):
    return registry().get(Extractor, name, where="test")


@pytest.fixture(scope="module")
def fidelity_file(tmp_path_factory):
    """Random weights in torch-fidelity's layout."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Fresh(FeatureExtractorInceptionV3):
        def load_state_dict(self, state, *arguments, **settings):
            return None

    nothing = io.BytesIO()
    torch.save({}, nothing)
    nothing.seek(0)
    with seeded(0):
        network = Fresh("stand-in", ["2048"], feature_extractor_weights_path=nothing)
    path = tmp_path_factory.mktemp("weights") / files.INCEPTION.name
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture
def fidelity(fidelity_file, monkeypatch):
    monkeypatch.setattr(files, "INCEPTION", unpinned(files.INCEPTION))
    monkeypatch.setenv("HARNESS_INCEPTION", str(fidelity_file))
    return fidelity_file


class Layers(torch.nn.Module):
    """In place of Inception's: 2,048 numbers of an image of 299 × 299."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 2048, 13, stride=13)

    def forward(self, x):
        return torch.tanh(self.conv(x)).mean([2, 3])


class Whole(torch.nn.Module):
    """Like the published network: it resizes inside, and gives features where it is asked for them."""

    def __init__(self):
        super().__init__()
        self.layers = Layers()

    def forward(self, img: Tensor, return_features: bool = False):
        x = torch.nn.functional.interpolate(img.to(torch.float32), size=(299, 299), mode="bilinear")
        features = self.layers((x - 128) / 128)
        return features if return_features else features[:, :1008]


@pytest.fixture
def clean(tmp_path, monkeypatch):
    """A folder of a TorchScript with clean-fid's file name, that has `layers` and is the pinned file."""
    path = tmp_path / files.CLEAN.name
    with seeded(0):
        torch.jit.script(Whole()).save(str(path))
    pin(path, monkeypatch)
    return tmp_path


def pin(path, monkeypatch):
    """Make a file the one that is looked for and pinned."""
    monkeypatch.setattr(files, "CLEAN", replace(files.CLEAN, sha256=hashlib.sha256(path.read_bytes()).hexdigest()))
    monkeypatch.setenv("HARNESS_INCEPTION_CLEAN", str(path))


def unpinned(file):
    return replace(file, sha256=None)


def test_inception_keeps_the_contract_and_gives_what_torch_fidelity_gives(fidelity):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    ours = Inception(NoConfig()).eval()(IMAGES)
    theirs = FeatureExtractorInceptionV3("own", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(fidelity))
    features, logits = theirs(IMAGES)
    assert torch.equal(ours["features"], features)
    assert torch.equal(ours["logits"], logits)
    declared = component("inception").outputs
    assert {name: rows.shape[1] for name, rows in ours.items()} == dict(declared)
    grey = Inception(NoConfig()).eval()(IMAGES[:1, :1])
    assert torch.equal(grey["features"], theirs(IMAGES[:1, :1].repeat(1, 3, 1, 1))[0])


def test_the_spatial_features_are_the_first_seven_channels_of_that_branch_in_the_order_of_adm(fidelity):
    """ADM's evaluator is TensorFlow's: `spatial[..., :7]` of (n, h, w, c), reshaped to (n, -1)."""
    extractor = Inception(NoConfig()).eval()
    seen = []
    extractor.network.Mixed_6d.branch1x1.register_forward_hook(lambda *call: seen.append(call[2]))
    spatial = extractor(IMAGES[:1])["spatial"]
    assert seen[0].shape == (1, 192, 17, 17)
    of_adm = seen[0].permute(0, 2, 3, 1).numpy()[..., :7].reshape(1, -1)
    assert np.array_equal(spatial.numpy(), of_adm)


def test_inception_clean_keeps_the_contract(clean):
    check_extractor(component("inception-clean"), shape=(3, 20, 26))
    check_extractor(component("inception-clean"), shape=(1, 8, 8))


def test_inception_clean_gives_what_clean_fid_gives_for_the_same_files(clean):
    from cleanfid.fid import get_folder_features
    from cleanfid.inception_torchscript import InceptionV3W

    folder = clean / "images"
    folder.mkdir()
    for index, image in enumerate(IMAGES):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder / f"{index}.png")
    network = InceptionV3W(str(clean), download=False)
    with torch.no_grad():
        theirs = get_folder_features(
            str(folder), model=network, num_workers=0, device=torch.device("cpu"), mode="clean", verbose=False
        )
    ours = InceptionClean(NoConfig()).eval()(IMAGES)["features"]
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=1e-6)


def test_inception_nvidia_gives_what_the_whole_network_gives_for_bytes(clean):
    check_extractor(component("inception-nvidia"), shape=(3, 20, 26))
    network = torch.jit.load(str(clean / files.CLEAN.name))
    extractor = InceptionNvidia(NoConfig()).eval()
    assert torch.equal(extractor(IMAGES)["features"], network(IMAGES, return_features=True))
    grey = extractor(IMAGES[:, :1])["features"]
    assert torch.equal(grey, network(IMAGES[:, :1].repeat(1, 3, 1, 1), return_features=True))
    assert extractor.weights_sha256 == InceptionClean(NoConfig()).weights_sha256
    assert extractor.preprocessing != InceptionClean.preprocessing


@pytest.mark.parametrize(
    ("name", "file", "address"),
    [
        ("inception", "weights-inception-2015-12-05-6726825d.pth", "github.com/toshas/torch-fidelity"),
        ("inception-clean", "inception-2015-12-05.pt", "nvlabs-fi-cdn.nvidia.com"),
        ("inception-nvidia", "inception-2015-12-05.pt", "nvlabs-fi-cdn.nvidia.com"),
        ("dinov2", "dinov2_vitl14_pretrain.pth", "dl.fbaipublicfiles.com"),
    ],
)
def test_absent_weights_are_named_with_address_hash_and_folder(name, file, address, tmp_path, monkeypatch):
    for variable in ("HARNESS_INCEPTION", "HARNESS_INCEPTION_CLEAN", "HARNESS_DINOV2", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UserError) as error:
        component(name).check_readiness(NoConfig())
    for part in (f"extractor {name}: {file}", "https://", address, "sha256", str(tmp_path / "cache" / "weights")):
        assert part in str(error.value)


def test_weights_where_torch_hub_keeps_them_are_found(fidelity_file, tmp_path, monkeypatch):
    monkeypatch.delenv("HARNESS_INCEPTION", raising=False)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    os.link(fidelity_file, folder / files.INCEPTION.name)
    assert files.INCEPTION.find(where="test") == folder / files.INCEPTION.name
    with pytest.raises(UserError, match=r"has sha256 .* not 6726825d"):
        files.INCEPTION.verified(where="test")


def test_a_variable_that_names_no_file_is_an_error(monkeypatch):
    monkeypatch.setenv("HARNESS_INCEPTION", "/nowhere/weights.pth")
    with pytest.raises(UserError, match=r"\$HARNESS_INCEPTION names /nowhere/weights\.pth, which is no file"):
        files.check_inception(NoConfig())


@pytest.mark.parametrize("content", [b"no weights", None, {"fc.weight": torch.zeros(2)}, {"fc.weight": [1.0]}])
def test_a_file_that_holds_something_else_is_named(content, tmp_path, monkeypatch):
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(print if content is None else content, path)  # a function must be refused and never be run
    monkeypatch.setattr(files, "INCEPTION", unpinned(files.INCEPTION))
    monkeypatch.setenv("HARNESS_INCEPTION", str(path))
    with pytest.raises(UserError, match=r"weights\.pth holds no weights of this network"):
        Inception(NoConfig())


def test_no_torchscript_is_named(tmp_path, monkeypatch):
    (tmp_path / "x.pt").write_bytes(b"nothing")
    pin(tmp_path / "x.pt", monkeypatch)
    for extractor in (InceptionClean, InceptionNvidia):
        with pytest.raises(UserError, match=r"inception-2015-12-05\.pt holds no such network"):
            extractor(NoConfig())


class Writes(Whole):
    """A network whose `forward` writes a file: TorchScript can do that."""

    def forward(self, img: Tensor, return_features: bool = False):
        torch.save(img, "written")
        return self.layers(img)


def test_a_torchscript_that_is_not_the_pinned_one_is_never_loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.jit.script(Writes()).save(files.CLEAN.name)
    monkeypatch.setenv("HARNESS_INCEPTION_CLEAN", str(tmp_path / files.CLEAN.name))
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: pytest.fail("the file was loaded"))
    for extractor in (InceptionClean, InceptionNvidia):
        with pytest.raises(UserError, match=r"inception-2015-12-05\.pt has sha256 [0-9a-f]{64}, not f58cb9b6ec323ed63459"):
            extractor(NoConfig())
    assert [path.name for path in tmp_path.iterdir()] == [files.CLEAN.name]


def test_a_file_that_is_replaced_after_the_check_is_not_run(clean, monkeypatch):
    path = clean / files.CLEAN.name
    load = torch.jit.load

    def replaced(source, **options):
        path.write_bytes(b"another program")
        return load(source, **options)

    monkeypatch.setattr(torch.jit, "load", replaced)
    InceptionClean(NoConfig())


def test_no_folder_that_everybody_may_write_is_searched():
    assert [folder for folder in files.CLEAN.folders() if folder.is_relative_to("/tmp")] == []


@pytest.mark.parametrize(
    ("variable", "check"),
    [
        ("HARNESS_INCEPTION", files.check_inception),
        ("HARNESS_INCEPTION_CLEAN", files.check_clean),
        ("HARNESS_INCEPTION_CLEAN", files.check_nvidia),
    ],
)
def test_another_file_in_the_place_of_the_weights_is_refused_before_a_run(monkeypatch, tmp_path, variable, check):
    (tmp_path / "other.pt").write_bytes(b"other")
    monkeypatch.setenv(variable, str(tmp_path / "other.pt"))
    with pytest.raises(UserError, match=r"other\.pt has sha256 .*; get it again from https://"):
        check(NoConfig())
