import sys

import pytest

from harness.errors import UserError
from harness.report.method_ranks import RankedMethods
from harness.report.plots.critical_difference import critical_difference_plot
from harness.statistics.ranks import mean_ranks


@pytest.fixture
def ranked():
    methods = ("DDO $x$", "Neon", "base")
    return RankedMethods(methods, ("a", "b", "c"), mean_ranks([[1.0, 2.0, 3.0]] * 3, higher_is_better=False), ())


def test_the_diagram_is_drawn_the_same_way_twice(ranked):
    pytest.importorskip("scikit_posthocs")
    first = critical_difference_plot(ranked).png()
    assert first.startswith(b"\x89PNG")
    assert first == critical_difference_plot(ranked).png()


def test_the_library_that_draws_it_is_named_where_it_is_absent(ranked, monkeypatch):
    monkeypatch.setitem(sys.modules, "scikit_posthocs", None)
    with pytest.raises(UserError, match=r"pip install 'finetune-harness\[compare\]'"):
        critical_difference_plot(ranked).png()
