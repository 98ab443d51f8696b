# What docs/ shows, run as it stands there: the clients of clients.md, and the files of deploy/ by
# their own programs, where those are installed.
import contextlib
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

import household
import users
import websockets
from calls import holds
from household import BIN, ROOT, expect, words

DOCS = ROOT / "docs"


def sample(language):
    """The one block of that language in clients.md."""
    text = (DOCS / "clients.md").read_text()
    return re.search(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)[1]


async def documented_client(house, program, language, suffix):
    with tempfile.NamedTemporaryFile("w", suffix=suffix) as file:
        file.write(sample(language))
        file.flush()
        lines = await users.run(house, program, file.name, "{url}", "{key}", "{audio}")
    finals = " ".join(line.removeprefix("[FINAL]") for line in lines if "[FINAL]" in line)
    expect(holds(words(finals), words(house.text)), f"printed {lines}")


async def documented_python_client(house):
    await documented_client(house, sys.executable, "python", ".py")


def documented_python_client_of_old(python):
    async def case(house):
        await documented_client(house, python, "python", ".py")

    case.__name__ = "documented_python_client_of_old"
    return case


async def documented_javascript_client(house):
    await documented_client(house, "node", "javascript", ".js")


def verify(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    expect(done.returncode == 0, done.stdout + done.stderr)
    return done.stdout


def certificate(folder):
    """A key and a certificate for tests, and both in one file."""
    verify("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
           "/CN=relay.example.com", "-keyout", folder / "relay.key", "-out", folder / "relay.pem")
    both = (folder / "relay.pem").read_text() + (folder / "relay.key").read_text()
    (folder / "relay-with-key.pem").write_text(both)


@contextlib.asynccontextmanager
async def proxy(house, name, text, command):
    """A proxy in front of the relay that wants keys: its file as it is shown, but for places."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        certificate(folder)
        port = household.free_port()
        text = re.sub(r"/etc/ssl", temporary, text)
        text = re.sub(r"(127\.0\.0\.1|10\.0\.0\.1[12]):8080", f"127.0.0.1:{house.locked.port}", text)
        text = re.sub(r"listen 443", f"listen 127.0.0.1:{port}", text)
        text = re.sub(r"bind :443", f"bind 127.0.0.1:{port}", text)
        (folder / name).write_text(text)
        program = await household.start(command(folder, folder / name), port, {})
        try:
            yield port
        finally:
            await program.end()


async def expect_ready(house, port):
    """A call through the proxy begins."""
    trust = ssl.create_default_context()
    trust.check_hostname = False
    trust.verify_mode = ssl.CERT_NONE
    headers = {"Authorization": f"Bearer {house.key}"}
    url = f"wss://127.0.0.1:{port}/ws/transcribe"
    async with websockets.connect(url, ssl=trust, additional_headers=headers) as socket:
        first = await socket.recv()
        expect('"ready"' in first, first)


async def nginx_passes_calls_on(house):
    text = (DOCS / "deploy/nginx.conf").read_text()
    with tempfile.TemporaryDirectory() as place:
        paths = "".join(
            f"{kind}_temp_path {place}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        text = f"pid {place}/pid; error_log stderr; events {{}} " \
            f"http {{ access_log off; {paths}\n{text}\n}}\n"

        def command(folder, file):
            return ["nginx", "-c", file, "-p", folder, "-g", "daemon off; master_process off;"]

        async with proxy(house, "nginx.conf", text, command) as port:
            await expect_ready(house, port)


async def haproxy_passes_calls_on(house):
    text = (DOCS / "deploy/haproxy.cfg").read_text()
    async with proxy(house, "haproxy.cfg", text, lambda _, file: ["haproxy", "-f", file]) as port:
        await expect_ready(house, port)


async def systemd_accepts_its_unit(_):
    with tempfile.TemporaryDirectory() as folder:
        unit = Path(folder) / "sidetone.service"
        text = (DOCS / "deploy/sidetone.service").read_text()
        unit.write_text(text.replace("/usr/local/bin/sidetone", str(BIN / "sidetone")))
        verify("systemd-analyze", "verify", unit)


async def pm2_finds_one_process_in_its_file(_):
    file = DOCS / "deploy/pm2.config.js"
    names = verify("node", "-p", f"require('{file}').apps.map((a) => a.name + a.instances).join()")
    expect(names.strip() == "sidetone1", names)


def cases(old_python):
    wanted = [documented_python_client]
    if shutil.which("node"):
        wanted += [documented_javascript_client, pm2_finds_one_process_in_its_file]
    if old_python:
        wanted.append(documented_python_client_of_old(old_python))
    for program, case in (("nginx", nginx_passes_calls_on), ("haproxy", haproxy_passes_calls_on),
                          ("systemd-analyze", systemd_accepts_its_unit)):
        if shutil.which(program):
            wanted.append(case)
        else:
            print(f"{program}: cannot run here, it is not installed")
    return wanted
