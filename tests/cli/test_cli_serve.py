"""cli/serve.py: what the server is given, in which order, and how it ends.

The server here is a stand-in that records what it got and sends the signal that ends it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from paraph.auth.accounts import AccountFile, nt_hash
from paraph.cli import serve as module
from paraph.cli.accounts import OnlyThese
from paraph.cli.config import ServeConfig, merge
from paraph.cli.serve import serve
from paraph.errors import UserError
from paraph.policy.settings import Policy
from paraph.server.share import Share

pytestmark = pytest.mark.usefixtures("signals", "no_terminal")


@pytest.fixture
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "open_terminal", lambda: None)


class Recorder:
    """Stands where the server stands."""

    def __init__(self, end: int = signal.SIGTERM) -> None:
        self.end = end
        self.calls: list[str] = []
        self.shares: list[Share] = []
        self.accounts: Any = None
        self.options: dict[str, Any] = {}

    def __call__(self, shares: list[Share], accounts: object, **options: Any) -> Any:
        self.shares, self.accounts, self.options = shares, accounts, options
        return self

    def start(self) -> None:
        self.calls.append("start")
        signal.raise_signal(self.end)

    def stop(self) -> None:
        self.calls.append("stop")


def config(folder: Path, **given: object) -> ServeConfig:
    values = {"path": str(folder), "state": str(folder.parent / "state"), **given}
    values.setdefault("listen", ["127.0.0.1:0"])
    return merge({key.replace("_", "-"): value for key, value in values.items()}, {})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_it_cleanly(
    number: int, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Recorder(number)
    assert serve(config(folder, user=["anna:one"]), server) == 0
    assert server.calls == ["start", "stop"]
    out, err = capsys.readouterr()
    assert out.endswith("Goodbye.\n")
    assert "ready: listening on 127.0.0.1:" in err
    assert "one" not in (out + err).split()


def test_what_the_server_is_given(folder: Path) -> None:
    server = Recorder()
    other = folder.parent / "music"
    other.mkdir()
    serve(
        config(
            folder,
            share=["pics", f"music={other}"],
            user=["anna:one"],
            read_only=True,
            min_dialect="2.1",
            max_dialect="3.0.2",
            encrypt="desired",
            guest=True,
            policy=["server-always=disabled"],
        ),
        server,
    )
    assert [(share.name, share.read_only) for share in server.shares] == [
        ("pics", True),
        ("music", True),
    ]
    settings = server.options["settings"]
    assert (settings.min_dialect, settings.max_dialect) == (0x0210, 0x0302)
    assert (settings.encryption, settings.allow_guest) == ("desired", True)
    assert settings.policy == Policy(server_always=False)
    (sock,) = server.options["sockets"]
    assert isinstance(sock, socket.socket)
    assert sock.fileno() == -1, "closed at the end"
    assert server.accounts.find("ANNA") == ("anna", nt_hash("one"))
    assert callable(server.options["on_event"])


def test_the_real_port_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    serve(config(folder, user=["anna:one"], log_format="json"), Recorder())
    out, err = capsys.readouterr()
    assert '"event": "ready"' in err
    port = int(err.rsplit(":", 1)[1].split('"')[0])
    assert port > 0
    assert f"127.0.0.1:{port}" in out


def test_accounts_of_the_state_are_followed(folder: Path) -> None:
    file = AccountFile(folder.parent / "state" / "accounts")
    Path(file.path).parent.mkdir()
    file.add("anna", "one")
    server = Recorder()
    serve(config(folder), server)
    assert server.accounts.names() == ["anna"]
    file.add("ben", "two")
    assert server.accounts.find("ben") == ("ben", nt_hash("two"))


def test_named_users_keep_the_others_out(folder: Path) -> None:
    file = AccountFile(folder.parent / "state" / "accounts")
    Path(file.path).parent.mkdir()
    file.add("anna", "one")
    file.add("ben", "two")
    server = Recorder()
    serve(config(folder, user=["ANNA", "eve:three"]), server)
    assert server.accounts.names() == ["anna", "eve"]
    assert server.accounts.find("ben") is None
    assert server.accounts.find("Anna") == ("anna", nt_hash("one"))
    file.set_password("anna", "four")
    assert server.accounts.find("anna") == ("anna", nt_hash("four"))
    assert file.names() == ["anna", "ben"], "--user writes nothing down"


def test_the_environment_has_the_password_of_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARAPH_PASSWORD", "one")
    server = Recorder()
    serve(config(folder, user=["anna"]), server)
    assert server.accounts.find("anna") == ("anna", nt_hash("one"))
    assert "PARAPH_PASSWORD" not in os.environ
    monkeypatch.setenv("PARAPH_PASSWORD", "one")
    with pytest.raises(UserError, match="is one password, and anna and ben all lack one"):
        serve(config(folder, user=["anna", "ben"]), server)


class Terminal:
    """A terminal that remembers what was written."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_the_first_account_is_shown_once_and_only_on_the_terminal(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(module, "open_terminal", lambda: terminal)
    server = Recorder()
    serve(config(folder), server)
    password = terminal.text.split("password")[1].split()[0]
    assert len(password) >= 20
    assert server.accounts.find("paraph") == ("paraph", nt_hash(password))
    out, err = capsys.readouterr()
    assert password not in out + err
    for path in (folder.parent / "state").rglob("*"):
        assert password.encode() not in path.read_bytes()
    terminal.text = ""
    serve(config(folder), server)
    assert terminal.text == ""
    assert server.accounts.names() == ["paraph"]


def test_without_a_terminal_the_first_password_is_on_standard_output_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Recorder()
    serve(config(folder), server)
    out, err = capsys.readouterr()
    password = out.split("password")[1].split()[0]
    assert server.accounts.find("paraph") == ("paraph", nt_hash(password))
    assert password not in err
    serve(config(folder), server)
    out, err = capsys.readouterr()
    assert password not in out + err


def test_the_first_account_with_a_given_password(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARAPH_PASSWORD", "open sesame")
    server = Recorder()
    serve(config(folder), server)
    assert server.accounts.find("paraph") == ("paraph", nt_hash("open sesame"))
    out, err = capsys.readouterr()
    assert "sesame" not in out + err


def test_a_damaged_account_file(folder: Path) -> None:
    state = folder.parent / "state"
    state.mkdir()
    (state / "accounts").write_text("what\n")
    (state / "accounts").chmod(0o600)
    with pytest.raises(UserError, match="is damaged at line 1"):
        serve(config(folder), Recorder())


def test_a_password_on_the_command_line_is_remarked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(config(folder, user=["anna:one"]), Recorder())
    text = " ".join(capsys.readouterr().out.split())
    assert text.count("can be seen in the list of processes") == 1


def test_a_server_that_can_not_start_leaves_nothing_bound(folder: Path) -> None:
    class Broken(Recorder):
        def start(self) -> None:
            raise UserError("It can not.")

    server = Broken()
    with pytest.raises(UserError, match="It can not"):
        serve(config(folder, user=["anna:one"]), server)
    assert server.options["sockets"][0].fileno() == -1
    assert server.calls == []


def test_only_these_does_not_ask_for_others() -> None:
    class Asked:
        def find(self, user: str) -> tuple[str, bytes] | None:
            assert user == "anna"
            return "anna", bytes(16)

        def names(self) -> list[str]:
            return ["anna", "ben"]

    accounts = OnlyThese({"eve": bytes(16)}, ["ANNA"], Asked())
    assert accounts.find("ben") is None
    assert accounts.find("anna") == ("anna", bytes(16))
    assert accounts.names() == ["anna", "eve"]


def test_a_second_ctrl_c_forces() -> None:
    code = (
        "import signal\n"
        "from paraph.cli.serve import stop_on_signals\n"
        "stop = stop_on_signals()\n"
        "signal.raise_signal(signal.SIGINT)\n"
        "assert stop.is_set()\n"
        "signal.raise_signal(signal.SIGINT)\n"
        "print('not reached')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_nohup_is_respected() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    module.stop_on_signals()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_serving_needs_no_thread_of_its_own(folder: Path) -> None:
    before = threading.active_count()
    serve(config(folder, user=["anna:one"]), Recorder())
    assert threading.active_count() == before
