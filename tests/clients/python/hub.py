"""The built hub as a child process, tokens for it, and what all suites ask of it."""

import base64
import hashlib
import hmac
import importlib.metadata
import json
import os
import pathlib
import re
import secrets
import subprocess
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
BINARY = os.environ.get("HUB_BINARY", ROOT / "target" / "debug" / "rte")
ORGANIZATION = "0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59"
USER = "c9eeb030-ff4b-ea11-ac9c-00155d4fdcf3"
OTHER_USER = "a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3"
EVENT = "UserCallInComing"

# How long anything may take before a test is given up; nothing waits for this long where all is well.
PATIENCE_S = 20


class Hub:
    """One hub on one port, to be started, drained and started again."""

    def __init__(self):
        self._secret = secrets.token_hex(32)
        self._port = 0
        self._child = None
        self._log = []

    def start(self):
        """Starts the binary and waits until it says where it listens."""
        command = [BINARY, "serve", "--set", f"server.listen=127.0.0.1:{self._port}"]
        environment = {"RTE_AUTH_SECRET": self._secret}
        self._child = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        ready = threading.Event()
        # The pipe is read to its end, so that the hub never waits for it.
        threading.Thread(target=self._read, args=(self._child.stderr, ready), daemon=True).start()
        if not ready.wait(PATIENCE_S):
            raise TimeoutError("the hub does not listen:\n" + "".join(self._log))

    def _read(self, stderr, ready):
        for line in stderr:
            self._log.append(line)
            place = re.search(r"listening.*127\.0\.0\.1:(\d+)", line)
            if place:
                self._port = int(place[1])
                ready.set()
        stderr.close()

    def drain(self):
        """Sends SIGTERM and answers with the exit code."""
        self._child.terminate()
        return self._child.wait(PATIENCE_S)

    def stop(self):
        self._child.kill()
        self._child.wait()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._port}/rte"

    @property
    def log(self):
        return "".join(self._log)

    def token(self, **claims):
        """A JSON Web Token, HS256 (RFC 7515), made without any library that the hub might share."""
        claims = {"exp": int(time.time()) + 3600, "org": ORGANIZATION, **claims}
        signed = ".".join(_part(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
        return f"{signed}.{_part(hmac.digest(self._secret.encode(), signed.encode(), hashlib.sha256))}"

    def client_token(self):
        return self.token(sub=USER, rte=["user/*"])

    def publish(self, *user_ids):
        """Publishes one call to each of the users, in this order."""
        body = json.dumps([{"eventName": EVENT, "data": call_in(user_id)} for user_id in user_ids]).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token(scope='publish')}"}
        request = urllib.request.Request(self.url.removesuffix("/rte") + "/publish", body, headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            assert response.status == 202, response.read()


def _part(value):
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def call_in(user_id):
    """The data of one UserCallInComing."""
    return {
        "callerNumber": "+358401234567",
        "callId": "2f7f0a54-1f0b-4c0b-9a3a-7f1f4c1d9e02",
        "legId": "leg-1",
        "organizationId": ORGANIZATION,
        "targetNumber": "+358101234567",
        "userId": user_id,
        "username": "päivi@example.com",
    }


def pair(entity_id, event_name=EVENT):
    return {"EntityId": entity_id, "EventName": event_name}


def verdict(entity_id, subscribed, message=None, event_name=EVENT):
    return {"subscribed": subscribed, "message": message, "entityId": entity_id, "eventName": event_name.lower()}


def message(entity_id):
    """What arrives for a call to that user."""
    return {"subscription": {"entityId": entity_id, "eventName": EVENT.lower()}, "data": call_in(entity_id)}


def assert_in_guide(case, client, tried):
    """Holds the guide's table to what was tried: of each transport the hub protocols."""
    transports = ("WebSockets", "ServerSentEvents", "LongPolling")
    protocols = " | ".join(", ".join(tried.get(transport, ())) for transport in transports)
    row = f"| `{client}` {importlib.metadata.version(client)} | {protocols} |\n"
    case.assertIn(row, (ROOT / "src/guide/compatibility.md").read_text())
