#!/usr/bin/env python3
"""Writes the seeds of fuzz_frames and fuzz_records from the golden files: run after those have changed."""
import base64
import json
import pathlib

TESTS = pathlib.Path(__file__).resolve().parent.parent


def write(target, name, content):
    folder = TESTS / "fuzz" / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def main():
    for file in sorted((TESTS / "golden" / "wire").glob("*.json")):
        if file.stem.endswith("_minimal"):
            continue
        golden = json.loads(file.read_text())
        write("fuzz_frames", file.stem + ".proto", base64.b64decode(golden["proto_base64"]))
        text = json.dumps(golden["json"], separators=(",", ":"), ensure_ascii=False)
        write("fuzz_frames", file.stem + ".json", text.encode())
    for file in sorted((TESTS / "golden" / "records").glob("*.hex")):
        write("fuzz_records", file.stem, bytes.fromhex(file.read_text()))


if __name__ == "__main__":
    main()
