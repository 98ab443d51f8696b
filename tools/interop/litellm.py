# A real LiteLLM proxy as the judge of what the relay makes of its word. By hand, since it installs
# some 150 packages:
#
#     python3 -m venv .build/litellm && .build/litellm/bin/pip install 'litellm[proxy]'
#     .build/litellm/bin/python tools/interop/litellm.py
#
# The proxy runs without a database, so it knows no key but its master key: that one is let in where it
# is set here too, a caller's key never, and where it is not set the log says what to do. Ends with
# `N passed, N failed`.
import os
import pathlib
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from household import free_port

BINARY = pathlib.Path(__file__).parents[2] / ".build/release/sidetone"
MASTER = "sk-" + secrets.token_hex(24)


def status(url, key=None):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def wait_for(url, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if status(url) == 200:
            return
        time.sleep(0.2)
    sys.exit(f"{url} does not answer")


def judge(proxy, folder, master, wanted, said):
    """The relay's statuses for the master key, another key and none; and what its log must say."""
    port = free_port()
    log = folder / f"relay-{port}.log"
    environment = {"PATH": os.environ["PATH"], "LITELLM_URL": proxy, "LITELLM_MASTER_KEY": master}
    with log.open("w") as out:
        relay = subprocess.Popen(
            [BINARY, "serve", "--listen-address", f"127.0.0.1:{port}"],
            env=environment, stdout=out, stderr=out, cwd=folder)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", 20)
        got = [status(f"http://127.0.0.1:{port}/stats", key) for key in (MASTER, "sk-other", None)]
    finally:
        relay.terminate()
        relay.wait(10)
    text = log.read_text()
    well = got == wanted and said in text and MASTER not in text
    print("ok  " if well else "FAIL", f"master key set here: {bool(master)}: {got}, wanted {wanted}")
    return well


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sidetone-litellm-"))
    (folder / "config.yaml").write_text(
        "model_list:\n- model_name: m\n  litellm_params: {model: openai/m, api_key: k}\n"
        f"general_settings: {{master_key: {MASTER}}}\n")
    port = free_port()
    proxy = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [pathlib.Path(sys.executable).parent / "litellm", "--config", folder / "config.yaml",
         "--host", "127.0.0.1", "--port", str(port)],
        stdout=(folder / "proxy.log").open("w"), stderr=subprocess.STDOUT, cwd=folder)
    try:
        wait_for(f"{proxy}/health/liveliness", 120)
        verdicts = [
            judge(proxy, folder, MASTER, [200, 401, 401], "no database"),
            judge(proxy, folder, "", [503, 401, 401], "status 500"),
        ]
    finally:
        server.terminate()
        server.wait(30)
    print(f"{sum(verdicts)} passed, {len(verdicts) - sum(verdicts)} failed")
    sys.exit(0 if all(verdicts) else 1)


main()
