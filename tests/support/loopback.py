"""A vendor on this machine: real sockets, scripted replies, and the time of all that happened."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from support.loopback_line import PATIENCE, Left, Line, Over
from support.loopback_line import Connection as Connection
from support.loopback_line import Received as Received
from support.loopback_line import Sent as Sent
from support.replies import CLAUDE_USAGE as CLAUDE_USAGE
from support.replies import DEEPSEEK_USAGE as DEEPSEEK_USAGE
from support.replies import Cut as Cut
from support.replies import Gate as Gate
from support.replies import Pause as Pause
from support.replies import Reply as Reply
from support.replies import Reset as Reset
from support.replies import Stall as Stall
from support.replies import Step as Step
from support.replies import claude_stream as claude_stream
from support.replies import error_reply_anthropic as error_reply_anthropic
from support.replies import error_reply_openai as error_reply_openai
from support.replies import html_reply as html_reply
from support.replies import json_reply as json_reply
from support.replies import reasoner_stream as reasoner_stream
from support.replies import sse as sse

Script = Reply | Callable[[Received], Reply]
"""A reply, or what finds the one for a request."""


class Loopback:
    """One vendor. Replies are given in turn, one a request; the last one repeats.

    `with Loopback(reply, …) as vendor:` listens at `vendor.url`; with `tls=True` the authority
    to trust is in `vendor.ca_file`, `valid` how many days from now its certificate begins and
    ends, `names` whom it is for. With a `greeting` no request is read: that is sent at once, and
    the connection closed. Leaving closes every socket and thread, and raises what went wrong in
    them, such as a request that no reply was scripted for.
    """

    url: str
    ca_file: Path

    def __init__(
        self,
        *replies: Script,
        tls: bool = False,
        valid: tuple[float, float] = (-1, 1),
        names: Sequence[str] = ("127.0.0.1", "localhost"),
        greeting: Sequence[bytes | Step] = (),
    ) -> None:
        self.requests: list[Received] = []
        self.connections: list[Connection] = []
        self._replies: list[Script] = list(replies)
        self._turn = 0  # of the reply to play; past the end, the last one repeats
        self._tls = tls
        self._valid = valid
        self._names = names
        self._greeting = greeting
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._failures: list[Exception] = []
        self._open = contextlib.ExitStack()

    def reply(self, *replies: Script) -> None:
        """Put replies in the queue."""
        with self._changed:
            self._replies.extend(replies)

    def forget(self) -> None:
        """Begin anew, without replies and requests; connections stay, in the list too."""
        with self._changed:
            self._replies.clear()
            self._turn = 0
            self.requests.clear()

    def connection_of(self, request: Received) -> Connection:
        """The connection on which it came."""
        return next(each for each in self.connections if request in each.requests)

    def wait_for_requests(self, count: int, seconds: float = PATIENCE) -> list[Received]:
        """The requests, as soon as there are so many; fails if they do not come."""
        with self._changed:
            came = self._changed.wait_for(lambda: len(self.requests) >= count, seconds)
            assert came, f"{len(self.requests)} of {count} requests after {seconds} s"
            return list(self.requests)

    def __enter__(self) -> Self:
        self._context = self._certified() if self._tls else None
        self._listener = self._open.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._stop, self._stopper = socket.socketpair()
        self._open.enter_context(self._stop)
        self.url = f"http{'s' * self._tls}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stopper.close()  # wakes every thread
        for thread in self._threads:  # grows until the first of them, which accepts, has ended
            thread.join(PATIENCE)
        self._open.close()
        alive = [thread.name for thread in self._threads if thread.is_alive()]
        if error is None:
            assert not alive, f"threads still run: {alive}"
            if self._failures:
                raise self._failures[0]
        else:
            for failure in self._failures:
                error.add_note(f"in {self.url}: {failure!r}")

    def _certified(self) -> ssl.SSLContext:
        import trustme

        authority = trustme.CA()
        folder = self._open.enter_context(tempfile.TemporaryDirectory())
        self.ca_file = Path(folder) / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        begins, ends = (datetime.now(UTC) + timedelta(days) for days in self._valid)
        issued = authority.issue_cert(*self._names, not_before=begins, not_after=ends)
        issued.configure_cert(context)
        return context

    def _start(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(
            target=self._guarded, args=(work, *args), name=work.__name__, daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def _guarded(self, work: Callable[..., None], *args: object) -> None:
        try:
            work(*args)
        except Exception as failure:  # noqa: BLE001 - handed to the test when it leaves
            self._failures.append(failure)

    def _accept(self) -> None:
        while True:
            ready, _, _ = select.select([self._listener, self._stop], [], [])
            if self._stop in ready:
                return
            sock, _ = self._listener.accept()
            connection = Connection(time.monotonic())
            self.connections.append(connection)
            self._start(self._serve, sock, connection)

    def _serve(self, sock: socket.socket, connection: Connection) -> None:
        closed_by: Literal["peer", "server"] = "server"
        try:
            with self._secured(sock) as ready:
                self._converse(Line(ready, self._stop, connection))
        except (Left, OSError):  # an OSError: it left before its socket was set up
            closed_by = "peer"
        except Over:
            pass
        finally:
            connection.end(closed_by)

    def _secured(self, sock: socket.socket) -> socket.socket:
        if self._context is None:
            return sock
        return self._context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)

    def _converse(self, line: Line) -> None:
        line.greet()
        if self._greeting:
            line.answer(Reply(body=self._greeting, framing="raw"), last=True)
            return
        last = False
        while not last:
            request = line.request()
            line.log.requests.append(request)
            reply = self._next_reply(request)
            asked = reply.headers.get("connection") or request.headers.get("connection", "")
            last = reply.framing in ("close", "raw") or asked.lower() == "close"
            line.answer(reply, last=last)

    def _next_reply(self, request: Received) -> Reply:
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
            if not self._replies:
                raise AssertionError(f"no reply is scripted for {request.method} {request.path}")
            at = min(self._turn, len(self._replies) - 1)
            self._turn = at + 1
            script = self._replies[at]
        return script if isinstance(script, Reply) else script(request)


def refusing_url() -> str:
    """An address of this machine where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"
