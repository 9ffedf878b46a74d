"""EDM's augmentation: what each change does to an image, its labels, how often it comes, and that batches repeat."""

import math

import pytest
import torch

from harness.components import Method, Model, ModelUsage
from harness.errors import Interrupted, UserError
from harness.indexed import StoredExamples
from harness.indexed_sets import InMemory
from harness.interfaces import Batch, DataSpec
from harness.plugins import registry
from harness.process import stop
from harness.streams import stream
from harness.testing.task import InMemoryTask
from harness.training.augmentation import Changes, augmented, changed, draw_changes
from harness.training.augmentation_settings import EDMAugmentation
from harness.training.config import TrainingConfig
from harness.training.loop import TrainingLoop
from harness.training.micro_batches import training_losses
from harness.training.reader import BatchReader
from harness.training.surroundings import Listener, Surroundings

CPU = torch.device("cpu")
SIZE = 24
SPOTS = 48
INSIDE = (..., slice(5, -5), slice(5, -5))
NAMES = ("mirror_x", "mirror_y", "scale", "angle", "stretch_angle", "stretch", "shift_x", "shift_y")
PIXELS = torch.randint(256, (30, 3, 16, 16), dtype=torch.uint8, generator=stream(0, "pixels"))
EDM = EDMAugmentation(name="edm")


def changes(n=1, **values):
    """Changes of n images, all zero but for those that are given."""
    return Changes(**{name: torch.full((n,), float(values.get(name, 0)), dtype=torch.float64) for name in NAMES})


def smooth():
    y, x = torch.meshgrid(torch.linspace(0, 3, SIZE), torch.linspace(0, 4, SIZE), indexing="ij")
    return torch.stack([(x + 0.3 * y * y).sin(), (1.5 * y - x).cos(), (x * y / 2).sin()])[None]


def blob(x, y):
    """A round spot at (x, y) pixels from the centre of a large image, y down."""
    places = torch.arange(SPOTS) - (SPOTS - 1) / 2
    return torch.exp(-((places[None, :] - x) ** 2 + (places[:, None] - y) ** 2) / 4)[None, None]


def centre(image):
    """The centre of the spot around an image's middle; near the border there are its reflections."""
    places = torch.arange(-13.5, 14)
    mass = image[0, 0, SPOTS // 2 - 14 : SPOTS // 2 + 14, SPOTS // 2 - 14 : SPOTS // 2 + 14]
    return [float((mass * axis).sum() / mass.sum()) for axis in (places[None, :], places[:, None])]


def test_without_changes_an_image_keeps_its_bits_and_all_labels_are_zero():
    noise = torch.randn(4, 3, 8, 8)
    assert torch.equal(changed(noise, changes(4)), noise)
    assert torch.equal(changes(4).labels, torch.zeros(4, 9))


def test_mirroring_is_that_of_torch_bit_for_bit():
    noise = torch.randn(4, 3, 8, 10)
    assert torch.equal(changed(noise, changes(4, mirror_x=1)), noise.flip(3))
    assert torch.equal(changed(noise, changes(4, mirror_y=1)), noise.flip(2))
    assert torch.equal(changed(noise, changes(4, mirror_x=1, mirror_y=1)), noise.flip(2, 3))


@pytest.mark.parametrize("quarters", [1, 2, -1])
def test_a_quarter_turn_is_counterclockwise_as_torchs_is(quarters):
    turned = changed(smooth(), changes(angle=quarters * math.pi / 2))
    torch.testing.assert_close(turned[INSIDE], smooth().rot90(quarters, (2, 3))[INSIDE], rtol=0, atol=5e-3)


def test_a_shift_by_an_eighth_of_the_image_goes_right_and_down():
    moved = changed(smooth(), changes(shift_x=1, shift_y=-1))
    torch.testing.assert_close(moved[INSIDE], smooth().roll((-3, 3), (2, 3))[INSIDE], rtol=0, atol=1e-4)


def test_five_standard_deviations_of_scale_double_an_image():
    torch.testing.assert_close(centre(changed(blob(2, -1), changes(scale=5))), [4.0, -2.0], rtol=0, atol=0.05)
    torch.testing.assert_close(centre(changed(blob(4, -2), changes(scale=-5))), [2.0, -1.0], rtol=0, atol=0.05)


@pytest.mark.parametrize(
    ("angle", "before", "after"),
    [(0, (2, 4), (4, 2)), (math.pi / 2, (4, 2), (2, 4)), (math.pi / 4, (2, -2), (4, -4)), (math.pi / 4, (4, 4), (2, 2))],
)
def test_stretching_doubles_along_the_angle_and_halves_across_it(angle, before, after):
    # At an eighth of a turn the axis goes up to the right, where y is negative.
    stretched = changed(blob(*before), changes(stretch=5, stretch_angle=angle))
    torch.testing.assert_close(centre(stretched), [float(value) for value in after], rtol=0, atol=0.1)


def test_an_image_is_scaled_then_turned_then_stretched_then_moved():
    order = changes(scale=5, angle=math.pi / 2, stretch=5, shift_x=8 / SPOTS)
    # (1, 0) → (2, 0) → (0, -2), up → across the axis: (0, -1) → one pixel to the right. The spot is wide then.
    torch.testing.assert_close(centre(changed(blob(1, 0), order)), [1.0, -1.0], rtol=0, atol=0.2)


def test_labels_are_those_of_the_papers_table():
    told = changes(mirror_x=1, scale=0.5, angle=math.pi / 6, stretch=2, stretch_angle=math.pi / 3, shift_x=-1.5, shift_y=0.25)
    by_hand = [1, 0, 0.5, math.sqrt(3) / 2 - 1, 0.5, 1, math.sqrt(3), -1.5, 0.25]
    torch.testing.assert_close(told.labels, torch.tensor([by_hand]))
    assert told.labels.dtype == torch.float32


def test_each_change_comes_with_the_probability_that_is_asked_for_and_independently():
    n, p = 20_000, 0.12
    drawn = draw_changes(n, p, stream(0, "changes"))
    shares = {name: float(getattr(drawn, name).ne(0).double().mean()) for name in NAMES}
    # Four standard deviations of a share of 20,000 coins: 0.014 at one half, 0.009 at 0.12.
    assert shares.pop("mirror_x") == pytest.approx(0.5, abs=0.014)
    assert shares.pop("mirror_y") == pytest.approx(p / 2, abs=0.009)
    assert shares == pytest.approx(dict.fromkeys(shares, p), abs=0.009)
    assert torch.equal(drawn.stretch.ne(0), drawn.stretch_angle.ne(0))
    assert torch.equal(drawn.shift_x.ne(0), drawn.shift_y.ne(0))
    both = drawn.scale.ne(0) & drawn.angle.ne(0)
    assert float(both.double().mean()) == pytest.approx(p * p, abs=0.004)
    assert float(drawn.scale[drawn.scale != 0].std()) == pytest.approx(1, abs=0.06)
    assert float(drawn.angle.abs().max()) == pytest.approx(math.pi, abs=0.02)


def reader(*, seed=4, augment=EDM, batch=20):
    training = TrainingConfig(images=batch, batch=batch, augment=augment)
    return BatchReader.of(InMemory(StoredExamples(PIXELS, torch.arange(30))), training, CPU, seed=seed)


def test_a_batch_is_a_function_of_seed_and_step():
    ahead, later = reader(), reader()
    for index in range(3):
        ahead.batch(index)
    first, again = ahead.batch(3), later.batch(3)
    assert torch.equal(first.x, again.x)
    assert torch.equal(first.augmentation, again.augmentation)
    assert torch.equal(first.labels, again.labels)
    other = reader(seed=5).batch(3)
    assert not torch.equal(first.augmentation, other.augmentation)
    assert not torch.equal(ahead.batch(4).augmentation, first.augmentation)


def test_labels_say_what_was_done_to_which_image_and_no_row_is_named():
    plain, batch = reader(augment=None).batch(0), reader().batch(0)
    assert batch.labels is not None
    assert batch.augmentation is not None
    assert plain.labels is not None
    assert torch.equal(batch.labels, plain.labels)
    assert plain.augmentation is None
    assert batch.rows is None  # what was computed of an example is not that of its augmented image
    mirrored_alone = batch.augmentation[:, 1:].eq(0).all(1)
    assert 3 < int(mirrored_alone.sum()) < 18
    straight = torch.where(batch.augmentation[:, :1, None, None].bool(), plain.x.flip(3), plain.x)
    is_straight = (batch.x == straight).flatten(1).all(1)
    assert torch.equal(is_straight, mirrored_alone)


def test_a_part_of_a_batch_keeps_the_labels_of_its_images():
    told = augmented(Batch(torch.zeros(4, 3, 8, 8), rows=torch.arange(4)), EDM, seed=1, index=7).augmentation
    assert told is not None
    part = Batch(torch.zeros(4, 3, 8, 8), augmentation=told)[1:3].to("cpu").augmentation
    assert part is not None
    assert torch.equal(part, told[1:3])


def no_sampler(*_):
    raise NotImplementedError


def task(micro_batch=None, augment_dim=9):
    model = registry().get(Model, "edm-unet", where="test")
    config = model.config.model_validate({"model_channels": 8, "attn_resolutions": (4,), "augment_dim": augment_dim})
    torch.manual_seed(0)
    spec = DataSpec((3, 16, 16), preview="images")
    network = model.create(config, spec)
    return InMemoryTask(network, spec, no_sampler, steps=2, batch=20, micro_batch=micro_batch)


def test_a_training_step_gives_the_labels_a_meaning_and_absent_labels_are_zeros():
    training = task()
    mle = registry().get(Method, "mle", where="test")
    method = mle.create(mle.config(), training)
    batch, sigma = reader().batch(0), torch.full((20,), 0.5)
    for index in range(2):  # the output layer begins at zero: the first step moves it alone
        method.step(reader().batch(index), stream(0, "step", index), index)
    network = training.model
    with torch.no_grad():
        plain = network(batch.x, sigma)
        assert torch.equal(network(batch.x, sigma, None, torch.zeros(20, 9)), plain)
        assert not torch.equal(network(batch.x, sigma, None, batch.augmentation), plain)
        assert torch.equal(training.model.denoise(batch.x, sigma, None), plain)


def test_a_training_that_was_stopped_goes_on_with_the_same_images_and_labels(make_task, tmp_path):
    weights = []
    for folder, stops in (("whole", False), ("stopped", True)):
        for stops_now in (True, False) if stops else (False,):
            trained = trained_in(make_task, tmp_path / folder, stop_after=1 if stops_now else None)
        weights.append(trained)
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def trained_in(make_task, folder, *, stop_after):
    """Train for three steps on augmented images, from the folder's checkpoint on. Returns: the weights, if it was not stopped."""
    network, budget = task().model, {"steps": 3, "batch": 20, "augment": EDM}
    live = make_task(model=network, spec=network.spec, banks=False, **budget)
    mle = registry().get(Method, "mle", where="test")
    method = mle.create(mle.config(), live)
    examples, training = InMemory(StoredExamples(PIXELS, None)), TrainingConfig(images=60, batch=20, augment=EDM)
    loop = TrainingLoop(live, method, examples, training, seed=3, around=Surroundings(folder, 1e9, Listener()))
    if stop_after is None:
        return loop.run().weights
    take = method.step

    def step(batch, generator, index):
        if index == stop_after:
            stop.request()
        return take(batch, generator, index)

    method.step = step
    with pytest.raises(Interrupted):
        loop.run()
    stop.clear()
    return {}


def test_micro_batches_have_the_labels_of_their_images():
    batch = reader().batch(0)
    whole, parts = (sum(training_losses(task(size), batch, stream(0, "step"))) for size in (None, 7))
    torch.testing.assert_close(whole, parts)


def test_mirroring_twice_is_refused():
    with pytest.raises(ValueError, match="augment mirrors images too, and tells the network: leave flip out"):
        TrainingConfig(images=128, flip=True, augment=EDM)


@pytest.mark.parametrize(
    "wrong", [{}, {"name": "ada"}, {"name": "edm", "p": 0}, {"name": "edm", "p": 1.5}, {"name": "edm", "q": 1}]
)
def test_a_scheme_has_a_name_and_a_probability(wrong):
    with pytest.raises(ValueError, match="augment"):
        TrainingConfig(images=128, augment=wrong)


def test_the_key_of_a_budget_without_augmentation_is_as_it_was():
    assert "augment" not in TrainingConfig(images=128).identity
    assert TrainingConfig(images=128, augment=EDM).identity["augment"] == {"name": "edm", "p": 0.12}
    assert "augment" in TrainingConfig(images=128).unused


def test_a_network_with_a_place_for_fewer_labels_is_refused():
    model = registry().get(Model, "edm-unet", where="test")
    with pytest.raises(UserError, match="augment gives 9 labels for each image, and augment_dim is 4"):
        model.check_usage(model.config.model_validate({"augment_dim": 4}), ModelUsage(DataSpec((3, 16, 16), preview="images"), 9))
