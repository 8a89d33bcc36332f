/*
 * The receiver of webhooks: answers every request with 200 at once, and remembers which events came in, and when.
 *
 * Usage: sink PORT HANGING_PORT
 *
 * Both ports are open on every loopback address (127.0.0.0/8), so that a thousand endpoints can be a thousand hosts. Who
 * connects to HANGING_PORT is accepted and never answered. It reads one command a line from standard input and answers
 * each with one line, `ok name=value …` or `error …`:
 *
 *   expect FIRST COUNT   forget what came; events FIRST to FIRST + COUNT - 1 are awaited from here on
 *   await STALL_MS       answers when all of them are there, or none came for so long
 *   look                 answers at once
 *   times FILE           writes when each came first: u64 nanoseconds of CLOCK_MONOTONIC, little-endian, 0 for never
 *
 * An event is known by @<16 digits>@ anywhere in a body, its id. A body may hold many.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define INBOX_BYTES (1 << 20)
#define EVENTS_AT_ONCE 256
#define MARKER_DIGITS 16
#define LOOPBACK_NETWORK 127

#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define LAST_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
#define ANSWERS_AT_ONCE 512

enum kind { KIND_STDIN, KIND_LISTENER, KIND_HANGING_LISTENER, KIND_HTTP, KIND_HANGING };

struct connection {
  enum kind kind;
  int fd;
  /* The beginning of a request whose end has not come yet. */
  char *rest;
  size_t restBytes;
};

static int epollFd;
static char inbox[INBOX_BYTES];

static uint64_t firstId, idCount, *arrivedNs;
static uint64_t arrived, requestCount, repeats, strays, connectionCount, hangingCount, openHanging, busyNs;
static uint64_t firstArrivalNs, lastArrivalNs;
static uint64_t stallNs;
static bool awaiting;

static uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000ull + (uint64_t)time.tv_nsec;
}

static void die(const char *what) {
  printf("error %s: %s\n", what, strerror(errno));
  fflush(stdout);
  exit(1);
}

static void attach(enum kind kind, int fd) {
  struct connection *connection = calloc(1, sizeof *connection);
  if (!connection) die("out of memory");
  *connection = (struct connection){.kind = kind, .fd = fd};
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
  if (epoll_ctl(epollFd, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
}

static void drop(struct connection *connection) {
  if (connection->kind == KIND_HANGING) openHanging--;
  close(connection->fd);
  free(connection->rest);
  free(connection);
}

/* ---- what came ---- */

static void take_event(uint64_t id, uint64_t now) {
  if (id < firstId || id >= firstId + idCount) {
    strays++;
    return;
  }
  if (arrivedNs[id - firstId]) {
    repeats++;
    return;
  }
  arrivedNs[id - firstId] = now;
  if (!arrived++) firstArrivalNs = now;
  lastArrivalNs = now;
}

static void take_body(const char *body, size_t length, uint64_t now) {
  const char *end = body + length;
  for (const char *at = body; (at = memchr(at, '@', (size_t)(end - at)));) {
    if (end - at < MARKER_DIGITS + 2) return;
    uint64_t id = 0;
    int digit = 1;
    for (; digit <= MARKER_DIGITS && at[digit] >= '0' && at[digit] <= '9'; digit++)
      id = id * 10 + (uint64_t)(at[digit] - '0');
    if (digit > MARKER_DIGITS && at[digit] == '@') {
      take_event(id, now);
      at++;
    }
    at += digit;
  }
}

/* Returns the bytes that one whole request takes up, 0 when its end is not there yet. */
static size_t take_request(const char *bytes, size_t length, uint64_t now, bool *last) {
  const char *end = memmem(bytes, length, "\r\n\r\n", 4);
  if (!end) return 0;
  size_t head = (size_t)(end + 4 - bytes), body = 0;
  for (const char *line = bytes; line < end;) {
    line = memchr(line, '\n', (size_t)(end + 2 - line));
    if (!line++) break;
    if (!strncasecmp(line, "content-length:", 15)) body = strtoul(line + 15, NULL, 10);
    if (!strncasecmp(line, "connection: close", 17)) *last = true;
  }
  if (length < head + body) return 0;
  requestCount++;
  take_body(bytes + head, body, now);
  return head + body;
}

static void receive(struct connection *connection) {
  static char answers[ANSWERS_AT_ONCE * sizeof LAST_ANSWER];
  size_t have = connection->restBytes;
  if (have) memcpy(inbox, connection->rest, have);
  ssize_t got = recv(connection->fd, inbox + have, INBOX_BYTES - have, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    drop(connection);
    return;
  }
  if (connection->kind == KIND_HANGING) return;
  uint64_t now = now_ns();
  size_t length = have + (size_t)got, taken = 0, answerBytes = 0;
  bool last = false;
  for (size_t request; !last && (request = take_request(inbox + taken, length - taken, now, &last)); taken += request) {
    const char *answer = last ? LAST_ANSWER : ANSWER;
    if (answerBytes + sizeof LAST_ANSWER > sizeof answers) {
      send(connection->fd, answers, answerBytes, MSG_NOSIGNAL);
      answerBytes = 0;
    }
    memcpy(answers + answerBytes, answer, strlen(answer));
    answerBytes += strlen(answer);
  }
  if (answerBytes) send(connection->fd, answers, answerBytes, MSG_NOSIGNAL);
  if (last) {
    drop(connection);
    return;
  }
  size_t left = length - taken;
  if (left) {
    char *rest = realloc(connection->rest, left);
    if (!rest) die("out of memory");
    memcpy(rest, inbox + taken, left);
    connection->rest = rest;
  }
  connection->restBytes = left;
}

/* ---- ports ---- */

static void listen_on(enum kind kind, uint16_t port) {
  int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_ANY)};
  if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096)) die("listen");
  attach(kind, fd);
}

static void accept_all(struct connection *listener) {
  for (;;) {
    struct sockaddr_in peer;
    socklen_t peerBytes = sizeof peer;
    int on = 1, fd = accept4(listener->fd, (struct sockaddr *)&peer, &peerBytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    /* Bound to every address, for that is the only way to have a whole network of them, it still is nobody else's. */
    if (ntohl(peer.sin_addr.s_addr) >> 24 != LOOPBACK_NETWORK) {
      close(fd);
      continue;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    bool hanging = listener->kind == KIND_HANGING_LISTENER;
    if (hanging) {
      hangingCount++;
      openHanging++;
    } else {
      connectionCount++;
    }
    attach(hanging ? KIND_HANGING : KIND_HTTP, fd);
  }
}

/* ---- commands ---- */

static void reply(const char *outcome) {
  printf("%s arrived=%llu requests=%llu repeats=%llu strays=%llu connections=%llu hanging=%llu openHanging=%llu firstNs=%llu lastNs=%llu "
         "busyNs=%llu\n",
         outcome, (unsigned long long)arrived, (unsigned long long)requestCount, (unsigned long long)repeats,
         (unsigned long long)strays, (unsigned long long)connectionCount, (unsigned long long)hangingCount,
         (unsigned long long)openHanging, (unsigned long long)firstArrivalNs, (unsigned long long)lastArrivalNs, (unsigned long long)busyNs);
  fflush(stdout);
}

static void command_expect(uint64_t first, uint64_t count) {
  free(arrivedNs);
  arrivedNs = calloc(count + 1, sizeof *arrivedNs);
  if (!arrivedNs) die("out of memory");
  firstId = first;
  idCount = count;
  arrived = requestCount = repeats = strays = connectionCount = hangingCount = busyNs = 0;
  firstArrivalNs = lastArrivalNs = 0;
  reply("ok");
}

static void command_times(const char *path) {
  FILE *file = fopen(path, "wb");
  bool whole = file && fwrite(arrivedNs, sizeof *arrivedNs, idCount, file) == idCount;
  if (file && fclose(file)) whole = false;
  reply(whole ? "ok" : "error");
}

static void take_command(const char *line) {
  unsigned long long numbers[2];
  char path[1024];
  if (sscanf(line, "expect %llu %llu", &numbers[0], &numbers[1]) == 2) {
    command_expect(numbers[0], numbers[1]);
  } else if (sscanf(line, "await %llu", &numbers[0]) == 1) {
    awaiting = true;
    stallNs = numbers[0] * 1000000;
  } else if (!strcmp(line, "look")) {
    reply("ok");
  } else if (sscanf(line, "times %1023s", path) == 1) {
    command_times(path);
  } else {
    printf("error unknown command: %s\n", line);
    fflush(stdout);
  }
}

static void read_commands(void) {
  static char line[2048];
  static size_t length;
  ssize_t got = read(STDIN_FILENO, line + length, sizeof line - 1 - length);
  if (got <= 0) exit(0);
  length += (size_t)got;
  line[length] = 0;
  for (char *end; (end = strchr(line, '\n'));) {
    *end = 0;
    take_command(line);
    length -= (size_t)(end + 1 - line);
    memmove(line, end + 1, length + 1);
  }
  if (length == sizeof line - 1) length = 0;
}

/* Answers an `await` that is over. */
static void look_at_progress(void) {
  static uint64_t progress, progressNs;
  uint64_t now = now_ns();
  if (progress != arrived || !progressNs) {
    progress = arrived;
    progressNs = now;
  }
  if (!awaiting) {
    progressNs = 0;
    return;
  }
  bool complete = arrived == idCount;
  if (!complete && now - progressNs < stallNs) return;
  awaiting = false;
  progressNs = 0;
  reply(complete ? "ok" : "error");
}

int main(int count, char **arguments) {
  if (count != 3) {
    fprintf(stderr, "usage: sink PORT HANGING_PORT\n");
    return 2;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  epollFd = epoll_create1(EPOLL_CLOEXEC);
  if (epollFd < 0) die("epoll_create1");
  attach(KIND_STDIN, STDIN_FILENO);
  listen_on(KIND_LISTENER, (uint16_t)atoi(arguments[1]));
  listen_on(KIND_HANGING_LISTENER, (uint16_t)atoi(arguments[2]));
  reply("ok");
  for (;;) {
    struct epoll_event events[EVENTS_AT_ONCE];
    int ready = epoll_wait(epollFd, events, EVENTS_AT_ONCE, awaiting ? 100 : -1);
    uint64_t begunNs = now_ns();
    for (int index = 0; index < ready; index++) {
      struct connection *connection = events[index].data.ptr;
      switch (connection->kind) {
      case KIND_STDIN:
        read_commands();
        break;
      case KIND_LISTENER:
      case KIND_HANGING_LISTENER:
        accept_all(connection);
        break;
      case KIND_HTTP:
      case KIND_HANGING:
        receive(connection);
        break;
      }
    }
    if (ready > 0) busyNs += now_ns() - begunNs;
    look_at_progress();
  }
}
