"""What a server is allowed to do, and how much of it. Knows no environment and no command line."""

from __future__ import annotations

from dataclasses import dataclass

MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class ServerSettings:
    """One server's limits."""

    host: str = "127.0.0.1"
    """Where it listens. Without API keys only a loopback address is allowed."""
    public_url: str = ""
    """What links begin with, as in https://draw.example; by default where the request was sent to."""
    allow_private: bool = False
    """Whether pictures may be fetched from, and webhooks sent to, private and link-local addresses."""
    max_body_bytes: int = 96 * MEBIBYTE
    """Of a request."""
    max_file_bytes: int = 64 * MEBIBYTE
    """Of one picture or clip, sent or fetched."""
    max_decoded_bytes: int = 1024 * MEBIBYTE
    """Of the pixels of one picture or clip, 3 bytes each."""
    body_seconds: float = 120.0
    """How long a request's body may take to arrive."""
    fetch_seconds: float = 30.0
    """How long a picture may take to be fetched, redirects and all."""
    max_redirects: int = 5
    inspect_seconds: float = 30.0
    """How long reading one picture or clip may take."""
    link_seconds: float = 3600.0
    """How long a link to a result holds."""
    keep_upload_days: float = 30.0
    """After its last use, an upload is removed."""
    max_parallel_submissions: int = 8
    """Each may be fetching pictures; others wait for their turn."""
