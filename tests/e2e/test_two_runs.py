"""Two runs of one board at once."""

from collections import Counter


def test_each_cell_runs_once_and_both_end_well(command, undisturbed, recorder):
    notes = recorder(command)
    first, second = command.start("--seeds", "0"), command.start("--seeds", "0")
    ends = [process.communicate() for process in (first, second)]
    for process, (out, err) in zip((first, second), ends, strict=True):
        assert process.returncode == 0, err
        assert "Traceback" not in err
        assert " is damaged " not in err
        assert out == ends[0][0]  # the table of the same records
    expected = undisturbed.command.results()
    assert len(command.results()) == 5 + 2  # cells and floors
    assert command.results() == {name: expected[name] for name in command.results()}
    finished = Counter(line.split()[1] for line in notes() if line.startswith("finished"))
    assert len(finished) == 5
    assert set(finished.values()) == {1}
    pretraining = Counter(line for line in notes() if line.startswith("step small "))
    assert set(pretraining.values()) == {1}  # no step was taken twice
