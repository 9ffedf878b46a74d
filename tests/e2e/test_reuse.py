"""`local.reuse`: cells that share a process have the numbers that they have in processes of their own."""


def test_records_are_the_same_bit_for_bit_in_shared_processes(command, undisturbed):
    ended = command.run("--set", "local.reuse=true")
    assert ended.returncode == 0, ended.stderr
    assert "left its process changed" not in ended.stderr
    assert command.results() == undisturbed.command.results()
