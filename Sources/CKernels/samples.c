// Samples of 16 bits, turned round, and as the numbers that filters calculate with: 32-bit floats
// of the same scale. Plain loops without a branch, which the compiler turns into vectors on every
// target.
#include "ckernels.h"
#include "count.h"
#include "wide.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "samples are little-endian");

// One and a half times 2^23: added to a float below 2^22 it leaves no bit for a fraction, so the
// sum is rounded to the nearest whole number (to the even one of two), which stands in its low
// bits.
static const float ROUNDER = 12582912;

WIDE void ck_swap16(void *to, const void *from, ptrdiff_t count) {
  COUNT_COPY(2 * count);
  uint8_t *out = to;
  const uint8_t *in = from;
  for (ptrdiff_t i = 0; i < count; i++) {
    uint16_t sample;
    memcpy(&sample, in + 2 * i, 2);
    sample = (uint16_t)(sample << 8 | sample >> 8);
    memcpy(out + 2 * i, &sample, 2);
  }
}

WIDE void ck_widen(void *to, const void *from, ptrdiff_t count) {
  COUNT_COPY(4 * count);
  uint8_t *out = to;
  const uint8_t *in = from;
  for (ptrdiff_t i = 0; i < count; i++) {
    int16_t sample;
    memcpy(&sample, in + 2 * i, 2);
    const float value = sample;
    memcpy(out + 4 * i, &value, 4);
  }
}

WIDE void ck_round(void *to, const void *from, ptrdiff_t count) {
  COUNT_COPY(2 * count);
  uint8_t *out = to;
  const uint8_t *in = from;
  for (ptrdiff_t i = 0; i < count; i++) {
    float value;
    memcpy(&value, in + 4 * i, 4);
    value = value > -32768 ? value : -32768;
    value = value < 32767 ? value : 32767;
    value += ROUNDER;
    int32_t bits;
    memcpy(&bits, &value, 4);
    const int16_t sample = (int16_t)bits;
    memcpy(out + 2 * i, &sample, 2);
  }
}
