#!/usr/bin/env python3
"""The steps of tools/test: one table, run in order, counted and timed.

A step is a command. What it counts is one result, or the results of a JUnit file that it writes. A step whose
`needs` failed counts as one failure without being run. Each step writes to build/test/<name>.log; the end of that
is shown when it fails. Whatever a step leaves running is ended.
"""
import argparse
import ctypes
import os
import pathlib
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree
from dataclasses import dataclass, field

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "test"
NODE = ROOT / "build" / "dev" / "app" / "frontdesk"
JOBS = str(os.cpu_count() or 2)


@dataclass
class Step:
    name: str
    command: list
    needs: list = field(default_factory=list)
    folder: str = "."
    minutes: float = 10
    junit: str = ""                                     # file below build/test with the results; empty: one result
    environment: dict = field(default_factory=dict)


def fuzz_steps(seconds):
    """A short run of every fuzz target from its seeds."""
    targets = sorted(file.stem for file in (ROOT / "tests" / "fuzz").glob("fuzz_*.cpp"))
    if not targets:
        return []
    steps = [Step("fuzz-configure", ["cmake", "--preset", "fuzz"]),
             Step("fuzz-build", ["cmake", "--build", "--preset", "fuzz", "--target", *targets],
                  needs=["fuzz-configure"], minutes=20)]
    for target in targets:
        found = LOGS / f"{target}-found"
        found.mkdir(parents=True, exist_ok=True)
        seeds = ROOT / "tests" / "fuzz" / "corpus" / target
        command = [str(ROOT / "build" / "fuzz" / "tests" / "fuzz" / target), f"-max_total_time={seconds}",
                   "-timeout=20", "-rss_limit_mb=2048", f"-artifact_prefix={LOGS}/", str(found)]
        steps.append(Step(target, command + ([str(seeds)] if seeds.is_dir() else []), needs=["fuzz-build"]))
    return steps


def web_steps():
    """The TypeScript side; its end-to-end tests run the node of the dev build in a browser."""
    if not (ROOT / "web" / "package-lock.json").exists():
        return []
    steps = [Step("web-install", ["tools/install_web"]),
             Step("web-check", ["npm", "run", "check"], needs=["web-install"], folder="web"),
             Step("web-build", ["npm", "run", "build"], needs=["web-install"], folder="web"),
             Step("web-test", ["npm", "test", "--", "--reporter=default", "--reporter=junit",
                               f"--outputFile.junit={LOGS}/web-test.xml"],
                  needs=["web-install"], folder="web", junit="web-test.xml")]
    if (ROOT / "web" / "e2e" / "vitest.config.ts").exists():
        steps.append(Step("e2e", ["npm", "run", "e2e", "--", "--reporter=default", "--reporter=junit",
                                  f"--outputFile.junit={LOGS}/e2e.xml"],
                          needs=["build", "web-build"], folder="web", junit="e2e.xml",
                          environment={"FRONTDESK_BINARY": str(NODE)}))
    return steps


def all_steps(fuzz_seconds):
    # The short rounds of tests/faults are part of ctest, which knows where their programs are.
    return [
        Step("layers", ["python3", "tools/check_layers.py"]),
        Step("scripts", ["tools/check_scripts"]),
        Step("format", ["tools/format", "--all", "--check"]),
        Step("configure", ["cmake", "--preset", "dev"]),
        Step("build", ["cmake", "--build", "--preset", "dev", "-j", JOBS], needs=["configure"], minutes=40),
        Step("ctest", ["ctest", "--preset", "dev", "-j", JOBS, "--timeout", "300", "--output-junit",
                       str(LOGS / "ctest.xml")], needs=["build"], minutes=20, junit="ctest.xml"),
        *web_steps(),
        *fuzz_steps(fuzz_seconds),
    ]


def count_junit(path):
    """(passed, failed, skipped) of a JUnit file; a file that is missing or broken is one failure."""
    try:
        root = xml.etree.ElementTree.parse(path).getroot()
    except (OSError, xml.etree.ElementTree.ParseError):
        return 0, 1, 0
    passed = failed = skipped = 0
    for case in root.iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail":
            failed += 1
        elif case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def descendants():
    """Processes that we are responsible for. Orphans of our steps come to us (see main)."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents.setdefault(int(stat[stat.rindex(")") + 2:].split()[1]), []).append(int(entry.name))
    found, queue = [], [os.getpid()]
    while queue:
        for child in parents.get(queue.pop(), []):
            found.append(child)
            queue.append(child)
    return found


def end_leftovers():
    """Ends what is still running below us and takes its exit codes; what it was, by name."""
    names = []
    for process in descendants():
        try:
            names.append(pathlib.Path(f"/proc/{process}/comm").read_text().strip())
            os.kill(process, signal.SIGKILL)
        except OSError:
            continue
    while True:
        try:
            if os.waitpid(-1, 0)[0] == 0:
                break
        except ChildProcessError:
            break
    return names


def run(step):
    """(passed, failed, skipped)"""
    log = LOGS / f"{step.name}.log"
    if step.junit:
        (LOGS / step.junit).unlink(missing_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(step.command, cwd=ROOT / step.folder, stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=subprocess.STDOUT, start_new_session=True,
                                   env={**os.environ, **step.environment})
        try:
            code = process.wait(timeout=step.minutes * 60)
        except subprocess.TimeoutExpired:
            code = -1
            out.write(f"\nended after {step.minutes} minutes\n".encode())
            process.kill()
            process.wait()
    left = end_leftovers()
    if left:
        with log.open("ab") as out:
            out.write(f"\nleft running and ended: {' '.join(left)}\n".encode())
    if not step.junit:
        return (1, 0, 0) if code == 0 else (0, 1, 0)
    passed, failed, skipped = count_junit(LOGS / step.junit)
    # A run that failed without a failed case (it crashed, or found no tests) is a failure of its own.
    if code != 0 and failed == 0:
        failed = 1
    return passed, failed, skipped


def tail(step, lines=60):
    text = (LOGS / f"{step.name}.log").read_text(errors="replace").splitlines()
    return "\n".join("    " + line for line in text[-lines:])


def main():
    parser = argparse.ArgumentParser(prog="tools/test", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="*", metavar="STEP", help="run these alone; what they need is taken as done")
    parser.add_argument("--list", action="store_true", help="name the steps")
    parser.add_argument("--fuzz-seconds", type=int, default=15, metavar="N", help="for each fuzz target (default 15)")
    arguments = parser.parse_args()

    LOGS.mkdir(parents=True, exist_ok=True)
    steps = all_steps(arguments.fuzz_seconds)
    if arguments.list:
        for step in steps:
            print(f"{step.name:24} {' '.join(map(str, step.command))}")
        return 0
    unknown = set(arguments.steps) - {step.name for step in steps}
    if unknown:
        parser.error("no such step: " + " ".join(sorted(unknown)))
    if arguments.steps:
        steps = [step for step in steps if step.name in arguments.steps]

    # Orphans of our steps become our children, so that none escapes end_leftovers.
    ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    passed = failed = skipped = 0
    broken, began = set(), time.monotonic()
    try:
        for step in steps:
            waiting_for = [need for need in step.needs if need in broken]
            if waiting_for:
                failed += 1
                broken.add(step.name)
                print(f"FAIL  {step.name}: needs {', '.join(waiting_for)}", flush=True)
                continue
            print(f"....  {step.name}", flush=True)
            start = time.monotonic()
            counts = run(step)
            passed, failed, skipped = passed + counts[0], failed + counts[1], skipped + counts[2]
            if counts[1]:
                broken.add(step.name)
                print(tail(step))
            detail = f"{counts[0]} passed, {counts[1]} failed" + (f", {counts[2]} skipped" if counts[2] else "")
            print(f"{'FAIL' if counts[1] else 'ok':4}  {step.name}: {detail} in {time.monotonic() - start:.0f} s",
                  flush=True)
    finally:
        end_leftovers()
    print(f"total: {time.monotonic() - began:.0f} s" + (f", {skipped} skipped" if skipped else ""))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
