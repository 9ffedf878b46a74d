"""Statistics in everybody's formats, read as data; ours says what it is of."""

import os
import pickle
import zipfile

import numpy as np
import pytest
import torch

from harness import UserError
from harness.features import Moments
from harness.images.statistics_files import Metadata, recognise, write
from harness.store.records import ExtractorFacts

ROWS = np.random.default_rng(0).standard_normal((40, 6))
MEAN, COVARIANCE = ROWS.mean(0), np.cov(ROWS, rowvar=False)
OUTPUTS = {"features": 6, "spatial": 3}
USED = ExtractorFacts(name="pixels", version="1/1", settings={}, weights_sha256="a" * 64, preprocessing="grey")


def metadata(**changes):
    known = {"n": 40, "source": "images/", "split": "train", "pixels": "p", "shape": (1, 8, 8), "extractor": USED}
    return Metadata(**{**known, **changes})


def assert_same(moments):
    np.testing.assert_array_equal(moments.mean, MEAN)
    np.testing.assert_array_equal(moments.covariance, (COVARIANCE + COVARIANCE.T) / 2)


def test_ours_comes_back_with_all_that_it_says(tmp_path):
    spatial = Moments(40, MEAN[:3], COVARIANCE[:3, :3])
    write(tmp_path / "x.npz", {"moments": Moments(40, MEAN, COVARIANCE), "spatial": spatial}, metadata())
    found = recognise(tmp_path / "x.npz")
    assert (found.form, found.metadata, found.n) == ("finetune-harness", metadata(), 40)
    assert set(found.moments_for(OUTPUTS)) == {"moments", "spatial"}
    assert_same(found.moments_for(OUTPUTS)["moments"])
    found.check_extractor(USED)
    with np.load(tmp_path / "x.npz", allow_pickle=False) as stored:  # as other tools read it
        assert stored["mu"].shape == (6,)
        assert stored["sigma_s"].shape == (3, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "other"}, "made by the extractor pixels, and this measures with other"),
        ({"weights_sha256": "b" * 64}, "weights of sha256 'aaa.*bbb"),
        ({"preprocessing": "colour"}, "preprocessing 'grey', and here it has 'colour'"),
        ({"settings": {"size": 3}}, "settings {}, and here it has {'size': 3}"),
        ({"version": "2/1"}, "version '1/1', and here it has '2/1'"),
    ],
)
def test_statistics_by_another_extractor_are_refused(tmp_path, change, message):
    write(tmp_path / "x.npz", {"moments": Moments(40, MEAN, COVARIANCE)}, metadata())
    with pytest.raises(UserError, match=message):
        recognise(tmp_path / "x.npz").check_extractor(USED.model_copy(update=change))


def test_npz_files_of_edm_clean_fid_and_adm_are_told_apart(tmp_path):
    np.savez(tmp_path / "edm.npz", mu=MEAN, sigma=COVARIANCE)
    np.savez_compressed(tmp_path / "clean.npz", mu=MEAN, sigma=np.asfortranarray(COVARIANCE))
    images = np.zeros((5, 4, 4, 3), np.uint8)
    np.savez(tmp_path / "adm.npz", images, np.arange(5), mu=MEAN, sigma=COVARIANCE, mu_s=MEAN[:3], sigma_s=COVARIANCE[:3, :3])
    for name, form in (("edm", "an .npz of mu and sigma"), ("clean", "an .npz of mu and sigma"), ("adm", "ADM's .npz")):
        found = recognise(tmp_path / f"{name}.npz")
        assert (found.form, found.metadata, found.n) == (form, None, None)
        assert_same(found.moments_for(OUTPUTS)["moments"])
        found.check_extractor(USED)  # it says nothing that could be wrong
    assert set(found.moments_for(OUTPUTS)) == {"moments", "spatial"}
    assert set(found.moments_for({"features": 6, "spatial": 4})) == {"moments"}
    np.savez(tmp_path / "images.npz", images)
    assert recognise(tmp_path / "images.npz") is None


def test_edm2s_pickle_gives_the_table_that_fits(tmp_path):
    table = {"fid": {"mu": MEAN, "sigma": COVARIANCE}, "fd_dinov2": {"mu": MEAN[:4], "sigma": COVARIANCE[:4, :4]}}
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(table))
    found = recognise(tmp_path / "x.pkl")
    assert_same(found.moments_for(OUTPUTS)["moments"])
    assert len(found.moments_for({"features": 4})["moments"].mean) == 4
    with pytest.raises(UserError, match=r"fid of 6 and fd_dinov2 of 4 features; the extractor gives 5"):
        found.moments_for({"features": 5})


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_what_torch_fidelity_caches_is_read(tmp_path, kind):
    from torch_fidelity.metric_fid import fid_features_to_statistics
    from torch_fidelity.utils import torch_atomic_save

    torch_atomic_save(fid_features_to_statistics(torch.from_numpy(ROWS.astype(kind))), str(tmp_path / "x-stat-fid-2048.pt"))
    found = recognise(tmp_path / "x-stat-fid-2048.pt")
    np.testing.assert_allclose(found.moments_for(OUTPUTS)["moments"].covariance, COVARIANCE, atol=1e-6)
    assert found.form == "torch-fidelity's cache"


def test_tensors_are_fine_too_and_programs_are_not_run(tmp_path):
    torch.save({"mu": torch.from_numpy(MEAN), "sigma": torch.from_numpy(COVARIANCE)}, tmp_path / "x.pt")
    assert_same(recognise(tmp_path / "x.pt").moments_for(OUTPUTS)["moments"])

    class Program:
        def __reduce__(self):
            return (tmp_path.joinpath("was-run").write_text, ("yes",))

    torch.save({"mu": Program()}, tmp_path / "y.pt")
    with pytest.raises(UserError, match=r"y\.pt: refused: it would use builtins\.getattr"):
        recognise(tmp_path / "y.pt")
    (tmp_path / "y.pkl").write_bytes(pickle.dumps({"fid": Program()}))
    with pytest.raises(UserError, match="is not allowed"):
        recognise(tmp_path / "y.pkl")
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize(
    "content", [b"", b"nothing at all", {"features": torch.zeros(3)}, torch.zeros(3), {"mu": 1.0, "sigma": 2.0}]
)
def test_other_torch_files_say_what_is_wrong(tmp_path, content):
    path = tmp_path / "x.pt"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(UserError, match=r"x\.pt: (no file that torch wrote|no statistics|mu is no array)"):
        recognise(path)


@pytest.mark.parametrize(
    ("mean", "covariance", "message"),
    [
        (MEAN, COVARIANCE[:5], "are no mean and covariance"),
        (MEAN.astype(int), COVARIANCE, "are no mean and covariance"),
        (MEAN * np.nan, COVARIANCE, "not finite"),
        (MEAN, COVARIANCE + np.eye(6, k=1), "not symmetric"),
        (MEAN, COVARIANCE - 2 * np.trace(COVARIANCE) * np.diag([0, 0, 0, 0, 0, 1.0]), "negative variances"),
        (MEAN.astype(int), COVARIANCE, r"mu \(6,\) int64 and sigma \(6, 6\) float64 are no mean and covariance, which are"),
    ],
)
def test_arrays_that_are_no_statistics_are_refused(tmp_path, mean, covariance, message):
    np.savez(tmp_path / "x.npz", mu=mean, sigma=covariance)
    with pytest.raises(UserError, match=message):
        recognise(tmp_path / "x.npz").moments_for({"features": 6})


def test_an_extractor_of_another_size_is_refused(tmp_path):
    np.savez(tmp_path / "x.npz", mu=MEAN, sigma=COVARIANCE)
    with pytest.raises(UserError, match=r"x\.npz: holds statistics of 6 features; the extractor gives 2048"):
        recognise(tmp_path / "x.npz").moments_for({"features": 2048})


def test_what_a_file_says_of_itself_is_checked(tmp_path):
    np.savez(tmp_path / "x.npz", mu=MEAN, sigma=COVARIANCE, harness=np.frombuffer(b'{"n": 3}', np.uint8))
    with pytest.raises(UserError, match="what it says about itself is damaged"):
        recognise(tmp_path / "x.npz")


def test_covariances_without_full_rank_and_rounded_ones_are_read(tmp_path):
    factor = np.random.default_rng(0).standard_normal((200, 20))
    for covariance in (factor @ factor.T, (factor @ factor.T).astype(np.float32), np.zeros((200, 200))):
        np.savez(tmp_path / "x.npz", mu=np.zeros(200), sigma=covariance)
        assert recognise(tmp_path / "x.npz").moments_for({"features": 200})


# --- damaged and hostile files ---------------------------------------------------------------------------------------


def test_an_npz_with_objects_is_refused(tmp_path):
    np.savez(tmp_path / "x.npz", mu=np.array([os.system], dtype=object), sigma=np.eye(1))
    with pytest.raises(UserError, match=r"x\.npz/mu: holds Python objects, which are programs and not data"):
        recognise(tmp_path / "x.npz")


@pytest.mark.parametrize("kept", [0, 10, 100, -1])
def test_a_damaged_npz_is_refused(tmp_path, kept):
    path = tmp_path / "x.npz"
    np.savez(path, mu=MEAN, sigma=COVARIANCE)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"x\.npz: cannot be read as an \.npz"):
        recognise(path)


def test_an_npz_that_declares_more_than_there_is_memory_for_is_refused(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, mu=np.zeros(3), sigma=np.eye(3))
    # An array's header of the same length, with 10^15 numbers in the place of (3,); the zip's checksum is right for it.
    with zipfile.ZipFile(path) as old:
        bodies = {name: old.read(name) for name in old.namelist()}
    bodies["mu.npy"] = bodies["mu.npy"].replace(b"(3,), }" + b" " * 14, b"(" + b"9" * 15 + b",), }")
    with zipfile.ZipFile(path, "w") as new:
        for name, body in bodies.items():
            new.writestr(name, body)
    with pytest.raises(UserError, match=r"x\.npz/mu: damaged: its header and its length do not agree"):
        recognise(path)


def test_a_damaged_pickle_names_the_file(tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps({"fid": {"mu": MEAN, "sigma": COVARIANCE}})[:-20])
    with pytest.raises(UserError, match=r"x\.pkl: it is damaged"):
        recognise(path)
    path.write_bytes(pickle.dumps([MEAN]))
    with pytest.raises(UserError, match=r"x\.pkl: no table of reference statistics"):
        recognise(path)


def test_a_pickles_entries_that_are_no_tables_are_not_its_statistics(tmp_path):
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"num_images": 5, "fid": {"mu": MEAN, "sigma": COVARIANCE}}))
    assert list(recognise(tmp_path / "x.pkl").tables) == ["fid"]
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"num_images": 5}))
    with pytest.raises(UserError, match=r"x\.pkl: no table of reference statistics: it has no table of mu and sigma"):
        recognise(tmp_path / "x.pkl")
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"fid": {"mu": MEAN}}))
    with pytest.raises(UserError, match=r"x\.pkl: fid has no sigma"):
        recognise(tmp_path / "x.pkl")
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"fid": {"mu": MEAN, "sigma": COVARIANCE[:4]}}))
    with pytest.raises(UserError, match=r"x\.pkl: mu \(6,\) float64 and sigma \(4, 6\) float64 are no mean and covariance"):
        recognise(tmp_path / "x.pkl")


def test_other_suffixes_are_no_statistics(tmp_path):
    assert recognise(tmp_path / "x.png") is None
