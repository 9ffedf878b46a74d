"""`harness measure` as a shell runs it: numbers on stdout, progress on stderr, and each mistake told before any network runs."""

import json
import os
import sys
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from image_sets import image_set
from PIL import Image

from harness import NoConfig
from harness.cli import main
from harness.components import Dataset, Extractor, Metric
from harness.images.extraction import Extraction
from harness.images.quantise import to_uint8
from harness.plugins import registry
from harness_image_metrics import FrechetConfig
from harness_image_metrics.frechet import fid

CNN = ["--extractor", "digits-cnn"]


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str

    @property
    def json(self):
        assert self.returncode == 0, self.stderr
        return json.loads(self.stdout)

    def value(self, name, key="mean"):
        (found,) = (one for one in self.json["metrics"] if one["metric"] == name)
        return found[key]


@pytest.fixture
def measure(tmp_path, monkeypatch, capsys):
    """Runs `harness measure` in this process, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_RUNS", raising=False)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["harness", "measure", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return Done(int(end.value.code or 0), printed.out, printed.err)

    return run


def digits(draw, n):
    """(n, 1, 8, 8) uint8."""
    component = registry().get(Dataset, "digits", where="test")
    return to_uint8(component.create(component.config()).evaluation(draw, n).x)


def write_folder(path, images):
    path.mkdir()
    for index, image in enumerate(images):
        Image.fromarray(image[0].numpy()).save(path / f"{index:04}.png")
    return path


@pytest.fixture(scope="module")
def generated():
    """Digits with some noise, in the place of samples."""
    clean = digits(2, 150)
    noise = torch.randint(0, 40, clean.shape, generator=torch.Generator().manual_seed(0))
    return (clean.int() + noise).clamp(0, 255).to(torch.uint8)


@pytest.fixture
def samples(tmp_path, generated):
    return write_folder(tmp_path / "samples", generated)


@pytest.fixture
def real(tmp_path):
    return write_folder(tmp_path / "real", digits(0, 150))


def directly(first, second):
    """FID of two tensors of images, without any file."""
    component = registry().get(Extractor, "digits-cnn", where="test")
    extractor = component.create(component.config())
    assert isinstance(extractor, torch.nn.Module)
    extraction = Extraction(extractor.eval(), {"moments"})
    generated, real = (extraction.run(image_set(images)) for images in (first, second))
    return fid(FrechetConfig())(generated, real, torch.Generator())["fid"]


def test_an_honest_fid_of_two_folders_with_all_that_was_measured(measure, samples, real, generated):
    done = measure("samples", "--reference", "real", *CNN)
    assert done.returncode == 0, done.stderr
    head, row, *rest = done.stdout.splitlines()
    assert head.split() == ["metric", "value", "also"]
    assert row.split()[0] == "fid-150[digits-cnn]"
    assert "lower is better" in row
    assert float(row.split()[-1]) == pytest.approx(directly(generated, digits(0, 150)), rel=1e-5)
    told = "\n".join(rest)
    for part in (
        "samples    samples: folder of PNG images, 150 images of 8x8, grey",
        "reference  real: folder of PNG images, 150 images of 8x8, grey",
        f"weights sha256 {registry().get(Extractor, 'digits-cnn', where='x').create(NoConfig()).weights_sha256}",
        "torch bilinear, antialias",
        "fid        Fréchet distance between features, by the name that papers use (few_images False)",
    ):
        assert part in told
    assert "looking at samples: 150 images, 1×8×8" in done.stderr
    assert "features of real by digits-cnn" in done.stderr


def test_json_holds_the_same_and_the_settings_of_everything(measure, samples, real):
    done = measure("samples", "--reference", "real", *CNN, "--metrics", "fid,kid", "--set", "kid.subset_size=40", "--json")
    fid_value, kid_value = done.json["metrics"]
    assert (fid_value["name"], kid_value["name"]) == ("fid-150[digits-cnn]", "kid-150[digits-cnn]")
    assert kid_value["settings"] == {"subsets": 100, "subset_size": 40, "seed": 2020}
    assert set(kid_value["also"]) == {"kid sd"}
    assert done.json["samples"][0]["n"] == done.json["reference"]["n"] == 150
    assert len(done.json["samples"][0]["pixels"]) == 64
    assert done.json["extractor"]["name"] == "digits-cnn"
    assert done.json["environment"]["torch"]


def test_a_set_has_distance_0_from_itself_however_it_is_stored(measure, samples, generated, tmp_path):
    np.savez(tmp_path / "samples.npz", generated.permute(0, 2, 3, 1).numpy(), np.zeros(150, np.int64))
    np.save(tmp_path / "samples.npy", (generated[:, 0].float() / 255).numpy())
    with zipfile.ZipFile(tmp_path / "samples.zip", "w") as archive:
        for file in samples.iterdir():
            archive.write(file, f"inside/{file.name}")
    for other in ("samples", "samples.npz", "samples.zip", "samples.npy"):
        values = ["--range", "0,1"] if other == "samples.npy" else []
        done = measure(samples, "--reference", other, *CNN, *values, "--json")
        assert done.value("fid") == pytest.approx(0, abs=1e-6)


def test_the_same_pixels_are_extracted_once_wherever_they_are(measure, samples, real, generated, tmp_path, monkeypatch):
    from harness_classifiers.extractor import Classifier

    seen, forward = [], Classifier.forward
    monkeypatch.setattr(Classifier, "forward", lambda self, images: seen.append(len(images)) or forward(self, images))
    first = measure("samples", "--reference", "real", *CNN, "--json")
    assert sum(seen) == 300
    np.savez(tmp_path / "again.npz", generated.permute(0, 2, 3, 1).numpy())
    again = measure("again.npz", "--reference", "real", *CNN, "--json")
    assert sum(seen) == 300
    assert again.value("fid") == first.value("fid")
    measure("samples", "--reference", "real", "--extractor", "fashion-cnn")
    assert sum(seen) == 600


@pytest.mark.parametrize("batch", [1, 64, 1000])
def test_the_batch_does_not_matter(measure, samples, real, generated, batch):
    done = measure("samples", "--reference", "real", *CNN, "--batch", batch, "--json")
    # Kernels of float32 round by batch.
    assert done.value("fid") == pytest.approx(directly(generated, digits(0, 150)), rel=1e-5)


def test_the_order_of_the_files_does_not_matter(measure, samples, real, generated, tmp_path):
    order = torch.randperm(150, generator=torch.Generator().manual_seed(1))
    write_folder(tmp_path / "mixed", generated[order])
    names = "fid,precision,recall,density,coverage"
    done = [measure(path, "--reference", "real", *CNN, "--metrics", names, "--json") for path in ("samples", "mixed")]
    for one, other in zip(*(one.json["metrics"] for one in done), strict=True):
        assert one["mean"] == pytest.approx(other["mean"], rel=1e-6)


def test_several_sets_are_repetitions_with_mean_and_extremes(measure, real, generated, tmp_path):
    for index, images in enumerate((generated[:100], generated[50:], digits(4, 100))):
        write_folder(tmp_path / f"s{index}", images)
    paths = ["s0", "s1", "s2"]
    done = measure(*paths, "--reference", "real", *CNN, "--json")
    (one,) = done.json["metrics"]
    alone = [measure(path, "--reference", "real", *CNN, "--json").value("fid") for path in paths]
    assert one["values"] == pytest.approx(alone, rel=1e-9)
    assert (one["mean"], one["min"], one["max"]) == pytest.approx((np.mean(alone), min(alone), max(alone)))
    assert one["sd"] == pytest.approx(np.std(alone, ddof=1))
    head, row, *_ = measure(*paths, "--reference", "real", *CNN).stdout.splitlines()
    assert head.split() == ["metric", "mean", "sd", "min", "max", "repetitions", "also"]
    assert f"{min(alone):.6g}" in row
    write_folder(tmp_path / "other", digits(5, 90))
    done = measure("s0", "other", "--reference", "real", *CNN)
    assert (done.returncode, done.stdout) == (2, "")
    assert "repetitions have the same number of images, and these have not: s0 100, other 90" in done.stderr


def test_datasets_are_references_by_name_part_and_settings(measure, samples, generated):
    held_out = measure("samples", "--reference", "digits@0", "--images", "150", *CNN, "--json")
    assert held_out.value("fid") == pytest.approx(directly(generated, digits(0, 150)), rel=1e-5)
    assert held_out.json["reference"] | {"fingerprint": ""} == {
        "source": "digits@0", "kind": "dataset, held-out images, draw 0", "n": 150, "images": 150, "shape": [1, 8, 8],
        "split": "held-out images, draw 0", "fingerprint": "",
    }  # fmt: skip
    assert measure("samples", "--reference", "digits", *CNN, "--json").json["reference"]["n"] == 448
    assert measure("samples", "--reference", "digits@train", *CNN, "--json").json["reference"]["n"] == 901
    corrupted = "{name: corrupted, dataset: digits, blur: 2.0}@0"
    blurred = measure("samples", "--reference", corrupted, "--images", "150", *CNN, "--json")
    assert blurred.value("fid") > held_out.value("fid")


def test_the_floor_is_the_distance_of_two_draws_and_falls_as_n_grows(measure):
    floors = [measure("digits@0", "--reference", "digits@1", "--images", n, *CNN, "--json").value("fid") for n in (80, 160, 320)]
    assert floors == sorted(floors, reverse=True)
    assert floors[0] > 2 * floors[-1]


def test_statistics_written_once_serve_as_the_reference(measure, samples, real, tmp_path):
    done = measure("real", "--write-statistics", "real.npz", *CNN)
    assert done.returncode == 0, done.stderr
    assert "wrote real.npz" in done.stderr
    both = ["--metrics", "fid,sfid", "--set", "sfid.few_images=true", "--json"]
    direct, by_file = (measure("samples", "--reference", one, *CNN, *both) for one in ("real", "real.npz"))
    assert by_file.value("fid") == pytest.approx(direct.value("fid"), rel=1e-9)
    assert by_file.value("sfid") == pytest.approx(direct.value("sfid"), rel=1e-9)
    assert by_file.json["reference"]["n"] == 150
    assert by_file.json["reference"]["statistics_of"]["source"] == "real"
    assert measure("real", "--reference", "real.npz", *CNN, "--json").value("fid") == pytest.approx(0, abs=1e-6)
    has_package = find_spec("efficientnet_lite_pytorch") is not None
    # One with as many features, and one with others, whose package not every installation has.
    for other in ("fashion-cnn", *["efficientnet-lite0"] * has_package):
        refused = measure("samples", "--reference", "real.npz", "--extractor", other)
        assert refused.returncode == 2
        (message,) = [line for line in refused.stderr.splitlines() if line.startswith("error: real.npz")]
        assert f"real.npz: its statistics were made by the extractor digits-cnn, and this measures with {other}; a" in message
        assert message.count("digits-cnn") == 2  # what it is, and what to do
        assert "--extractor digits-cnn" in message
    refused = measure("samples", "--reference", "real.npz", *CNN, "--metrics", "kid", "--set", "kid.subset_size=50")
    assert refused.returncode == 2
    assert "real.npz: statistics alone give no features, which kid needs; give the images" in refused.stderr


def test_statistics_that_do_not_say_whose_they_are_carry_a_note(measure, samples, real, tmp_path):
    measure("real", "--write-statistics", "ours.npz", *CNN)
    with np.load("ours.npz") as ours:
        np.savez("theirs.npz", mu=ours["mu"], sigma=ours["sigma"])
        np.savez("other.npz", mu=ours["mu"][:5], sigma=ours["sigma"][:5, :5])
    done = measure("samples", "--reference", "theirs.npz", *CNN)
    assert done.returncode == 0, done.stderr
    assert "note       theirs.npz: does not say which extractor made its statistics" in done.stdout
    assert "theirs.npz: statistics (an .npz of mu and sigma), number of images unknown" in done.stdout
    refused = measure("samples", "--reference", "other.npz", *CNN)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "other.npz: holds statistics of 5 features; the extractor gives 64" in refused.stderr


def test_adms_reference_batch_gives_moments_from_its_statistics_and_rows_from_its_images(measure, samples, real, tmp_path):
    measure("real", "--write-statistics", "ours.npz", *CNN)
    images = digits(6, 120)
    with np.load("ours.npz") as ours:
        np.savez("adm.npz", images.permute(0, 2, 3, 1).numpy(), mu=ours["mu"], sigma=ours["sigma"])
        np.savez("wrong.npz", images.permute(0, 2, 3, 1).numpy(), mu=np.zeros(5), sigma=np.eye(5))
    write_folder(tmp_path / "batch", images)
    names = ["--metrics", "fid,precision"]
    mixed = measure("samples", "--reference", "adm.npz", *CNN, *names, "--json")
    assert mixed.value("fid") == pytest.approx(measure("samples", "--reference", "real", *CNN, "--json").value("fid"), rel=1e-9)
    batch = measure("samples", "--reference", "batch", *CNN, *names, "--json")
    assert mixed.value("precision") == batch.value("precision")
    assert any("rows of features are of its 120 images" in note for note in mixed.json["notes"])
    assert measure("samples", "--reference", "adm.npz", "--as-images", *CNN, "--json").value("fid") == batch.value("fid")
    refused = measure("samples", "--reference", "wrong.npz", *CNN)
    assert "with --as-images its images are taken instead" in refused.stderr
    assert refused.returncode == 2


def test_the_inception_score_needs_no_reference(measure, samples):
    done = measure("samples", *CNN, "--metrics", "is", "--set", "is.splits=3", "--json")
    assert done.value("is") > 1
    assert done.json["reference"] is None
    refused = measure("samples", *CNN, "--metrics", "is,fid")
    assert refused.returncode == 2
    assert "--reference: fid compares with a reference" in refused.stderr


def test_files_beside_the_images_and_other_shapes_are_noted(measure, samples, tmp_path):
    (samples / "log.txt").write_text("")
    write_folder(tmp_path / "large", torch.nn.functional.interpolate(digits(0, 80), scale_factor=2))
    done = measure("samples", "--reference", "large", *CNN)
    assert done.returncode == 0, done.stderr
    assert "note       samples: 1 other files beside the images are ignored" in done.stdout
    assert "different shapes are compared, each resized on its own: samples 1×8×8; large 1×16×16" in done.stdout


@pytest.fixture(scope="module")
def wrong(tmp_path_factory, generated):
    """A folder of inputs, most of them wrong in one way."""
    path = tmp_path_factory.mktemp("wrong")
    write_folder(path / "samples", generated)
    write_folder(path / "real", digits(0, 150))
    write_folder(path / "few", digits(0, 20))
    (path / "empty").mkdir()
    damaged = write_folder(path / "damaged", digits(0, 100)) / "0011.png"
    damaged.write_bytes(damaged.read_bytes()[:-20])
    Image.new("L", (9, 9)).save(write_folder(path / "mixed", digits(0, 100)) / "0010.png")
    with zipfile.ZipFile(path / "out.zip", "w") as archive:
        archive.writestr("../x.png", damaged.read_bytes())
    floats = digits(0, 100).permute(0, 2, 3, 1).numpy().astype(np.float32) / 255
    floats[3, 0, 0] = np.nan
    np.savez(path / "floats.npz", floats)
    np.save(path / "narrow.npy", digits(0, 100)[:, 0].numpy().astype(np.float32) / 255)
    with zipfile.ZipFile(path / "twice.zip", "w") as archive:
        archive.write(path / "samples" / "0000.png", "x.png")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.write(path / "samples" / "0001.png", "x.png")
    os.mkfifo(write_folder(path / "pipe", digits(0, 100)) / "0100.png")
    np.savez(path / "bytes.npz", digits(0, 100).permute(0, 2, 3, 1).numpy())
    (path / "x.json").write_text("{}")
    return path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--reference", "real"], "SAMPLES nowhere: no such file or folder, and no dataset"),
        (["samples", "--reference", "digitz"], "no dataset; did you mean 'digits'?"),
        (["samples", "--reference", "digits@test"], "after @ stands train, or the number of a held-out draw"),
        (["samples", "--reference", "digits", "--images", "449"], "gives 448 held-out examples a draw at most"),
        (["samples", "--reference", "digits@train", "--images", "902"], "901 training images, and --images 902"),
        (["samples", "--reference", "swiss-roll"], "holds points and no images"),
        (["samples", "--reference", "{name: corrupted, blurr: 1}"], "no setting is called 'blurr'; did you mean 'blur'?"),
        (["samples", "--reference", "{blur: 1}"], "is a mapping with its name"),
        (["samples", "--reference", "real", "--metrics", "fidd"], "no metric is called 'fidd'; did you mean 'fid'?"),
        (["samples", "--reference", "real", "--metrics", "w2"], "w2 compares points and not images; metrics of images: "),
        (["samples", "--reference", "real", "--metrics", ","], "--metrics: name at least one"),
        (["samples", "--reference", "real", "--metrics", ""], "--metrics: name at least one"),
        (["samples", "--reference", "real", "--metrics", "FID"], "no metric is called 'FID'; did you mean 'fid'?"),
        (["samples", "--reference", "real", "--metrics", "fid[digits-cnn]"], "write fid, and its extractor as --extractor NAME"),
        (["samples", "--reference", "real", "--reference", "few"], "--reference: is given 2 times, and there is one: real, few"),
        (["samples", "--reference", ""], "--reference: is empty, and not taken for this folder"),
        (["samples", "--reference", "real", "--set", "fid.few_images=1", "--set", "fid.few_images=0"], "is given twice"),
        (["twice.zip", "--reference", "real"], "twice.zip: holds x.png twice"),
        (["pipe", "--reference", "real"], "pipe/0100.png: is no file, but a pipe or a device"),
        (["narrow.npy", "--reference", "real", "--range=0,255"], "so --range 0,255 is hardly what they mean; say --range=0,1"),
        (["narrow.npy", "--reference", "real", "--range=-1,1"], "so --range -1,1 is hardly what they mean; say --range=0,1"),
        (["samples", "--reference", "real", "--set", "kid.subsets=3"], "--set kid: not among the metrics and the extractor: fid"),
        (["samples", "--reference", "real", "--set", "fid.few_image=1"], "called 'few_image'; did you mean 'few_images'?"),
        (["samples", "--reference", "real", "--set", "few_images"], "write NAME.KEY=VALUE"),
        (["samples", "--reference", "real", "--metrics", "kid"], "kid draws subsets of 1000 images, and there are 150"),
        (["samples", "--reference", "real", "--device", "gpu"], "--device gpu: there are auto"),
        (["samples", "--reference", "real", "--range", "0,2"], "--range 0,2: there are 0,255, 0,1, -1,1"),
        (["few", "--reference", "real"], "few: a Fréchet distance of 64 features needs more than 64 images, got 20"),
        (["samples", "--reference", "few"], "few: a Fréchet distance of 64 features needs more than 64 images, got 20"),
        (["samples/0000.png", "--reference", "real"], "a .png is nothing that is read here"),
        (["samples", "--reference", "real", "--range", "0,1"], "--range 0,1 is only for floats, in an .npz or .npy, and here"),
        (["bytes.npz", "--reference", "real", "--range", "0,1"], "bytes.npz is a .npz array; real is a folder of PNG images"),
        (["samples", "--reference", "real", "--images", "100"], "--images 100 is only for a dataset, and here is none: samples"),
        (["samples", "--reference", "real", "--as-images"], "--as-images is only for an .npz, which may have statistics"),
        (["samples", "--reference", "real", "--write-statistics", "x.pkl"], "the file to write ends in .npz"),
        (["samples", "--write-statistics", "made/no/x.npz"], "the folder made is absent; make it (mkdir -p made/no) or"),
        (["samples", "--write-statistics", "x.json/x.npz"], "x.json/x.npz: x.json is a file and no folder; name another"),
        (["samples", "--write-statistics", "bytes.npz"], "bytes.npz: is there already, and is not overwritten; remove it or"),
        (["samples", "real", "--reference", "real", "--write-statistics", "x.npz"], "takes one set of images"),
        (["empty", "--reference", "real"], "empty: no image in it"),
        (["x.json", "--reference", "real"], "x.json: damaged"),
        (["damaged", "--reference", "real"], "damaged/0011.png: damaged, or no image"),
        (["mixed", "--reference", "real"], "mixed: 0010.png is a grey PNG of 9x9, but 0000.png is a grey PNG of 8x8"),
        (["out.zip", "--reference", "real"], "'../x.png' leads out of the archive"),
        (["floats.npz", "--reference", "real"], "floats.npz/arr_0: float32 values; say what they mean"),
        (["floats.npz", "--reference", "real", "--range", "0,1"], "image 3 has values that are not finite"),
    ],
)
def test_each_mistake_is_one_message_before_any_network_runs(measure, wrong, monkeypatch, arguments, message):
    from harness_classifiers.extractor import Classifier

    monkeypatch.setattr(Classifier, "forward", lambda *_: pytest.fail("a network ran before everything was checked"))
    monkeypatch.chdir(wrong)
    done = measure(*arguments, *CNN)
    assert (done.returncode, done.stdout) == (2, "")
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert message in "\n".join(errors)
    assert "Traceback" not in done.stderr
    assert "kid" in errors[0] or "needs more than" not in message  # the alternative is named


def test_an_unknown_extractor_is_told_the_nearest_and_an_absent_file_its_place(measure, samples, monkeypatch, tmp_path):
    done = measure("samples", "--reference", "digits", "--extractor", "digits-cn")
    assert "no extractor is called 'digits-cn'; did you mean 'digits-cnn'?" in done.stderr
    for variable in ("HARNESS_INCEPTION", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    done = measure("samples", "--reference", "digits")
    assert (done.returncode, done.stdout) == (2, "")
    file = "weights-inception-2015-12-05-6726825d.pth"
    for part in (f"extractor inception: {file}", "HARNESS_INCEPTION", "need no file: digits-cnn"):
        assert part in done.stderr


def test_a_path_that_is_called_like_a_dataset_is_asked_about(measure, samples, tmp_path):
    write_folder(tmp_path / "digits", digits(0, 100))
    done = measure("samples", "--reference", "digits", *CNN)
    assert done.returncode == 2
    assert "is a dataset and a path; write ./digits for the path" in done.stderr
    assert measure("samples", "--reference", "./digits", *CNN, "--json").json["reference"]["kind"] == "folder of PNG images"


def test_sample_sets_alone_in_a_file_are_a_repetition_a_draw(measure, real, tmp_path):
    from safetensors.torch import save_file

    draws = [digits(draw, 100).float() / 127.5 - 1 for draw in (2, 4)]
    save_file({f"x.{index}": x for index, x in enumerate(draws)}, tmp_path / "samples.safetensors")
    done = measure("samples.safetensors", "--reference", "real", *CNN, "--json")
    expected = [directly(digits(draw, 100), digits(0, 150)) for draw in (2, 4)]
    assert done.value("fid", "values") == pytest.approx(expected, rel=1e-5)
    draws[1][7, 0, 0, 0] = float("nan")
    save_file({f"x.{index}": x for index, x in enumerate(draws)}, tmp_path / "bad.safetensors")
    done = measure("bad.safetensors", "--reference", "real", *CNN)
    assert done.returncode == 2
    assert "bad.safetensors, draw 1: 1 of 64 images have values that are not finite" in done.stderr
    save_file({"x.0": torch.zeros(100, 2)}, tmp_path / "points.safetensors")
    assert "samples of shape (2,) are no images" in measure("points.safetensors", "--reference", "real", *CNN).stderr
    save_file({"y": torch.zeros(100, 2)}, tmp_path / "other.safetensors")
    assert "it has no tensors x.0" in measure("other.safetensors", "--reference", "real", *CNN).stderr


def test_every_metric_of_images_can_be_measured(measure, samples, real):
    names = [name for name in registry().names("metric") if registry().get(Metric, name, where="test").needs_features]
    small = ["--set", "kid.subset_size=50", "--set", "sfid.few_images=true"]
    done = measure("samples", "--reference", "real", *CNN, "--metrics", ",".join(names), *small, "--json")
    assert [one["metric"] for one in done.json["metrics"]] == names
    assert all(np.isfinite(one["mean"]) for one in done.json["metrics"])
    components = {name: registry().get(Metric, name, where="test") for name in names}
    assert [one["higher_is_better"] for one in done.json["metrics"]] == [
        one.higher_is_better if one.ranks else None for one in components.values()
    ]
    assert not components["fid-se"].ranks


def test_a_standard_error_says_how_it_was_estimated(measure, samples, real):
    by_default = measure("samples", "--reference", "real", *CNN, "--metrics", "fid-se")
    assert "(few_images False, by influence)" in by_default.stdout
    drawn = measure("samples", "--reference", "real", *CNN, "--metrics", "fid-se", "--set", "fid-se.by=bootstrap", "--json")
    assert drawn.json["metrics"][0]["settings"] == {"few_images": False, "by": "bootstrap", "resamples": 100}


def test_draws_that_may_share_images_are_noted(measure, tmp_path):
    first, second = (measure("digits@0", "--reference", other, "--images", "100", *CNN) for other in ("digits@1", "digits@2"))
    assert "may share images" not in first.stdout
    assert "digits@0 and digits@2 may share images: only draws 2k and 2k + 1 share none" in second.stdout


def test_a_setting_that_helps_is_written_as_this_command_takes_it(measure, samples):
    done = measure("digits@0", "--reference", "digits@1", "--images", "40", *CNN, "--metrics", "fid,kid")
    assert done.returncode == 2
    assert "--set fid.few_images=true" in done.stderr
    assert "--set kid.subset_size=VALUE" in done.stderr


def test_images_that_are_measured_against_themselves_are_named(measure, samples, real):
    with zipfile.ZipFile("same.zip", "w") as archive:
        for path in sorted(real.iterdir()):
            archive.write(path, path.name)
    assert "note       same.zip holds the same images as real" in measure("same.zip", "--reference", "real", *CNN).stdout
    assert "same images" not in measure("samples", "--reference", "real", *CNN).stdout


def test_all_that_is_wrong_with_names_and_paths_is_told_at_once(measure):
    done = measure("nowhere", "--reference", "neither", "--metrics", "fidd", *CNN)
    assert done.returncode == 2
    told = [line.split(":")[1].strip() for line in done.stderr.splitlines()]
    assert told == ["--metrics", "SAMPLES nowhere", "--reference neither"]


def test_links_to_folders_are_noted(measure, samples, real):
    (samples / "more").symlink_to(real)
    assert "note       samples: 1 links to folders are not followed" in measure("samples", "--reference", "real", *CNN).stdout


def test_statistics_as_the_reference_name_only_the_metrics_that_need_more(measure, samples, real):
    measure("real", "--write-statistics", "real.npz", *CNN)
    names = ["--metrics", "fid,fid-se", "--metrics", "precision"]
    assert "features, which precision needs" in measure("samples", "--reference", "real.npz", *CNN, *names).stderr


def test_a_path_that_may_not_be_looked_at_is_one_message(measure, samples, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("harness.measure.sources._sources_at", refuse)
    done = measure("samples", "--reference", "digits", *CNN)
    assert done.returncode == 2
    assert "error: SAMPLES samples: cannot be read: Permission denied; change its permissions" in done.stderr


def test_ctrl_c_says_how_to_go_on(measure, samples, real, monkeypatch):
    from harness_classifiers.extractor import Classifier

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Classifier, "forward", interrupt)
        done = measure("samples", "--reference", "real", *CNN)
    assert (done.returncode, done.stdout) == (130, "")
    assert "interrupted; run the same command again to go on" in done.stderr
    assert measure("samples", "--reference", "real", *CNN).returncode == 0
