// The one long walk in a JSON message: through its strings; and the comparison of a message with
// the shape of the one before it. Everything else is done in Swift.
#include "ckernels.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
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

static ptrdiff_t run_plain(const uint8_t *bytes, ptrdiff_t at, ptrdiff_t count) {
  for (; at + 8 <= count; at += 8) {
    uint64_t word;
    memcpy(&word, bytes + at, 8);
    if (may_end_run(word)) break;
  }
  while (at < count && !ends_run(bytes[at])) at++;
  return at;
}

#if defined(__x86_64__)

// Each bit: one of 16 bytes ends the run. The lower of a byte and 0x1f is the byte itself only
// where it is a control character.
static inline unsigned hits_16(const uint8_t *from) {
  const __m128i block = _mm_loadu_si128((const __m128i *)from);
  const __m128i is_control = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block);
  const __m128i is_mark = _mm_or_si128(_mm_cmpeq_epi8(block, _mm_set1_epi8('"')),
                                       _mm_cmpeq_epi8(block, _mm_set1_epi8('\\')));
  return (unsigned)_mm_movemask_epi8(_mm_or_si128(is_control, is_mark));
}

static ptrdiff_t run_sse2(const uint8_t *bytes, ptrdiff_t at, ptrdiff_t count) {
  for (; at + 16 <= count; at += 16) {
    const unsigned hits = hits_16(bytes + at);
    if (hits) return at + __builtin_ctz(hits);
  }
  return run_plain(bytes, at, count);
}

__attribute__((target("avx2"))) static inline __m256i marks_32(const uint8_t *from) {
  const __m256i block = _mm256_loadu_si256((const __m256i *)from);
  const __m256i is_control =
      _mm256_cmpeq_epi8(_mm256_min_epu8(block, _mm256_set1_epi8(0x1f)), block);
  const __m256i is_mark = _mm256_or_si256(_mm256_cmpeq_epi8(block, _mm256_set1_epi8('"')),
                                          _mm256_cmpeq_epi8(block, _mm256_set1_epi8('\\')));
  return _mm256_or_si256(is_control, is_mark);
}

__attribute__((target("avx2"))) static ptrdiff_t run_avx2(const uint8_t *bytes, ptrdiff_t at,
                                                          ptrdiff_t count) {
  for (; at + 64 <= count; at += 64) {
    const __m256i low = marks_32(bytes + at), high = marks_32(bytes + at + 32);
    const __m256i both = _mm256_or_si256(low, high);
    if (!_mm256_testz_si256(both, both)) break;
  }
  for (; at + 32 <= count; at += 32) {
    const unsigned hits = (unsigned)_mm256_movemask_epi8(marks_32(bytes + at));
    if (hits) return at + __builtin_ctz(hits);
  }
  return run_sse2(bytes, at, count);
}

#endif

static inline ptrdiff_t run(const uint8_t *from, ptrdiff_t count) {
#if defined(__x86_64__)
  // Most strings are short: what is found at once needs no wider vectors.
  if (count >= 16) {
    const unsigned hits = hits_16(from);
    if (hits) return __builtin_ctz(hits);
    if (__builtin_cpu_supports("avx2")) return run_avx2(from, 16, count);
    return run_sse2(from, 16, count);
  }
#endif
  return run_plain(from, 0, count);
}

ptrdiff_t ck_json_run(const void *from, ptrdiff_t count) { return run(from, count); }

static ptrdiff_t text_length(const ck_shape *shape) {
  ptrdiff_t length = 0;
  for (int i = 0; i < shape->count; i++) length += shape->lengths[i];
  return length;
}

bool ck_shape_add(ck_shape *shape, const void *text, ptrdiff_t length, int kind, int role) {
  const ptrdiff_t used = text_length(shape);
  if (shape->count == CK_SHAPE_PIECES || length < 1 || length > CK_SHAPE_TEXT - used) return false;
  memcpy(shape->text + used, text, (size_t)length);
  shape->lengths[shape->count] = (uint8_t)length;
  shape->kinds[shape->count] = (uint8_t)kind;
  shape->roles[shape->count] = (uint8_t)role;
  shape->count++;
  return true;
}

bool ck_shape_has(const ck_shape *shape, const void *part, ptrdiff_t length) {
  const ptrdiff_t last = text_length(shape) - length;
  for (ptrdiff_t at = 0; at <= last; at++) {
    if (memcmp(shape->text + at, part, (size_t)length) == 0) return true;
  }
  return false;
}

// Whether the message goes on with `length` bytes of the shape's text. Whole blocks are read, where
// the message has them: behind the text the shape has more bytes than one.
static inline bool goes_on(const ck_shape *shape, ptrdiff_t text, const uint8_t *message,
                           ptrdiff_t left, ptrdiff_t length) {
  const uint8_t *expected = (const uint8_t *)shape + text;
#if defined(__x86_64__)
  _Static_assert(sizeof(ck_shape) >= CK_SHAPE_TEXT + 16, "a block that begins in the text");
  if (((length + 15) & ~(ptrdiff_t)15) <= left) {
    for (;; expected += 16, message += 16, length -= 16) {
      const __m128i is_same = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)expected),
                                             _mm_loadu_si128((const __m128i *)message));
      const unsigned same = (unsigned)_mm_movemask_epi8(is_same);
      if (length <= 16) return (uint64_t)(~same & 0xffff) << (64 - length) == 0;
      if (same != 0xffff) return false;
    }
  }
#endif
  return length <= left && memcmp(expected, message, (size_t)length) == 0;
}

// Where a plain value that begins here ends, or -1 where there is none of the kind. Of a string
// this is what precedes the closing quote, or the first byte that makes it none or one with
// escapes.
static inline ptrdiff_t value_end(int kind, const uint8_t *message, ptrdiff_t at, ptrdiff_t count) {
  if (kind == CK_STRING) return at + run(message + at, count - at);
  if (kind == CK_LIST) {
    const uint8_t *end = memchr(message + at, ']', (size_t)(count - at));
    return end ? end + 1 - message : -1;
  }
  ptrdiff_t end = at;
  while (end < count && (uint8_t)(message[end] - '0') <= 9) end++;
  return end > at && (message[at] != '0' || end == at + 1) ? end : -1;
}

int ck_shape_match(const ck_shape *shape, const void *from, ptrdiff_t count, ck_spans *values) {
  const uint8_t *const message = from;
  ck_span *const by_role = &values->unasked;
  ptrdiff_t at = 0, text = 0;
  for (int i = 0; i < shape->count; i++) {
    const ptrdiff_t length = shape->lengths[i];
    if (!goes_on(shape, text, message + at, count - at, length)) return i;
    at += length;
    text += length;
    const int kind = shape->kinds[i];
    if (kind == CK_END) return at == count ? -1 : i;
    const ptrdiff_t end = value_end(kind, message, at, count);
    if (end < 0) return i;
    by_role[shape->roles[i]] = (ck_span){(uint32_t)at, (uint32_t)end};
    at = end;
  }
  return shape->count;
}
