"""Says a prompt the way training captions do, through a chat model that the user runs or rents (`--rewrite`).

The one place of the engine that uses the network, and only when it is asked to. HunyuanVideo's authors describe two
ways of rewriting (Tencent-Hunyuan/HunyuanVideo, README, "Prompt Rewrite"): normal keeps to what was meant, master adds
composition, light and camera. The instructions are our own.
"""

from __future__ import annotations

import re
from typing import Any

from praxino import settings
from praxino.errors import UserError
from praxino.families import Variant
from praxino.request import MAX_PROMPT_CHARACTERS, Request

SECONDS = 120.0
"""The longest that an answer may take."""
_COMMON = (
    "You write the captions that a {kind} generation model is trained on. Turn the user's request into one such "
    "caption in English: plain declarative sentences in the present tense, first the main subject, then {details}. "
    "Keep every thing, name, number, colour and word in quotation marks that the user asks for, and their meaning; "
    "contradict nothing. Never address anybody, never write 'the video' or 'the image', no lists, no headings."
)
_DETAILS = {
    "video": "what it does and how it moves from beginning to end, then the surroundings",
    "image": "how it looks and where it stands, then the surroundings",
}
_MODES = {
    "normal": "Add nothing that the user did not mean; where something is left open, say the most usual. "
    "At most 80 words.",
    "master": "Then make it as a master of the art would: choose and name composition, framing, light, colours, "
    "atmosphere{camera}, and fine details of materials and textures. Between 80 and 160 words.",
}
_PICTURE = (
    "A picture, which you cannot see, is given as the first frame: say only what moves and changes from there, and "
    "invent no looks."
)
_ENDING = "Answer with the caption alone."
_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)


def rewrite(request: Request, variant: Variant) -> str:
    """The request's prompt in other words, as `request.rewrite` says.

    Raises:
        UserError: no chat model is named in the settings, it does not answer as one, or the variant reads a vocabulary.
    """
    if variant.vocabulary:
        raise UserError(f"--rewrite: {variant.name} reads only the words it knows; leave it out.")
    if not request.prompt.strip():
        raise UserError("--rewrite needs a prompt to rewrite.")
    return ask(instructions(request, variant), request.prompt, "--rewrite")


def ask(instructions: str, wish: str | list[dict[str, Any]], who: str) -> str:
    """What the chat model of the settings says, in one line.

    Args:
        instructions: what it is told to do.
        wish: what it is to do it with: text, or parts of OpenAI's protocol, pictures among them.
        who: asks; for messages.

    Raises:
        UserError: no chat model is named in the settings, or it does not answer as one.
    """
    url, model = settings.value("PRAXINO_REWRITER"), settings.value("PRAXINO_REWRITER_MODEL")
    if not url or not model:
        raise UserError(
            f"{who} needs a chat model that speaks OpenAI's protocol: set PRAXINO_REWRITER to its URL, as in "
            "http://127.0.0.1:11434/v1, and PRAXINO_REWRITER_MODEL to its name."
        )
    messages = [{"role": "system", "content": instructions}, {"role": "user", "content": wish}]
    answer = _asked(url.rstrip("/") + "/chat/completions", {"model": model, "messages": messages, "temperature": 0})
    return _caption(answer, url)


def instructions(request: Request, variant: Variant) -> str:
    """What the chat model is told."""
    moves = variant.grid.max_frames > 1
    kind = "video" if moves else "image"
    mode = _MODES["master" if request.rewrite == "master" else "normal"]
    parts = [
        _COMMON.format(kind=kind, details=_DETAILS[kind]),
        mode.replace("{camera}", " and the movement of the camera" if moves and not request.camera else ""),
    ]
    if moves and (request.image or request.first):
        parts.append(_PICTURE)
    return " ".join([*parts, _ENDING])


def _asked(url: str, body: dict[str, Any]) -> Any:
    """The answer's JSON."""
    import httpx2

    key = settings.value("PRAXINO_REWRITER_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        answer = httpx2.post(url, json=body, headers=headers, timeout=SECONDS)
    except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as problem:
        said = str(problem) or type(problem).__name__
        raise UserError(f"the rewriter {url[:200]} cannot be asked: {said[:200]}; see PRAXINO_REWRITER.") from problem
    if answer.status_code != 200:
        said = " ".join(answer.text.split())[:200]
        raise UserError(f"the rewriter {url[:200]} answers {answer.status_code}: {said or 'nothing else'}.")
    try:
        return answer.json()
    except ValueError as problem:
        raise UserError(f"the rewriter {url[:200]} does not answer in JSON; is it a chat model's URL?") from problem


def _caption(answer: Any, url: str) -> str:
    try:
        text = answer["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError) as problem:
        raise UserError(f"the rewriter {url[:200]} does not answer as a chat model does.") from problem
    said = " ".join(_THOUGHT.sub("", text).split()).strip('"“”') if isinstance(text, str) else ""
    if not 0 < len(said) <= MAX_PROMPT_CHARACTERS:
        raise UserError(
            f"the rewriter {url[:200]} answers with {len(said):,} characters of caption; ask again, or leave it out."
        )
    return said
