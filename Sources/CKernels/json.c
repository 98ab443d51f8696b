// The one long walk in a JSON message: through its strings. Everything else is done in Swift.
#include "ckernels.h"

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static inline bool ends_run(uint8_t byte) {
  return byte == '"' || byte == '\\' || byte < 0x20;
}

// Whether one of eight bytes may end the run; exact about "none".
static inline bool may_end_run(uint64_t word) {
  const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
  const uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
  const uint64_t hits = ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) |
                        ((word - ones * 0x20) & ~word);
  return (hits & highs) != 0;
}

ptrdiff_t ck_json_run(const void *from, ptrdiff_t count) {
  const uint8_t *const bytes = from;
  ptrdiff_t at = 0;
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
  const __m128i control = _mm_set1_epi8(0x1f);
  for (; at + 16 <= count; at += 16) {
    const __m128i block = _mm_loadu_si128((const __m128i *)(bytes + at));
    // The lower of the byte and 0x1f is the byte itself only where it is a control character.
    const __m128i is_control = _mm_cmpeq_epi8(_mm_min_epu8(block, control), block);
    const __m128i is_mark =
        _mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, backslash));
    const int hits = _mm_movemask_epi8(_mm_or_si128(is_control, is_mark));
    if (hits) return at + __builtin_ctz((unsigned)hits);
  }
#endif
  for (; at + 8 <= count; at += 8) {
    uint64_t word;
    memcpy(&word, bytes + at, 8);
    if (may_end_run(word)) break;
  }
  while (at < count && !ends_run(bytes[at])) at++;
  return at;
}
