#!/usr/bin/env python3
"""Holds a whole node to its word: kills it, drains it, fills and breaks its disk, pulls the plug and makes its actors
crash, while visitors and agents chat over the real protocol and write down what they see. After each kind the ledger
(ledger.py) decides: nothing acknowledged is lost or doubled, order is kept, nobody sees what is not theirs.

    node_torture.py --node build/dev/app/frontdesk --load build/dev/tests/load/frontdesk_load
    node_torture.py ... --kinds kill,drain --rounds 20
    node_torture.py ... --full                          the full rounds: 100 kills, 50 power losses, ...

Needs loop devices, mounts and xfs_io where a kind of fault asks for them (the kind is skipped where they are missing),
and failpoints compiled in for the last two. The seed is printed; --seed repeats the choices, though not the
timing. Times are printed, not judged, but for the patience after which something counts as hanging.
"""

import argparse
import collections
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import ledger  # noqa: E402

PATIENCE = 60          # seconds for what should take a few
DISK_FREE_MIN = 8 << 20


class Broken(Exception):
    """The node has broken its word."""


class Skipped(Exception):
    """This machine, or this build, cannot show this kind of fault."""


def run(*words, check=True):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if check and done.returncode != 0:
        raise Skipped(f"{' '.join(words)}: {done.stdout.strip()}")
    return done


def now_ms():
    return time.monotonic_ns() // 1_000_000


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def wait_until(question, what, seconds=PATIENCE):
    """The seconds it took."""
    begin = time.monotonic()
    while not question():
        if time.monotonic() - begin > seconds:
            raise Broken(f"not within {seconds} s: {what}")
        time.sleep(0.02)
    return time.monotonic() - begin


class Node:
    """`frontdesk serve` on the same ports and folder, as often as it is started."""

    def __init__(self, torture, data):
        self.torture, self.data = torture, data
        self.port, self.admin_port = free_port(), free_port()
        self.process = None
        self.starts = 0
        self.log = None
        self.slowest_start = 0.0
        torture.stack.callback(self.kill)

    def start(self, environment=None):
        self.starts += 1
        self.log = os.path.join(self.torture.folder, f"node-{self.starts}.log")
        words = [self.torture.node, "serve", "--address", "127.0.0.1", "--port", str(self.port),
                 "--admin-port", str(self.admin_port), "--data", self.data, "--log-format", "json"]
        defaults = {"FRONTDESK_LIMITS__DISK_FREE_BYTES_MIN": str(DISK_FREE_MIN),
                    "FRONTDESK_LIMITS__CONVERSATION_IDLE_MS": "1000",  # so that conversations also leave memory
                    "FRONTDESK_LIMITS__SESSION_IDLE_MS": "500",
                    "FRONTDESK_LIMITS__DRAIN_MS": "4000"}
        begin = time.monotonic()
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            env={**os.environ, **defaults, **(environment or {})})
        wait_until(lambda: self.said("ready") or self.process.poll() is not None, "the node is ready")
        if not self.said("ready"):
            raise Broken(f"the node ended at its start with {self.process.returncode}: {self.tail()}")
        self.slowest_start = max(self.slowest_start, time.monotonic() - begin)

    def said(self, message):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return any(f'"{message}"' in line for line in file)

    def tail(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()[-600:]

    def pid(self):
        return self.process.pid

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()

    def freeze(self):
        """Stops it outside of any system call."""
        os.kill(self.pid(), signal.SIGSTOP)
        tasks = f"/proc/{self.pid()}/task"

        def all_stopped():
            for task in os.listdir(tasks):
                with open(f"{tasks}/{task}/stat", encoding="ascii", errors="replace") as stat:
                    if stat.read().rpartition(")")[2].split()[0] not in "TtZX":
                        return False
            return True
        wait_until(all_stopped, "the node stops")

    def thaw(self):
        os.kill(self.pid(), signal.SIGCONT)

    def drain(self):
        """SIGTERM; the seconds until it has ended well."""
        os.kill(self.pid(), signal.SIGTERM)
        return self.end_well()

    def end_well(self):
        begin = time.monotonic()
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Broken(f"the node did not end within {PATIENCE} s") from None
        if code != 0:
            raise Broken(f"the node ended with {code}: {self.tail()}")
        return time.monotonic() - begin

    def get(self, path):
        """(status, text) of the admin listener; status 0 when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()
        except OSError:
            return 0, ""

    def readiness(self):
        return self.get("/readyz")[0]

    def metric(self, name):
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        return 0.0


class Driver:
    """frontdesk_load in its slow mode, and its ledger."""

    def __init__(self, torture, node, rate=80, links=3, visitors=10, settle=60):
        self.torture = torture
        self.ledger = os.path.join(torture.folder, "ledger.jsonl")
        self.crashes = []
        words = [torture.load, "--mode", "ledger", "--until-told", "--port", str(node.port), "--admin-port",
                 str(node.admin_port), "--data", node.data, "--ledger", self.ledger, "--rate", str(rate),
                 "--link-seconds", str(links), "--visitors", str(visitors), "--settle", str(settle),
                 "--seed", str(torture.random.randrange(1 << 32))]
        self.errors = os.path.join(torture.folder, "driver.log")
        with open(self.errors, "wb") as out:
            self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=out)
        torture.stack.callback(self.stop)
        os.set_blocking(self.process.stdout.fileno(), False)
        wait_until(self.ready, "the driver is ready")

    def ready(self):
        if self.process.poll() is not None:
            raise Broken(f"the driver ended with {self.process.returncode}: {self.complaint()}")
        return b"ready" in (self.process.stdout.read() or b"")

    def complaint(self):
        with open(self.errors, encoding="utf-8", errors="replace") as file:
            return file.read()[-600:]

    def crashed(self, kind):
        self.crashes.append({"e": "crash", "kind": kind, "at": now_ms()})

    def entries(self):
        with open(self.ledger, encoding="utf-8") as file:
            return ledger.read(file.readlines())

    def count(self, e, since=0, **fields):
        return sum(1 for entry in self.entries() if entry["e"] == e and entry["at"] >= since and
                   all(entry.get(name) == value for name, value in fields.items()))

    def goes_on(self, what, since=None):
        """Something is acknowledged again."""
        since = now_ms() if since is None else since
        return wait_until(lambda: self.count("acked", since) > 0, f"messages are acknowledged {what}")

    def finish(self):
        """Ends the writing, waits until all is settled and read, and judges."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(b"\n")
            self.process.stdin.flush()
        try:
            code = self.process.wait(3 * PATIENCE)
        except subprocess.TimeoutExpired:
            raise Broken("the driver does not end") from None
        if code != 0:
            raise Broken(f"the driver ended with {code}: {self.complaint()}")
        entries = self.entries() + self.crashes
        findings = ledger.check(entries)
        if findings:
            raise Broken(f"{len(findings)} findings, first: " + "; ".join(map(str, findings[:4])))
        counts = collections.Counter(entry["e"] for entry in entries)
        return counts

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Torture:
    def __init__(self, node, load, failing_sync, rounds, full, rng):
        self.node, self.load, self.failing_sync = node, load, failing_sync
        self.rounds, self.in_full = rounds, full
        self.random = rng
        self.stack = None
        self.folder = None

    def times(self, short, full):
        return self.rounds or (full if self.in_full else short)

    def pause(self, least, most):
        time.sleep(self.random.uniform(least, most))

    def begin(self, data=None, environment=None, **how):
        node = Node(self, data or os.path.join(self.folder, "data"))
        node.start(environment)
        return node, Driver(self, node, **how)

    def end(self, node, driver, note=""):
        """Judges, ends the node and reads its whole store."""
        counts = driver.finish()
        node.drain()
        self.verify(node)
        return (f"{counts['acked']} acknowledged, {counts['received']} received, {counts['history']} in histories, "
                f"slowest start {node.slowest_start:.1f} s" + (f", {note}" if note else ""))

    def verify(self, node):
        done = run(self.node, "verify", "--data", node.data, check=False)
        if done.returncode != 0:
            raise Broken(f"verify ended with {done.returncode}: {done.stdout[-400:]}")

    def must_have_failpoints(self):
        if b"visitor_frames" not in pathlib.Path(self.node).read_bytes():
            raise Skipped("this build has no failpoints")

    # -- disks
    def mount(self, source, point, *options):
        os.makedirs(point, exist_ok=True)
        run("mount", *options, source, point)
        self.stack.callback(lambda: run("umount", "-l", point, check=False))

    def make_disk(self, kind):
        if not shutil.which(f"mkfs.{kind}"):
            raise Skipped(f"there is no mkfs.{kind}")
        image = os.path.join(self.folder, "disk.img")
        with open(image, "wb") as file:
            file.truncate(512 << 20)
        run(f"mkfs.{kind}", "-q", *(["-F"] if kind == "ext4" else ["-f"]), image)
        return image

    # -- kinds
    def kill(self):
        """SIGKILL at any moment, restart, clients resume."""
        node, driver = self.begin()
        back = 0.0
        for _ in range(self.times(3, 100)):
            self.pause(0.3, 2.0)
            node.kill()
            driver.crashed("kill")
            self.pause(0, 0.3)
            node.start()
            back = max(back, driver.goes_on("after the restart"))
        return self.end(node, driver, f"slowest first acknowledgement after a restart {back:.1f} s")

    def drain(self):
        """SIGTERM: not ready at once, sockets are told to move, exit 0."""
        node, driver = self.begin(links=0)
        slowest = 0.0
        for _ in range(self.times(2, 20)):
            self.pause(0.5, 1.5)
            since = now_ms()
            os.kill(node.pid(), signal.SIGTERM)
            wait_until(lambda: node.readiness() != 200, "the node is not ready any more", 5)
            slowest = max(slowest, node.end_well())
            driver.crashed("drain")
            wait_until(lambda: driver.count("link_lost", since) > 0, "links are lost")
            told, lost = driver.count("go_away", since), driver.count("link_lost", since)
            moved = driver.count("link_lost", since, code=1012)
            if told == 0 or moved == 0:
                raise Broken(f"of {lost} sockets {told} were told to leave and {moved} closed with 1012")
            node.start()
            driver.goes_on("after the restart")
        return self.end(node, driver, f"slowest drain {slowest:.1f} s")

    def disk_full(self):
        """The disk fills up, then there is room again: refused with storage_full, not ready, then as before."""
        point = os.path.join(self.folder, "data-disk")
        self.mount("tmpfs", point, "-t", "tmpfs", "-o", "size=160m")
        node, driver = self.begin(data=os.path.join(point, "data"), links=0)
        ballast, recovered = os.path.join(point, "ballast"), 0.0
        for _ in range(self.times(2, 20)):
            self.pause(0.3, 1.0)
            since = now_ms()
            room = shutil.disk_usage(point).free
            with open(ballast, "wb") as file:
                file.write(b"b" * (room - DISK_FREE_MIN // 2))
            wait_until(lambda: driver.count("refused", since, code="storage_full") > 0, "refusals as storage_full")
            wait_until(lambda: node.readiness() == 503, "the node is not ready")
            # Reading goes on: whoever connects again still gets what there is.
            if node.get("/livez")[0] != 200:
                raise Broken("a full disk is no reason to be dead")
            os.remove(ballast)
            since = now_ms()
            recovered = max(recovered, wait_until(lambda: node.readiness() == 200, "the node is ready again"))
            driver.goes_on("after there was room again", since)
        return self.end(node, driver, f"slowest recovery {recovered:.1f} s")

    def read_only(self):
        """The file system turns read-only under the node, and a good disk takes its place."""
        notes = []
        for number in range(self.times(1, 10)):
            with self.nested(f"read-only-{number}"):
                image, point = self.make_disk("ext4"), os.path.join(self.folder, "disk")
                self.mount(image, point, "-o", "loop,errors=remount-ro")
                node, driver = self.begin(data=os.path.join(point, "data"), links=0)
                self.pause(0.3, 1.0)
                # What the kernel does when it finds the file system damaged; between two system calls, since a sync
                # and the write of its mark may both return success between the journal's end and the refusal.
                node.freeze()
                since = now_ms()
                run("mount", "-o", "remount,abort", point)
                node.thaw()
                wait_until(lambda: driver.count("refused", since, code="storage_failed")
                           + driver.count("refused", since, code="storage_full") > 0, "writes are refused")
                wait_until(lambda: node.readiness() == 503, "the node is not ready")
                run("umount", "-l", point)
                run("cp", "--sparse=always", image, image + ".copy")
                self.mount(image + ".copy", point, "-o", "loop")
                driver.crashed("read-only disk")
                since = now_ms()
                try:
                    took = wait_until(lambda: node.readiness() == 200, "the node recovers", 15)
                    notes.append(f"recovered by itself in {took:.1f} s")
                except Broken:
                    # A sync that met the abort is an I/O error, which only a restart gets over.
                    if "failed" not in node.get("/readyz")[1]:
                        raise
                    node.kill()
                    node.start()
                    notes.append("recovered by a restart")
                driver.goes_on("on the good disk", since)
                said = self.end(node, driver)
                run("umount", point, check=False)
        return f"{said}, {'; '.join(notes)}"

    def sync(self):
        """A sync fails: nothing is acknowledged after it, the node says so, and a restart gets over it."""
        if not self.failing_sync:
            raise Skipped("--failing-sync is not given")
        node, driver = self.begin(links=0)
        refused = 0
        for _ in range(self.times(2, 20)):
            node.kill()
            driver.crashed("kill")
            self.start_faulty(node)
            wait_until(lambda: node.process.poll() is not None or node.readiness() == 503,
                       "a sync fails and the node says so")
            if node.process.poll() is None:
                since = now_ms() + 200  # what was on its way is answered
                wait_until(lambda: driver.count("refused", since, code="storage_failed") > 0, "writes are refused")
                if driver.count("acked", since):
                    raise Broken("something was acknowledged after a failed sync")
                refused += 1
            node.kill()
            driver.crashed("failed sync")
            node.start()
            driver.goes_on("after the restart")
        return self.end(node, driver, f"{refused} times read-only until the restart")

    def start_faulty(self, node):
        """Some starts meet the fault themselves: then the node must not come up, and is tried again."""
        for _ in range(20):
            number = self.random.randint(3, 60)
            try:
                # The log is what an acknowledgement stands on; RocksDB may do without some other files.
                return node.start({"LD_PRELOAD": self.failing_sync, "FAILING_SYNC": str(number),
                                   "FAILING_SYNC_OF": ".log"})
            except Broken:
                if node.process.poll() is None:
                    raise
        raise Broken("20 starts have failed")

    def power_ext4(self):
        """Power loss on ext4 under a running node: what was not synced is gone."""
        return self.power("ext4")

    def power_xfs(self):
        """Power loss on XFS."""
        return self.power("xfs")

    def power(self, kind):
        if not shutil.which("xfs_io"):
            raise Skipped("there is no xfs_io")
        image, point = self.make_disk(kind), os.path.join(self.folder, "disk")
        self.mount(image, point, "-o", "loop")
        node, driver = self.begin(data=os.path.join(point, "data"))
        for _ in range(self.times(2, 50)):
            self.pause(0.3, 1.5)
            run("xfs_io", "-x", "-c", "shutdown", point)
            driver.crashed("power")
            node.kill()
            run("umount", point)
            run("mount", "-o", "loop", image, point)
            node.start()
            driver.goes_on("after the power came back")
        said = self.end(node, driver)
        run("umount", point, check=False)
        return said

    def actors(self):
        """Actors crash all the time: their clients see a pause and nothing else."""
        self.must_have_failpoints()
        points = {"conversation_command": 120, "conversation_stored": 120, "visitor_frames": 80, "agent_frames": 80,
                  "routing_desk": 50}
        said = []
        for number in range(self.times(1, 10)):
            with self.nested(f"actors-{number}"):
                fail = ",".join(f"{point}=throw%{chance}" for point, chance in points.items())
                node, driver = self.begin(environment={"FRONTDESK_FAIL": fail}, links=0, rate=150)
                wait_until(lambda: node.metric("frontdesk_entity_restarts_total") >= 20, "20 actors have crashed")
                restarts = node.metric("frontdesk_entity_restarts_total")
                entries = driver.entries()
                lost = [entry for entry in entries if entry["e"] == "link_lost" or
                        (entry["e"] == "problem" and entry["code"] not in ("not_found",))]
                if lost:
                    raise Broken(f"clients saw more than a pause: {lost[:3]}")
                said.append(self.end(node, driver, f"{restarts:.0f} actors restarted"))
        return said[-1]

    def commits(self):
        """Death at each named point of a commit."""
        self.must_have_failpoints()
        node, driver = self.begin()
        for _ in range(self.times(1, 10)):
            for point in ("commit_before_write", "commit_after_write", "commit_after_watermark"):
                node.drain()
                driver.crashed("restart")
                node.start({"FRONTDESK_FAIL": f"{point}=crash@{self.random.randint(5, 60)}"})
                wait_until(lambda: node.process.poll() is not None, f"{point} kills the node")
                if node.process.returncode != 137:
                    raise Broken(f"{point} did not kill: {node.process.returncode}")
                driver.crashed(point)
                node.start()
                driver.goes_on("after the restart")
        return self.end(node, driver)

    @contextlib.contextmanager
    def nested(self, name):
        """A folder and clean-ups of its own."""
        outer_stack, outer_folder = self.stack, self.folder
        with contextlib.ExitStack() as inner:
            self.stack, self.folder = inner, os.path.join(outer_folder, name)
            os.makedirs(self.folder, exist_ok=True)
            try:
                yield
            finally:
                inner.close()
                self.stack, self.folder = outer_stack, outer_folder


KINDS = ("kill", "drain", "disk_full", "read_only", "sync", "power_ext4", "power_xfs", "actors", "commits")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--node", required=True, help="path of frontdesk")
    parser.add_argument("--load", required=True, help="path of frontdesk_load")
    parser.add_argument("--failing-sync", default="", help="path of libfailing_sync.so, for the kind sync")
    parser.add_argument("--rounds", type=int, default=0, help="rounds of each kind (default: a few, by kind)")
    parser.add_argument("--full", action="store_true", help="the full rounds of each kind")
    parser.add_argument("--kinds", default=",".join(KINDS), help=f"comma-separated, of {', '.join(KINDS)}")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--keep", action="store_true", help="keep logs and ledgers of kinds that were broken")
    given = parser.parse_args()
    unknown = set(given.kinds.split(",")) - set(KINDS)
    if unknown:
        parser.error(f"no such kind: {', '.join(sorted(unknown))}")
    print(f"seed {given.seed}", flush=True)

    broken, kept = 0, False
    scratch = tempfile.mkdtemp(prefix="frontdesk-node-torture-")
    try:
        torture = Torture(os.path.abspath(given.node), os.path.abspath(given.load),
                          given.failing_sync and os.path.abspath(given.failing_sync), given.rounds, given.full,
                          random.Random(given.seed))
        for kind in given.kinds.split(","):
            begin = time.monotonic()
            torture.folder = os.path.join(scratch, kind)
            os.makedirs(torture.folder)
            failed = False
            with contextlib.ExitStack() as stack:
                torture.stack = stack
                try:
                    said = f"ok, {getattr(torture, kind)()}"
                except Skipped as reason:
                    said = f"skipped: {reason}"
                except Broken as reason:
                    said, failed = f"BROKEN: {reason}", True
            broken += failed
            print(f"{kind:<10} {time.monotonic() - begin:6.1f} s  {said}", flush=True)
            if failed and given.keep:
                kept = True
            else:
                shutil.rmtree(torture.folder, ignore_errors=True)
    finally:
        if kept:
            print(f"kept: {scratch}")
        else:
            shutil.rmtree(scratch, ignore_errors=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
