"""What the Python peers share: their command line, threads, memory, and the exchange of lines with the report."""

import json
import os
import sys
import time


def _status(name):
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
    return 0


def arguments():
    """The problem's name, threads, the folder of data (or None) and the method and compute of a single run (or None)."""
    problem, *rest = sys.argv[1:]
    options = {"--threads": ["2"], "--data": [None], "--once": [None, None]}
    while rest:
        name = rest.pop(0)
        count = len(options[name])
        options[name] = rest[:count]
        del rest[:count]
    threads = int(options["--threads"][0])
    # Libraries without a setting for it keep to the processors that they are given.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    return problem, threads, options["--data"][0], options["--once"]


def load_arrays(folder):
    """All arrays of a folder, by name."""
    import numpy

    return {
        name[: -len(".npy")]: numpy.load(os.path.join(folder, name))
        for name in os.listdir(folder)
        if name.endswith(".npy")
    }


def serve(version, once, make):
    """Computes one kernel, or answers requests. `make()` gives a function of a method and a compute that returns the
    kernel as a NumPy array."""
    start = _status("VmRSS")
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass
    compute_kernel = make()

    def timed(method, compute):
        begin = time.perf_counter()
        kernel = compute_kernel(method, compute)
        return kernel, time.perf_counter() - begin

    def say(message):
        print(json.dumps(message), flush=True)

    if once[0] is not None:
        _, seconds = timed(*once)
        say({"seconds": seconds, "start": start, "peak": _status("VmHWM"), "version": version})
        return
    say({"version": version})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            kernel, seconds = timed(request["method"], request["compute"])
            if request.get("out"):
                import numpy

                numpy.save(request["out"], kernel)
            say({"seconds": seconds})
        except Exception as error:
            say({"error": f"{type(error).__name__}: {error}"})
