"""Transfer times of the user-space link, worked out by hand, and the same over sockets."""

import asyncio
import json
import re
import subprocess
import sys
import time

import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.testbed.link import CHUNK_BYTES, Link, Ports, TransmissionClock
from edgewright.testbed.rate import Rate, constant, recorded

MB = 1_000_000


@pytest.mark.parametrize(
    ("start_s", "count", "end_s"),
    [
        (0.0, 1 * MB, 1.0),  # 8 Mbit at 8 Mbit/s
        (0.5, 1 * MB, 1.25),  # 4 Mbit in half a second, 4 Mbit at 16 Mbit/s
        (1.0, 2 * MB, 2.0),
        (2.0, 1 * MB, 4.0),  # the piece of 1 s without any rate passes first
        (0.0, 3 * MB, 2.0),  # all of a period's bits, of which the last passes at 2 s
        (0.0, 4 * MB, 4.0),
        (6.5, MB // 2, 7.0),  # the third period: as 0.5 s
        (1.75, 0, 1.75),
    ],
)
def test_bytes_leave_at_the_integral_of_the_rate(start_s, count, end_s):
    rate = Rate([1.0, 1.0, 1.0], [8.0, 16.0, 0.0])
    assert rate.end(start_s, count) == pytest.approx(end_s, abs=1e-9)
    assert rate.period_s == 3.0
    assert rate.mean_mbps == pytest.approx(8.0)
    assert [rate.at(t) for t in (0.0, 1.0, 2.9, 3.0, 4.5)] == [8.0, 16.0, 0.0, 8.0, 16.0]


def test_the_end_is_the_inverse_of_what_passed():
    rng = np.random.default_rng(3)
    rate = Rate(rng.uniform(0.1, 2.0, 40).tolist(), rng.uniform(0.0, 20.0, 40).tolist())
    for start_s, count in zip(rng.uniform(0, 300, 50), rng.integers(1, 5 * MB, 50), strict=True):
        end_s = rate.end(start_s, int(count))
        assert rate.passed(end_s) - rate.passed(start_s) == pytest.approx(8.0 * count, rel=1e-6)


def test_connections_share_one_clock_and_a_restart_moves_it():
    clock = TransmissionClock(constant(8.0), epoch_s=100.0)
    assert clock.admit(MB, 100.0) == pytest.approx(101.0)
    assert clock.admit(MB, 100.5) == pytest.approx(102.0)  # waits for the first
    assert clock.admit(MB, 105.0) == pytest.approx(106.0)  # nothing is ahead
    assert clock.sent_bytes == 3 * MB
    stepped = TransmissionClock(Rate([1.0, 9.0], [8.0, 80.0]), epoch_s=0.0)
    assert stepped.admit(MB, 5.0) == pytest.approx(5.1)
    stepped.restart(7.0)
    assert stepped.admit(MB, 7.0) == pytest.approx(8.0)  # the first second again


@pytest.mark.parametrize(
    ("seconds", "mbps"), [([], []), ([1.0], [1.0, 2.0]), ([0.0], [1.0]), ([1.0], [0.0])]
)
def test_a_rate_that_passes_nothing_is_refused(seconds, mbps):
    with pytest.raises(InputError, match="must"):
        Rate(seconds, mbps)


def test_a_recording_is_scaled_to_a_mean(tmp_path):
    file = tmp_path / "bus.txt"
    file.write_text("0 1\n1 3\n2 0\n4 5\n")
    rate, factor = recorded(file, mean_mbps=10.0, low_mbps=0.5)
    assert factor == pytest.approx(10.0)  # (1 + 3 + 2 * 0) / 4 s is 1 Mbit/s
    assert rate.mbps.tolist() == [10.0, 30.0, 0.5]
    assert rate.period_s == 4.0
    with pytest.raises(InputError, match="below the 1 runs"):
        recorded(file, run=1)


class _Time:
    """A clock that an event loop moves on instead of waiting."""

    def __init__(self):
        self.now = 0.0

    async def run(self, link, counts, direction):
        """Return when each of several transfers of one direction is delivered, in seconds."""

        async def one(count):
            left, at_s = count, 0.0
            while left:
                piece = min(left, CHUNK_BYTES)
                at_s = direction.admit(piece, self.now) + link.delay_s
                left -= piece
                await asyncio.sleep(0)  # the other transfers have their turn
            return at_s

        return await asyncio.gather(*map(one, counts))


def test_two_transfers_at_once_take_turns():
    async def main():
        virtual = _Time()
        link = Link(constant(8.0), constant(4.0), 0.25, clock=lambda: virtual.now)
        up = await virtual.run(link, [MB, MB], link.up)
        down = await virtual.run(link, [MB], link.down)
        return up, down

    up, down = asyncio.run(main())
    assert max(up) == pytest.approx(2.25)  # both together, and the delay
    assert min(up) == pytest.approx(2.25 - 8e-6 * CHUNK_BYTES / 8, abs=0.01)  # a chunk before
    assert down == [pytest.approx(2.25)]  # 1 MB at 4 Mbit/s, not disturbed by the other direction


async def _echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


def test_a_transfer_over_sockets_takes_its_time_and_arrives_whole():
    content = np.random.default_rng(1).bytes(200_000)

    async def main():
        server = await asyncio.start_server(_echo, "127.0.0.1", 0)
        link = Link(constant(8.0), constant(80.0), 0.05)
        address = await link.open(Ports(("127.0.0.1", 0), server.sockets[0].getsockname()[:2]))
        reader, writer = await asyncio.open_connection(*address)
        began = time.monotonic()
        writer.write(content)
        writer.write_eof()
        back = await asyncio.wait_for(reader.read(-1), 30)
        spent_s = time.monotonic() - began
        writer.close()
        await link.close()
        server.close()
        return back, spent_s, link.up.sent_bytes, link.down.sent_bytes

    back, spent_s, up, down = asyncio.run(main())
    assert back == content
    assert up == down == len(content)
    assert spent_s > 0.2 + 0.1 - 0.01  # 0.2 s up, and the delay twice: never faster than the link
    assert spent_s < 20


def test_a_connection_that_cannot_be_led_on_is_closed():
    async def main():
        link = Link(constant(8.0), constant(8.0))
        unused = await asyncio.start_server(_echo, "127.0.0.1", 0)
        target = unused.sockets[0].getsockname()[:2]
        unused.close()
        await unused.wait_closed()
        address = await link.open(Ports(("127.0.0.1", 0), target))
        reader, writer = await asyncio.open_connection(*address)
        end = await asyncio.wait_for(reader.read(1), 30)
        writer.close()
        await link.close()
        return end

    assert asyncio.run(main()) == b""


def test_the_command_leads_connections_and_begins_again(tmp_path):
    file = tmp_path / "bus.txt"
    file.write_text("0 10\n1 30\n2 20\n")

    async def main():
        server = await asyncio.start_server(_echo, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()[:2]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "edgewright.cli.main", "link", "--lead", f"0={host}:{port}",
            "--down", str(file), "--mean-mbps", "40", "--json",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        first = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
        reader, writer = await asyncio.open_connection(*first["listening"][0].split(":"))
        writer.write(b"hello")
        back = await asyncio.wait_for(reader.readexactly(5), 30)
        process.stdin.write(b"restart\n")
        again = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
        writer.close()
        process.terminate()
        status = await asyncio.wait_for(process.wait(), 30)
        server.close()
        return back, first, again, status

    back, first, again, status = asyncio.run(main())
    assert (back, status) == (b"hello", 0)
    assert again["epoch_s"] > first["epoch_s"]
    assert first["mean_mbps"] == {"up": pytest.approx(40.0), "down": pytest.approx(40.0)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lead", "9001"], r"`--lead` must be PORT=HOST:PORT; got 9001"),
        (["--lead", "0=a:1", "--down", "-1"], r"`--down` must be a number above 0"),
        (["--lead", "0=a:1", "--delay-ms", "-1"], r"`--delay-ms` must be a number from 0"),
        (["--lead", "0=a:1", "--down", "none.txt"], r"none\.txt"),
    ],
)
def test_wrong_options_are_refused(edgewright, arguments, message):
    assert re.search(message, edgewright("link", *arguments, code=2).stderr)
