/*
 * The load generator: opens sockets, publishes requests that were signed beforehand, and counts and times every delivery.
 *
 * Usage: load PORT SERVER_PID spin|block
 *
 * It reads one command a line from standard input and answers each with one line, `ok name=value …` or `error …`:
 *
 *   connect COUNT CHANNELS IN_FLIGHT PREFIX KEY   open COUNT sockets, socket i subscribed to PREFIX-<i mod CHANNELS>
 *   ping                                          one pusher:ping on every socket, answered before the reply
 *   close                                         close all sockets and wait until the server has
 *   run FILE group SIZE                           SIZE requests at once, the next SIZE after all of their deliveries
 *   run FILE closed CONNECTIONS                   each connection sends its next request after the answer to its last
 *   run FILE paced CONNECTIONS RATE SEED          RATE requests a second, Poisson, whatever the server does
 *
 * FILE holds little-endian: u64 id of the first message, then for each request u32 bytes, u32 messages, u32 deliveries
 * and the bytes. Every message carries its id as @<16 digits>@, which is how a delivery finds the time it was sent at.
 *
 * The server's CPU time is read from its process clock, right before and right after the work: all threads, also those
 * that ended meanwhile, to the nanosecond.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "histogram.h"

#define INBOX_BYTES (1 << 20)
#define EVENTS_AT_ONCE 512
#define STALL_NS 15000000000ull
#define SETTLE_NS 50000000ull
#define MARKER_DIGITS 16
#define WEBSOCKET_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define WEBSOCKET_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

enum kind { KIND_STDIN, KIND_WEBSOCKET, KIND_HTTP };
enum stage { STAGE_UPGRADING, STAGE_ESTABLISHING, STAGE_SUBSCRIBING, STAGE_SUBSCRIBED, STAGE_CLOSED };

struct connection {
  enum kind kind;
  enum stage stage;
  int fd;
  uint32_t channel;
  uint64_t startedNs;
  /* The beginning of a frame or answer whose end has not come yet. */
  unsigned char *rest;
  size_t restBytes;
  /* KIND_HTTP: the request that waits for its answer, or -1; and whether the answer said that it is the last one here. */
  int64_t request;
  bool last;
};

struct request {
  const unsigned char *bytes;
  uint32_t length;
  uint32_t messages;
  uint32_t deliveries;
  uint64_t firstId;
  uint64_t sentNs;
};

static int epollFd;
static uint16_t serverPort;
static clockid_t serverClock;
static bool spinning;
static unsigned char inbox[INBOX_BYTES];

static struct connection **sockets;
static uint32_t socketCount, socketsReady, socketsClosed, socketsFailed, pongsReceived;
static char channelPrefix[256];
static uint32_t connectRounds;

static struct connection **publishers;
static uint32_t publisherCount, publisherRounds;

static struct request *requests;
static unsigned char *requestBytes;
static uint64_t requestCount;
static uint64_t firstId, idCount;
static uint64_t *sentNs;
static uint32_t *receivedPerId;
static uint64_t deliveries, strayFrames, otherFrames, responses, failedResponses;
static size_t smallestFrame, largestFrame;

static struct histogram connectLatency, deliveryLatency, responseLatency;
static uint64_t busyNs;
static char firstError[512];

static uint64_t clock_ns(clockid_t clock) {
  struct timespec time;
  if (clock_gettime(clock, &time)) return 0;
  return (uint64_t)time.tv_sec * 1000000000ull + (uint64_t)time.tv_nsec;
}

static uint64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

static void note_error(const char *format, ...) {
  if (firstError[0]) return;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(firstError, sizeof firstError, format, arguments);
  va_end(arguments);
  for (char *at = firstError; *at; at++)
    if (*at == '\n' || *at == '\r') *at = ' ';
}

static void die(const char *what) {
  printf("error %s: %s\n", what, strerror(errno));
  fflush(stdout);
  exit(1);
}

/* ---- connections ---- */

static int open_tcp(uint32_t sourceHost) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  /* A source address of its own per round of connects: else the ports in TIME_WAIT run out. */
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000u | sourceHost)};
  struct sockaddr_in target = {
      .sin_family = AF_INET, .sin_port = htons(serverPort), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(fd, (struct sockaddr *)&source, sizeof source) || connect(fd, (struct sockaddr *)&target, sizeof target)) {
    close(fd);
    return -1;
  }
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  return fd;
}

/* Sockets and publishers take turns through different addresses. */
static uint32_t publisher_host(void) { return 0x10000 + publisherRounds % 250 + 1; }

static void attach(struct connection *connection, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
  connection->fd = fd;
  if (epoll_ctl(epollFd, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
}

static struct connection *new_connection(enum kind kind, int fd) {
  struct connection *connection = calloc(1, sizeof *connection);
  if (!connection) die("out of memory");
  connection->kind = kind;
  connection->request = -1;
  attach(connection, fd);
  return connection;
}

static void shut(struct connection *connection) {
  if (connection->fd >= 0) close(connection->fd);
  connection->fd = -1;
  free(connection->rest);
  connection->rest = NULL;
  connection->restBytes = 0;
}

static bool send_all(struct connection *connection, const void *bytes, size_t length) {
  const unsigned char *at = bytes;
  while (length) {
    ssize_t sent = send(connection->fd, at, length, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) continue;
    if (sent < 0) {
      note_error("send: %s", strerror(errno));
      return false;
    }
    at += sent;
    length -= (size_t)sent;
  }
  return true;
}

/* Client frames must be masked; a key of zeros is a valid one and leaves the payload as it is. */
static void send_frame(struct connection *connection, unsigned char opcode, const void *payload, size_t length) {
  unsigned char frame[1024];
  size_t header = 2;
  frame[0] = 0x80 | opcode;
  if (length < 126) {
    frame[1] = 0x80 | (unsigned char)length;
  } else {
    frame[1] = 0x80 | 126;
    frame[2] = (unsigned char)(length >> 8);
    frame[3] = (unsigned char)length;
    header = 4;
  }
  memset(frame + header, 0, 4);
  memcpy(frame + header + 4, payload, length);
  send_all(connection, frame, header + 4 + length);
}

static void socket_closed(struct connection *connection, const char *why) {
  if (connection->stage == STAGE_CLOSED) return;
  if (connection->stage != STAGE_SUBSCRIBED) socketsFailed++;
  connection->stage = STAGE_CLOSED;
  socketsClosed++;
  if (why) note_error("%s", why);
  shut(connection);
}

/* ---- WebSocket frames ---- */

static bool has(const unsigned char *bytes, size_t length, const char *text) {
  return memmem(bytes, length, text, strlen(text)) != NULL;
}

static bool find_id(const unsigned char *payload, size_t length, uint64_t *id) {
  const unsigned char *at = memchr(payload, '@', length);
  if (!at || (size_t)(payload + length - at) < MARKER_DIGITS + 2 || at[MARKER_DIGITS + 1] != '@') return false;
  uint64_t value = 0;
  for (int digit = 1; digit <= MARKER_DIGITS; digit++) value = value * 10 + (uint64_t)(at[digit] - '0');
  *id = value;
  return true;
}

static void take_delivery(uint64_t id, size_t frameBytes, uint64_t now) {
  if (id < firstId || id >= firstId + idCount) {
    strayFrames++;
    return;
  }
  uint64_t index = id - firstId;
  receivedPerId[index]++;
  deliveries++;
  if (frameBytes < smallestFrame || !smallestFrame) smallestFrame = frameBytes;
  if (frameBytes > largestFrame) largestFrame = frameBytes;
  histogram_add(&deliveryLatency, now - sentNs[index]);
}

static void take_protocol_frame(struct connection *connection, const unsigned char *payload, size_t length, uint64_t now) {
  if (has(payload, length, "pusher:ping")) {
    static const char pong[] = "{\"event\":\"pusher:pong\",\"data\":{}}";
    send_frame(connection, 1, pong, sizeof pong - 1);
  } else if (has(payload, length, "pusher:pong")) {
    pongsReceived++;
  } else if (has(payload, length, "pusher:error")) {
    note_error("%.*s", (int)(length > 400 ? 400 : length), (const char *)payload);
  } else if (connection->stage == STAGE_ESTABLISHING && has(payload, length, "pusher:connection_established")) {
    char subscribe[512];
    int bytes = snprintf(subscribe, sizeof subscribe,
                         "{\"event\":\"pusher:subscribe\",\"data\":{\"auth\":\"\",\"channel\":\"%s-%u\"}}", channelPrefix,
                         connection->channel);
    connection->stage = STAGE_SUBSCRIBING;
    send_frame(connection, 1, subscribe, (size_t)bytes);
  } else if (connection->stage == STAGE_SUBSCRIBING && has(payload, length, "pusher_internal:subscription_succeeded")) {
    connection->stage = STAGE_SUBSCRIBED;
    socketsReady++;
    histogram_add(&connectLatency, now - connection->startedNs);
  } else {
    otherFrames++;
  }
}

static void take_frame(struct connection *connection, unsigned char first, const unsigned char *payload, size_t length,
                       size_t frameBytes, uint64_t now) {
  unsigned char opcode = first & 15;
  if (!(first & 0x80) || opcode == 0) {
    note_error("the server sent a fragmented frame, which this generator does not count");
    return;
  }
  uint64_t id;
  if (opcode == 1) {
    if (find_id(payload, length, &id))
      take_delivery(id, frameBytes, now);
    else
      take_protocol_frame(connection, payload, length, now);
  } else if (opcode == 9) {
    send_frame(connection, 10, payload, length);
  } else if (opcode == 8) {
    if (length >= 2 && payload[0] * 256 + payload[1] >= 4000)
      note_error("the server closed a socket: %d %.*s", payload[0] * 256 + payload[1], (int)length - 2,
                 (const char *)payload + 2);
  }
}

/* Returns the number of bytes that whole frames took up. */
static size_t take_frames(struct connection *connection, const unsigned char *bytes, size_t length, uint64_t now) {
  size_t at = 0;
  while (length - at >= 2 && connection->fd >= 0) {
    const unsigned char *frame = bytes + at;
    size_t header = 2, payload = frame[1] & 127;
    if (payload == 126) {
      header = 4;
      if (length - at < header) break;
      payload = (size_t)frame[2] << 8 | frame[3];
    } else if (payload == 127) {
      header = 10;
      if (length - at < header) break;
      payload = 0;
      for (int byte = 2; byte < 10; byte++) payload = payload << 8 | frame[byte];
    }
    if (length - at < header + payload) break;
    take_frame(connection, frame[0], frame + header, payload, header + payload, now);
    at += header + payload;
  }
  return at;
}

static size_t take_upgrade(struct connection *connection, const unsigned char *bytes, size_t length) {
  const unsigned char *end = memmem(bytes, length, "\r\n\r\n", 4);
  if (!end) return 0;
  size_t head = (size_t)(end + 4 - bytes);
  if (memcmp(bytes, "HTTP/1.1 101", 12) || !has(bytes, head, WEBSOCKET_ACCEPT)) {
    note_error("upgrade refused: %.*s", (int)(length > 300 ? 300 : length), (const char *)bytes);
    socket_closed(connection, NULL);
    return length;
  }
  connection->stage = STAGE_ESTABLISHING;
  return head;
}

/* ---- HTTP answers ---- */

static size_t take_responses(struct connection *connection, const unsigned char *bytes, size_t length, uint64_t now) {
  const unsigned char *end = memmem(bytes, length, "\r\n\r\n", 4);
  if (!end) return 0;
  size_t head = (size_t)(end + 4 - bytes), whole;
  char headText[4096];
  if (head >= sizeof headText) {
    note_error("an answer with a head of %zu bytes", head);
    return length;
  }
  memcpy(headText, bytes, head);
  headText[head] = 0;
  const char *lengthField = strcasestr(headText, "\r\ncontent-length:");
  if (lengthField) {
    whole = head + strtoul(lengthField + 17, NULL, 10);
    if (length < whole) return 0;
  } else {
    const unsigned char *last = memmem(bytes + head - 2, length - head + 2, "\r\n0\r\n\r\n", 7);
    if (!last) return 0;
    whole = (size_t)(last + 7 - bytes);
  }
  if (connection->request < 0) {
    note_error("an answer to no request: %.*s", (int)(whole > 300 ? 300 : whole), (const char *)bytes);
    return whole;
  }
  if (memcmp(headText + 9, "200", 3)) {
    failedResponses++;
    note_error("publish answered: %.*s", (int)(whole > 400 ? 400 : whole), (const char *)bytes);
  }
  connection->last = strcasestr(headText, "\r\nconnection: close") != NULL;
  histogram_add(&responseLatency, now - requests[connection->request].sentNs);
  connection->request = -1;
  responses++;
  return whole;
}

/* soketi closes after every answer. Opening anew at once keeps the cost to its clients out of the latencies. */
static void reopen(struct connection *publisher) {
  shut(publisher);
  publisher->last = false;
  int fd = open_tcp(publisher_host());
  if (fd < 0)
    note_error("publishing connection: %s", strerror(errno));
  else
    attach(publisher, fd);
}

/* ---- the event loop ---- */

static void receive(struct connection *connection) {
  size_t have = connection->restBytes;
  if (have) memcpy(inbox, connection->rest, have);
  ssize_t got = recv(connection->fd, inbox + have, INBOX_BYTES - have, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    if (connection->kind == KIND_WEBSOCKET) {
      socket_closed(connection, got < 0 ? strerror(errno) : NULL);
    } else {
      if (connection->request >= 0) note_error("the server closed a publishing connection before its answer");
      reopen(connection);
    }
    return;
  }
  uint64_t now = now_ns();
  size_t length = have + (size_t)got, taken = 0;
  if (connection->kind == KIND_HTTP) {
    taken = take_responses(connection, inbox, length, now);
    if (connection->last) {
      reopen(connection);
      return;
    }
  } else {
    if (connection->stage == STAGE_UPGRADING) taken = take_upgrade(connection, inbox, length);
    if (connection->stage != STAGE_UPGRADING) taken += take_frames(connection, inbox + taken, length - taken, now);
  }
  if (connection->fd < 0) return;
  size_t left = length - taken;
  if (left) {
    unsigned char *rest = realloc(connection->rest, left);
    if (!rest) die("out of memory");
    memcpy(rest, inbox + taken, left);
    connection->rest = rest;
  } else if (connection->rest) {
    free(connection->rest);
    connection->rest = NULL;
  }
  connection->restBytes = left;
}

/* Returns true when standard input has something to read. */
static bool turn(int64_t timeoutNs) {
  struct epoll_event events[EVENTS_AT_ONCE];
  struct timespec timeout = {.tv_sec = timeoutNs / 1000000000, .tv_nsec = timeoutNs % 1000000000};
  int count = epoll_pwait2(epollFd, events, EVENTS_AT_ONCE, timeoutNs < 0 ? NULL : &timeout, NULL);
  if (count <= 0) return false;
  uint64_t begunNs = now_ns();
  bool command = false;
  for (int index = 0; index < count; index++) {
    struct connection *connection = events[index].data.ptr;
    if (connection->kind == KIND_STDIN)
      command = true;
    else if (connection->fd >= 0)
      receive(connection);
  }
  busyNs += now_ns() - begunNs;
  return command;
}

static int64_t wait_ns(int64_t longestNs) { return spinning ? 0 : longestNs; }

static void turn_for(uint64_t ns) {
  uint64_t untilNs = now_ns() + ns;
  for (uint64_t now = now_ns(); now < untilNs; now = now_ns()) turn((int64_t)(untilNs - now));
}

/* ---- commands ---- */

static void reply(const char *outcome, uint64_t serverNs, uint64_t elapsedNs, const struct histogram *latency) {
  printf("%s serverCpuNs=%llu elapsedNs=%llu busyNs=%llu samples=%llu p50Ns=%llu p99Ns=%llu maxNs=%llu requests=%llu "
         "failedRequests=%llu deliveries=%llu strays=%llu others=%llu frameBytesMin=%zu frameBytesMax=%zu sockets=%u "
         "message=%s\n",
         outcome, (unsigned long long)serverNs, (unsigned long long)elapsedNs, (unsigned long long)busyNs,
         (unsigned long long)latency->total, (unsigned long long)histogram_at(latency, 0.5),
         (unsigned long long)histogram_at(latency, 0.99), (unsigned long long)latency->maxNs,
         (unsigned long long)responses, (unsigned long long)failedResponses, (unsigned long long)deliveries,
         (unsigned long long)strayFrames, (unsigned long long)otherFrames, smallestFrame, largestFrame,
         socketCount - socketsClosed, firstError);
  fflush(stdout);
}

static void begin_measuring(void) {
  memset(&connectLatency, 0, sizeof connectLatency);
  memset(&deliveryLatency, 0, sizeof deliveryLatency);
  memset(&responseLatency, 0, sizeof responseLatency);
  busyNs = deliveries = strayFrames = otherFrames = responses = failedResponses = 0;
  smallestFrame = largestFrame = 0;
}

static void forget_sockets(void) {
  for (uint32_t index = 0; index < socketCount; index++) {
    shut(sockets[index]);
    free(sockets[index]);
  }
  free(sockets);
  sockets = NULL;
  socketCount = socketsReady = socketsClosed = socketsFailed = 0;
}

static void command_connect(uint32_t count, uint32_t channels, uint32_t inFlight, const char *prefix, const char *key) {
  if (socketCount) forget_sockets();
  begin_measuring();
  snprintf(channelPrefix, sizeof channelPrefix, "%s", prefix);
  char upgrade[512];
  int upgradeBytes = snprintf(upgrade, sizeof upgrade,
                              "GET /app/%s?protocol=7&client=bench&version=1.0.0 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
                              "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " WEBSOCKET_KEY "\r\n"
                              "Sec-WebSocket-Version: 13\r\n\r\n",
                              key, serverPort);
  sockets = calloc(count, sizeof *sockets);
  if (!sockets) die("out of memory");
  uint32_t sourceHost = 2 + connectRounds++ % 250;
  uint64_t serverBefore = clock_ns(serverClock), begunNs = now_ns(), progressNs = begunNs, progress = 0;
  bool stalled = false;
  while (socketsReady + socketsClosed < count && !stalled) {
    while (socketCount < count && socketCount - socketsReady - socketsClosed < inFlight) {
      uint64_t startedNs = now_ns();
      int fd = open_tcp(sourceHost);
      if (fd < 0) {
        printf("error connect %u: %s\n", socketCount, strerror(errno));
        fflush(stdout);
        return;
      }
      struct connection *connection = new_connection(KIND_WEBSOCKET, fd);
      connection->startedNs = startedNs;
      connection->channel = socketCount % channels;
      sockets[socketCount++] = connection;
      if (!send_all(connection, upgrade, (size_t)upgradeBytes)) socket_closed(connection, NULL);
    }
    turn(wait_ns(1000000000));
    uint64_t now = now_ns();
    if (socketsReady + socketsClosed != progress) {
      progress = socketsReady + socketsClosed;
      progressNs = now;
    }
    stalled = now - progressNs > STALL_NS;
  }
  uint64_t elapsedNs = now_ns() - begunNs;
  turn_for(SETTLE_NS);
  uint64_t serverNs = clock_ns(serverClock) - serverBefore;
  if (stalled) note_error("only %u of %u sockets were subscribed when nothing moved any more", socketsReady, count);
  reply(stalled || socketsFailed || socketsReady < count ? "error" : "ok", serverNs, elapsedNs, &connectLatency);
}

static void command_ping(void) {
  static const char ping[] = "{\"event\":\"pusher:ping\",\"data\":{}}";
  begin_measuring();
  pongsReceived = 0;
  uint32_t open = 0;
  uint64_t serverBefore = clock_ns(serverClock), begunNs = now_ns();
  for (uint32_t index = 0; index < socketCount; index++) {
    if (sockets[index]->fd < 0) continue;
    open++;
    send_frame(sockets[index], 1, ping, sizeof ping - 1);
    if (open - pongsReceived > 200) turn(0);
  }
  while (pongsReceived < open && now_ns() - begunNs < STALL_NS) turn(100000000);
  if (pongsReceived < open) note_error("%u of %u pongs came", pongsReceived, open);
  reply(pongsReceived < open || socketsClosed ? "error" : "ok", clock_ns(serverClock) - serverBefore,
        now_ns() - begunNs, &connectLatency);
}

static void command_close(void) {
  static const unsigned char normal[2] = {1000 >> 8, 1000 & 255};
  begin_measuring();
  uint64_t serverBefore = clock_ns(serverClock), begunNs = now_ns();
  for (uint32_t index = 0; index < socketCount; index++) {
    if (sockets[index]->fd < 0) continue;
    send_frame(sockets[index], 8, normal, sizeof normal);
    if (index % 64 == 63) turn(0);
  }
  while (socketsClosed < socketCount && now_ns() - begunNs < STALL_NS) turn(100000000);
  uint64_t elapsedNs = now_ns() - begunNs;
  turn_for(SETTLE_NS);
  uint64_t serverNs = clock_ns(serverClock) - serverBefore;
  bool all = socketsClosed == socketCount;
  if (!all) note_error("the server left %u sockets open", socketCount - socketsClosed);
  reply(all ? "ok" : "error", serverNs, elapsedNs, &connectLatency);
  forget_sockets();
}

static bool read_requests(const char *path) {
  free(requests);
  free(requestBytes);
  free(sentNs);
  free(receivedPerId);
  requests = NULL;
  sentNs = NULL;
  receivedPerId = NULL;
  requestBytes = NULL;
  requestCount = idCount = 0;
  FILE *file = fopen(path, "rb");
  if (!file) return false;
  /* It is written for this run alone, and who wrote it may be killed before it could delete it. */
  unlink(path);
  fseek(file, 0, SEEK_END);
  size_t length = (size_t)ftell(file);
  rewind(file);
  requestBytes = malloc(length);
  if (!requestBytes || length < 8 || fread(requestBytes, 1, length, file) != length) {
    fclose(file);
    return false;
  }
  fclose(file);
  memcpy(&firstId, requestBytes, 8);
  size_t capacity = 1024;
  requests = malloc(capacity * sizeof *requests);
  for (size_t at = 8; at + 12 <= length;) {
    uint32_t fields[3];
    memcpy(fields, requestBytes + at, 12);
    if (requestCount == capacity) requests = realloc(requests, (capacity *= 2) * sizeof *requests);
    if (!requests) die("out of memory");
    requests[requestCount++] = (struct request){.bytes = requestBytes + at + 12,
                                                .length = fields[0],
                                                .messages = fields[1],
                                                .deliveries = fields[2],
                                                .firstId = firstId + idCount};
    idCount += fields[1];
    at += 12 + fields[0];
  }
  sentNs = calloc(idCount + 1, sizeof *sentNs);
  receivedPerId = calloc(idCount + 1, sizeof *receivedPerId);
  return sentNs && receivedPerId;
}

static bool open_publishers(uint32_t count) {
  publishers = calloc(count, sizeof *publishers);
  publisherRounds++;
  if (!publishers) die("out of memory");
  for (publisherCount = 0; publisherCount < count; publisherCount++) {
    int fd = open_tcp(publisher_host());
    if (fd < 0) return false;
    publishers[publisherCount] = new_connection(KIND_HTTP, fd);
  }
  /* So that accepting them is not counted. */
  turn_for(20000000);
  return true;
}

static void close_publishers(void) {
  for (uint32_t index = 0; index < publisherCount; index++) {
    shut(publishers[index]);
    free(publishers[index]);
  }
  free(publishers);
  publishers = NULL;
  publisherCount = 0;
}

static void publish(struct connection *publisher, uint64_t index, uint64_t atNs) {
  struct request *request = &requests[index];
  request->sentNs = atNs;
  for (uint32_t message = 0; message < request->messages; message++) sentNs[request->firstId - firstId + message] = atNs;
  publisher->request = (int64_t)index;
  send_all(publisher, request->bytes, request->length);
}

static struct connection *free_publisher(void) {
  static uint32_t turnOf;
  for (uint32_t tried = 0; tried < publisherCount; tried++) {
    struct connection *publisher = publishers[turnOf++ % publisherCount];
    if (publisher->request < 0 && publisher->fd >= 0) return publisher;
  }
  return NULL;
}

static double random_unit(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return ((double)(*state >> 11) + 1) / 9007199254740993.0;
}

static void command_run(const char *path, const char *mode, uint32_t width, double rate, uint64_t seed) {
  bool group = !strcmp(mode, "group"), paced = !strcmp(mode, "paced");
  if (!read_requests(path)) {
    printf("error cannot read %s\n", path);
    fflush(stdout);
    return;
  }
  if (!open_publishers(width)) {
    printf("error publishing connection: %s\n", strerror(errno));
    fflush(stdout);
    close_publishers();
    return;
  }
  uint64_t expected = 0, next = 0, due = 0;
  for (uint64_t index = 0; index < requestCount; index++)
    expected += (uint64_t)requests[index].messages * requests[index].deliveries;
  uint64_t randomState = seed * 2654435761u + 88172645463325252ull;
  begin_measuring();
  uint64_t serverBefore = clock_ns(serverClock), begunNs = now_ns(), progressNs = begunNs, progress = 0;
  uint64_t scheduledNs = begunNs;
  bool stalled = false;
  while ((responses < requestCount || deliveries < expected) && !stalled) {
    int64_t patienceNs = 1000000000;
    if (group) {
      if (next < requestCount && responses == next && deliveries == due) {
        for (uint32_t member = 0; member < width && next < requestCount; member++, next++) {
          due += (uint64_t)requests[next].messages * requests[next].deliveries;
          publish(publishers[member], next, now_ns());
        }
      }
    } else if (paced) {
      uint64_t now = now_ns();
      struct connection *publisher;
      while (next < requestCount && scheduledNs <= now && (publisher = free_publisher())) {
        publish(publisher, next++, scheduledNs);
        scheduledNs += (uint64_t)(-log(random_unit(&randomState)) / rate * 1e9);
      }
      if (next < requestCount && scheduledNs > now) patienceNs = (int64_t)(scheduledNs - now);
    } else {
      struct connection *publisher;
      while (next < requestCount && (publisher = free_publisher())) publish(publisher, next++, now_ns());
    }
    turn(wait_ns(patienceNs));
    uint64_t now = now_ns();
    if (responses + deliveries != progress) {
      progress = responses + deliveries;
      progressNs = now;
    }
    stalled = now - progressNs > STALL_NS;
  }
  uint64_t elapsedNs = now_ns() - begunNs;
  /* Work that the server puts off until it is idle belongs to the operations that caused it. */
  turn_for(SETTLE_NS);
  uint64_t serverNs = clock_ns(serverClock) - serverBefore;
  if (stalled)
    note_error("nothing moved any more after %llu of %llu answers and %llu of %llu deliveries",
               (unsigned long long)responses, (unsigned long long)requestCount, (unsigned long long)deliveries,
               (unsigned long long)expected);
  bool exact = true;
  for (uint64_t index = 0; index < requestCount; index++)
    for (uint32_t message = 0; message < requests[index].messages; message++)
      exact = exact && receivedPerId[requests[index].firstId - firstId + message] == requests[index].deliveries;
  if (!exact) note_error("some messages did not reach every socket exactly once");
  close_publishers();
  reply(stalled || failedResponses || !exact ? "error" : "ok", serverNs, elapsedNs,
        expected ? &deliveryLatency : &responseLatency);
}

static void take_command(char *line) {
  char word[4][256];
  uint32_t numbers[3];
  double rate = 0;
  firstError[0] = 0;
  if (sscanf(line, "connect %u %u %u %127s %255s", &numbers[0], &numbers[1], &numbers[2], word[0], word[1]) == 5) {
    command_connect(numbers[0], numbers[1], numbers[2], word[0], word[1]);
  } else if (!strcmp(line, "ping")) {
    command_ping();
  } else if (!strcmp(line, "close")) {
    command_close();
  } else if (sscanf(line, "run %255s %255s %u %lf %u", word[0], word[1], &numbers[0], &rate, &numbers[1]) >= 3) {
    command_run(word[0], word[1], numbers[0], rate, numbers[1]);
  } else {
    printf("error unknown command: %s\n", line);
    fflush(stdout);
  }
}

int main(int count, char **arguments) {
  if (count != 4) {
    fprintf(stderr, "usage: load PORT SERVER_PID spin|block\n");
    return 2;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  serverPort = (uint16_t)atoi(arguments[1]);
  spinning = !strcmp(arguments[3], "spin");
  if (clock_getcpuclockid(atoi(arguments[2]), &serverClock)) die("the server's CPU clock");
  epollFd = epoll_create1(EPOLL_CLOEXEC);
  if (epollFd < 0) die("epoll_create1");
  new_connection(KIND_STDIN, STDIN_FILENO);
  char line[1024];
  size_t length = 0;
  for (;;) {
    if (!turn(-1)) continue;
    ssize_t got = read(STDIN_FILENO, line + length, sizeof line - 1 - length);
    if (got <= 0) return 0;
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
}
