from harness.report.best_points import best_at_each


def test_candidates_of_one_number_of_images_leave_their_best_in_the_order_of_the_curve():
    curve = [(0, 0.1), (100, 0.2), (100, 0.9), (200, 0.3)]
    assert best_at_each(curve, higher_is_better=True) == [(0, 0.1), (100, 0.9), (200, 0.3)]
    assert best_at_each(curve, higher_is_better=False) == [(0, 0.1), (100, 0.2), (200, 0.3)]
