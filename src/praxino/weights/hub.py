"""The Hugging Face Hub, through its own client: what a repository holds, one file's bytes, and what its refusals mean.

Only data is fetched; nothing that comes from the Hub is run. Knows nothing of the cache or of models.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from praxino.errors import ModelError, UserError
from praxino.weights.source import Source

DEFAULT_ENDPOINT = "https://huggingface.co"
MAX_FILE_BYTES = 50_000_000_000
"""What the Hub serves over HTTP (huggingface_hub's MAX_HTTP_DOWNLOAD_SIZE)."""
_TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository."""

    path: str
    size: int
    hash: str
    """SHA-256 of a large file, git's SHA-1 of a small one: the name of its blob in the cache."""


@dataclass(frozen=True)
class Listing:
    """A repository at one commit."""

    commit: str
    files: tuple[RemoteFile, ...]
    licence: str = ""
    """As the repository's card names it."""
    gated: bool = False


def endpoint() -> str:
    """The Hub, or the mirror in HF_ENDPOINT."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or DEFAULT_ENDPOINT


class Hub:
    """Where files come from when the network is there."""

    def list_files(self, source: Source) -> Listing:
        """What the repository holds at the source's revision.

        Raises:
            UserError: there is no such repository or revision, or it may not be read.
            ModelError: the Hub cannot be reached or fails.
        """
        from huggingface_hub import HfApi

        with explained(source):
            api = HfApi(endpoint=endpoint(), library_name="praxino", library_version=version("praxino"))
            asked: dict[str, Any] = {"revision": source.revision, "files_metadata": True, "timeout": _TIMEOUT_SECONDS}
            try:
                info = api.model_info(source.repo, **asked)
            except (ValueError, TypeError, KeyError) as problem:
                raise ModelError(
                    f"{endpoint()} answers, but not as a Hub does. Check HF_ENDPOINT, and whether a proxy or a login "
                    "page stands in between."
                ) from problem
        card = info.card_data
        return Listing(
            commit=info.sha or "",
            files=tuple(_remote_file(sibling) for sibling in info.siblings or ()),
            licence=str((card and (card.get("license_name") or card.get("license"))) or ""),
            gated=bool(info.gated),
        )

    def fetch(
        self, source: Source, listing: Listing, file: RemoteFile, part: Path, on_bytes: Callable[[int], None]
    ) -> None:
        """Bring `part` to the file's full size, going on from the bytes that it has.

        `on_bytes` is called with the number of bytes that came, a negative one when they have to come again.

        Raises:
            UserError: the file may not be read.
            ModelError: the Hub cannot be reached or fails; `part` keeps what came.
        """
        from huggingface_hub import hf_hub_url
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils import build_hf_headers

        if file.size > MAX_FILE_BYTES:
            raise UserError(
                f"{file.path} is larger than the Hub serves over HTTP (50 GB). Fetch it with its own tool, into the "
                f"same cache: hf download {source.repo} {file.path}"
            )
        with explained(source), part.open("ab") as stream:
            begun = stream.tell()
            http_get(
                hf_hub_url(source.repo, file.path, revision=listing.commit, endpoint=endpoint()),
                stream,
                resume_size=begun,
                headers=build_hf_headers(library_name="praxino", library_version=version("praxino")),
                expected_size=file.size,
                displayed_filename=file.path,
                tqdm_class=lambda initial=0, **_: _Bar(on_bytes, initial - begun),  # pyright: ignore[reportArgumentType]
            )


class _Bar:
    """What the client takes for a progress bar."""

    def __init__(self, on_bytes: Callable[[int], None], correction: int) -> None:
        self.update = on_bytes
        if correction:
            on_bytes(correction)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _remote_file(sibling: Any) -> RemoteFile:
    digest = sibling.lfs.sha256 if sibling.lfs is not None else sibling.blob_id
    return RemoteFile(sibling.rfilename, sibling.size or 0, digest or "")


@contextmanager
def explained(source: Source) -> Iterator[None]:
    """Turn the client's errors into ours, a sentence and a fix each."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as problem:
        raise UserError(_gated(source)) from problem
    except errors.RevisionNotFoundError as problem:
        raise UserError(
            f"{source.repo} has no revision {source.revision!r}; give a branch, tag or commit of "
            f"{_page(source)}/commits with --revision."
        ) from problem
    except errors.RemoteEntryNotFoundError as problem:
        raise ModelError(
            f"{source.repo} lists a file that it does not have; try later, or another mirror in HF_ENDPOINT."
        ) from problem
    except errors.HfHubHTTPError as problem:
        raise _refused(source, problem.response.status_code) from problem
    except errors.OfflineModeIsEnabled as problem:
        raise UserError(
            "HF_HUB_OFFLINE is set, so nothing is fetched. Unset it, or bring the files from another machine: "
            "praxino models pull NAME --from FOLDER"
        ) from problem
    except errors.HTTPError as problem:  # pyright: ignore[reportPrivateImportUsage]
        raise ModelError(
            f"cannot reach {endpoint()}: {_first_line(problem)}. Check the network, name a mirror in HF_ENDPOINT, or "
            "bring the files from another machine: praxino models pull NAME --from FOLDER\n"
            "What has come is kept; the same command goes on from it."
        ) from problem


def _refused(source: Source, status: int) -> UserError | ModelError:
    from huggingface_hub import get_token

    if status == 401 and get_token():
        return UserError(
            f"the Hub does not accept your token (401); {source.repo} was not fetched.\n"
            f"Make a new one at {endpoint()}/settings/tokens, and put it in HF_TOKEN or run: hf auth login"
        )
    if status in (401, 404):
        return UserError(
            f"there is no model {source.repo} on {endpoint()}, or it is private ({status}).\n"
            "Check the name (owner/name); for a private one, put a token in HF_TOKEN or run: hf auth login"
        )
    if status == 403:
        return UserError(
            f"your token may not read {source.repo} (403).\n"
            f"Allow it to read this repository at {endpoint()}/settings/tokens, or use another one in HF_TOKEN."
        )
    reason = "asks to slow down" if status == 429 else "fails"
    return ModelError(
        f"{endpoint()} {reason} ({status}) on {source.repo}; try again later, or name a mirror in HF_ENDPOINT.\n"
        "What has come is kept; the same command goes on from it."
    )


def _gated(source: Source) -> str:
    from huggingface_hub import get_token

    if get_token():
        return (
            f"{source.repo} is gated, and your account has no access to it.\n"
            f"Ask for it or accept the licence at {_page(source)}, then pull again."
        )
    return (
        f"{source.repo} is gated: its authors want to know who fetches it.\n"
        f"Accept the licence at {_page(source)}, then put a token in HF_TOKEN or run: hf auth login"
    )


def _page(source: Source) -> str:
    return f"{endpoint()}/{source.repo}"


def _first_line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0][:200].rstrip(".")
