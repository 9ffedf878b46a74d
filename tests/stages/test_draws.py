from harness.stages import draws


def test_no_two_purposes_share_a_draw():
    evaluation = {draws.evaluation(seed, draw) for seed in range(50) for draw in range(20)}
    floors = {number for pair in range(500) for number in draws.floor(pair)}
    selection = {draws.selection(seed) for seed in range(50)}
    assert len(evaluation) == 50 * 20
    assert len(floors) == 2 * 500
    assert len(selection) == 50
    assert not evaluation & floors
    assert not evaluation & selection
    assert not floors & selection
    # Data in the place of a model take two of the evaluation's draws, neighbours, and each pair others.
    in_place = [draws.examples_for_samples(seed, draw) for seed in range(50) for draw in range(20)]
    assert len({number for pair in in_place for number in pair}) == 2 * 50 * 20
    assert all(examples == real + 1 and real % 2 == 0 for examples, real in in_place)
    assert not {number for pair in in_place for number in pair} & (floors | selection)
    assert max(evaluation | floors | selection) < 2**31  # what datasets promise to accept
