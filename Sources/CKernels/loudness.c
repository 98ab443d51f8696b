// How many samples of a piece of audio are loud, for telling a voice from a quiet line, and how
// loud they are. Counted without branches, so that the compiler looks at many at a time.

#include "ckernels.h"
#include "g711.h"
#include "wide.h"

WIDE ptrdiff_t ck_loud_bytes(const void *from, ptrdiff_t count, uint8_t turning, uint8_t level) {
  const uint8_t *in = from;
  ptrdiff_t loud = 0;
  // In parts so short that a byte holds their sum.
  while (count > 0) {
    const ptrdiff_t part = count < 128 ? count : 128;
    uint8_t sum = 0;
    for (ptrdiff_t i = 0; i < part; i++) sum += ((in[i] ^ turning) & 0x7f) >= level;
    loud += sum;
    in += part;
    count -= part;
  }
  return loud;
}

// Samples of two bytes, the low one first; from -level + 1 to level - 1 they are quiet.
static inline __attribute__((always_inline)) ptrdiff_t loud_samples(const uint8_t *in,
                                                                    ptrdiff_t count,
                                                                    bool is_swapped,
                                                                    uint16_t level) {
  const uint16_t quiet = 2 * level - 1;
  ptrdiff_t loud = 0;
  while (count > 0) {
    const ptrdiff_t part = count < 512 ? count : 512;
    uint16_t sum = 0;
    for (ptrdiff_t i = 0; i < part; i++) {
      uint16_t bits;
      __builtin_memcpy(&bits, in + 2 * i, 2);
      if (is_swapped) bits = (uint16_t)(bits << 8 | bits >> 8);
      const uint16_t distance = bits + level - 1;
      sum += distance >= quiet;
    }
    loud += sum;
    in += 2 * part;
    count -= part;
  }
  return loud;
}

WIDE ptrdiff_t ck_loud_samples(const void *from, ptrdiff_t count, bool is_swapped,
                               uint16_t level) {
  return is_swapped ? loud_samples(from, count, true, level)
                    : loud_samples(from, count, false, level);
}

static inline __attribute__((always_inline)) float magnitude(const uint8_t *in, int kind) {
  if (kind == CK_MULAW) return (float)(magnitude_of(~in[0] & 0x7f) - BIAS);
  if (kind == CK_ALAW) {
    const int32_t code = (in[0] ^ 0x55) & 0x7f;
    return (float)(code < 16 ? code * 16 + 8 : magnitude_of(code));
  }
  uint16_t bits;
  __builtin_memcpy(&bits, in, 2);
  if (kind == CK_SWAPPED) bits = (uint16_t)(bits << 8 | bits >> 8);
  const float sample = (int16_t)bits;
  return sample < 0 ? -sample : sample;
}

// Eight samples side by side, each with a sum of its own, in whole eights.
static inline __attribute__((always_inline)) ck_sound sum(const uint8_t *in, ptrdiff_t count,
                                                          ptrdiff_t step, int kind) {
  float powers[8] = {0};
  int32_t clips[8] = {0};
  for (ptrdiff_t i = 0; i < count / 8; i++) {
    for (int lane = 0; lane < 8; lane++) {
      const float loud = magnitude(in + (8 * i + lane) * step, kind);
      powers[lane] += loud * loud;
      clips[lane] += loud >= CK_CLIPPED;
    }
  }
  ck_sound all = {0, 0};
  for (int lane = 0; lane < 8; lane++) {
    all.power += powers[lane];
    all.clipped += (uint32_t)clips[lane];
  }
  return all;
}

WIDE ck_sound ck_sound_of(const void *from, ptrdiff_t count, ptrdiff_t channels, int kind) {
  // One channel, which nearly all calls have, is compiled for itself.
  if (channels == 1) {
    switch (kind) {
    case CK_MULAW: return sum(from, count, 1, CK_MULAW);
    case CK_ALAW: return sum(from, count, 1, CK_ALAW);
    case CK_SWAPPED: return sum(from, count, 2, CK_SWAPPED);
    default: return sum(from, count, 2, CK_LINEAR);
    }
  }
  switch (kind) {
  case CK_MULAW: return sum(from, count, channels, CK_MULAW);
  case CK_ALAW: return sum(from, count, channels, CK_ALAW);
  case CK_SWAPPED: return sum(from, count, 2 * channels, CK_SWAPPED);
  default: return sum(from, count, 2 * channels, CK_LINEAR);
  }
}

static inline __attribute__((always_inline)) ptrdiff_t crossings(const uint8_t *in,
                                                                 ptrdiff_t count,
                                                                 ptrdiff_t step) {
  uint32_t sum = 0;
  for (ptrdiff_t i = 1; i < count; i++) sum += (uint32_t)(in[(i - 1) * step] ^ in[i * step]) >> 7;
  return sum;
}

WIDE ptrdiff_t ck_crossings(const void *from, ptrdiff_t count, ptrdiff_t step) {
  return step == 1 ? crossings(from, count, 1) : crossings(from, count, step);
}
