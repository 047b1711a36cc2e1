"""Sleeps of a gateway, on a clock of the test."""

from __future__ import annotations

import asyncio

import pytest

from edgewright.gateway import clock


def test_a_sleep_that_ends_early_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    time, slept = [10.0], []

    async def early(seconds: float) -> None:
        slept.append(seconds)
        time[0] += 0.9 * seconds

    monkeypatch.setattr(clock.asyncio, "sleep", early)
    with clock.read_by(lambda: time[0]):
        asyncio.run(clock.sleep_until(11.0))
    assert time[0] >= 11.0
    assert slept[:2] == [pytest.approx(1.0), pytest.approx(0.1)]


def test_a_moment_that_is_over_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(clock.asyncio, "sleep", sleep)
    with clock.read_by(lambda: 10.0):
        asyncio.run(clock.sleep_until(9.0))
    assert slept == [0.0]
