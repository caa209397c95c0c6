"""HTTP to addresses that strangers name: only public ones, few redirects, little time, few bytes.

The name is resolved here, every address is checked, and the checked address is the one connected to: a name that
answers differently the next time (DNS rebinding) gains nothing. Each redirect is checked in the same way. TLS is
checked against the name. Proxies of the environment are not used: they would connect on their own.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import urljoin

import httpcore2
import httpx2

from praxino.errors import UserError

REDIRECTS = (301, 302, 303, 307, 308)
MAX_URL_CHARACTERS = 4096
_HEADERS: dict[bytes | str, bytes | str] = {
    "User-Agent": "praxino",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_CONNECT_TRIES = 3
"""Addresses of one name that are tried."""


@dataclass(frozen=True)
class Bounds:
    """What a stranger's address may cost."""

    seconds: float
    """For all of it."""
    allow_private: bool = False
    """Whether private and link-local addresses may be connected to."""
    max_bytes: int = 0
    """Of what is downloaded."""
    max_redirects: int = 0
    """How many are followed."""


def download(url: str, file: IO[bytes], said: str, bounds: Bounds) -> None:
    """Write what lies at an http or https URL into an open file; messages call it `said`.

    Raises:
        UserError: it cannot be had within these bounds, or may not.
    """
    deadline = time.monotonic() + bounds.seconds
    for _ in range(bounds.max_redirects + 1):
        request = httpcore2.Request("GET", _target(url, said), headers=_sent_headers(url))
        with _answer(request, said, bounds, deadline) as answer:
            if answer.status not in REDIRECTS:
                _save(answer, file, said, bounds.max_bytes)
                return
            url = urljoin(url, _header(answer, b"location"))
    raise UserError(f"{said} was redirected more than {bounds.max_redirects} times; give the address it ends at.")


def post(url: str, body: bytes, headers: Mapping[str, str], bounds: Bounds) -> tuple[int, str]:
    """Send a body to an http or https URL; redirects are not followed, and the answer's body is not read.

    Returns:
        The status, and the header Retry-After, "" without one.

    Raises:
        UserError: the address may not be connected to, or does not answer in time.
    """
    sent = {**_sent_headers(url), **headers, "Content-Length": str(len(body))}
    request = httpcore2.Request("POST", _target(url, "the webhook"), headers=sent, content=body)
    with _answer(request, "the webhook", bounds, time.monotonic() + bounds.seconds) as answer:
        return answer.status, _header(answer, b"retry-after")


def check_url(url: str, said: str) -> None:
    """Refuse what is no plain http or https URL. Raises UserError."""
    _target(url, said)


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, also after unwrapping IPv4 inside IPv6."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo[1] if parsed.teredo else None)
        if inner is None and parsed in _NAT64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved


class _Private(Exception):
    """A name stands for an address that is not public."""


class _Guarded(httpcore2.NetworkBackend):
    """Resolves names itself, connects to addresses that were checked, and lets nothing go on after the deadline."""

    def __init__(self, allow_private: bool, deadline: float) -> None:
        self._allow_private = allow_private
        self._deadline = deadline
        self._plain = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        addresses = self._addresses(host, port)[:_CONNECT_TRIES]
        for left in range(len(addresses), 0, -1):
            share = _left(self._deadline) / left
            try:
                stream = self._plain.connect_tcp(addresses[-left], port, share, local_address, socket_options)
                return _Stream(stream, self._deadline)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if left == 1:
                    raise
        raise AssertionError("a name stands for one address at least")

    def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as problem:
            raise httpcore2.ConnectError("there is no such host") from problem
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not self._allow_private and not all(is_public(address) for address in addresses):
            raise _Private
        return addresses


class _Stream(httpcore2.NetworkStream):
    """A connection that ends at a deadline, however slowly the other side drips."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        inner = self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline))
        return _Stream(inner, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    """Seconds until then. Raises httpcore2.ReadTimeout when it has passed."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout("the time is over")
    return left


@contextmanager
def _answer(request: httpcore2.Request, said: str, bounds: Bounds, deadline: float) -> Iterator[httpcore2.Response]:
    """An answer whose body is still to be read; what goes wrong inside the `with` is told as one UserError."""
    host = repr(request.url.host.decode("ascii")[:100])
    try:
        with httpcore2.ConnectionPool(network_backend=_Guarded(bounds.allow_private, deadline)) as pool:
            answer = pool.handle_request(request)
            try:
                yield answer
            finally:
                answer.close()
    except _Private:
        raise UserError(f"{said} lies at {host}, a private or local address, which this server does not use.") from None
    except httpcore2.TimeoutException:
        raise UserError(f"{said} did not arrive from {host} within {bounds.seconds:g} seconds.") from None
    except (httpcore2.NetworkError, httpcore2.ProtocolError) as problem:
        cause = " ".join(str(problem).split())[:200]
        raise UserError(f"{said} cannot be had from {host}: {cause}.") from problem


def _target(url: str, said: str) -> httpcore2.URL:
    """A URL with its host as IDNA and all else percent-encoded. Raises UserError when it is no plain web address."""
    if len(url) <= MAX_URL_CHARACTERS and url.isprintable():
        try:
            parsed = httpx2.URL(url)
        except httpx2.InvalidURL:
            parsed = httpx2.URL("")
        if parsed.scheme in ("http", "https") and parsed.raw_host:
            if parsed.userinfo:
                raise UserError(f"{said} has a user name or password in its address; leave it out.")
            return httpcore2.URL(
                scheme=parsed.raw_scheme, host=parsed.raw_host, port=parsed.port, target=parsed.raw_path
            )
    raise UserError(f"{said} has the address {url[:100]!r}; it must be a http:// or https:// URL.")


def _sent_headers(url: str) -> dict[bytes | str, bytes | str]:
    return {**_HEADERS, "Host": httpx2.URL(url).netloc}


def _header(answer: httpcore2.Response, name: bytes) -> str:
    return next((value.decode("latin-1") for found, value in answer.headers if found.lower() == name), "")


def _save(answer: httpcore2.Response, file: IO[bytes], said: str, max_bytes: int) -> None:
    if answer.status != 200:
        raise UserError(f"{said} cannot be had: its server answered with status {answer.status}.")
    if _header(answer, b"content-encoding").lower() not in ("", "identity"):
        raise UserError(f"{said} was sent compressed, though that was not asked for; give another address.")
    told = _header(answer, b"content-length")
    if told.isascii() and told.isdecimal() and int(told[:20]) > max_bytes:
        raise too_large(said, max_bytes)
    count = 0
    for chunk in answer.iter_stream():
        count += len(chunk)
        if count > max_bytes:
            raise too_large(said, max_bytes)
        file.write(chunk)


def too_large(said: str, max_bytes: int) -> UserError:
    """The error for a file of more than `max_bytes`."""
    return UserError(f"{said} is larger than the {max_bytes / (1 << 20):g} MiB allowed; send it smaller.")
