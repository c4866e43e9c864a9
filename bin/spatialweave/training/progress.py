"""Progress lines for a log file: one every few seconds, each complete in itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from spatialweave.prose import duration


@dataclass
class Progress:
    """Log of `epoch 120/300  loss 3.41 (...)  0.11 s/epoch  at most 20 s left`, at most every `seconds` seconds."""

    epochs: int
    log: Callable[[str], None]
    seconds: float = 5.0
    clock: Callable[[], float] = time.monotonic
    _start: float = field(init=False)
    _last: float = field(init=False)
    _done: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._start = self.clock()
        self._last = float("-inf")

    def epoch(self, epoch: int, terms: Mapping[str, float]) -> None:
        """Count `epoch` as done, with its losses; log the first, the last and one every few seconds."""
        now = self.clock()
        self._done += 1
        if now - self._last < self.seconds and epoch != self.epochs:
            return
        self._last = now
        each = (now - self._start) / self._done
        self.log(
            f"epoch {epoch:>{len(str(self.epochs))}}/{self.epochs}  {describe(terms)}  "
            f"{each:.3g} s/epoch  at most {duration(each * (self.epochs - epoch))} left"
        )


@contextmanager
def noting(log: Callable[[str], None], path: Path | None) -> Iterator[Callable[[str], None]]:
    """Return a log that also keeps its last line in a file for progress displays; the file is deleted at the end.

    A training does not fail if the file cannot be written. Without a path the log is returned unchanged.
    """
    if path is None:
        yield log
        return

    def note(line: str) -> None:
        log(line)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(line, encoding="utf-8")

    try:
        yield note
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def describe(terms: Mapping[str, float]) -> str:
    """Format losses as `loss 3.41 (reconstruction_rna 1.2, triplet_rna 0.3)`."""
    parts = ", ".join(f"{name} {value:.4g}" for name, value in terms.items() if name != "total")
    return f"loss {terms['total']:.5g} ({parts})"
