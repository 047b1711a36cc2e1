"""Worker processes on one socket, an upgrade under load, and what a supervisor is told."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from edgewright.core.errors import InputError
from edgewright.serve.notify import notify
from edgewright.serve.sockets import handed
from edgewright.serve.supervisor import Supervisor, Worker

COMMAND = [sys.executable, "-m", "edgewright.cli.main", "serve"]


@contextlib.contextmanager
def supervised(command, environ=(), **options):
    """Run a command that supervises workers; stop it in good order at the end."""
    full = {**os.environ, **dict(environ)}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=full, **options
    ) as process:
        said = []
        listener = threading.Thread(target=lambda: said.extend(process.stderr))
        listener.start()
        try:
            yield process, said
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                assert process.wait(40) == 0, said
            finally:
                process.kill()
                listener.join(10)
        assert not any("Traceback" in line for line in said), "".join(said)


def ask(url, observation):
    body = json.dumps({"observation": observation}).encode()
    head = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/decide", body, head)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def children(process):
    return [
        int(one)
        for one in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    ]


class Load:
    """Clients that ask again and again, each on a new connection, and note what failed."""

    def __init__(self, url, observation):
        self.answered, self.failed, self._ended = 0, [], False
        self._work = url, observation
        self._threads = [threading.Thread(target=self._ask) for _ in range(3)]

    def _ask(self):
        while not self._ended:
            try:
                ask(*self._work)
                self.answered += 1
            except Exception as error:  # whatever it is, it must not be
                self.failed.append(repr(error))

    def __enter__(self):
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *error):
        self._ended = True
        for one in self._threads:
            one.join(60)


def address_in(said):
    return next((m[0] for line in said if (m := re.search(r"http://[\d.]+:\d+", line))), None)


def test_an_upgrade_refuses_no_connection(bundles, observation, soon):
    command = [*COMMAND, str(bundles["se-ppo"]), "--port", "0", "--workers", "2"]
    with supervised(command) as (process, said):
        soon(lambda: any("2 workers on" in line for line in said), 60)
        url, before = address_in(said), children(process)
        assert len(before) == 2
        with Load(url, observation) as load:
            soon(lambda: load.answered > 20, 60)
            process.send_signal(signal.SIGUSR2)
            soon(lambda: any("run the program as it is now" in line for line in said), 90)
            after, count = children(process), load.answered
            soon(lambda: load.answered > count + 20, 60)
        assert not load.failed
        assert not {*before} & {*after}  # every process is another one
        assert len(after) == 2
        os.kill(after[0], signal.SIGKILL)  # one that ends by itself is started again
        soon(lambda: any("it starts again" in line for line in said), 20)
        assert ask(url, observation)["policy"]
        soon(lambda: len({*children(process)} - {after[0]}) == 2, 60)


def test_an_upgrade_that_does_not_pass_is_refused(bundles, observation, soon, tmp_path):
    file = tmp_path / "p.edge"
    file.write_bytes(Path(bundles["se-ppo"]).read_bytes())
    command = [*COMMAND, str(file), "--port", "0", "--workers", "1"]
    with supervised(command) as (process, said):
        soon(lambda: any("1 workers on" in line for line in said), 60)
        before = children(process)
        file.write_bytes(b"nothing")
        process.send_signal(signal.SIGUSR2)
        soon(lambda: any("the upgrade was refused" in line for line in said), 60)
        assert children(process) == before
        assert ask(address_in(said), observation)["policy"]


READY_AND_DEAF = """
import os, signal, socket, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
assert os.environ["OTHER_WORKERS"] == "3" and "EDGEWRIGHT_SERVE_WORKERS" not in os.environ
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
    told.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
time.sleep(60)
"""


def python(text):
    return [sys.executable, "-c", text]


def test_a_worker_that_does_not_stop_is_killed_in_an_upgrade(monkeypatch):
    monkeypatch.setenv("OTHER_WORKERS", "3")
    monkeypatch.setenv("EDGEWRIGHT_SERVE_WORKERS", "2")
    said = []

    def emit(line):
        said.append(line)
        if line == "one":
            os.kill(os.getpid(), signal.SIGUSR2)
        elif "run the program" in line:
            os.kill(os.getpid(), signal.SIGTERM)
            for one in supervisor._processes:
                one.send(signal.SIGKILL)

    supervisor = Supervisor([Worker(python(READY_AND_DEAF), {})], python("pass"), emit, 0.1)
    supervisor.run("one")
    assert said == [
        "one",
        "worker 0 did not stop within 0.1 s and is killed",
        "1 workers run the program as it is now",
    ]


@pytest.mark.parametrize("check", ["import time; time.sleep(60)", "raise SystemExit('not fit')"])
def test_a_signal_to_stop_ends_a_check_that_takes_long(check, monkeypatch):
    ready = READY_AND_DEAF.replace("SIG_IGN", "SIG_DFL")
    monkeypatch.setenv("OTHER_WORKERS", "3")
    said, timers = [], []

    def emit(line):
        said.append(line)
        if line == "one":
            os.kill(os.getpid(), signal.SIGUSR2)
            timers.append(threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM)))
            timers[0].start()
        elif "not fit" in line:
            timers[0].cancel()
            os.kill(os.getpid(), signal.SIGTERM)

    assert Supervisor([Worker(python(ready), {})], python(check), emit).run("one") == 0
    refused = ["the upgrade was refused, the workers stay: not fit"]
    assert said[1:] == (refused if "fit" in check else [])


def test_a_socket_of_probes_is_handed_on_to_one_worker_alone(bundles, observation, soon):
    with socket.socket() as listening, socket.socket() as probing:
        for one in (listening, probing):
            one.bind(("127.0.0.1", 0))
            one.listen(64)
        url = "http://{}:{}/readyz".format(*probing.getsockname())
        numbers = [one.fileno() for one in (listening, probing)]
        shell = 'export EDGEWRIGHT_SOCKETS="http=$1,probes=$2"; shift 2; exec "$@"'
        words = [*map(str, numbers), *COMMAND, str(bundles["se-ppo"]), "--workers"]
        command = ["bash", "-c", shell, "bash", *words]
        with supervised([*command, "1"], pass_fds=numbers) as (_, said):
            soon(lambda: any("1 workers on" in line for line in said), 60)
            with urllib.request.urlopen(url, timeout=60) as answer:
                assert answer.status == 200
        options = {"pass_fds": numbers, "capture_output": True, "text": True, "timeout": 60}
        result = subprocess.run([*command, "2"], **options)
    assert result.returncode == 2
    assert "2 workers need one each" in result.stderr


def test_sockets_of_systemd_are_taken_over_and_it_is_told(bundles, observation, soon, tmp_path):
    with socket.socket() as listening, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        url = "http://{}:{}".format(*listening.getsockname())
        address = str(tmp_path / "notify")
        told.bind(address)
        told.settimeout(60)
        # as systemd does it: descriptor 3, and the process that the variables are meant for
        number = listening.fileno()
        shell = f'exec 3<&{number}; export LISTEN_PID=$$; exec "$@"'
        command = ["bash", "-c", shell, "bash", *COMMAND, str(bundles["se-ppo"]), "--port", "1"]
        environ = {"LISTEN_FDS": "1", "NOTIFY_SOCKET": address}
        with supervised(command, environ, pass_fds=[number]) as (process, _):
            assert told.recv(4096).startswith(b"READY=1\n")
            with Load(url, observation) as load:
                soon(lambda: load.answered > 10, 60)
                with supervised(command, environ, pass_fds=[number]):
                    assert told.recv(4096).startswith(b"READY=1\n")
                    process.send_signal(signal.SIGTERM)  # the former program ends under load
                    assert told.recv(4096) == b"STOPPING=1"
                    assert process.wait(30) == 0
                    count = load.answered
                    soon(lambda: load.answered > count + 10, 60)
                    load.__exit__()
            assert not load.failed


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"LISTEN_FDS": "7"}, "must be 1 or 2 sockets"),
        ({"LISTEN_FDS": "none"}, "must be 1 or 2 sockets"),
        ({"EDGEWRIGHT_SOCKETS": "http=999"}, "descriptor 999 must be a socket"),
    ],
)
def test_what_is_no_socket_is_refused(environ, message):
    with pytest.raises(InputError, match=message):
        handed({"LISTEN_PID": str(os.getpid()), **environ})


def test_sockets_for_another_process_are_left(tmp_path, monkeypatch):
    assert handed({"LISTEN_PID": "1", "LISTEN_FDS": "1"}) == {}
    assert handed({}) == {}
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    assert not notify("READY=1")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["serve", "{bundle}", "--workers", "0"], "--workers"),
        (
            ["serve", "{bundle}", "--workers", "2", "--canary", "x.edge", "--log", "{log}"],
            "--canary",
        ),
        (["serve", "{bundle}", "--workers", "2", "--log", "{log}"], "--log"),
        (["serve", "nowhere.edge", "--workers", "2"], "nowhere.edge"),
        (["serve", "{bundle}", "--workers", "2", "--fallback", "no-such-rule"], "no-such-rule"),
        (["serve", "{bundle}", "--check", "--fallback", "no-such-rule"], "no-such-rule"),
        (["serve", "{bundle}", "--check", "--workers", "2", "--log", "{log}"], "--log"),
        (["gateway", "--config", "{config}", "--workers", "2"], "`--workers` must be 1; got 2"),
    ],
)
def test_wrong_workers_are_refused(bundles, tmp_path, command, message):
    config = tmp_path / "gateway.toml"
    config.write_text('[[backend]]\nname = "a"\nkind = "digits"\nlocation = 0\nsteps = [1, 2, 4]\n')
    names = {"bundle": bundles["se-ppo"], "log": tmp_path / "log.db", "config": config}
    words = [word.format(**names) for word in command]
    result = subprocess.run([*COMMAND[:-1], *words], capture_output=True, text=True, timeout=60)
    assert result.returncode == 2
    assert message in result.stderr
