// What the parts of the floor know of each other.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { BUFFER = 16384, SID = 34, NOTHING_YET = -2 };

struct link {
  struct link *other;          // the same call's other socket; NULL once that is closed
  int fd;
  bool upstream;
  bool open;                   // the WebSocket handshake is over
  bool asked;                  // an upstream: it was asked for a WebSocket
  struct ssl_st *tls;          // NULL: none
  unsigned count;              // bytes in `in` that make no whole frame yet
  int16_t last;                // two-way: the last sample of the caller
  char sid[SID];               // two-way: the carrier's name for the stream
  unsigned char in[BUFFER];
};

extern unsigned char base64_value[256];

// A masking key that differs from the last one.
uint32_t next_mask(void);

// XORs `length` bytes with the four of the key.
void xor_mask(unsigned char *body, unsigned length, const unsigned char *key);

// TLS, where a certificate was given: on all links that begin after it.
void prepare_tls(const char *certificate, const char *key);
void begin_tls(struct link *link);
void end_tls(struct link *link);
bool is_shaking(const struct link *link);

// One recv or one send; what was received may be NOTHING_YET that can be read.
ssize_t receive(struct link *link, unsigned char *to, size_t room);
void transmit(struct link *link, const void *bytes, size_t count);

void prepare_two_way(void);

// Each turns one message into a frame at `to`, and returns its length; 0: nothing is passed on.
unsigned two_way_up(unsigned char *to, struct link *caller, unsigned char *text, unsigned length);
unsigned two_way_down(unsigned char *to, struct link *upstream, unsigned char *text,
                      unsigned length);
