"""One thread where results would otherwise depend on the number of cores."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[object]:
    """Limit BLAS and OpenMP to one thread.

    With several, the order of additions, and so the last digits, differ between machines.
    """
    # Finding the libraries takes as long as a small k-means. Only an import can have loaded further ones.
    return _loaded_libraries(len(sys.modules)).limit(limits=1)


@lru_cache(maxsize=1)
def _loaded_libraries(_n_modules: int) -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
