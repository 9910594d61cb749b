"""A fake of the Go program with etcd's client: works, or fails in one way; started with a mode, then with options."""

from __future__ import annotations

import json
import signal
import sys

mode = sys.argv[1]
options = dict(argument[1:].split("=", 1) for argument in sys.argv[2:])
figures = {
    "count": int(options.get("clients", 1)),
    "per_s": float(options.get("size", 1)),
    "p50_ms": 1.5,
    "p95_ms": 2.0,
    "p99_ms": 3.0,
    "max_ms": 4.0,
    "errors": int(options.get("keys", 0)),
    "cpu_s": 0.5,
}


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


match mode:
    case "works":
        say("begin")
        say(json.dumps(figures))
    case "ends early":
        say("begin")
        sys.exit(3)
    case "does not begin":
        say(json.dumps(figures))
    case "chatters":
        say("begin")
        say("Segmentation fault")
    case "hangs":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        say("begin")
        signal.pause()
    case "steady":
        say("ready")
        for line in sys.stdin:
            say(json.dumps({"recovered_s": 0.25} if line == "mark\n" else {"heard": line}))
    case "not ready":
        say("steady?")
    case _:
        sys.exit(f"no such mode: {mode}")
