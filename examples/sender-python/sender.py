"""A webhook sender beside Ringmaster's own, by docs/specs/job-queue-sqlite.md: python3 sender.py ringmaster.db
One request at a time, to any address, and to a receiver that hangs as often as to others: for receivers of your own."""
import json, random, signal, sqlite3, sys, time, urllib.request

NEXT = """SELECT seq, app, endpoint, attempts, spent_ms, job ->> 'url' AS url, job -> 'headers' AS headers,
    coalesce(body, job ->> 'body') AS body, job ->> 'timeoutMs' AS timeout_ms, job ->> 'retryWindowMs' AS window_ms
  FROM jobs INDEXED BY jobs_due WHERE state = 0 AND version <= 1 AND (app, endpoint) > (?, ?) AND json_valid(job)
    AND seq NOT IN (SELECT value FROM leases, json_each(leases.jobs)) AND endpoint NOT IN (SELECT endpoint FROM paused)
  ORDER BY app, endpoint, due_at, seq LIMIT 1"""
RETRY = """UPDATE jobs SET state = 1, due_at = ?1 + ?2, changed_at = ?1, attempts = attempts + 1, spent_ms = ?3 + ?2,
  first_attempt_at = coalesce(first_attempt_at, ?4) WHERE seq = ?5"""
BURY = """INSERT INTO dead_letters (id, app, endpoint, version, job, body, reason, attempts, at)
  SELECT job ->> 'id', app, endpoint, version, job, body, ?, attempts + 1, ? FROM jobs WHERE seq = ?"""

class NoRedirects(urllib.request.HTTPRedirectHandler):
    redirect_request = lambda *_: None  # So an answer of 3xx is a failure.

def out_of_time(*_): raise TimeoutError("no complete answer in time")
def now(): return time.time_ns() // 1_000_000
def run(sql, *values): return db.execute(sql, values)

def lease(now_ms, token, turn):
    run("DELETE FROM jobs WHERE seq IN (SELECT value FROM done, json_each(done.jobs))")
    run("DELETE FROM done")
    for ended in run("DELETE FROM leases WHERE until <= ? RETURNING until, taken_at, jobs", now_ms).fetchall():
        run("UPDATE jobs SET due_at = ?, changed_at = ? WHERE seq IN (SELECT value FROM json_each(?))", *ended)
    run("UPDATE jobs SET state = 0 WHERE state = 1 AND due_at <= ?", now_ms)
    if job := run(NEXT, *turn).fetchone() or run(NEXT, "", "").fetchone():
        until_ms = now_ms + job["timeout_ms"] + 10_000
        run("INSERT INTO leases VALUES (?, ?, ?, ?)", token, now_ms, until_ms, f"[{job['seq']}]")
    return job

def post(job):
    """Answers what went wrong; None when it is delivered."""
    try:
        signal.setitimer(signal.ITIMER_REAL, job["timeout_ms"] / 1_000)
        try: direct.open(urllib.request.Request(job["url"], job["body"].encode(), json.loads(job["headers"]))).read(65_536)
        finally: signal.setitimer(signal.ITIMER_REAL, 0)
    except Exception as error: return error

def settle(job, error, taken_at, spent_ms):
    left_ms, cap_ms = job["window_ms"] - spent_ms, min(max(60_000, job["window_ms"] / 12), 21_600_000)
    wait_ms = min(left_ms, round(min(cap_ms, 1_000 * 2 ** job["attempts"]) * random.uniform(1, 1.2)))
    if error and left_ms > 0: return run(RETRY, now(), wait_ms, spent_ms, taken_at, job["seq"])
    if error: run(BURY, repr(error), now(), job["seq"])
    run("DELETE FROM jobs WHERE seq = ?", job["seq"])

db = sqlite3.connect(f"file:{sys.argv[1]}?mode=rw", uri=True, timeout=60, isolation_level=None)
db.row_factory, turn = sqlite3.Row, ("", "")
direct = urllib.request.build_opener(NoRedirects, urllib.request.ProxyHandler({}))
signal.signal(signal.SIGALRM, out_of_time)
while run("PRAGMA user_version").fetchone()[0] == 1:  # Other tables are for another sender.
    taken_at, token = now(), random.randrange(1, 2**32)  # Ringmaster's own tokens are larger.
    with db: run("BEGIN IMMEDIATE"); job = lease(taken_at, token, turn)
    if not job: time.sleep(0.1); continue
    turn, began, error = (job["app"], job["endpoint"]), time.monotonic(), post(job)
    with db:
        run("BEGIN IMMEDIATE")
        if run("DELETE FROM leases WHERE token = ?", token).rowcount:  # Else it has ended, and somebody else has the job.
            settle(job, error, taken_at, job["spent_ms"] + round(1_000 * (time.monotonic() - began)))
