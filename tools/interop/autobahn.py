# Judges our WebSocket by the Autobahn test suite, groups 1 to 7 and 10, in both roles, through
# the bare echo of the lab. The suite exits 0 whatever it found, so this reads its report: every
# case that was asked for must be there, and each must be OK, or INFORMATIONAL where the suite
# knows no other answer. The suite needs CPython 2.7; without one this says so and exits 77.
import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from household import free_port

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
HOME = ROOT / ".build" / "autobahn"
GROUPS = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"]
CASES = 247
GOOD = {"OK", "INFORMATIONAL"}
CANNOT_RUN = 77


def python27():
    """A CPython 2.7, from the path or from pyenv; None where there is none."""
    candidates = [shutil.which("python2.7")]
    if shutil.which("pyenv"):
        found = subprocess.run(["pyenv", "prefix", "2.7.18"], capture_output=True, text=True)
        candidates.insert(0, found.stdout.strip() + "/bin/python2.7")
    for candidate in candidates:
        if candidate and Path(candidate).is_file():
            if subprocess.run([candidate, "--version"], capture_output=True).returncode == 0:
                return candidate
    return None


def install(python):
    """The suite in an environment of its own; returns its `wstest`."""
    wstest = HOME / "suite" / "bin" / "wstest"
    if wstest.exists() and (HOME / "installed").exists():
        return wstest
    shutil.rmtree(HOME, ignore_errors=True)

    def run(*command):
        subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)

    run(sys.executable, "-m", "venv", HOME / "maker")
    # The last virtualenv that still makes environments for 2.7.
    run(HOME / "maker/bin/pip", "install", "-q", "virtualenv==20.21.1")
    run(HOME / "maker/bin/python", "-m", "virtualenv", "-q", "-p", python, HOME / "suite")
    pip = HOME / "suite/bin/pip"
    install = [pip, "--no-python-version-warning", "install", "-q"]
    run(*install, "-r", HERE / "autobahn-requirements.txt")
    run(*install, "--no-deps", "autobahntestsuite==25.10.1")
    (HOME / "installed").touch()
    return wstest


def wait_for(port, process, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            sys.exit(f"the process that was to listen on {port} ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 0.5).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nobody listens on {port}")


def end(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def specification(folder, **more):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    spec = {"outdir": str(folder), "cases": GROUPS, "exclude-cases": [], "exclude-agent-cases": {}}
    path = folder / "spec.json"
    path.write_text(json.dumps(spec | more))
    return path


def quiet(folder):
    """The suite prints tracebacks of its own where cases end early; they go to a file."""
    return {"stdout": open(folder / "suite.log", "w"), "stderr": subprocess.STDOUT}


def judge_server(wstest, echo):
    """The suite is the client, the echo listens."""
    port = free_port()
    folder = HOME / "server"
    servers = [{"agent": "sidetone", "url": f"ws://127.0.0.1:{port}"}]
    spec = specification(folder, servers=servers)
    process = subprocess.Popen(echo + ["--port", str(port)])
    try:
        wait_for(port, process)
        subprocess.run(
            [str(wstest), "-m", "fuzzingclient", "-s", str(spec)], check=True, timeout=300,
            **quiet(folder))
    finally:
        end(process)
    return verdict("server", folder)


def judge_client(wstest, echo):
    """The suite listens; the echo runs every case, then asks for the report."""
    port = free_port()
    folder = HOME / "client"
    url = f"ws://127.0.0.1:{port}"
    spec = specification(folder, url=url)
    suite = subprocess.Popen(
        [str(wstest), "-m", "fuzzingserver", "-s", str(spec), "-u", "0"], **quiet(folder))
    try:
        wait_for(port, suite)
        subprocess.run(echo + ["--client", url], check=True, timeout=300)
    finally:
        end(suite)
    return verdict("client", folder)


def verdict(role, folder):
    """Prints what failed, with the case's own words; True when all is well."""
    report = json.loads((folder / "index.json").read_text())
    (results,) = report.values()
    bad = 0
    for case, result in sorted(results.items()):
        if {result["behavior"], result["behaviorClose"]} <= GOOD:
            continue
        bad += 1
        detail = json.loads((folder / result["reportfile"]).read_text())
        print(f"{role} {case}: {result['behavior']}, close {result['behaviorClose']}")
        for key in ("description", "expectation", "result", "resultClose", "received"):
            print(f"    {key}: {str(detail.get(key))[:400]}")
        for line in detail.get("wirelog", [])[-8:]:
            print(f"    {str(line)[:100]}")
    if len(results) != CASES:
        print(f"{role}: {len(results)} cases were run, {CASES} were asked for")
        bad += 1
    print(f"autobahn {role}: {len(results)} cases, {bad} failed")
    return bad == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lab", default=str(ROOT / ".build/release/sidetone-lab"))
    parser.add_argument("--echo", help="another echo to judge, as a command line")
    parser.add_argument("--role", choices=["server", "client", "both"], default="both")
    arguments = parser.parse_args()
    python = python27()
    if python is None:
        print("Autobahn cannot run here: it needs CPython 2.7, and there is none.")
        sys.exit(CANNOT_RUN)
    wstest = install(python)
    os.environ["SWIFT_BACKTRACE"] = "enable=no"
    echo = arguments.echo.split() if arguments.echo else [arguments.lab, "echo"]
    good = True
    if arguments.role != "client":
        good &= judge_server(wstest, echo)
    if arguments.role != "server":
        good &= judge_client(wstest, echo)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
