"""The stall that a closed loop hides."""

from pathlib import Path

import pytest

from loadtests.stall import compare, table
from loadtests.tuner.blocks import replace_block


def test_a_stall_is_in_the_open_loops_p99_and_not_in_the_closed_loops() -> None:
    opened, closed = compare(8)
    assert opened.latencies.percentile(99) > 0.5
    assert closed.latencies.percentile(99) < 0.5
    assert opened.latencies.total == pytest.approx(800, abs=5)
    assert "| open loop |" in table([opened, closed], 8)


def test_a_part_of_a_document_is_replaced_and_the_rest_kept(tmp_path: Path) -> None:
    file = tmp_path / "doc.md"
    file.write_text("a\n<!-- run -->\nold\n<!-- end run -->\nb\n")
    assert replace_block(file, "run", "new \\1 text\n")
    assert file.read_text() == "a\n<!-- run -->\nnew \\1 text\n<!-- end run -->\nb\n"
    assert not replace_block(file, "run", "new \\1 text")
    with pytest.raises(ValueError, match="no part between"):
        replace_block(file, "other", "text")
