"""The one error tree. Knows nothing of what raises it; `cli` turns it into exit codes, `server` into HTTP statuses."""


class PraxinoError(Exception):
    """Anything Praxino raises on purpose. The message has what, got, allowed and fix, in one to three lines."""


class UserError(PraxinoError):
    """The wish cannot be granted as written; nothing was loaded and nothing was written (exit 2, HTTP 4xx)."""


class ModelError(PraxinoError):
    """A checkpoint is missing, damaged, or not what its recipe says (exit 1, HTTP 5xx)."""


class OutOfMemory(PraxinoError, MemoryError):
    """The device's memory is not enough for the smallest plan that draws what the recipe says (exit 1)."""


class JobError(PraxinoError):
    """A durable job cannot go on."""


class Cancelled(PraxinoError):
    """Raised from `on_step` to stop a run within one step (exit 130)."""
