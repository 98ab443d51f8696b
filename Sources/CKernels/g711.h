// What segment and mantissa of a code of G.711 stand for.
#pragma once
#include <stdint.h>
#include <string.h>

// µ-law adds this, so that every segment begins at a power of two (33 at 14 bits).
enum { BIAS = 132, MULAW_MAX = 32767 - BIAS };
// Segment and mantissa lie from bit 19 of a float; the exponent is biased by 127.
enum { SHIFT = 19, SEGMENT_0 = (127 + 7) << 4 };

// The middle of the step that segment and mantissa name.
static inline int32_t magnitude_of(int32_t code) {
  const int32_t bits = (code + SEGMENT_0) << SHIFT | 1 << (SHIFT - 1);
  float value;
  memcpy(&value, &bits, 4);
  return (int32_t)value;
}
