"""A webhook sender beside Ringmaster's own, by docs/specs/job-queue-redis.md: python3 redis_sender.py 127.0.0.1 6379 ringmaster
One request at a time, to any address, and to a receiver that hangs as often as to others: for receivers of your own."""
import json, pathlib, random, signal, socket, sys, time, urllib.request

FORMAT, JOB_VERSION = 1, 1
LUA = pathlib.Path(__file__).parents[2] / "src/stores/redis/lua"

class NoRedirects(urllib.request.HTTPRedirectHandler):
    redirect_request = lambda *_: None  # So an answer of 3xx is a failure.

def out_of_time(*_): raise TimeoutError("no complete answer in time")

def command(*words):
    encoded = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    redis.write(b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded))
    redis.flush()
    return reply()

def reply():
    line = redis.readline()
    if not line: raise ConnectionError("Redis has gone away")
    kind, rest = line[:1], line[1:-2]
    if kind == b"-": raise RuntimeError(rest.decode())
    if kind == b":": return int(rest)
    if kind == b"$": return None if rest == b"-1" else redis.read(int(rest) + 2)[:-2]
    if kind == b"*": return [reply() for _ in range(int(rest))]
    return rest

def run(script, key, *args):
    """An empty time: that of the server."""
    parts = [(LUA / f"{name}.lua").read_text() for name in ("time", "jobs", script)]
    return command("EVAL", "\n".join(["#!lua flags=allow-oom", *parts]), 1, keys + key, "", keys, *args)

def take():
    """The next job, and what is to be done with it; None when nothing is due."""
    _, *due = run("due-endpoints", "clock", JOB_VERSION, 1, 500)
    for version, endpoint, _ in due[:1]:
        for number, token, text, tries in run("lease-jobs", "leased", 15_000, version, endpoint, 1):
            attempts, spent_ms = map(int, (tries or b"0 0 0").split()[:2])
            return number, token, text, attempts, spent_ms

def read(text):
    head, _, body = text[1:].partition(b"\n") if text[:1] == b"1" else (text[1:], b"", None)
    job = json.loads(head)
    return job, job["body"].encode() if body is None else body

def post(job, body):
    """Answers what went wrong; None when it is delivered."""
    try:
        signal.setitimer(signal.ITIMER_REAL, min(job["timeoutMs"], 5_000) / 1_000)
        try: direct.open(urllib.request.Request(job["url"], body, job["headers"])).read(65_536)
        finally: signal.setitimer(signal.ITIMER_REAL, 0)
    except Exception as error: return error

def outcome(job, error, attempts, spent_ms):
    window_ms = job["retryWindowMs"]
    left_ms, cap_ms = window_ms - spent_ms, min(max(60_000, window_ms / 12), 21_600_000)
    wait_ms = min(left_ms, round(min(cap_ms, 1_000 * 2 ** attempts) * random.uniform(1, 1.2)))
    if not error: return "delivered", "", ""
    if left_ms > 0: return "retry", wait_ms, spent_ms + wait_ms
    return "buried", attempts + 1, repr(error)

host, port, prefix = sys.argv[1:]
keys, meta = f"{prefix}:{{jobs}}:", f"{prefix}:{{nodes}}:meta"
redis = socket.create_connection((host, int(port))).makefile("rwb")
direct = urllib.request.build_opener(NoRedirects, urllib.request.ProxyHandler({}))
signal.signal(signal.SIGALRM, out_of_time)
while int(command("HGET", meta, "readable-by") or 0) <= FORMAT:  # What is newer is for another sender.
    taken = take()
    if not taken: time.sleep(0.1); continue
    number, token, text, attempts, spent_ms = taken
    try: job, body = read(text)
    except Exception as error: run("settle-jobs", "delayed", number, token, "buried", attempts, f"cannot be read: {error}"); continue
    began, error = time.monotonic(), post(job, body)
    spent_ms += round(1_000 * (time.monotonic() - began))
    run("settle-jobs", "delayed", number, token, *outcome(job, error, attempts, spent_ms))
