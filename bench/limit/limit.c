/*
 * The limit: what a delivery costs at the very least on this machine.
 *
 * Usage: limit PORT
 *
 * It answers a WebSocket handshake and a subscription as a Pusher server would, without looking any closer. The body of
 * every POST is taken as ready-made WebSocket frames and written as it is to every socket, one system call a socket:
 * nothing is parsed, checked, encoded or looked up. A body of ten frames is the limit of ten messages batched.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_SOCKETS 20000
#define INBOX_BYTES 65536

#define UPGRADED                                                                                                       \
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                                  \
  "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
#define ESTABLISHED                                                                                                    \
  "{\"event\":\"pusher:connection_established\",\"data\":\"{\\\"socket_id\\\":\\\"1.1\\\",\\\"activity_timeout\\\":"   \
  "120}\"}"
#define SUBSCRIBED "{\"event\":\"pusher_internal:subscription_succeeded\",\"data\":\"{}\",\"channel\":\"c\"}"
#define PONG "{\"event\":\"pusher:pong\",\"data\":\"{}\"}"
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

struct connection {
  int fd;
  /* Its place in `sockets`, or -1 while it has not asked for a WebSocket. */
  int place;
};

static struct connection *sockets[MAX_SOCKETS];
static int socketCount;
static int epollFd;

static void send_all(int fd, const void *bytes, size_t length) {
  const char *at = bytes;
  while (length) {
    ssize_t sent = send(fd, at, length, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return;
    if (sent < 0) {
      struct pollfd writable = {.fd = fd, .events = POLLOUT};
      poll(&writable, 1, 1000);
      continue;
    }
    at += sent;
    length -= (size_t)sent;
  }
}

static void send_text(int fd, const char *text) {
  unsigned char frame[256];
  size_t length = strlen(text);
  frame[0] = 0x81;
  frame[1] = (unsigned char)length;
  memcpy(frame + 2, text, length);
  send_all(fd, frame, length + 2);
}

static void drop(struct connection *connection) {
  if (connection->place >= 0) {
    sockets[connection->place] = sockets[--socketCount];
    sockets[connection->place]->place = connection->place;
  }
  close(connection->fd);
  free(connection);
}

static void take_frames(struct connection *connection, const char *bytes, size_t length) {
  if ((bytes[0] & 15) == 8) {
    static const unsigned char closing[4] = {0x88, 2, 1000 >> 8, 1000 & 255};
    send_all(connection->fd, closing, sizeof closing);
    drop(connection);
  } else if (memmem(bytes, length, "pusher:subscribe", 16)) {
    send_text(connection->fd, SUBSCRIBED);
  } else if (memmem(bytes, length, "pusher:ping", 11)) {
    send_text(connection->fd, PONG);
  }
}

static void receive(struct connection *connection) {
  static char inbox[INBOX_BYTES];
  /* Nothing is taken until the request is whole: what the generator sends fits into one read. */
  ssize_t got = recv(connection->fd, inbox, sizeof inbox - 1, connection->place < 0 ? MSG_PEEK : 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    drop(connection);
    return;
  }
  inbox[got] = 0;
  if (connection->place >= 0) {
    take_frames(connection, inbox, (size_t)got);
    return;
  }
  char *body = strstr(inbox, "\r\n\r\n");
  if (!body) return;
  body += 4;
  size_t head = (size_t)(body - inbox), bodyBytes = 0;
  if (inbox[0] == 'P') {
    const char *field = strstr(inbox, "Content-Length: ");
    bodyBytes = field ? strtoul(field + 16, NULL, 10) : 0;
    if ((size_t)got < head + bodyBytes) return;
  }
  recv(connection->fd, inbox, head + bodyBytes, 0);
  if (inbox[0] == 'P') {
    for (int place = 0; place < socketCount; place++) send_all(sockets[place]->fd, body, bodyBytes);
    send_all(connection->fd, ANSWER, sizeof ANSWER - 1);
  } else if (socketCount < MAX_SOCKETS) {
    connection->place = socketCount;
    sockets[socketCount++] = connection;
    send_all(connection->fd, UPGRADED, sizeof UPGRADED - 1);
    send_text(connection->fd, ESTABLISHED);
  }
}

int main(int count, char **arguments) {
  if (count != 2) {
    fprintf(stderr, "usage: limit PORT\n");
    return 2;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)atoi(arguments[1])),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  epollFd = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096) ||
      epoll_ctl(epollFd, EPOLL_CTL_ADD, listener, &event)) {
    perror("limit");
    return 1;
  }
  for (;;) {
    struct epoll_event events[256];
    int ready = epoll_wait(epollFd, events, 256, -1);
    for (int index = 0; index < ready; index++) {
      struct connection *connection = events[index].data.ptr;
      if (connection) {
        receive(connection);
        continue;
      }
      for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *accepted = malloc(sizeof *accepted);
        if (!accepted) return 1;
        *accepted = (struct connection){.fd = fd, .place = -1};
        struct epoll_event readable = {.events = EPOLLIN, .data.ptr = accepted};
        epoll_ctl(epollFd, EPOLL_CTL_ADD, fd, &readable);
      }
    }
  }
}
