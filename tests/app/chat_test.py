#!/usr/bin/env python3
"""`frontdesk chat` against a real node: what scripts rely on.   chat_test.py PATH_OF_FRONTDESK"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

PROGRAM = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "frontdesk"
PATIENCE = 60


class ChatTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="frontdesk-chat-")
        cls.folder = pathlib.Path(cls.scratch.name)
        log = cls.folder / "log"
        with open(log, "wb") as out:
            cls.node = subprocess.Popen([PROGRAM, "serve", "--address", "127.0.0.1", "--port", "0", "--admin-port", "0",
                                         "--data", cls.folder / "data", "--log-format", "json"], stdout=out, stderr=out)
        deadline = time.monotonic() + PATIENCE
        ready = None
        while ready is None:
            if time.monotonic() > deadline or cls.node.poll() is not None:
                raise RuntimeError(log.read_text())
            time.sleep(0.02)
            for line in log.read_text().splitlines():
                entry = json.loads(line) if line.endswith("}") else {}
                ready = entry if "admin_port" in entry else ready
        cls.url = f"ws://127.0.0.1:{ready['port']}"
        cls.admin = f"http://127.0.0.1:{ready['admin_port']}/v1/admin"
        cls.key = (cls.folder / "data" / "admin.key").read_text().strip()
        cls.inbox = cls.ask("GET", "/inboxes")["inboxes"][0]["key"]

    @classmethod
    def tearDownClass(cls):
        cls.node.send_signal(signal.SIGKILL)
        cls.node.wait()
        cls.scratch.cleanup()

    @classmethod
    def ask(cls, method, path, body=None):
        request = urllib.request.Request(cls.admin + path, method=method, data=body and json.dumps(body).encode(),
                                         headers={"Authorization": f"Bearer {cls.key}"})
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    def chat(self, *options, typed="", token=None):
        environment = {name: value for name, value in os.environ.items() if name != "FRONTDESK_TOKEN"}
        if token:
            environment["FRONTDESK_TOKEN"] = token
        return subprocess.run([PROGRAM, "chat", "--url", self.url, *map(str, options)], input=typed.encode(),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, timeout=PATIENCE)

    def visitor(self, *options, typed=""):
        return self.chat("--inbox", self.inbox, *options, typed=typed)

    def agent(self, name, capacity=0):
        made = self.ask("POST", "/accounts", {"tenant": 1, "name": name, "role": "agent", "capacity": capacity})
        return made["token"]

    @staticmethod
    def frames(done):
        return [json.loads(line) for line in done.stdout.decode().splitlines()]

    def test_everything_typed_is_acknowledged_and_the_exit_code_says_so(self):
        done = self.visitor("--json", typed="one\ntwo\nthree\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        acknowledged = [frame["acknowledge"] for frame in self.frames(done) if "acknowledge" in frame]
        self.assertEqual([each["clientSeq"] for each in acknowledged], ["1", "2", "3"])

    def test_people_see_the_places_of_their_messages(self):
        done = self.visitor(typed="hello\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("[1] sent", done.stdout.decode())

    def test_a_state_file_keeps_the_visitor_and_the_conversation(self):
        state = self.folder / "visitor.json"
        first = self.visitor("--state", state, "--json", typed="first\n")
        again = self.visitor("--state", state, "--json", typed="second\n")
        self.assertEqual((first.returncode, again.returncode), (0, 0), first.stderr + again.stderr)
        places = [[(frame["acknowledge"]["conversation"], frame["acknowledge"]["clientSeq"])
                   for frame in self.frames(done) if "acknowledge" in frame] for done in (first, again)]
        self.assertEqual(places[0][0][0], places[1][0][0])
        self.assertEqual((places[0][0][1], places[1][0][1]), ("1", "2"))

    def test_what_could_not_be_sent_is_sent_by_the_next_run(self):
        state = self.folder / "outbox.json"
        away = subprocess.run([PROGRAM, "chat", "--url", "ws://127.0.0.1:9", "--inbox", self.inbox, "--state", state,
                               "--wait", "0.2"], input=b"from the outbox\n", stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=PATIENCE)
        self.assertEqual(away.returncode, 1)
        done = self.visitor("--state", state, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sum("acknowledge" in frame for frame in self.frames(done)), 1)

    def test_an_agent_takes_answers_notes_and_resolves(self):
        token = self.agent("Ann", capacity=5)
        state = self.folder / "asker.json"
        asked = self.visitor("--state", state, "--name", "Bob", "--json", typed="Where is my order?\n")
        number = next(frame["acknowledge"]["number"] for frame in self.frames(asked) if "acknowledge" in frame)
        typed = "\n".join(["/list waiting", "/list mine", ""])
        listed = self.chat("--linger", 0.5, typed=typed, token=token)
        self.assertIn(f"#{number} Bob", listed.stdout.decode())
        conversation = json.loads(state.read_text())["conversations"][0]["outbox"]["conversation"]
        typed = "\n".join([f"/take {conversation}", "/note an angry one", "/reply It is on its way", "/resolve", ""])
        answered = self.chat("--linger", 0.5, typed=typed, token=token)
        self.assertEqual(answered.returncode, 0, answered.stderr)
        seen = self.visitor("--state", state, "--linger", 0.5).stdout.decode()
        self.assertIn("Ann: It is on its way", seen)
        self.assertIn("(resolved)", seen)
        self.assertNotIn("angry", seen)

    def test_what_others_write_cannot_steer_the_terminal(self):
        state = self.folder / "steering.json"
        self.visitor("--state", state, typed="\x1b]0;title\x07 \x9b31m\n".encode("utf-8").decode("utf-8"))
        conversation = json.loads(state.read_text())["conversations"][0]["outbox"]["conversation"]
        shown = self.chat("--linger", 0.5, typed=f"/use {conversation}\n", token=self.agent("Eve")).stdout
        self.assertIn(b"]0;title", shown)
        for control in (b"\x1b", b"\x07", b"\xc2\x9b"):
            self.assertNotIn(control, shown)

    def test_a_refused_command_makes_the_exit_code_1(self):
        done = self.visitor("--json", typed="x" * 40000 + "\n")
        self.assertEqual(done.returncode, 1)
        self.assertTrue(any(frame.get("rejected", {}).get("code") == "too_large" for frame in self.frames(done)))

    def test_an_unknown_command_makes_the_exit_code_1(self):
        self.assertEqual(self.visitor(typed="/resolve\n").returncode, 1)  # it is staff's

    def test_a_wrong_inbox_and_a_wrong_token_make_the_exit_code_1(self):
        self.assertEqual(self.chat("--inbox", "wrong", typed="hello\n").returncode, 1)
        self.assertEqual(self.chat(token="wrong").returncode, 1)

    def test_wrong_options_make_the_exit_code_2(self):
        self.assertEqual(self.chat().returncode, 2)  # neither visitor nor agent
        self.assertEqual(self.chat("--url", "ftp://x", "--inbox", "k").returncode, 2)
        self.assertEqual(self.chat("--unknown").returncode, 2)


if __name__ == "__main__":
    unittest.main()
