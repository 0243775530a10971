#!/usr/bin/env python3
"""Holds the event store to its word: kills its writer, pulls the plug, fills, breaks and damages its disk, and checks
after each round that everything acknowledged is there once, in order, and that damage is found and never served.

Needs the store_writer program; loop devices, mounts and fiu-run where a kind of fault asks for them (the kind is
skipped where they are missing). The seed is printed; --seed repeats the choices, though not the timing.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE = 60  # seconds for what should take one


class Broken(Exception):
    """The store has broken its word."""


class Skipped(Exception):
    """This machine cannot show this kind of fault."""


def run(*words, check=True):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if check and done.returncode != 0:
        raise Skipped(f"{' '.join(words)}: {done.stdout.strip()}")
    return done


class Writer:
    """A running store_writer, whose words are read as they come."""

    def __init__(self, torture, folder, *options, prefix=(), env=None):
        words = [*prefix, torture.program, "write", folder, *map(str, options)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, env={**os.environ, **(env or {})})
        torture.stack.callback(self.stop)
        self.changed = threading.Condition()
        self.lines = []
        self.ended = False
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            if not line.endswith(b"\n"):
                break  # cut by the kill: it says nothing
            with self.changed:
                self.lines.append(line.decode().rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait_for(self, prefix, after=0):
        """The index behind the first line that begins so; nothing if the writer ends without it."""
        deadline = time.monotonic() + PATIENCE
        with self.changed:
            at = after
            while True:
                for index in range(at, len(self.lines)):
                    if self.lines[index].startswith(prefix):
                        return index + 1
                at = len(self.lines)
                if self.ended:
                    return None
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Broken(f"no '{prefix}' within {PATIENCE} s; last: {self.lines[-3:]}")
                self.changed.wait(left)

    def must(self, prefix, after=0):
        found = self.wait_for(prefix, after)
        if found is None:
            raise Broken(f"the writer ended without '{prefix}': {self.lines[-5:]}")
        return found

    def freeze(self):
        """Stops it outside of any system call."""
        self.process.send_signal(signal.SIGSTOP)
        tasks = f"/proc/{self.process.pid}/task"
        deadline = time.monotonic() + PATIENCE
        while True:
            states = []
            for task in os.listdir(tasks):
                with open(f"{tasks}/{task}/stat", encoding="ascii", errors="replace") as stat:
                    states.append(stat.read().rpartition(")")[2].split()[0])
            if all(state in "TtZX" for state in states):
                return
            if time.monotonic() > deadline:
                raise Broken("the writer does not stop")
            time.sleep(0.005)

    def end(self):
        """Waits until it has ended by itself."""
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Broken("the writer did not end") from None
        self.reader.join()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()


class Ledger:
    """What was acknowledged: by conversation, the newest event."""

    def __init__(self):
        self.acknowledged = {}
        self.commits = 0
        self.note = ""

    def take(self, writer, until=None, reads=True):
        """`until`: only so many lines count. `reads`: they must have gone on."""
        for line in writer.lines[:until]:
            if reads and line.startswith("read-failed"):
                raise Broken(f"reads did not go on: {line}")
            if line.startswith("ack "):
                _, conversation, seq = line.split()
                self.commits += 1
                previous = self.acknowledged.get(conversation, 0)
                if int(seq) <= previous:
                    raise Broken(f"conversation {conversation}: {seq} acknowledged after {previous}")
                self.acknowledged[conversation] = int(seq)

    def compare(self, lasts):
        for conversation, seq in self.acknowledged.items():
            if lasts.get(conversation, 0) < seq:
                raise Broken(f"conversation {conversation}: {seq} was acknowledged, "
                             f"the store ends at {lasts.get(conversation, 0)}")
        self.acknowledged = dict(lasts)


class Torture:
    def __init__(self, program, scratch, rounds, rng):
        self.program = program
        self.scratch = scratch
        self.rounds = rounds
        self.random = rng
        self.stack = None  # of the running kind
        self.slowest_check = 0.0

    def check(self, folder):
        """Opens the store as a restart does, verifies it and reads everything."""
        begin = time.monotonic()
        done = subprocess.run([self.program, "check", folder], stdout=subprocess.PIPE, text=True)
        self.slowest_check = max(self.slowest_check, time.monotonic() - begin)
        lines = done.stdout.splitlines()
        lasts = {}
        for line in lines:
            if line.startswith("last "):
                _, conversation, seq = line.split()
                if int(seq) > 0:
                    lasts[conversation] = int(seq)
        return done.returncode, lasts, [line for line in lines if not line.startswith("last ")]

    def must_be_whole(self, folder, ledger):
        code, lasts, complaints = self.check(folder)
        if code != 0:
            raise Broken(f"the check ended with {code}: {complaints[:5]}")
        ledger.compare(lasts)

    def pause(self, least, most):
        time.sleep(self.random.uniform(least, most))

    def folder(self, name):
        path = os.path.join(self.scratch, name)
        os.makedirs(path, exist_ok=True)
        return path

    # -- disks -------------------------------------------------------------------------------------------------------

    def mount(self, source, point, *options):
        os.makedirs(point, exist_ok=True)
        run("mount", *options, source, point)
        self.stack.callback(lambda: run("umount", "-l", point, check=False))

    def make_disk(self, kind, name):
        if not shutil.which(f"mkfs.{kind}"):
            raise Skipped(f"there is no mkfs.{kind}")
        image = os.path.join(self.scratch, f"{name}.img")
        with open(image, "wb") as file:
            file.truncate(512 << 20)
        run(f"mkfs.{kind}", "-q", *(["-F"] if kind == "ext4" else ["-f"]), image)
        return image

    # -- kinds of faults ---------------------------------------------------------------------------------------------

    def kill(self):
        """SIGKILL at any moment."""
        folder, ledger = self.folder("kill") + "/store", Ledger()
        for _ in range(self.rounds or 5):
            writer = Writer(self, folder, "--batch", self.random.choice([1, 5, 50]))
            writer.must("opened")
            self.pause(0.02, 0.5)
            writer.stop()
            ledger.take(writer)
            self.must_be_whole(folder, ledger)
        return ledger

    def failpoint(self):
        """Death at each named point of a commit."""
        if run(self.program, "failpoints", ".", check=False).returncode != 0:
            raise Skipped("this build has no failpoints")
        folder, ledger = self.folder("failpoint") + "/store", Ledger()
        for _ in range(self.rounds or 1):
            for point in ("commit_before_write", "commit_after_write", "commit_after_watermark"):
                at = self.random.randint(1, 60)
                writer = Writer(self, folder, env={"FRONTDESK_FAIL": f"{point}=crash@{at}"})
                writer.end()
                if writer.process.returncode != 137:
                    raise Broken(f"{point} did not kill: {writer.process.returncode}")
                ledger.take(writer)
                self.must_be_whole(folder, ledger)
        return ledger

    def power_ext4(self):
        """Power loss on ext4: what was not synced is gone."""
        return self.power("ext4")

    def power_xfs(self):
        """Power loss on XFS."""
        return self.power("xfs")

    def power(self, kind):
        if not shutil.which("xfs_io"):
            raise Skipped("there is no xfs_io")
        image, point, ledger = self.make_disk(kind, f"power-{kind}"), self.folder(f"power-{kind}"), Ledger()
        folder = point + "/store"
        for _ in range(self.rounds or 3):
            with contextlib.ExitStack() as inner:
                outer, self.stack = self.stack, inner
                try:
                    self.mount(image, point, "-o", "loop")
                    writer = Writer(self, folder, "--batch", self.random.choice([1, 20]))
                    writer.must("opened")
                    self.pause(0.05, 0.6)
                    run("xfs_io", "-x", "-c", "shutdown", point)
                    writer.stop()
                    ledger.take(writer, reads=False)
                    run("umount", point)
                    self.mount(image, point, "-o", "loop")
                    self.must_be_whole(folder, ledger)
                    run("umount", point)
                finally:
                    self.stack = outer
        return ledger

    def sync(self):
        """A sync fails: nothing is acknowledged after it, and nothing before it is lost."""
        folder, ledger = self.folder("sync") + "/store", Ledger()
        real = shutil.which("fiu-run")
        failed = 0
        for number in range(self.rounds or 4):
            if real and number % 2:
                fault = "enable_random name=posix/io/sync/fdatasync,probability=0.03,failinfo=5"
                writer = Writer(self, folder, prefix=(real, "-x", "-c", fault))
            else:
                writer = Writer(self, folder, "--fail-sync-after", self.random.randint(5, 120))
            writer.end()
            ledger.take(writer)
            if "state failed" in writer.lines:
                failed += 1
                after = writer.lines[writer.lines.index("state failed"):]
                if any(line.startswith("ack ") for line in after):
                    raise Broken("something was acknowledged after a failed sync")
            elif not any(line.startswith("damaged ") for line in writer.lines):
                raise Broken(f"the writer went on after a failed sync: {writer.lines[-3:]}")
            self.must_be_whole(folder, ledger)
        if failed == 0:
            raise Broken("no sync has failed while it wrote")
        return ledger

    def full(self):
        """The disk fills up, and then there is room again."""
        ledger = Ledger()
        for number in range(self.rounds or 3):
            ledger = Ledger()
            with contextlib.ExitStack() as inner:
                outer, self.stack = self.stack, inner
                try:
                    point = self.folder(f"full-{number}")
                    self.mount("tmpfs", point, "-t", "tmpfs", "-o", "size=40m")
                    ballast = point + "/ballast"
                    with open(ballast, "wb") as file:
                        file.write(b"b" * (20 << 20))
                    # By turns the disk itself refuses, and the watermark before it.
                    least = 0 if number % 2 == 0 else 4 << 20
                    writer = Writer(self, point + "/store", "--disk-free-min", least, "--text-bytes", 4000)
                    at = writer.must("state full")
                    if any(line.startswith("ack ") for line in writer.lines[at:]):
                        raise Broken("something was acknowledged on a full disk")
                    if number % 3 == 2:
                        writer.stop()  # killed while it waits
                        os.remove(ballast)
                    else:
                        os.remove(ballast)
                        at = writer.must("state writable", at)
                        writer.must("ack ", at)
                        writer.stop()
                    ledger.take(writer)
                    code, lasts, complaints = self.check_texts(point + "/store", 4000)
                    if code != 0:
                        raise Broken(f"the check ended with {code}: {complaints[:5]}")
                    ledger.compare(lasts)
                finally:
                    self.stack = outer
        return ledger

    def check_texts(self, folder, size):
        done = subprocess.run([self.program, "check", folder, "--text-bytes", str(size)], stdout=subprocess.PIPE,
                              text=True)
        lines = done.stdout.splitlines()
        lasts = {line.split()[1]: int(line.split()[2]) for line in lines if line.startswith("last ")}
        return done.returncode, lasts, [line for line in lines if not line.startswith("last ")]

    def read_only(self):
        """The file system turns read-only under the writer; a good disk takes its place."""
        ledger, recovered = Ledger(), 0
        for number in range(self.rounds or 2):
            ledger = Ledger()
            with contextlib.ExitStack() as inner:
                outer, self.stack = self.stack, inner
                try:
                    image = self.make_disk("ext4", f"read-only-{number}")
                    point = self.folder(f"read-only-{number}")
                    self.mount(image, point, "-o", "loop,errors=remount-ro")
                    writer = Writer(self, point + "/store")
                    writer.must("ack ")
                    self.pause(0.05, 0.3)
                    # What the kernel does when it finds the file system damaged. By turns between two commits, or in
                    # the middle of one. That is no instant: a sync and the write of its mark may both return success
                    # between the journal's end and the refusal of writes. So words that come in between do not count.
                    between = number % 2 == 0
                    if between:
                        writer.freeze()
                    told = len(writer.lines)
                    run("mount", "-o", "remount,abort", point)
                    if between:
                        writer.process.send_signal(signal.SIGCONT)
                    at = writer.must("state ", told)
                    if between and writer.lines[at - 1] != "state read_only":
                        raise Broken(f"a read-only disk is no '{writer.lines[at - 1]}'")
                    until = told
                    if any(line.startswith("ack ") for line in writer.lines[at:]):
                        raise Broken("something was acknowledged on a read-only disk")
                    run("umount", "-l", point)
                    run("cp", "--sparse=always", image, image + ".copy")
                    self.mount(image + ".copy", point, "-o", "loop")
                    # A sync that the abort has met is an I/O error, which only a restart gets over.
                    if writer.lines[at - 1] == "state read_only":
                        at = writer.must("state ", at)
                    if between and writer.lines[at - 1] != "state writable":
                        raise Broken("it does not recover by itself")
                    if writer.lines[at - 1] == "state writable":
                        writer.must("ack ", at)
                        until = None
                        recovered += 1
                    writer.stop()
                    ledger.take(writer, until)
                    self.must_be_whole(point + "/store", ledger)
                    run("umount", point)
                finally:
                    self.stack = outer
        ledger.note = f"{recovered} recovered by themselves"
        return ledger

    def flip(self):
        """One bit turns in a file of a closed store: it is found, or nothing was lost by it."""
        folder, ledger = self.folder("flip") + "/store", Ledger()
        writer = Writer(self, folder)
        writer.must("opened")
        self.pause(0.3, 0.6)
        writer.stop()
        ledger.take(writer)
        self.must_be_whole(folder, ledger)  # recovery writes tables
        writer = Writer(self, folder)
        writer.must("opened")
        self.pause(0.3, 0.6)
        writer.stop()
        ledger.take(writer)

        copy = self.folder("flip") + "/copy"
        found = {".log": 0, ".sst": 0}
        rounds = self.rounds or 4
        for ending in found:
            for _ in range(rounds):
                shutil.rmtree(copy, ignore_errors=True)
                shutil.copytree(folder, copy)
                files = [os.path.join(copy, "rocksdb", name) for name in os.listdir(os.path.join(copy, "rocksdb"))
                         if name.endswith(ending)]
                # The largest is where the events are.
                path = max(files, key=os.path.getsize)
                with open(path, "r+b") as file:
                    at = self.random.randrange(os.path.getsize(path))
                    file.seek(at)
                    byte = file.read(1)[0] ^ (1 << self.random.randrange(8))
                    file.seek(at)
                    file.write(bytes([byte]))
                code, lasts, complaints = self.check(copy)
                if code == 3:
                    found[ending] += 1
                    continue
                if code != 0:
                    raise Broken(f"bit at {at} of {path}: the check ended with {code}: {complaints[:3]}")
                saved = dict(ledger.acknowledged)
                ledger.compare(lasts)  # harmless, then nothing may be missing
                ledger.acknowledged = saved
            if found[ending] == 0:
                raise Broken(f"none of {rounds} flipped bits in *{ending} was found")
        self.must_be_whole(folder, ledger)
        return ledger


KINDS = ("kill", "failpoint", "power_ext4", "power_xfs", "sync", "full", "read_only", "flip")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writer", required=True, help="path of the store_writer program")
    parser.add_argument("--rounds", type=int, default=0, help="rounds of each kind (default: a few, by kind)")
    parser.add_argument("--kinds", default=",".join(KINDS), help="comma-separated; default: all")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)

    broken = 0
    scratch = tempfile.mkdtemp(prefix="frontdesk-torture-")
    try:
        torture = Torture(os.path.abspath(given.writer), scratch, given.rounds, random.Random(given.seed))
        for kind in given.kinds.split(","):
            begin = time.monotonic()
            with contextlib.ExitStack() as stack:
                torture.stack = stack
                try:
                    ledger = getattr(torture, kind)()
                    said = f"ok, {ledger.commits} acknowledgements" + (ledger.note and f", {ledger.note}")
                except Skipped as reason:
                    said = f"skipped: {reason}"
                except Broken as reason:
                    said = f"BROKEN: {reason}"
                    broken += 1
            print(f"{kind:<11} {time.monotonic() - begin:5.1f} s  {said}", flush=True)
        print(f"slowest restart with check {torture.slowest_check:.1f} s")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
