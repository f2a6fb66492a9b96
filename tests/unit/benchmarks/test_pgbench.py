"""What pgbench has written into its log."""

from pathlib import Path

from benchmarks.pgbench import read_log


def test_a_transaction_that_was_skipped_has_no_latency(tmp_path: Path) -> None:
    # Client, its transaction, latency in us, script, when it ended (s, us), lag in us.
    lines = ["0 1 823 0 1795645594 138358 73", "3 4 skipped 0 1795645594 139359 401"]
    (tmp_path / "log.77").write_text("\n".join(lines) + "\n")
    (tmp_path / "log.77.1").write_text("1 1 55758 0 1795645596 4151 74\n")
    (tmp_path / "script").write_text("no log")
    assert sorted(read_log(tmp_path)) == [
        (1795645594138358, 823, 73),
        (1795645596004151, 55758, 74),
    ]
