#!/usr/bin/env python3
"""Fails when a source file includes what layers.toml does not allow its unit to include."""
import pathlib
import re
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
SUFFIXES = {".hpp", ".cpp"}


def unit_of(path, units):
    """The longest listed unit that holds the path, or None."""
    held = [u for u in units if path == u or path.startswith(u + "/")]
    return max(held, key=len, default=None)


def check(root=ROOT):
    table = tomllib.loads((root / "layers.toml").read_text())
    includes, libraries = table["includes"], table["libraries"]
    found, problems = set(), []
    for unit_top in sorted({u.split("/")[0] for u in includes}):
        for file in sorted((root / unit_top).rglob("*")):
            if file.suffix not in SUFFIXES:
                continue
            name = file.relative_to(root).as_posix()
            unit = unit_of(name, includes)
            found.add(unit)
            allowed = includes[unit]
            for _, target in INCLUDE.findall(file.read_text()):
                other = unit_of(target, includes)
                if other and other != unit and "*" not in allowed and other not in allowed:
                    problems.append(f"{name}: unit {unit} may not include {target} (unit {other})")
                for prefix, users in libraries.items():
                    if target.startswith(prefix) and unit not in users:
                        problems.append(f"{name}: unit {unit} may not use <{target}>")
    for unit in includes:
        if unit not in found:
            problems.append(f"layers.toml: unit {unit} matches no file")
    return problems


if __name__ == "__main__":
    problems = check()
    print("\n".join(problems) if problems else "layers: ok")
    sys.exit(1 if problems else 0)
