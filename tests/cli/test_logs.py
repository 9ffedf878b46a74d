"""`harness logs`: the last job's log of a cell, a base or a floor, found by its name."""

from harness.store import job_log


def write(shell, board, kind, name, *jobs):
    path = shell.runs.job_log(board, kind, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"=== 2026-11-27 0{number}:00:00+00:00  vm\n{text}\n" for number, text in enumerate(jobs)))
    return path


def test_the_last_job_is_shown_with_what_the_run_noted_after_it(shell):
    path = write(shell, "small", "cell", "ddpm/ddo/s0", "first", "second\nline")
    job_log.append(path, "its process died: killed")
    done = shell("logs", "ddpm/ddo/s0")
    assert done.returncode == 0
    assert done.stdout.splitlines() == ["=== 2026-11-27 01:00:00+00:00  vm", "second", "line", "=== its process died: killed"]
    assert done.stderr.strip() == str(path)
    assert "first" in shell("logs", "ddpm/ddo/s0", "--all").stdout


def test_bases_and_floors_have_logs_too(shell):
    write(shell, "small", "base", "ddpm", "pretrained")
    write(shell, "small", "floor", "w2", "measured")
    assert "pretrained" in shell("logs", "base ddpm").stdout
    assert "measured" in shell("logs", "floor w2").stdout


def test_one_of_several_boards_is_named(shell):
    write(shell, "small", "cell", "ddpm/ddo/s0", "of small")
    write(shell, "large", "cell", "ddpm/ddo/s0", "of large")
    done = shell("logs", "ddpm/ddo/s0")
    assert done.returncode == 2
    assert done.stderr.strip().endswith("say which with --board: large, small")
    assert "of large" in shell("logs", "ddpm/ddo/s0", "--board", "large").stdout
    assert "of small" in shell("logs", "ddpm/ddo/s0", "--board", "leaderboards/small").stdout


def test_a_cell_without_a_log_is_a_fault(shell):
    assert "harness status names the cells" in shell("logs", "ddpm/ddo/s0").stderr
    write(shell, "small", "cell", "ddpm/ddo/s0", "first")
    done = shell("logs", "ddpm/ddo/s1")
    assert (done.returncode, "did you mean 'ddpm/ddo/s0'?" in done.stderr) == (2, True)
