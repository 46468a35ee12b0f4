"""The fast path on CPU: matrix products by NumPy's BLAS where that beats Thinc's BLIS on this machine.

Thinc multiplies with BLIS, which has no tuned kernels for many processors and falls back to generic ones;
NumPy ships OpenBLAS, which has them for most. The choice is measured once a process, and an import changes
nothing.
"""

import ctypes
import statistics
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy
import spacy
from spacy.language import Language
from thinc.api import Model, NumpyOps, get_current_ops, set_current_ops

from ..errors import Errors, NlpkitError

DEFAULT_MIN_GAIN = 1.1
# Rows (words), inner and outer width of the products of a tok2vec layer: a batch, and one short text.
_SIZES = ((2000, 288, 288), (50, 96, 288))
_BUDGET_SECONDS = 0.15
_MAX_ROUNDS = 9


class FastNumpyOps(NumpyOps):
    """Thinc's NumpyOps with the products of NumPy, each on one thread as with BLIS.

    OpenBLAS would take every core for products as small as a tok2vec layer's, and its threads wait for each
    other: with another process busy on the machine one product was seen to take a hundred times as long.
    """

    def gemm(self, x: Any, y: Any, *, out: Any = None, trans1: bool = False, trans2: bool = False) -> Any:
        """Matrix product of two 2-d float arrays, as in `thinc.api.Ops.gemm`.

        The number of threads that the process uses elsewhere is put back after every product. Where NumPy was
        built with another library than OpenBLAS, that library's own setting holds.
        """
        get_threads, set_threads = _openblas_threads()
        before = get_threads()
        if before == 1:
            return super().gemm(x, y, out=out, trans1=trans1, trans2=trans2)
        set_threads(1)
        try:
            return super().gemm(x, y, out=out, trans1=trans1, trans2=trans2)
        finally:
            set_threads(before)


@lru_cache(maxsize=1)
def measure_gain() -> float:
    """How many times faster NumPy multiplies than BLIS in this process: the worst case of four.

    A batch and a short text are timed, each by wall clock and by CPU time of all threads, so that a gain
    which comes from more threads alone does not count. Takes some 0.15 seconds at the first call; later calls
    return the same figure.
    """
    blis, fast = NumpyOps(), FastNumpyOps(use_blis=False)
    return min(_gain_for_size(blis, fast, size, _BUDGET_SECONDS / len(_SIZES)) for size in _SIZES)


def choose_ops(min_gain: float = DEFAULT_MIN_GAIN) -> NumpyOps:
    """The faster ops for this process: `FastNumpyOps` where `measure_gain()` is at least `min_gain`.

    min_gain (float): 0 takes NumPy without measuring, which makes the choice the same on every machine.
    RAISES: N006 for a negative number.
    """
    if min_gain < 0:
        raise NlpkitError(Errors.N006.format(setting="min_gain", name="fast_ops", expected="0 or more", value=min_gain))
    return FastNumpyOps(use_blis=False) if min_gain == 0 or measure_gain() >= min_gain else NumpyOps()


def use_fast_ops(nlp: Language, min_gain: float = DEFAULT_MIN_GAIN) -> bool:
    """Run all models of a pipeline with `FastNumpyOps`, where `choose_ops` takes them.

    nlp (Language): Every node of every component, disabled ones included, that runs on Thinc's own NumpyOps
        is switched; nodes on a GPU or on other ops (Apple's, or set by the user) are left alone.
    min_gain (float): As in `choose_ops`.
    RETURNS (bool): Whether any node of the pipeline multiplies by the fast path now.

    Thinc gives the current ops to every node that it makes or copies, so these are switched as well, under
    the same conditions. Outputs stay equal to rounding. Calling it again changes nothing.
    """
    models = (getattr(pipe, "model", None) for _, pipe in nlp.components)
    nodes = [node for model in models if isinstance(model, Model) for node in model.walk()]
    ops = choose_ops(min_gain)
    if isinstance(ops, FastNumpyOps):
        for node in nodes:
            if _runs_blis(node.ops):
                node.ops = ops
        if _runs_blis(get_current_ops()):
            set_current_ops(ops)
    return any(isinstance(node.ops, FastNumpyOps) for node in nodes)


@spacy.registry.callbacks("spacy_nlpkit.fast_ops.v1")
def make_fast_ops(min_gain: float = DEFAULT_MIN_GAIN) -> Callable[[Language], Language]:
    """A callback that calls `use_fast_ops`: for `[nlp] after_pipeline_creation` (training and loading).

    min_gain (float): As in `choose_ops`.
    Also fits `[initialize] before_init` and `after_init`, for components that make nodes when initialised.
    """

    def apply_fast_ops(nlp: Language) -> Language:
        use_fast_ops(nlp, min_gain)
        return nlp

    return apply_fast_ops


def _runs_blis(ops: Any) -> bool:
    # A subclass (Apple's ops, Metal's) has products of its own.
    return type(ops) is NumpyOps and ops.use_blis


@lru_cache(maxsize=1)
def _openblas_threads() -> tuple[Callable[[], int], Callable[[int], Any]]:
    """Getter and setter of the number of threads of the OpenBLAS inside NumPy's wheel.

    Without one (another BLAS, or a system library) they say 1 and do nothing.
    """
    package = Path(numpy.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".dylibs"):
        for path in folder.glob("*openblas*"):
            library = ctypes.PyDLL(str(path))  # loaded already: this is another handle on the same copy
            for prefix, suffix in (("scipy_", "64_"), ("scipy_", ""), ("", "64_"), ("", "")):
                getter = getattr(library, f"{prefix}openblas_get_num_threads{suffix}", None)
                setter = getattr(library, f"{prefix}openblas_set_num_threads{suffix}", None)
                if getter is not None and setter is not None:
                    return getter, setter
    return lambda: 1, lambda count: None


def _gain_for_size(blis: NumpyOps, fast: NumpyOps, size: tuple[int, int, int], seconds: float) -> float:
    """BLIS time over NumPy time, the lower of wall and CPU; the two take turns, to meet the same load."""
    rows, inner, outer = size
    inputs = numpy.full((rows, inner), 0.5, dtype="float32")
    weights = numpy.full((outer, inner), 0.5, dtype="float32")
    repeats = max(1, 20_000_000 // (rows * inner * outer))  # one short text alone is below what clocks resolve
    times: dict[NumpyOps, list[tuple[float, float]]] = {blis: [], fast: []}
    end = time.perf_counter() + seconds
    for ops in times:
        ops.gemm(inputs, weights, trans2=True)  # what is loaded at the first product is not timed
    for done in range(_MAX_ROUNDS):
        if done and time.perf_counter() > end:
            break
        for ops, measured in times.items():
            measured.append(_time_products(ops, inputs, weights, repeats))
    return min(
        statistics.median(slow) / max(statistics.median(quick), 1e-9)
        for slow, quick in zip(zip(*times[blis]), zip(*times[fast]))
    )


def _time_products(ops: NumpyOps, inputs: numpy.ndarray, weights: numpy.ndarray, repeats: int) -> tuple[float, float]:
    """Wall and CPU seconds of some products."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        ops.gemm(inputs, weights, trans2=True)
    return time.perf_counter() - wall, time.process_time() - cpu
