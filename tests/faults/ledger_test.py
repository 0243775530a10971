#!/usr/bin/env python3
"""Hand-made ledgers: good ones pass, and each rule fires on the ledger that breaks it."""

import copy
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import ledger  # noqa: E402

C = "00010000000000000000000000000001"
VISITOR_CLIENT, AGENT_CLIENT = "c" * 32, "d" * 32
ANN, BOB = "e" * 32, "f" * 32


def event(seq, vseq, kind, client="", n=0, **more):
    """An event as staff sees it."""
    return {"c": C, "seq": seq, "vseq": vseq, "kind": kind, "client": client, "n": n, "hidden": kind == "note",
            "target": 0, "revision": 0, "staff": kind in ("note", "assignment"), **more}


LOG = [
    event(1, 1, "message", VISITOR_CLIENT, 1, text="hello t1 v1 1"),
    event(2, 2, "assignment", assignee=ANN, fence=5),
    event(3, 2, "note", AGENT_CLIENT, 1, text="NOTE t1 a1 1"),
    event(4, 3, "message", AGENT_CLIENT, 2, text="answer t1 a1 2"),
    event(5, 4, "message", VISITOR_CLIENT, 2, text="hello t1 v1 2"),
]


def for_visitor(e):
    public = {**e, "seq": 0, "staff": False}
    if e["client"] != VISITOR_CLIENT:
        public.update(client="", n=0)
    for secret in ("assignee", "fence"):
        public.pop(secret, None)
    return public


def good():
    """A visitor and an agent, both connected all the time but for one break of the visitor's link."""
    lines = []

    def add(e, **fields):
        lines.append({"e": e, "at": 1000 + 10 * len(lines), **fields})

    def sent(p, client, n, kind, text):
        add("sent", p=p, link=1, c=C, opening="", client=client, n=n, prev=n - 1, kind=kind, text=text)

    def acked(p, link, e):
        add("acked", p=p, link=link, c=C, client=e["client"], n=e["n"], seq=0 if p == "v1" else e["seq"], vseq=e["vseq"])

    def received(p, link, e):
        add("received", p=p, link=link, **(for_visitor(e) if p == "v1" else e))
        add("seen", p=p, link=link, c=C, pos=e["vseq"] if p == "v1" else e["seq"])

    add("who", p="v1", role="visitor", tenant=1, self="1" * 32)
    add("who", p="a1", role="agent", tenant=1, self=ANN)
    add("link_up", p="v1", link=1)
    add("link_up", p="a1", link=1)
    sent("v1", VISITOR_CLIENT, 1, "message", LOG[0]["text"])
    add("resumed", p="v1", link=1, c=C, after=0, reset=False, newest=0)
    acked("v1", 1, LOG[0])
    add("resumed", p="a1", link=1, c=C, after=None, reset=False, newest=1)
    received("a1", 1, LOG[0])
    received("a1", 1, LOG[1])
    received("v1", 1, LOG[1])
    sent("a1", AGENT_CLIENT, 1, "note", LOG[2]["text"])
    acked("a1", 1, LOG[2])
    add("link_lost", p="v1", link=1, code=1006)
    sent("a1", AGENT_CLIENT, 2, "message", LOG[3]["text"])
    acked("a1", 1, LOG[3])
    add("link_up", p="v1", link=2)
    add("resumed", p="v1", link=2, c=C, after=2, reset=False, newest=3)
    received("v1", 2, LOG[3])
    sent("v1", VISITOR_CLIENT, 2, "message", LOG[4]["text"])
    acked("v1", 2, LOG[4])
    received("a1", 1, LOG[4])
    add("cursor", p="v1", c=C, pos=4)
    add("cursor", p="a1", c=C, pos=5)
    for e in LOG:
        add("history", by="h1", **e)
    for e in LOG:
        if not e["hidden"]:
            add("history", by="v1", **for_visitor(e))
    add("history_end", by="h1", c=C, count=5)
    add("probe", by="h2", c=C, code="nothing")
    add("end", settled=True)
    return lines


def rules(lines):
    return sorted({finding.rule for finding in ledger.check(lines)})


class LedgerTest(unittest.TestCase):
    def setUp(self):
        self.lines = good()

    def pick(self, e, **fields):
        """The only line of this kind with these fields."""
        found = [line for line in self.lines if line["e"] == e and all(line.get(k) == v for k, v in fields.items())]
        self.assertEqual(len(found), 1, f"{e} {fields}")
        return found[0]

    def drop(self, e, **fields):
        self.lines.remove(self.pick(e, **fields))

    def insert_after(self, line, new):
        self.lines.insert(next(i for i, each in enumerate(self.lines) if each is line) + 1, new)

    def drop_event(self, seq):
        """Takes an event out of all histories."""
        vseq = LOG[seq - 1]["vseq"]
        self.lines = [line for line in self.lines if line["e"] != "history" or not (
            line["seq"] == seq or (line["seq"] == 0 and line["vseq"] == vseq and not LOG[seq - 1]["hidden"]))]

    def crash(self, at):
        self.lines.append({"e": "crash", "kind": "kill", "at": at})

    def assert_breaks(self, *expected):
        found = rules(self.lines)
        for rule in expected:
            self.assertIn(rule, found, [str(f) for f in ledger.check(self.lines)])

    def test_a_good_ledger_is_clean(self):
        self.assertEqual([str(f) for f in ledger.check(self.lines)], [])

    def test_a_good_ledger_with_a_crash_and_a_repeat_is_clean(self):
        first = self.pick("sent", client=VISITOR_CLIENT, n=2)
        self.insert_after(first, copy.deepcopy(first))
        again = copy.deepcopy(self.pick("acked", client=VISITOR_CLIENT, n=2))
        self.insert_after(self.pick("acked", client=VISITOR_CLIENT, n=2), again)
        self.crash(first["at"])
        self.assertEqual([str(f) for f in ledger.check(self.lines)], [])

    def test_an_edited_message_with_a_sent_text_is_clean(self):
        self.insert_after(self.pick("sent", n=2, client=AGENT_CLIENT),
                          {"e": "sent", "at": 1, "p": "a1", "link": 1, "c": C, "opening": "", "client": AGENT_CLIENT,
                           "n": 3, "prev": 2, "kind": "edit", "text": "edited t1 a1 3", "target": 4})
        for line in self.lines:
            if line["e"] == "history" and line["kind"] == "message" and line["vseq"] == 3:
                line.update(text="edited t1 a1 3", revision=6 if line["seq"] else 5)
        self.assertEqual(set(rules(self.lines)) - {9}, set())  # 9: the edit itself was never answered

    # -- rule 1
    def test_an_acknowledged_message_that_is_lost_breaks_1(self):
        self.drop_event(5)
        self.assert_breaks(1)

    def test_an_acknowledged_message_at_another_place_breaks_1(self):
        self.pick("acked", client=AGENT_CLIENT, n=2)["seq"] = 3
        self.assert_breaks(1)

    def test_an_acknowledgement_of_a_conversation_that_cannot_be_read_breaks_1(self):
        self.pick("acked", client=AGENT_CLIENT, n=2)["c"] = "2" * 32
        self.assert_breaks(1)

    def test_two_acknowledgements_that_disagree_break_1(self):
        ack = self.pick("acked", client=AGENT_CLIENT, n=2)
        self.insert_after(ack, {**ack, "seq": 9})
        self.assert_breaks(1)

    # -- rule 2
    def test_a_hole_in_the_history_breaks_2(self):
        self.drop("history", by="h1", seq=2)
        self.assert_breaks(2)

    def test_two_readers_with_different_events_under_a_number_break_2(self):
        self.pick("received", p="a1", seq=5)["text"] = "another"
        self.assert_breaks(2)

    def test_a_received_event_that_the_history_lacks_breaks_2(self):
        line = self.pick("received", p="a1", seq=5)
        self.insert_after(line, {**line, "seq": 6, "vseq": 5, "n": 3})
        self.assert_breaks(2)

    def test_a_number_that_is_there_twice_breaks_2(self):
        self.insert_after(self.pick("history", by="h1", seq=4), {**self.pick("history", by="h1", seq=4)})
        self.assert_breaks(2)

    def test_a_visible_number_that_does_not_count_breaks_2(self):
        self.pick("history", by="h1", seq=5)["vseq"] = 5
        self.assert_breaks(2)

    def test_a_visitor_who_reads_another_history_breaks_2(self):
        self.pick("history", by="v1", vseq=3)["text"] = "another"
        self.assert_breaks(2)

    # -- rule 3
    def test_a_message_that_nobody_sent_breaks_3(self):
        self.drop("sent", client=AGENT_CLIENT, n=2)
        self.assert_breaks(3)

    def test_a_text_that_nobody_sent_breaks_3(self):
        for line in self.lines:
            if line.get("text") == LOG[3]["text"] and line["e"] != "sent":
                line["text"] = "something else"
        self.assert_breaks(3)

    def test_a_message_without_a_sender_breaks_3(self):
        for line in self.lines:
            if line["e"] in ("history", "received") and line.get("seq") == 4:
                line.update(client="", n=0)
        self.assert_breaks(3)

    # -- rule 4
    def test_a_message_that_is_stored_twice_breaks_4(self):
        last = self.pick("history", by="h1", seq=5)
        self.insert_after(last, {**last, "seq": 6, "vseq": 5})
        self.assert_breaks(4)

    def test_a_refused_message_that_is_stored_breaks_4(self):
        line = self.pick("acked", client=AGENT_CLIENT, n=2)
        line.update(e="rejected", code="too_large")
        self.assert_breaks(4)

    def test_a_number_used_for_two_contents_breaks_4(self):
        first = self.pick("sent", client=AGENT_CLIENT, n=2)
        self.insert_after(first, {**first, "text": "answer t1 a1 77"})
        self.assert_breaks(4)

    # -- rule 5
    def test_a_hole_after_a_resume_breaks_5(self):
        self.pick("resumed", p="v1", link=2)["after"] = 1
        self.assert_breaks(5)

    def test_a_repeat_after_a_resume_breaks_5(self):
        self.pick("resumed", p="v1", link=2)["after"] = 3
        self.assert_breaks(5)

    def test_a_hole_on_a_live_link_breaks_5(self):
        self.lines = [line for line in self.lines
                      if not (line["e"] == "received" and line["p"] == "a1" and line["seq"] == 2)]
        self.assert_breaks(5)

    def test_after_a_crash_an_answer_may_be_to_any_question(self):
        resumed = self.pick("resumed", p="v1", link=2)
        self.insert_after(resumed, {"e": "resync", "at": 1, "p": "v1", "link": 2, "c": C})
        self.insert_after(self.pick("resync"), {**resumed, "after": 1, "asked": [1, 2]})
        self.assertEqual([str(f) for f in ledger.check(self.lines)], [])

    def test_after_a_crash_a_hole_still_breaks_5(self):
        resumed = self.pick("resumed", p="v1", link=2)
        self.insert_after(resumed, {"e": "resync", "at": 1, "p": "v1", "link": 2, "c": C})
        self.insert_after(self.pick("resync"), {**resumed, "after": 1, "asked": [1, 0]})
        self.assert_breaks(5)

    def test_an_event_of_a_conversation_that_is_not_followed_breaks_5(self):
        self.drop("resumed", p="v1", link=2)
        self.assert_breaks(5)

    def test_an_event_shown_twice_breaks_5(self):
        seen = self.pick("seen", p="a1", pos=5)
        self.insert_after(seen, dict(seen))
        self.assert_breaks(5)

    def test_an_event_never_shown_breaks_5(self):
        self.drop("seen", p="a1", pos=2)
        self.assert_breaks(5)

    def test_a_hole_that_the_reader_noticed_breaks_5(self):
        self.insert_after(self.pick("seen", p="a1", pos=5),
                          {"e": "hole", "at": 1, "p": "a1", "link": 1, "c": C, "after": 5, "pos": 7})
        self.assert_breaks(5)

    # -- rule 6
    def test_a_message_acknowledged_before_a_crash_and_lost_breaks_6(self):
        self.crash(self.pick("acked", client=VISITOR_CLIENT, n=2)["at"] + 5)
        self.drop_event(5)
        self.assert_breaks(1, 6)

    def test_a_message_lost_after_the_last_crash_does_not_break_6(self):
        self.crash(900)
        self.drop_event(5)
        self.assertNotIn(6, rules(self.lines))
        self.assert_breaks(1)

    # -- rule 7
    def test_a_note_that_reaches_a_visitor_breaks_7(self):
        line = self.pick("received", p="v1", link=2)
        self.insert_after(line, {"e": "received", "at": 1, "p": "v1", "link": 2, **{**LOG[2], "seq": 0}})
        self.assert_breaks(7)

    def test_a_number_of_staff_that_reaches_a_visitor_breaks_7(self):
        self.pick("received", p="v1", link=2)["seq"] = 4
        self.assert_breaks(7)

    def test_a_text_of_another_tenant_breaks_7(self):
        self.pick("who", p="v1")["tenant"] = 2
        self.assert_breaks(7)

    def test_a_history_told_to_another_tenant_breaks_7(self):
        self.pick("probe")["code"] = "told"
        self.assert_breaks(7)

    # -- rule 8
    def test_two_assignees_at_one_number_break_8(self):
        self.pick("received", p="a1", kind="assignment")["assignee"] = BOB
        self.assert_breaks(8)

    def test_an_assignment_under_an_older_fence_breaks_8(self):
        for line in self.lines:
            if line["e"] == "history" and line["seq"] == 4:
                line.update(kind="assignment", assignee=BOB, fence=3, client="", n=0)
        self.assert_breaks(8)

    # -- rule 9
    def test_a_command_without_an_answer_breaks_9(self):
        self.lines = [line for line in self.lines if line["e"] not in ("acked", "received") or line["n"] != 2
                      or line["client"] != VISITOR_CLIENT]
        self.assert_breaks(9)

    def test_a_command_that_comes_back_as_an_event_is_answered(self):
        ack = self.pick("acked", client=VISITOR_CLIENT, n=2)
        self.insert_after(ack, {"e": "received", "at": 1, "p": "v1", "link": 2, **for_visitor(LOG[4])})
        self.lines.remove(ack)
        self.insert_after(self.pick("received", p="v1", vseq=4), {"e": "seen", "at": 1, "p": "v1", "link": 2, "c": C, "pos": 4})
        self.assertEqual([str(f) for f in ledger.check(self.lines)], [])

    def test_an_end_that_is_not_settled_breaks_9(self):
        self.pick("end")["settled"] = False
        self.assert_breaks(9)

    def test_a_ledger_without_an_end_breaks_9(self):
        self.drop("end")
        self.assert_breaks(9)

    def test_a_visitor_who_has_not_seen_the_last_event_breaks_9(self):
        self.pick("cursor", p="v1")["pos"] = 3
        self.assert_breaks(9)

    # -- the file
    def test_a_last_line_that_was_cut_off_is_left_out(self):
        self.assertEqual(ledger.read(['{"e":"end"}\n', '{"e":"se']), [{"e": "end"}])

    def test_a_damaged_line_in_the_middle_is_an_error(self):
        with self.assertRaises(ValueError):
            ledger.read(['{"e":\n', '{"e":"end"}\n'])


if __name__ == "__main__":
    unittest.main()
