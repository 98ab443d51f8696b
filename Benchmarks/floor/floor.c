// The floor: what relaying a Twilio call to Deepgram costs when next to nothing is done. One epoll
// loop on one thread; per frame one recv, unmask, base64 decode, mask, one send. It trusts both
// peers blindly: no limits, no UTF-8, no time-outs, no JSON beyond the key it wants, nothing kept
// for replay. With `raw` the callers send audio in binary messages; with `two-way` the upstream is
// OpenAI Realtime, see `two-way.c`; with a certificate both legs speak TLS, see `tls.c`. Benchmarks
// measure the relay as a multiple of this program. Never run it where strangers can reach it.
//
//     cc -O2 floor.c tls.c two-way.c -lssl -lcrypto -o floor
//     ./floor LISTEN_PORT UPSTREAM_PORT one-way|raw|two-way [CERTIFICATE KEY]
#define _GNU_SOURCE
#include "floor.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 256 };

static int epoll_fd;
static struct sockaddr_in upstream_address = {.sin_family = AF_INET};
static bool raw, two_way;
unsigned char base64_value[256];
static unsigned char out[4 * BUFFER];  // a converted message is up to three times as long

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static struct link *watch(int fd, bool upstream, struct link *other) {
  struct link *link = calloc(1, sizeof *link);
  link->fd = fd;
  link->upstream = upstream;
  link->other = other;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = link};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll_ctl");
  begin_tls(link);
  return link;
}

// RFC 6455 §4.2.2: the accept value proves that the key was understood.
static int answer(char *text, const char *request) {
  static const char alphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  unsigned char joined[60], digest[SHA_DIGEST_LENGTH + 1] = {0};
  char accept[29] = {0};
  const char *key = strcasestr(request, "\r\nsec-websocket-key:");
  if (key == NULL) return 0;
  key += 20;
  while (*key == ' ') key++;
  memcpy(joined, key, 24);
  memcpy(joined + 24, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
  SHA1(joined, sizeof joined, digest);
  for (int i = 0, j = 0; i < SHA_DIGEST_LENGTH; i += 3) {
    unsigned word = digest[i] << 16 | digest[i + 1] << 8 | digest[i + 2];
    for (int shift = 18; shift >= 0; shift -= 6) accept[j++] = alphabet[word >> shift & 63];
  }
  accept[27] = '=';
  return sprintf(text,
                 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                 accept);
}

static void ask(struct link *upstream) {
  static const char one_way_request[] =
      "GET /v1/listen?model=nova-2&language=en-US&encoding=mulaw&sample_rate=8000&channels=1"
      "&interim_results=true&punctuate=true HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nAuthorization: Token test\r\n"
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
  static const char two_way_request[] =
      "GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer test\r\n"
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
  const char *request = two_way ? two_way_request : one_way_request;
  if (upstream->asked || is_shaking(upstream)) return;
  upstream->asked = true;
  transmit(upstream, request, strlen(request));
}

static void dial(struct link *caller) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, (struct sockaddr *)&upstream_address, sizeof upstream_address) < 0)
    fail("connect");
  caller->other = watch(fd, true, caller);
  ask(caller->other);
}

// The caller is answered when the upstream has answered, so no audio ever has to wait.
static void handshake(struct link *link) {
  link->in[link->count] = 0;
  char *end = strstr((char *)link->in, "\r\n\r\n");
  if (end == NULL) return;
  if (!link->upstream) {
    if (link->other == NULL) dial(link);
    return;
  }
  struct link *caller = link->other;
  link->open = true;
  link->count -= end + 4 - (char *)link->in;
  memmove(link->in, end + 4, link->count);
  if (caller == NULL) return;
  int length = answer((char *)out, (char *)caller->in);
  transmit(caller, out, length);
  caller->open = true;
  caller->count = 0;
}

// Decodes to the end of the JSON string and masks on the way; returns the number of bytes.
static unsigned decode(unsigned char *to, const unsigned char *from, const unsigned char *mask) {
  unsigned count = 0;
  for (; from[0] != '"'; from += 4) {
    unsigned word = base64_value[from[0]] << 18 | base64_value[from[1]] << 12 |
                    base64_value[from[2]] << 6 | base64_value[from[3]];
    to[count] = (word >> 16) ^ mask[count & 3], count++;
    if (from[2] != '=') to[count] = (word >> 8) ^ mask[count & 3], count++;
    if (from[3] != '=') to[count] = word ^ mask[count & 3], count++;
  }
  return count;
}

uint32_t next_mask(void) {
  static uint32_t random = 0x9e3779b9;
  random ^= random << 13, random ^= random >> 17, random ^= random << 5;
  return random;
}

void xor_mask(unsigned char *body, unsigned length, const unsigned char *key) {
  uint64_t mask;
  memcpy(&mask, key, 4);
  mask = (uint32_t)mask | mask << 32;
  unsigned i = 0;
  for (; i + 8 <= length; i += 8) {
    uint64_t word;
    memcpy(&word, body + i, 8);
    word ^= mask;
    memcpy(body + i, &word, 8);
  }
  for (; i < length; i++) body[i] ^= key[i & 3];
}

// One binary message becomes another with a mask of ours.
static unsigned pass(unsigned char *head, struct link *caller, unsigned char *audio,
                     unsigned length) {
  (void)caller;
  uint32_t mask = next_mask();
  memcpy(head + 4, &mask, 4);
  memcpy(head + 8, audio, length);
  xor_mask(head + 8, length, head + 4);
  head[0] = 0x82;
  head[1] = 0x80 | 126;        // 160 bytes need the 16-bit length
  head[2] = length >> 8;
  head[3] = length;
  return 8 + length;
}

// One caller's message becomes one masked binary message at `head`, if it is media; its length.
static unsigned relay(unsigned char *head, struct link *caller, unsigned char *text,
                      unsigned length) {
  (void)caller;
  unsigned char *payload = memmem(text, length, "\"payload\":\"", 11);
  if (payload == NULL) return 0;
  uint32_t mask = next_mask();
  memcpy(head + 4, &mask, 4);
  unsigned count = decode(head + 8, payload + 11, head + 4);
  head[0] = 0x82;
  head[1] = 0x80 | 126;        // Twilio's 160 bytes need the 16-bit length
  head[2] = count >> 8;
  head[3] = count;
  return 8 + count;
}

// Handles every whole frame that was read, with one send for all of them.
static void frames(struct link *link) {
  unsigned at = 0, used = 0;
  bool closing = false;
  while (link->count - at >= 4) {
    unsigned char *frame = link->in + at;
    unsigned length = frame[1] & 127, header = 2;
    if (length == 126) length = frame[2] << 8 | frame[3], header = 4;
    if (frame[1] & 0x80) header += 4;
    if (link->count - at < header + length) break;
    unsigned char *body = frame + header;
    if (!link->upstream) {
      xor_mask(body, length, body - 4);
      if (raw && (frame[0] & 15) == 2)
        used += pass(out + used, link, body, length);
      else
        used += (two_way ? two_way_up : relay)(out + used, link, body, length);
    } else if (two_way) {
      used += two_way_down(out + used, link, body, length);
    } else if (raw && (frame[0] & 15) == 1) {
      memcpy(out + used, frame, header + length);
      used += header + length;
    }
    closing |= (frame[0] & 15) == 8;
    at += header + length;
  }
  link->count -= at;
  if (link->count > 0 && at > 0) memmove(link->in, link->in + at, link->count);
  if (used > 0 && link->other) transmit(link->other, out, used);
  if (closing) shutdown(link->fd, SHUT_WR);
}

// A call ends when either side leaves: the other one sees the end of the stream, and answers it.
static void leave(struct link *link) {
  if (link->other) {
    link->other->other = NULL;
    shutdown(link->other->fd, SHUT_WR);
  }
  close(link->fd);
  end_tls(link);
  free(link);
}

static void readable(struct link *link) {
  ssize_t got = receive(link, link->in + link->count, BUFFER - 1 - link->count);
  if (link->upstream && !link->asked) ask(link);
  if (got == NOTHING_YET || (got < 0 && errno == EAGAIN)) return;
  if (got <= 0) return leave(link);
  link->count += got;
  link->open ? frames(link) : handshake(link);
}

int main(int argc, char **argv) {
  if (argc != 4 && argc != 6) {
    fputs("usage: floor LISTEN_PORT UPSTREAM_PORT one-way|raw|two-way [CERTIFICATE KEY]\n", stderr);
    return 2;
  }
  raw = strcmp(argv[3], "raw") == 0;
  two_way = strcmp(argv[3], "two-way") == 0;
  prepare_two_way();
  if (argc == 6) prepare_tls(argv[4], argv[5]);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  for (int i = 0; i < 64; i++)
    base64_value[(unsigned char)"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
                     [i]] = i;
  upstream_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  struct sockaddr_in own = upstream_address;
  own.sin_port = htons(atoi(argv[1]));
  upstream_address.sin_port = htons(atoi(argv[2]));
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
  if (bind(listener, (struct sockaddr *)&own, sizeof own) < 0) fail("bind");
  if (listen(listener, 1024) < 0) fail("listen");
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &(struct epoll_event){.events = EPOLLIN});
  for (;;) {
    struct epoll_event events[BATCH];
    int count = epoll_wait(epoll_fd, events, BATCH, -1);
    for (int i = 0; i < count; i++) {
      if (events[i].data.ptr == NULL)
        watch(accept4(listener, NULL, NULL, SOCK_CLOEXEC), false, NULL);
      else
        readable(events[i].data.ptr);
    }
  }
}
