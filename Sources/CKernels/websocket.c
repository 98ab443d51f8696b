// Kernels of the WebSocket codec: masking (RFC 6455 §5.3) and the search for the first byte that is
// not ASCII. Written as plain word loops that the compiler turns into vectors on every target.
#include "ckernels.h"
#include "count.h"
#include "wide.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the lowest byte of a word comes first");

#define TOP_BITS 0x8080808080808080u

WIDE bool ck_mask(void *bytes, ptrdiff_t count, uint32_t key) {
  uint8_t *at = bytes;
  const uint64_t wide = (uint64_t)key << 32 | key;
  uint64_t seen = 0;
  ptrdiff_t words = count / 8;
  for (ptrdiff_t i = 0; i < words; i++) {
    uint64_t word;
    memcpy(&word, at + 8 * i, 8);
    word ^= wide;
    seen |= word;
    memcpy(at + 8 * i, &word, 8);
  }
  for (ptrdiff_t i = 8 * words; i < count; i++) {
    at[i] ^= (uint8_t)(key >> (8 * (i & 3)));
    seen |= at[i];
  }
  return (seen & TOP_BITS) == 0;
}

WIDE bool ck_mask_copy(void *to, const void *from, ptrdiff_t count, uint32_t key) {
  COUNT_COPY(count);
  uint8_t *out = to;
  const uint8_t *in = from;
  const uint64_t wide = (uint64_t)key << 32 | key;
  uint64_t seen = 0;
  ptrdiff_t words = count / 8;
  for (ptrdiff_t i = 0; i < words; i++) {
    uint64_t word;
    memcpy(&word, in + 8 * i, 8);
    word ^= wide;
    seen |= word;
    memcpy(out + 8 * i, &word, 8);
  }
  for (ptrdiff_t i = 8 * words; i < count; i++) {
    out[i] = in[i] ^ (uint8_t)(key >> (8 * (i & 3)));
    seen |= out[i];
  }
  return (seen & TOP_BITS) == 0;
}

WIDE ptrdiff_t ck_ascii(const void *from, ptrdiff_t count) {
  const uint8_t *at = from;
  ptrdiff_t done = 0;
  while (count - done >= 64) {
    uint64_t word[8], seen = 0;
    memcpy(word, at + done, 64);
    for (int i = 0; i < 8; i++) seen |= word[i];
    if (seen & TOP_BITS) break;
    done += 64;
  }
  while (count - done >= 8) {
    uint64_t word;
    memcpy(&word, at + done, 8);
    if (word & TOP_BITS) return done + __builtin_ctzll(word & TOP_BITS) / 8;
    done += 8;
  }
  while (done < count && at[done] < 0x80) done++;
  return done;
}
