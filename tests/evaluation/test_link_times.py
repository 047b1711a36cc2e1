"""Times of exchanges on links whose rates change: by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewright.evaluation.link_facts import link_facts
from edgewright.streams.links import Link, link_times

FAST = Link(np.array([0.0, 1.0]), np.array([8.0, 8.0]))  # a megabyte a second
SLOW = Link(np.array([0.0, 1.0]), np.array([2.0, 2.0]))


def test_bytes_pass_at_the_rates_of_the_recording_and_again_after_its_end() -> None:
    link = Link(np.array([0.0, 1.0, 3.0]), np.array([8.0, 0.0, 4.0]))  # 1 s, then 2 s, then 2 s
    assert link.mean_mbps == pytest.approx((8 + 0 + 8) / 5)
    assert link.end(0.0, 0.5e6) == pytest.approx(0.5)
    assert link.end(0.0, 1.5e6) == pytest.approx(4.0)  # 1 s, an outage of 2 s, 1 s at half the rate
    assert link.end(2.0, 0.5e6) == pytest.approx(4.0)
    assert link.end(4.0, 1.0e6) == pytest.approx(5.5)  # half of it after the recording began again
    assert link.end(7.0, 0.0) == 7.0


def test_a_server_that_waits_is_as_slow_as_the_slowest_device() -> None:
    times = link_times([FAST, SLOW], 3, 1e6, 2e6, pause_s=1.0)
    np.testing.assert_allclose(times.own_s, [[3.0, 12.0]] * 3)
    np.testing.assert_allclose(times.waited_s, [[9.0, 0.0]] * 3)
    assert times.seconds == pytest.approx(12.0)
    np.testing.assert_allclose(times.waiting_share, [0.75, 0.0])


def test_nobody_waits_for_a_server_that_takes_what_arrives() -> None:
    times = link_times([FAST, SLOW], 3, 1e6, 2e6, together=False)
    np.testing.assert_allclose(times.own_s, [[3.0, 12.0]] * 3)
    assert not np.any(times.waited_s)
    assert times.seconds == pytest.approx(7.5)


def test_facts_are_of_recordings_in_turn_and_say_what_cannot_be_read(tmp_path: Path) -> None:
    assert link_facts(None, 2, 10.0, 1.0, 1.0, "federated") == {}
    folder = tmp_path / "bandwidth"
    folder.mkdir()
    rows = "".join(f"{second}.0\t4.0\n" for second in range(30))
    (folder / "a.txt").write_text(rows)
    facts = link_facts(str(tmp_path), 2, 10.0, 10e6, 10e6, "federated")["links"]
    assert facts["mean_mbps"] == [4.0, 4.0]
    assert facts["seconds_per_exchange"] == pytest.approx(4.0)
    assert facts["seconds"] == pytest.approx(40.0)
    assert facts["waiting_share"] == [0.0, 0.0]
    assert link_facts(str(tmp_path), 2, 0.0, 0.0, 0.0, "independent") == {}
    (folder / "b.txt").write_text("0.0\tx\n")
    assert "b.txt" in link_facts(str(tmp_path), 2, 10.0, 1.0, 1.0, "federated")["links"]["why"]


def test_a_late_device_holds_nobody_up_and_its_numbers_are_lost() -> None:
    """The fast one needs 1 s up and 2 s down, the slow one 4 s and 8 s; a round waits for 2 s."""
    times = link_times([FAST, SLOW], 2, 1e6, 2e6, deadline_s=2.0)
    np.testing.assert_array_equal(times.late, [[False, True], [False, True]])
    np.testing.assert_allclose(times.own_s[0], [1.0 + 2.0, 2.0 + 8.0])
    np.testing.assert_allclose(times.waited_s[0], [1.0, 0.0])
    # The second round begins at 4 s and ends at 6 s: the slow one is at its download until 10 s.
    np.testing.assert_allclose(times.own_s[1], [1.0 + 2.0, 8.0])
    patient = link_times([FAST, SLOW], 2, 1e6, 2e6, deadline_s=4.0)
    plain = link_times([FAST, SLOW], 2, 1e6, 2e6)
    assert not patient.late.any()
    np.testing.assert_allclose(patient.own_s, plain.own_s)
    np.testing.assert_allclose(patient.waited_s, plain.waited_s)
