"""A real `octet serve`, for the checks beside this file that ask one.

    with Served(octet, model, "--name", "tested", key=KEY) as server:
        ask(server.url, server.pid)
    server.exit_code      # 0 where it ended as it should

The port is one that is free. What the server needs beside words on the command line is a key, if any: it comes by the environment. SIGTERM
ends the server, after its last answer.
"""
import json
import os
import pathlib
import signal
import subprocess

OCTET = pathlib.Path(__file__).resolve().parents[2] / "build" / "release" / "octet"
SECONDS_TO_END = 60


class Served:
    def __init__(self, octet, model, *options, key=None):
        self.command = [str(octet), "serve", str(model), "--port", "0", "--json", "--no-request-log", *options]
        self.environment = {**os.environ, **({"OCTET_API_KEYS": key} if key else {})}
        self.exit_code = None

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, env=self.environment)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{' '.join(self.command)}: ended with {self.process.wait()} before it had an address")
        told = json.loads(line)
        self.url, self.port, self.pid = told["url"], told["port"], told["pid"]
        # A model of gigabytes takes its time; a server that ends meanwhile can't be reached, which ends the waiting.
        ready = subprocess.run(["curl", "-sf", "--retry", "600", "--retry-delay", "1", "-o", "/dev/null", self.url + "/ready"], check=False)
        if ready.returncode != 0:
            self.__exit__()
            raise SystemExit(f"{' '.join(self.command)}: never got ready (curl {ready.returncode}), ended with {self.exit_code}")
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.exit_code = self.process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.exit_code = self.process.wait()
