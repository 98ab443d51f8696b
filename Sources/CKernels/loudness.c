// How many samples of a piece of audio are loud: for telling a voice from a quiet line. Counted
// without branches, so that the compiler looks at many at a time.

#include "ckernels.h"
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
