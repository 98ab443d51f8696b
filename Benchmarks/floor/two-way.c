// The two-way floor: what a call between Twilio and OpenAI Realtime costs when next to nothing is
// done. µ-law is looked up in a table, 8 kHz becomes 24 kHz by straight lines between the samples,
// and 24 kHz becomes 8 kHz by taking every third one. That is no sound that one would let people
// hear; it is the least that a conversion can cost. No playing out on a clock, nothing kept.
#define _GNU_SOURCE
#include "floor.h"
#include <string.h>

enum { SAMPLES = BUFFER };     // more than a message that fits the buffer can hold

static int16_t linear[256];
static unsigned char law[16384];  // by the upper 14 bits of a sample
static char letters[4096][2];     // 12 bits, as base64
static unsigned char bytes[SAMPLES];
static int16_t samples[SAMPLES * 3];

void prepare_two_way(void) {
  static const char alphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (int i = 0; i < 4096; i++) {
    letters[i][0] = alphabet[i >> 6];
    letters[i][1] = alphabet[i & 63];
  }
  // ITU-T G.711: sign, three bits of exponent, four of mantissa, all inverted.
  for (int i = 0; i < 256; i++) {
    int size = ((((~i & 15) << 3) + 132) << (~i >> 4 & 7)) - 132;
    linear[i] = i & 128 ? size : -size;
  }
  for (int i = 0; i < 16384; i++) {
    int sample = (int16_t)(i << 2), best = 0;
    int size = (sample < 0 ? -sample : sample) + 132;
    if (size > 32767) size = 32767;
    while (size >> (best + 8) && best < 7) best++;
    law[i] = ~((sample < 0 ? 128 : 0) | best << 4 | (size >> (best + 3) & 15));
  }
}

static unsigned decode(unsigned char *to, const unsigned char *from) {
  unsigned char *place = to;
  for (; from[0] != '"'; from += 4) {
    unsigned word = base64_value[from[0]] << 18 | base64_value[from[1]] << 12 |
                    base64_value[from[2]] << 6 | base64_value[from[3]];
    *place++ = word >> 16;
    if (from[2] != '=') *place++ = word >> 8;
    if (from[3] != '=') *place++ = word;
  }
  return place - to;
}

static unsigned encode(unsigned char *to, const unsigned char *from, unsigned count) {
  unsigned char *place = to;
  for (; count >= 3; from += 3, count -= 3, place += 4) {
    unsigned word = from[0] << 16 | from[1] << 8 | from[2];
    memcpy(place, letters[word >> 12], 2);
    memcpy(place + 2, letters[word & 4095], 2);
  }
  if (count > 0) {
    unsigned word = from[0] << 16 | (count > 1 ? from[1] << 8 : 0);
    memcpy(place, letters[word >> 12], 2);
    memcpy(place + 2, letters[word & 4095], 2);
    place[3] = '=';
    if (count == 1) place[2] = '=';
    place += 4;
  }
  return place - to;
}

static unsigned put(unsigned char *to, const char *text) {
  unsigned length = strlen(text);
  memcpy(to, text, length);
  return length;
}

// The header of a text message: all of ours need the 16-bit length.
static void head(unsigned char *to, unsigned length, bool masked) {
  to[0] = 0x81;
  to[1] = (masked ? 0x80 : 0) | 126;
  to[2] = length >> 8;
  to[3] = length;
}

static unsigned seal_up(unsigned char *to, unsigned length) {
  uint32_t mask = next_mask();
  head(to, length, true);
  memcpy(to + 4, &mask, 4);
  xor_mask(to + 8, length, to + 4);
  return length + 8;
}

// The session is set up when the carrier has named the stream, so no answer ever has to wait.
static unsigned started(unsigned char *to, struct link *caller, unsigned char *text,
                        unsigned length) {
  unsigned char *sid = memmem(text, length, "\"streamSid\":\"", 13);
  if (sid == NULL || memmem(text, length, "\"start\"", 7) == NULL) return 0;
  memcpy(caller->sid, sid + 13, SID);
  return seal_up(to, put(to + 8,
      "{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\",\"audio\":{\"input\":{"
      "\"format\":{\"type\":\"audio/pcm\",\"rate\":24000}},\"output\":{\"format\":{\"type\":"
      "\"audio/pcm\",\"rate\":24000}}}}}"));
}

unsigned two_way_up(unsigned char *to, struct link *caller, unsigned char *text, unsigned length) {
  unsigned char *payload = memmem(text, length, "\"payload\":\"", 11);
  if (payload == NULL) return started(to, caller, text, length);
  unsigned count = decode(bytes, payload + 11);
  int last = caller->last;
  for (unsigned i = 0; i < count; i++) {
    int sample = linear[bytes[i]], third = (sample - last) * 21845 >> 16;
    samples[3 * i] = last + third;
    samples[3 * i + 1] = sample - third;
    samples[3 * i + 2] = sample;
    last = sample;
  }
  caller->last = last;
  unsigned used = put(to + 8, "{\"type\":\"input_audio_buffer.append\",\"audio\":\"");
  used += encode(to + 8 + used, (unsigned char *)samples, count * 6);
  used += put(to + 8 + used, "\"}");
  return seal_up(to, used);
}

unsigned two_way_down(unsigned char *to, struct link *upstream, unsigned char *text,
                      unsigned length) {
  unsigned char *delta = memmem(text, length, "\"delta\":\"", 9);
  if (delta == NULL || upstream->other == NULL) return 0;
  unsigned count = decode((unsigned char *)samples, delta + 9) / 6;
  for (unsigned i = 0; i < count; i++) bytes[i] = law[(uint16_t)samples[3 * i] >> 2];
  unsigned used = put(to + 4, "{\"event\":\"media\",\"streamSid\":\"");
  memcpy(to + 4 + used, upstream->other->sid, SID);
  used += SID;
  used += put(to + 4 + used, "\",\"media\":{\"payload\":\"");
  used += encode(to + 4 + used, bytes, count);
  used += put(to + 4 + used, "\"}}");
  head(to, used, false);
  return used + 4;
}
