"""What holds for all tests: one thread for arithmetic, here and in the processes that tests start.

Models of tests are tiny: sharing out their work takes longer than doing it, and many times as long where other
processes use the cores. It has to be said before torch and NumPy are imported.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
