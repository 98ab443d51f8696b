# Plants leaks (leak.c) and holds the soak to it: each must be caught, by the figure it is about.
import shutil
import subprocess
import tempfile
from pathlib import Path

from .soak import Soak

# The leak, and words of the verdict that must come of it.
LEAKS = {
    "relay": "FAIL memory of the relay",
    "courier": "FAIL memory of the courier",
    "descriptors": "FAIL descriptors of the relay",
}


def prove(binaries):
    """The exit status."""
    compiler = shutil.which("clang") or shutil.which("cc")
    if not compiler:
        print("cannot run here, there is no compiler for C")
        return 77
    missed = 0
    with tempfile.TemporaryDirectory(prefix="sidetone-leak-") as folder:
        library = Path(folder) / "leak.so"
        source = Path(__file__).resolve().parent / "leak.c"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"],
                       check=True)
        for leak, words in LEAKS.items():
            soak = Soak(binaries, {"LD_PRELOAD": str(library), "LEAK": leak}, quiet=True)
            lines = soak.run(0)
            caught = any(line.startswith(words) for line in lines)
            missed += not caught
            head = f"{'ok  ' if caught else 'FAIL'} leak: {leak}"
            print(head, *lines, sep="\n      ", flush=True)
    print(f"{len(LEAKS)} leaks planted, {len(LEAKS) - missed} caught")
    return 1 if missed else 0
