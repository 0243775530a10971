#!/usr/bin/env python3
"""Loads of a bad shape: more than the node can do, one tenant that takes nearly all, readers that do not read, sockets
that send far too much. Judged is what the node promises whatever the machine: nothing accepted is lost, whoever
misbehaves is refused or cut, and nobody else is. Times and rates are printed beside the goals, not judged.

    load_shapes.py --node build/release/app/frontdesk --load build/release/tests/load/frontdesk_load [--full]
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

import node_torture
from node_torture import Broken, Node

# The load's own sockets all come from a few addresses, and its pairs send as fast as they can.
UNSHAPED = {"FRONTDESK_LIMITS__SOCKETS_PER_ADDRESS": "1000000", "FRONTDESK_LIMITS__FRAMES_PER_SECOND": "1000000",
            "FRONTDESK_LIMITS__FRAMES_BURST": "1000000", "FRONTDESK_LIMITS__BYTES_PER_SECOND": "1073741824",
            "FRONTDESK_LIMITS__BYTES_BURST": "1073741824"}


class Shapes:
    def __init__(self, node, load, folder, full):
        self.node, self.load, self.folder, self.in_full = node, load, folder, full
        self.random = random.Random(1)
        self.stack = None
        self.runs = 0

    def start_load(self, node, *options):
        """A running load; its figures come from `figures`."""
        self.runs += 1
        file = os.path.join(self.folder, f"figures-{self.runs}.json")
        words = [self.load, "--port", str(node.port), "--admin-port", str(node.admin_port), "--data", node.data,
                 "--server-pid", str(node.pid()), "--json", file, *map(str, options)]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        process.figures = file
        self.stack.callback(lambda: process.poll() is None and process.kill())
        return process

    def figures(self, process):
        complaint = process.communicate(timeout=600)[1]
        if process.returncode != 0:
            raise Broken(f"the load ended with {process.returncode}: {complaint.strip()}")
        with open(process.figures, encoding="utf-8") as file:
            return json.load(file)["measurements"][0]

    def measure(self, node, *options):
        return self.figures(self.start_load(node, *options))

    def begin(self, environment):
        node = Node(self, os.path.join(self.folder, "data"))
        node.start({"FRONTDESK_LIMITS__CONVERSATION_IDLE_MS": "60000", "FRONTDESK_LIMITS__SESSION_IDLE_MS": "30000",
                    **environment})
        return node

    def end(self, node):
        if node.readiness() != 200:
            raise Broken(f"the node is not ready after the load: {node.get('/readyz')[1]}")
        node.drain()

    def unharmed(self, figures, who):
        """Whoever behaves has lost nothing."""
        errors = figures["errors"]
        harm = {name: errors[name] for name in ("lost", "rejected", "disconnects", "connect_failures", "problems")}
        if any(harm.values()):
            raise Broken(f"{who} were harmed: {harm}")

    # -- shapes
    def overload(self):
        """T-4: 120 % of what it can do. Waits or refusals; nothing accepted is lost."""
        node = self.begin(UNSHAPED)
        seconds = 60 if self.in_full else 6
        top = self.measure(node, "--mode", "closed", "--pairs", 200, "--seconds", 3, "--warm-up", 1)
        rate = top["messages_per_second"] * 1.2
        over = self.measure(node, "--mode", "open", "--rate", f"{rate:.0f}", "--pairs", 200, "--seconds", seconds,
                            "--warm-up", 1)
        self.unharmed(over, "the pairs")
        self.end(node)
        p99 = over["really_sent_to_ack"]["p99_us"] / 1e3
        return (f"{top['messages_per_second']:.0f}/s saturated, {over['messages_per_second']:.0f}/s of {rate:.0f} offered; "
                f"{over['errors']['refused_for_now']} refused for now, {over['errors']['postponed']} waited at the sender; "
                f"accepted ones acknowledged within {p99:.0f} ms at p99 (goal 1000)")

    def hot_tenant(self):
        """T-7: one tenant sends all it can; another one chats as before."""
        node = self.begin(UNSHAPED)
        seconds = 30 if self.in_full else 4
        calm = ("--mode", "open", "--rate", 200, "--pairs", 20, "--warm-up", 1, "--new-tenant")
        solo = self.measure(node, *calm, "--seconds", seconds)
        hot = self.start_load(node, "--mode", "closed", "--pairs", 200, "--seconds", seconds + 4, "--warm-up", 0)
        time.sleep(2)  # until the hot one is under way
        beside = self.measure(node, *calm, "--seconds", seconds)
        loud = self.figures(hot)
        self.unharmed(beside, "the calm tenant's pairs")
        self.unharmed(loud, "the hot tenant's pairs")
        self.end(node)
        alone_ms, beside_ms = (each["send_to_push"]["p99_us"] / 1e3 for each in (solo, beside))
        return (f"push p99 of the calm tenant {alone_ms:.1f} ms alone, {beside_ms:.1f} ms beside "
                f"{loud['messages_per_second']:.0f}/s of the hot one (goal: less than twice)")

    def slow_readers(self):
        """T-12: visitors stop reading: each is cut at its outbox limit, memory stays bounded, others go on."""
        node = self.begin(UNSHAPED)
        slow = 200 if self.in_full else 20
        figures = self.measure(node, "--mode", "open", "--rate", 200, "--pairs", slow + 20, "--slow-readers", slow,
                               "--seconds", 40 if self.in_full else 12, "--warm-up", 1)
        self.unharmed(figures, "the other pairs")
        cut = figures["slow_readers"]["cut_by_node"]
        if cut != slow:
            raise Broken(f"{cut} of {slow} slow readers were cut")
        rss = figures["server_rss_bytes"]
        grown = (rss["end"] - rss["connected"]) / 1048576
        if grown > 256:
            raise Broken(f"the node grew by {grown:.0f} MiB")
        self.end(node)
        return f"{cut:.0f} of {slow} cut, node grew by {grown:.0f} MiB, others' push p99 {figures['send_to_push']['p99_us'] / 1e3:.1f} ms"

    def flood(self):
        """T-41: sockets that send 10,000 frames a second: slowed, warned three times, cut; others go on."""
        node = self.begin({"FRONTDESK_LIMITS__SOCKETS_PER_ADDRESS": "1000000"})
        flooders = 20 if self.in_full else 4
        figures = self.measure(node, "--mode", "open", "--rate", 100, "--pairs", 20, "--flooders", flooders,
                               "--seconds", 30 if self.in_full else 12, "--warm-up", 1)
        self.unharmed(figures, "the pairs")
        flood = figures["flood"]
        if flood["cut_by_node"] != flooders:
            raise Broken(f"{flood['cut_by_node']} of {flooders} flooders were cut")
        if flood["warnings"] < 3 * flooders:
            raise Broken(f"{flooders} flooders had {flood['warnings']} warnings")
        self.end(node)
        return (f"{flooders} cut after {flood['warnings']} warnings, others' push p99 "
                f"{figures['send_to_push']['p99_us'] / 1e3:.1f} ms")


KINDS = ("overload", "hot_tenant", "slow_readers", "flood")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--node", required=True, help="path of frontdesk")
    parser.add_argument("--load", required=True, help="path of frontdesk_load")
    parser.add_argument("--kinds", default=",".join(KINDS), help=f"comma-separated, of {', '.join(KINDS)}")
    parser.add_argument("--full", action="store_true", help="as long and as many as the torture list says")
    given = parser.parse_args()
    unknown = set(given.kinds.split(",")) - set(KINDS)
    if unknown:
        parser.error(f"no such kind: {', '.join(sorted(unknown))}")
    broken = 0
    for kind in given.kinds.split(","):
        folder = tempfile.mkdtemp(prefix="frontdesk-shapes-")
        shapes = Shapes(os.path.abspath(given.node), os.path.abspath(given.load), folder, given.full)
        begin = time.monotonic()
        with contextlib.ExitStack() as stack:
            stack.callback(lambda where=folder: shutil.rmtree(where, ignore_errors=True))
            shapes.stack = stack
            try:
                said = f"ok, {getattr(shapes, kind)()}"
            except (Broken, node_torture.Skipped, subprocess.TimeoutExpired) as reason:
                said = f"BROKEN: {reason}"
                broken += 1
        print(f"{kind:<13} {time.monotonic() - begin:6.1f} s  {said}", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
