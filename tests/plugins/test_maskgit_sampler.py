"""MaskGIT's samplers on a model whose logits are known: which tokens a step fixes, rewrites and leaves open."""

import itertools

import pytest
import torch
from torch import nn

from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.streams import SampleStreams, stream
from harness_maskgit import ConfidenceConfig, HaltonConfig, guidance_formula
from harness_maskgit.sampler import (
    Fixing,
    Halton,
    Noise,
    Rewriting,
    above_threshold,
    confidence,
    empty,
    halton,
    predict,
    surest,
)
from harness_maskgit.schedules import halton_known_after_step, halton_order, known_after_step, tokens_per_step

SIDE, L, CODES, N = 4, 16, 6, 5
LABELS = torch.arange(N) % 3


class Table(nn.Module):
    """Logits that depend on the position, the label and the share of masked tokens, and never name the mask token."""

    side, mask_token, null_label = SIDE, CODES, 3

    def __init__(self, mask_logit=-torch.inf):
        super().__init__()
        self.table = torch.randn(4, L, CODES + 1, generator=stream(0, "table"), dtype=torch.float64)
        self.table[..., CODES] = mask_logit
        self.calls = []

    def token_logits(self, tokens, labels):
        self.calls.append((tokens.clone(), labels.tolist()))
        masked = (tokens == CODES).double().mean(1)
        return self.table[labels] * (1 + masked[:, None, None])

    def decode(self, tokens):
        return tokens.reshape(-1, 1, SIDE, SIDE).double()


class Finite(Table):
    """A table whose mask token has a small probability, so that guided logits are finite."""

    def __init__(self):
        super().__init__(mask_logit=-20.0)


def streams(n=N):
    return SampleStreams(0, "sample", range(n))


def steps(sampler, model, labels=LABELS):
    with torch.no_grad():
        return list(sampler.steps(model, Noise(streams()), labels))


def make(name, **settings):
    if name == "halton":
        return halton(HaltonConfig(**settings))
    return confidence(ConfidenceConfig(variant=name, **settings))


ALL = pytest.mark.parametrize("name", ["v1", "v2", "halton"])


def test_each_variant_is_a_sampler_of_its_own():
    assert type(make("v1")) is Fixing
    assert type(make("v2")) is Rewriting
    assert type(make("halton")) is Halton


def test_sampling_starts_from_masks_alone():
    assert torch.equal(empty(Table(), streams()), torch.full((N, L), CODES))


@ALL
def test_the_last_step_leaves_no_mask_and_every_step_goes_on_from_the_last(name):
    done = steps(make(name, steps=6), Table())
    assert (done[0].before == CODES).all()
    assert all(torch.equal(one.after, other.before) for one, other in itertools.pairwise(done))
    assert (done[-1].after < CODES).all()
    assert done[-1].settled.all()


@pytest.mark.parametrize("schedule", ["linear", "arccos", "cosine"])
def test_the_first_generation_fixes_as_many_tokens_as_its_schedule_says(schedule):
    done = steps(make("v1", steps=5, schedule=schedule), Table())
    counts = [int((step.before == CODES).sum(1)[0] - (step.after == CODES).sum(1)[0]) for step in done]
    assert counts == tokens_per_step(schedule, 5, L)
    for step in done:
        assert torch.equal(step.after, torch.where(step.before != CODES, step.before, step.after))  # known ones stay


@pytest.mark.parametrize("schedule", ["linear", "arccos", "cosine"])
def test_the_second_generation_knows_as_many_tokens_as_its_schedule_says_and_draws_them_anew(schedule):
    done = steps(make("v2", steps=5, schedule=schedule), Table())
    counts = [max(count, index + 1) for index, count in enumerate(known_after_step(schedule, 5, L))]
    assert [int(step.settled.sum(1)[0]) for step in done] == counts
    for step in done:
        known_before = step.before != CODES
        assert torch.equal(step.after[known_before], step.drawn[known_before])


def test_halton_knows_the_first_positions_of_its_order_and_draws_them_anew():
    done, order = steps(make("halton", steps=5), Table()), halton_order(SIDE)
    for step, count in zip(done, halton_known_after_step(5, L), strict=True):
        expected = torch.zeros(L, dtype=torch.bool)
        expected[order[:count]] = True
        assert torch.equal(step.settled, expected.expand(N, -1))
        assert torch.equal(step.after[step.settled], step.drawn[step.settled])


def halton_by_hand(keep_known, model, counts):
    """The Halton sampler, image by image and position by position, with the noise of the same streams."""
    code, noise, order = empty(model, streams()), Noise(streams()), halton_order(SIDE).tolist()
    for count in counts:
        drawn = noise.draw(model.token_logits(code, LABELS).softmax(-1))
        for image, position in itertools.product(range(N), order[:count]):
            is_known = code[image, position] != CODES
            if not (keep_known and is_known):
                code[image, position] = drawn[image, position]
    return code


@pytest.mark.parametrize("keep_known", [False, True])
@pytest.mark.parametrize("mask_logit", [-torch.inf, 0.5])  # never and often the mask token, which leaves a position open
def test_halton_draws_known_tokens_anew_as_published_or_keeps_them(keep_known, mask_logit):
    sampler = make("halton", steps=5, keep_known=keep_known)
    expected = halton_by_hand(keep_known, Table(mask_logit), halton_known_after_step(5, L))
    assert torch.equal(steps(sampler, Table(mask_logit))[-1].after, expected)
    assert torch.equal(sampler.tokens(Table(mask_logit), streams(), LABELS), expected.clamp(max=CODES - 1))


def test_halton_that_keeps_known_tokens_never_changes_one():
    done = steps(make("halton", steps=5, keep_known=True), Table())
    changed = [bool(((step.before != CODES) & (step.before != step.after)).any()) for step in done]
    assert not any(changed)
    published = steps(make("halton", steps=5), Table())
    assert all(((step.before != CODES) & (step.before != step.after)).any() for step in published[1:])


def test_without_noise_the_surest_tokens_are_fixed_first():
    (first, *_) = steps(make("v1", steps=4, r_temp=0.0), Table())
    log_p = first.logits.log_softmax(-1).gather(-1, first.drawn[..., None]).squeeze(-1)
    fixed = first.settled
    for row in range(N):
        assert log_p[row][fixed[row]].min() >= log_p[row][~fixed[row]].max()


def test_noise_changes_which_tokens_are_fixed_and_fades_to_none():
    quiet, noisy = (steps(make("v1", steps=4, r_temp=r_temp), Table()) for r_temp in (0.0, 50.0))
    assert not torch.equal(quiet[0].settled, noisy[0].settled)
    drawn = []

    class Recorder(Noise):
        def gumbel(self, length):
            drawn.append(super().gumbel(length))
            return drawn[-1]

    list(make("v1", steps=4).steps(Table(), Recorder(streams()), LABELS))
    assert len(drawn) == 4
    # Standard Gumbel noise: mean 0.577, deviation 1.28; 320 numbers know them to 0.07.
    values = torch.cat(drawn).double()
    assert values.mean().item() == pytest.approx(0.577, abs=0.25)
    assert values.std().item() == pytest.approx(1.28, abs=0.25)
    assert values.isfinite().all()


def test_the_surest_open_positions_are_chosen_by_hand():
    sure = torch.tensor([[0.1, 0.9, 0.5, 0.7], [0.1, 0.9, 0.5, 0.7]])
    known = torch.tensor([[False, True, False, False], [True, True, True, False]])
    assert surest(sure, known, 2).tolist() == [[False, False, True, True], [False, False, False, True]]
    assert surest(sure, known, 0).sum() == 0
    assert surest(sure, known, -3).sum() == 0  # the last number of a schedule with more steps than tokens


def test_known_positions_are_above_every_threshold():
    sure = torch.tensor([[0.1, 0.9, 0.5, 0.7]])
    known = torch.tensor([[True, False, False, False]])
    assert above_threshold(sure, known, 2).tolist() == [[True, True, False, False]]
    assert above_threshold(sure, known, 99).all()


def test_a_predicted_mask_token_stays_open_in_the_second_generation_and_becomes_the_last_code_in_the_end():
    model = Table(mask_logit=0.5)
    done = steps(make("v2", steps=3), model)
    assert any(((step.drawn == CODES) & ~step.settled).any() for step in done)
    assert all(torch.equal(step.settled, step.after != CODES) for step in done)
    tokens = make("v2", steps=3).tokens(model, streams(), LABELS)
    assert torch.equal(tokens, done[-1].after.clamp(max=CODES - 1))


def test_more_steps_than_tokens_end_when_nothing_is_open():
    assert len(steps(make("v1", steps=40), Table())) <= L
    assert len(steps(make("v2", steps=40), Table())) == 40


@pytest.mark.parametrize("name", ["v1", "v2"])
def test_guidance_of_the_confidence_samplers_grows_from_none(name):
    model, seen = Finite(), []

    class Recorder(Noise):
        def draw(self, probabilities):
            seen.append(probabilities)
            return super().draw(probabilities)

    sampler = make(name, steps=3, w=4.0)
    done = list(sampler.steps(model, Recorder(streams()), LABELS))
    for index, (step, probabilities) in enumerate(zip(done, seen, strict=True)):
        weight = 4.0 * index / 2
        expected = (1 + weight) * step.logits[:N] - weight * step.logits[N:]
        torch.testing.assert_close(probabilities, expected.softmax(-1))
    assert "s / (S - 1)" in guidance_formula(ConfidenceConfig(w=4.0))


def test_a_guided_call_has_two_rows_an_image_with_the_same_tokens():
    model = Finite()
    steps(make("halton", steps=2, w=1.0), model)
    for tokens, labels in model.calls:
        assert labels == [*LABELS.tolist(), *[3] * N]
        assert torch.equal(tokens[:N], tokens[N:])
    raw, logits = predict(model, empty(model, streams()), torch.tensor([*LABELS, *[3] * N]), 2.0)
    torch.testing.assert_close(logits, 3 * raw[:N] - 2 * raw[N:])


@ALL
def test_data_without_labels_are_drawn_as_the_null_class_and_cannot_be_guided(name):
    model = Table()
    make(name, steps=2).tokens(model, streams(), None)
    assert model.calls[0][1] == [3] * N
    with pytest.raises(UserError, match="sampler: w = 2 guides by labels, but the data has none; set w = 0"):
        make(name, steps=2, w=2.0).tokens(model, streams(), None)


def test_temperatures_go_from_the_first_to_the_last_with_a_halved_warm_up():
    config = HaltonConfig(steps=5, temperature_min=1.0, temperature_max=3.0, temperature_power=2.0, warmup=2)
    assert Halton(config).temperatures() == pytest.approx([0.5, 1.125, 4.0, 6.25, 9.0])


def test_a_high_factor_of_the_logits_takes_the_likeliest_code():
    settings = {"temperature_min": 1e6, "temperature_max": 1e6}
    tokens = make("halton", steps=1, **settings).tokens(Table(), streams(), LABELS)
    assert torch.equal(tokens, Table().table[LABELS].argmax(-1))
    assert torch.equal(make("v1", steps=1, temperature=1e6).tokens(Table(), streams(), LABELS), tokens)


def test_top_k_of_one_takes_the_likeliest_code_and_of_all_changes_nothing():
    likeliest = Table().table[LABELS].argmax(-1)
    assert torch.equal(make("halton", steps=1, top_k=1).tokens(Table(), streams(), LABELS), likeliest)
    every, none = (make("halton", steps=3, top_k=k).tokens(Table(), streams(), LABELS) for k in (99, 0))
    assert torch.equal(every, none)


def test_a_random_start_rolls_the_order_of_each_image():
    sampler = make("halton", steps=4, randomize=True)
    ranks, order = sampler._ranks(SIDE, Noise(streams())), halton_order(SIDE)
    for row in ranks:
        start = int(row[order[0]])
        assert torch.equal(row[order], (torch.arange(L) + start) % L)


@ALL
def test_images_are_the_decoded_tokens_in_float32(name):
    sampler, spec = make(name, steps=3), DataSpec((1, SIDE, SIDE), 3, "images")
    images = sampler(Table(), spec, streams(), LABELS)
    assert images.dtype == torch.float32
    assert torch.equal(images.flatten(1).long(), sampler.tokens(Table(), streams(), LABELS))


@ALL
def test_each_image_draws_from_its_own_stream(name):
    sampler = make(name, steps=3)
    whole = sampler.tokens(Table(), streams(), LABELS)
    alone = sampler.tokens(Table(), SampleStreams(0, "sample", [3]), LABELS[3:4])
    assert torch.equal(alone[0], whole[3])
