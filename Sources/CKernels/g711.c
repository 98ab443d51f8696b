// G.711 (ITU-T G.711, 1988): a sample in one byte, sign, three bits of exponent and four of
// mantissa, by µ-law (North America, Japan) and A-law (elsewhere).
//
//   µ-law   segment n begins at 33 · 2ⁿ⁺² of 14-bit magnitude + 33; all bits inverted on the wire
//   A-law   segment 0 is linear, segment n > 0 begins at 2ⁿ⁺⁷ of 16; even bits inverted on the wire
//
// Samples are 16 bits wide; G.711 itself speaks of 14 (µ) and 13 (A), the upper bits of ours.
//
// A code is a small floating-point number, and the processor has large ones: a magnitude converted
// to `float` has the segment in its exponent (7 is segment 0) and the four bits on top of its
// mantissa. No table, no branch, so the compiler turns each loop into vectors on every target.
#include "ckernels.h"
#include "count.h"
#include "g711.h"
#include "wide.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "samples are little-endian");

static inline int32_t load(const uint8_t *from) {
  int16_t sample;
  memcpy(&sample, from, 2);
  return sample;
}

static inline void store(uint8_t *to, int32_t value) {
  const int16_t sample = (int16_t)value;
  memcpy(to, &sample, 2);
}

// Segment and mantissa of a magnitude of at least 128.
static inline int32_t code_of(int32_t magnitude) {
  const float value = (float)magnitude;
  int32_t bits;
  memcpy(&bits, &value, 4);
  return (bits >> SHIFT) - SEGMENT_0;
}

WIDE void ck_mulaw_encode(void *to, const void *from, ptrdiff_t count) {
  COUNT_COPY(count);
  uint8_t *out = to;
  const uint8_t *in = from;
  for (ptrdiff_t i = 0; i < count; i++) {
    const int32_t sample = load(in + 2 * i);
    int32_t magnitude = sample < 0 ? -sample : sample;
    if (magnitude > MULAW_MAX) magnitude = MULAW_MAX;
    out[i] = (uint8_t)~((sample < 0 ? 0x80 : 0) | code_of(magnitude + BIAS));
  }
}

WIDE void ck_mulaw_decode(void *to, const void *from, ptrdiff_t count) {
  COUNT_COPY(2 * count);
  uint8_t *out = to;
  const uint8_t *in = from;
  for (ptrdiff_t i = 0; i < count; i++) {
    const int32_t bits = ~in[i];
    const int32_t magnitude = magnitude_of(bits & 0x7f) - BIAS;
    store(out + 2 * i, bits & 0x80 ? -magnitude : magnitude);
  }
}

WIDE void ck_alaw_encode(void *to, const void *from, ptrdiff_t count) {
  COUNT_COPY(count);
  uint8_t *out = to;
  const uint8_t *in = from;
  for (ptrdiff_t i = 0; i < count; i++) {
    const int32_t sample = load(in + 2 * i);
    // Negative samples count from -1 downwards, so that zero belongs to the positive half.
    const int32_t magnitude = sample < 0 ? ~sample : sample;
    const int32_t code = magnitude < 256 ? magnitude >> 4 : code_of(magnitude);
    out[i] = (uint8_t)(((sample < 0 ? 0 : 0x80) | code) ^ 0x55);
  }
}

WIDE void ck_alaw_decode(void *to, const void *from, ptrdiff_t count) {
  COUNT_COPY(2 * count);
  uint8_t *out = to;
  const uint8_t *in = from;
  for (ptrdiff_t i = 0; i < count; i++) {
    const int32_t bits = in[i] ^ 0x55, code = bits & 0x7f;
    const int32_t magnitude = code < 16 ? code * 16 + 8 : magnitude_of(code);
    store(out + 2 * i, bits & 0x80 ? magnitude : -magnitude);
  }
}
