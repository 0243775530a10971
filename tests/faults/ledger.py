#!/usr/bin/env python3
"""Judges a ledger: what drivers wrote down of everything they sent and saw, and what the histories say at the end.

    ledger.py FILE...        0 = clean, 1 = a rule is broken (each finding on a line), 2 = no ledger

The lines are those of load/ledger.hpp; whoever makes the faults adds `crash` lines (kind, at). The rules:

  1  every acknowledged command is in the history, once, at its place
  2  numbers of a conversation start at 1 without a gap, and everybody saw the same event under a number
  3  nothing is in the history that nobody sent
  4  a command is there once or not at all; one that was refused for good is not there
  5  a reader that resumes after n gets n+1 and on, without a hole and without a repeat
  6  what was acknowledged before a crash is there after it
  7  nothing crosses tenants, and no note reaches a visitor
  8  a conversation has at most one assigned agent at any number
  9  in the end everything is answered, and every visitor has seen everything
"""

import collections
import json
import sys

PAGE = 50  # limits.page_events: a node-made subscription begins with the newest page


class Finding(collections.namedtuple("Finding", "rule text")):
    def __str__(self):
        return f"rule {self.rule}: {self.text}"


def read(lines):
    """The entries of a ledger, in order. A last line that was cut off is left out."""
    entries = []
    for number, line in enumerate(lines, 1):
        try:
            entries.append(json.loads(line))
        except ValueError:
            if line.endswith("\n"):
                raise ValueError(f"line {number} is no JSON") from None
    return entries


def key_of(entry):
    return entry.get("client", ""), entry.get("n", 0)


class Checker:
    def __init__(self, entries):
        self.entries = entries
        self.findings = []
        self.people = {e["p"]: e for e in entries if e["e"] == "who"}
        self.sent = {}                                   # (client, n) -> first transmission
        self.texts = collections.defaultdict(set)        # (client, n) -> texts
        self.edits = collections.defaultdict(set)        # text of an edit -> senders
        self.acked = {}                                  # (client, n) -> first acknowledgement with a place, or any
        self.rejected, self.dropped = set(), set()
        self.full = collections.defaultdict(dict)        # c -> seq -> event, as staff reads it
        self.public = collections.defaultdict(dict)      # c -> vseq -> event, as the visitor reads it
        self.ends = set()                                # (by, c)
        self.tenant_of = {}                              # c -> tenant
        self.collect()

    def fault(self, rule, text):
        self.findings.append(Finding(rule, text))

    def staff(self, name):
        return self.people.get(name, {}).get("role") == "agent" or name.startswith(("a", "h"))

    def collect(self):
        seen_twice = set()
        for e in self.entries:
            kind = e["e"]
            if kind == "sent":
                self.note_sent(e)
            elif kind == "acked":
                known = self.acked.get(key_of(e))
                if known and known["seq"] and e["seq"] and known["seq"] != e["seq"]:
                    self.fault(1, f"{key_of(e)} was acknowledged at {known['seq']} and at {e['seq']}")
                if known and known["vseq"] and e["vseq"] and known["vseq"] != e["vseq"]:
                    self.fault(1, f"{key_of(e)} was acknowledged at visible {known['vseq']} and {e['vseq']}")
                if not known or (not (known["seq"] or known["vseq"]) and (e["seq"] or e["vseq"])):
                    # The first time counts for rule 6, the place for rule 1.
                    self.acked[key_of(e)] = {**e, "at": known["at"] if known else e["at"]}
            elif kind == "rejected":
                self.rejected.add(key_of(e))
            elif kind == "dropped":
                self.dropped.add(key_of(e))
            elif kind == "history":
                by_staff = e["seq"] != 0
                into, number = (self.full, e["seq"]) if by_staff else (self.public, e["vseq"])
                if number in into[e["c"]] and (e["by"], e["c"], number) in seen_twice:
                    self.fault(2, f"{e['c']}: {number} is in the history twice")
                seen_twice.add((e["by"], e["c"], number))
                into[e["c"]].setdefault(number, e)
            elif kind == "history_end":
                self.ends.add((e["by"], e["c"]))
            if kind in ("acked", "received", "resumed") and e.get("c") and e.get("p") in self.people:
                self.tenant_of.setdefault(e["c"], self.people[e["p"]]["tenant"])

    def note_sent(self, e):
        known = self.sent.setdefault(key_of(e), e)
        same = all(known.get(field) == e.get(field) for field in ("kind", "text", "target", "assignee", "p"))
        if not same:
            self.fault(4, f"the driver used {key_of(e)} for two contents")  # a broken driver proves nothing
        if e["kind"] in ("message", "note"):
            self.texts[key_of(e)].add(e["text"])
        elif e["kind"] == "edit":
            self.edits[e["text"]].add(e["p"])

    def check(self):
        if not any(e["e"] == "end" for e in self.entries):
            self.fault(9, "the ledger has no end: its driver died")
        self.check_numbers()
        self.check_acknowledged()
        self.check_known_to_senders()
        self.check_once()
        self.check_readers()
        self.check_seen()
        self.check_tenants()
        self.check_assignments()
        self.check_end()
        return self.findings

    # -- rule 2
    def check_numbers(self):
        for c, events in self.full.items():
            if sorted(events) != list(range(1, len(events) + 1)):
                self.fault(2, f"{c}: the history's numbers are not 1 to {len(events)}: {holes(events)}")
            visible = 0
            for seq in sorted(events):
                e = events[seq]
                if e["hidden"]:
                    if e["vseq"] not in (0, visible):
                        self.fault(2, f"{c}: hidden {seq} says {e['vseq']} visible ones came before, not {visible}")
                    continue
                visible += 1
                if e["vseq"] != visible:
                    self.fault(2, f"{c}: {seq} is visible number {e['vseq']}, not {visible}")
        for c, events in self.public.items():
            if sorted(events) != list(range(1, len(events) + 1)):
                self.fault(2, f"{c}: the visitor's history has holes: {holes(events)}")
            visible = {e["vseq"]: e for e in self.full.get(c, {}).values() if not e["hidden"]}
            if self.full.get(c) and sorted(visible) != sorted(events):
                self.fault(2, f"{c}: visitor and staff read different histories")
            for number, e in events.items():
                if number in visible and not alike(e, visible[number], settled=True):
                    self.fault(2, f"{c}: visible {number} is {show(e)} for the visitor and {show(visible[number])} for staff")
        for e in self.entries:
            if e["e"] != "received" or e["c"] not in self.full:
                continue
            by_staff = self.staff(e["p"])
            events = self.full[e["c"]] if by_staff else self.public.get(e["c"], {})
            number = e["seq"] if by_staff else e["vseq"]
            if not events:
                continue
            if number not in events:
                self.fault(2, f"{e['c']}: {e['p']} received {number}, which is not in the history: {show(e)}")
            elif not alike(e, events[number], settled=False):
                self.fault(2, f"{e['c']}: {e['p']} received {show(e)} as {number}; the history has {show(events[number])}")

    # -- rules 1 and 6
    def check_acknowledged(self):
        places = collections.defaultdict(list)
        for c, events in self.full.items():
            for seq, e in events.items():
                if e["client"]:
                    places[key_of(e)].append((c, seq, e))
        crashes = sorted((e["at"], e.get("kind", "crash")) for e in self.entries if e["e"] == "crash")
        for key, ack in self.acked.items():
            if ack["c"] not in self.full:
                self.fault(1, f"{key} was acknowledged in {ack['c']}, whose history nobody could read")
                continue
            found = places.get(key, [])
            if len(found) != 1:
                self.fault(1, f"{show_key(key, self.sent)} was acknowledged and is in the history {len(found)} times")
                later = [kind for at, kind in crashes if at >= ack["at"]]
                if later and not found:
                    self.fault(6, f"{show_key(key, self.sent)} was acknowledged before a crash ({later[0]}) and lost by it")
                continue
            c, seq, e = found[0]
            if c != ack["c"] or (ack["seq"] and ack["seq"] != seq) or (ack["vseq"] and not e["hidden"] and ack["vseq"] != e["vseq"]):
                self.fault(1, f"{show_key(key, self.sent)} was acknowledged at {ack['c']} {ack['seq']}/{ack['vseq']} and is at {c} {seq}/{e['vseq']}")

    # -- rule 3
    def check_known_to_senders(self):
        commands = {"message": "message", "note": "note", "edit": "edit", "recall": "recall"}
        for c, events in self.full.items():
            for seq, e in events.items():
                key = key_of(e)
                if not e["client"]:
                    if e["kind"] in commands:
                        self.fault(3, f"{c} {seq}: a {e['kind']} without a sender")
                    continue
                sent = self.sent.get(key)
                if not sent:
                    self.fault(3, f"{c} {seq}: nobody sent {key}")
                    continue
                if e["kind"] in commands and sent["kind"] != e["kind"]:
                    self.fault(3, f"{c} {seq}: sent as {sent['kind']}, stored as {e['kind']}")
                if e["kind"] in ("message", "note") and not e.get("recalled"):
                    allowed = self.texts[key] if not e["revision"] else set(self.edits)
                    if e.get("text") not in allowed:
                        self.fault(3, f"{c} {seq}: the text {e.get('text')!r} is not what was sent")

    # -- rule 4
    def check_once(self):
        found = collections.defaultdict(list)
        for c, events in self.full.items():
            for seq, e in events.items():
                if e["client"]:
                    found[key_of(e)].append((c, seq))
        for key, places in found.items():
            if len(places) > 1:
                self.fault(4, f"{show_key(key, self.sent)} is in the history {len(places)} times: {places}")
            if key in self.rejected and key not in self.acked:
                self.fault(4, f"{show_key(key, self.sent)} was refused for good and is in the history")

    # -- rule 5: what comes over each link
    def check_readers(self):
        streams = {}  # (p, link, c) -> Stream
        for e in self.entries:
            kind, who = e["e"], (e.get("p"), e.get("link"))
            if kind == "resumed":
                streams.setdefault((*who, e["c"]), Stream(self, e["p"], e["c"], self.staff(e["p"]))).resume(e)
            elif kind == "resync":
                for key, stream in streams.items():
                    if key[:2] == who and e["c"] in ("", key[2]):
                        stream.lost()
            elif kind == "acked" and (*who, e["c"]) in streams:
                stream = streams[(*who, e["c"])]
                stream.own(e["seq"] if stream.staff else e["vseq"])
            elif kind == "received":
                stream = streams.get((*who, e["c"]))
                if stream is None:
                    self.fault(5, f"{e['p']} received {show(e)} of {e['c']}, which it does not follow")
                else:
                    stream.event(e["seq"] if stream.staff else e["vseq"])
        for e in self.entries:
            if e["e"] == "hole":
                self.fault(5, f"{e['p']} saw {e['pos']} after {e['after']} in {e['c']}")

    # -- rule 5: what is handed to the person, over all links
    def check_seen(self):
        seen, own = collections.defaultdict(list), collections.defaultdict(set)
        for e in self.entries:
            if e["e"] == "seen":
                seen[(e["p"], e["c"])].append(e["pos"])
            elif e["e"] == "acked" and e.get("c"):
                own[(e["p"], e["c"])].add(e["seq"] if self.staff(e["p"]) else e["vseq"])
        for (p, c), numbers in seen.items():
            for number, times in collections.Counter(numbers).items():
                if times > 1:
                    self.fault(5, f"{p} was shown {number} of {c} {times} times")
            for before, after in zip(numbers, numbers[1:]):
                missing = [n for n in range(before + 1, after) if n not in own[(p, c)]]
                if missing:
                    self.fault(5, f"{p} was shown {after} after {before} in {c}: {missing[:5]} are missing")
                if after < before:
                    self.fault(5, f"{p} was shown {after} after {before} in {c}")

    # -- rule 7
    def check_tenants(self):
        for e in self.entries:
            if e["e"] in ("received", "history"):
                name = e.get("p", e.get("by"))
                role_staff = self.staff(name) if e["e"] == "received" else e["seq"] != 0
                if name.startswith("v") and (e["kind"] == "note" or e["hidden"] or e["seq"] or e["staff"] or
                                             str(e.get("text", "")).startswith("NOTE")):
                    self.fault(7, f"{name} is a visitor and was given {show(e)} with staff's data")
                elif not role_staff and e["kind"] == "note":
                    self.fault(7, f"{name} was given a note")
                mark = tenant_in(e.get("text"))
                tenant = self.people.get(name, {}).get("tenant", int(name[1:]) if name.startswith("h") else None)
                if mark is not None and tenant is not None and mark != tenant:
                    self.fault(7, f"{name} of tenant {tenant} was given a text of tenant {mark}")
            elif e["e"] == "probe" and e["code"] == "told":
                self.fault(7, f"{e['by']} was given the history of {e['c']}, which is not its own")

    # -- rule 8
    def check_assignments(self):
        for c, events in self.full.items():
            fence = 0
            for seq in sorted(events):
                e = events[seq]
                if e["kind"] != "assignment":
                    continue
                if e.get("fence"):
                    if e["fence"] < fence:
                        self.fault(8, f"{c} {seq}: assigned under fence {e['fence']} after {fence}")
                    fence = max(fence, e["fence"])
        told = {}
        for e in self.entries:
            if e["e"] in ("received", "history") and e["kind"] == "assignment" and e["seq"] and "assignee" in e:
                first = told.setdefault((e["c"], e["seq"]), e["assignee"])
                if first != e["assignee"]:
                    self.fault(8, f"{e['c']} {e['seq']}: assigned to {first} and to {e['assignee']}")

    # -- rule 9
    def check_end(self):
        for e in self.entries:
            if e["e"] == "end" and not e["settled"]:
                self.fault(9, "not everything was answered in the end")
        # An own command that comes back as an event is answered by it.
        shown = {key_of(e) for e in self.entries if e["e"] == "received" and e["client"]}
        for key in self.sent:
            if key not in self.acked and key not in shown and key not in self.rejected and key not in self.dropped:
                self.fault(9, f"{show_key(key, self.sent)} was never answered")
        for e in self.entries:
            if e["e"] == "cursor" and not self.staff(e["p"]) and self.public.get(e["c"]):
                newest = max(self.public[e["c"]])
                if e["pos"] != newest:
                    self.fault(9, f"{e['p']} has seen {e['c']} up to {e['pos']} of {newest}")


class Stream:
    """One conversation's numbers as they come over one link. Own ones may come as acknowledgements."""

    def __init__(self, checker, p, c, staff):
        self.checker, self.p, self.c, self.staff = checker, p, c, staff
        self.last = None        # None: any number may be next
        self.acked = set()
        self.blind = False      # told to ask again: nothing can be said until it has
        self.crashed = False    # a crash may have swallowed questions, so answers may be to any of them
        self.others = ()        # numbers that may be gone on from instead of `last`
        self.page_from = None

    def resume(self, e):
        self.blind = False
        self.page_from = None
        self.others = tuple(e.get("asked", ())) if self.crashed else ()
        if e["reset"] or e["after"] is None:
            self.last = None
        else:
            self.last = e["after"]
            if self.staff:  # the node may have subscribed us itself meanwhile, beginning with its newest page
                self.page_from = max(1, e["newest"] - PAGE + 1)

    def lost(self):
        self.blind = self.crashed = True

    def own(self, number):
        if number:
            self.acked.add(number)

    def next_after(self, last, number):
        expected = last + 1
        while expected in self.acked and expected < number:
            expected += 1
        return expected

    def event(self, number):
        if self.blind:
            return
        if self.last is not None:
            fits = any(last < number <= self.next_after(last, number) for last in (self.last, *self.others))
            page = self.page_from is not None and number >= self.page_from
            if not fits and not page and number <= self.last:
                self.checker.fault(5, f"{self.p} got {number} of {self.c} again after {self.last}")
            elif not fits and not page:
                missing = self.next_after(self.last, number)
                self.checker.fault(5, f"{self.p} got {number} of {self.c} after {self.last}: {missing} is missing")
        self.page_from, self.others = None, ()
        self.last = number


def alike(one, other, settled):
    """The same event, seen at different times: `settled` when both are as they stand in the end."""
    if one["kind"] != other["kind"]:
        return False
    if one["client"] and other["client"] and key_of(one) != key_of(other):
        return False
    as_sent = not one["revision"] and not other["revision"] and one["kind"] in ("message", "note")
    if (settled or as_sent) and one["kind"] in ("message", "note"):
        return one.get("text") == other.get("text")
    return True


def holes(numbers):
    numbers = sorted(numbers)
    return [n for n in range(1, numbers[-1] + 1) if n not in set(numbers)][:5] or numbers[:5]


def show(e):
    number = e["seq"] or e["vseq"]
    return f"{e['kind']} {number}" + (f" {e['text']!r}" if e.get("text") else "")


def show_key(key, sent):
    e = sent.get(key)
    what = f"{e['p']}'s {e['kind']} {e.get('text', '')!r}" if e else "an unknown command"
    return f"{what} ({key[0][:8]} {key[1]})"


def tenant_in(text):
    for word in str(text or "").split():
        if word[:1] == "t" and word[1:].isdigit():
            return int(word[1:])
    return None


def check(entries):
    return Checker(entries).check()


def main(paths):
    if not paths:
        print(__doc__)
        return 2
    entries = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            entries += read(file)
    if not entries:
        print("the ledger is empty")
        return 2
    findings = check(entries)
    for finding in findings[:100]:
        print(finding)
    counts = collections.Counter(e["e"] for e in entries)
    print(f"{'BROKEN' if findings else 'clean'}: {counts['sent']} sent, {counts['acked']} acknowledged, "
          f"{counts['received']} received, {counts['history']} in histories, {counts['crash']} crashes, "
          f"{len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
