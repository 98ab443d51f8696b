// Base64 with the standard alphabet (RFC 4648 §4), decoded and encoded in steps of a vector where
// the machine has AVX2, of four characters elsewhere and at the end. No step reads or writes a byte
// outside the lengths it was given. Decoding may write over its own source: every step has read its
// characters before it writes, and writes at or before the place that it read.
#include "ckernels.h"
#include "count.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2")))
// One load and one test: the answer is worked out when the process starts.
static inline bool has_avx2(void) { return __builtin_cpu_supports("avx2"); }
#endif

static const char alphabet[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// The value of each character; 0xff where it is not of the alphabet.
#define X 0xff
static const uint8_t values[256] = {
    X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
    X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  62,
    X,  X,  X,  63, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, X,  X,  X,  X,  X,  X,  X,  0,
    1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,
    23, 24, 25, X,  X,  X,  X,  X,  X,  26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38,
    39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, X,  X,  X,  X,  X,  X,  X,  X,  X,
    X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
    X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
    X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
    X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
    X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
    X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X};
#undef X

// Whole groups of four characters, then a group of two or three whose unused bits must be zero.
static ptrdiff_t decode_plain(uint8_t *to, const uint8_t *from, ptrdiff_t count) {
  uint8_t *const start = to;
  const uint8_t *const first = from;
  for (; count >= 4; count -= 4, from += 4, to += 3) {
    const uint8_t a = values[from[0]], b = values[from[1]];
    const uint8_t c = values[from[2]], d = values[from[3]];
    if ((a | b | c | d) & 0x80) return first - from - 1;
    to[0] = (uint8_t)(a << 2 | b >> 4);
    to[1] = (uint8_t)(b << 4 | c >> 2);
    to[2] = (uint8_t)(c << 6 | d);
  }
  if (count == 0) return to - start;
  if (count == 1) return first - from - 1;
  const uint8_t a = values[from[0]], b = values[from[1]];
  const uint8_t c = count == 3 ? values[from[2]] : 0;
  const uint8_t unused = count == 3 ? c & 0x03 : b & 0x0f;
  if (((a | b | c) & 0x80) || unused) return first - from - 1;
  *to++ = (uint8_t)(a << 2 | b >> 4);
  if (count == 3) *to++ = (uint8_t)(b << 4 | c >> 2);
  return to - start;
}

static void encode_plain(uint8_t *to, const uint8_t *from, ptrdiff_t count) {
  for (; count >= 3; count -= 3, from += 3, to += 4) {
    to[0] = (uint8_t)alphabet[from[0] >> 2];
    to[1] = (uint8_t)alphabet[(from[0] << 4 | from[1] >> 4) & 63];
    to[2] = (uint8_t)alphabet[(from[1] << 2 | from[2] >> 6) & 63];
    to[3] = (uint8_t)alphabet[from[2] & 63];
  }
  if (count == 0) return;
  const uint8_t last = count == 2 ? from[1] : 0;
  to[0] = (uint8_t)alphabet[from[0] >> 2];
  to[1] = (uint8_t)alphabet[(from[0] << 4 | last >> 4) & 63];
  to[2] = count == 2 ? (uint8_t)alphabet[(last << 2) & 63] : '=';
  to[3] = '=';
}

#if defined(__x86_64__)

// A character is judged by its two halves: `LOW_FAULTS` says for each low half in which rows (a bit
// per group of high halves) it is foreign, `HIGH_ROWS` says which row a high half stands for; a
// common bit means a foreign character. The value is the character plus a distance that the high
// half decides, with '/' moved to a row of its own since it shares one with '+'.
#define LOW_FAULTS                                                                              \
  0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x13, 0x1a, 0x1b, 0x1b, 0x1b, 0x1a
#define HIGH_ROWS                                                                               \
  0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10
#define DISTANCES 0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0
// Gathers the three bytes of each group of four, most significant first.
#define GATHER 2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1

// Decodes 32 characters into the low 12 bytes of each half; false where one is foreign.
AVX2 static inline bool decode_step(__m256i *block) {
  const __m256i low_faults = _mm256_setr_epi8(LOW_FAULTS, LOW_FAULTS);
  const __m256i high_rows = _mm256_setr_epi8(HIGH_ROWS, HIGH_ROWS);
  const __m256i distances = _mm256_setr_epi8(DISTANCES, DISTANCES);
  const __m256i slash = _mm256_set1_epi8('/');
  const __m256i text = *block;
  const __m256i high = _mm256_and_si256(_mm256_srli_epi32(text, 4), _mm256_set1_epi8(0x0f));
  const __m256i low = _mm256_and_si256(text, _mm256_set1_epi8(0x0f));
  const __m256i faults = _mm256_shuffle_epi8(low_faults, low);
  const __m256i rows = _mm256_shuffle_epi8(high_rows, high);
  if (!_mm256_testz_si256(faults, rows)) return false;
  const __m256i row = _mm256_add_epi8(_mm256_cmpeq_epi8(text, slash), high);
  const __m256i sixes = _mm256_add_epi8(text, _mm256_shuffle_epi8(distances, row));
  const __m256i twelves = _mm256_maddubs_epi16(sixes, _mm256_set1_epi32(0x01400140));
  const __m256i groups = _mm256_madd_epi16(twelves, _mm256_set1_epi32(0x00011000));
  *block = _mm256_shuffle_epi8(groups, _mm256_setr_epi8(GATHER, GATHER));
  return true;
}

AVX2 static inline void store_12(uint8_t *to, __m128i block) {
  const uint32_t last = (uint32_t)_mm_extract_epi32(block, 2);
  _mm_storel_epi64((__m128i *)to, block);
  memcpy(to + 8, &last, 4);
}

AVX2 static ptrdiff_t decode_avx2(uint8_t *to, const uint8_t *from, ptrdiff_t count) {
  uint8_t *const start = to;
  const uint8_t *const first = from;
  for (; count >= 32; count -= 32, from += 32, to += 24) {
    __m256i block = _mm256_loadu_si256((const __m256i *)from);
    if (!decode_step(&block)) return first - from - 1;
    store_12(to, _mm256_castsi256_si128(block));
    store_12(to + 12, _mm256_extracti128_si256(block, 1));
  }
  if (count >= 16) {
    __m256i block = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)from));
    if (!decode_step(&block)) return first - from - 1;
    store_12(to, _mm256_castsi256_si128(block));
    count -= 16, from += 16, to += 12;
  }
  const ptrdiff_t rest = decode_plain(to, from, count);
  return rest < 0 ? first - from + rest : to - start + rest;
}

// Encodes the low 12 bytes of each half into its 16 characters.
AVX2 static inline __m256i encode_step(__m256i bytes) {
  // Each group of three becomes a word in the order b a c b, from which two multiplications shift
  // the four sixes into bytes of their own.
  const __m256i spread = _mm256_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10,  //
                                          1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10);
  const __m256i words = _mm256_shuffle_epi8(bytes, spread);
  const __m256i odd = _mm256_and_si256(words, _mm256_set1_epi32(0x0fc0fc00));
  const __m256i even = _mm256_and_si256(words, _mm256_set1_epi32(0x003f03f0));
  const __m256i sixes = _mm256_or_si256(_mm256_mulhi_epu16(odd, _mm256_set1_epi32(0x04000040)),
                                        _mm256_mullo_epi16(even, _mm256_set1_epi32(0x01000010)));
  // Row 13: A to Z; 0: a to z; 1 to 10: the digits; 11: '+'; 12: '/'. Each has its distance.
  const __m256i distances = _mm256_setr_epi8(71, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -19, -16,
                                             65, 0, 0, 71, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4,
                                             -19, -16, 65, 0, 0);
  const __m256i capital = _mm256_cmpgt_epi8(_mm256_set1_epi8(26), sixes);
  const __m256i row = _mm256_or_si256(_mm256_subs_epu8(sixes, _mm256_set1_epi8(51)),
                                      _mm256_and_si256(capital, _mm256_set1_epi8(13)));
  return _mm256_add_epi8(sixes, _mm256_shuffle_epi8(distances, row));
}

AVX2 static void encode_avx2(uint8_t *to, const uint8_t *from, ptrdiff_t count) {
  // A step uses 24 bytes but its second load reads up to the 28th.
  for (; count >= 28; count -= 24, from += 24, to += 32) {
    const __m128i first = _mm_loadu_si128((const __m128i *)from);
    const __m128i second = _mm_loadu_si128((const __m128i *)(from + 12));
    const __m256i text = encode_step(_mm256_set_m128i(second, first));
    _mm256_storeu_si256((__m256i *)to, text);
  }
  if (count >= 16) {
    const __m128i first = _mm_loadu_si128((const __m128i *)from);
    const __m256i text = encode_step(_mm256_castsi128_si256(first));
    _mm_storeu_si128((__m128i *)to, _mm256_castsi256_si128(text));
    count -= 12, from += 12, to += 16;
  }
  encode_plain(to, from, count);
}

#endif

ptrdiff_t ck_base64_decode(void *to, const void *from, ptrdiff_t count) {
  COUNT_COPY(count * 3 / 4);
#if defined(__x86_64__)
  if (has_avx2()) return decode_avx2(to, from, count);
#endif
  return decode_plain(to, from, count);
}

void ck_base64_encode(void *to, const void *from, ptrdiff_t count) {
  COUNT_COPY((count + 2) / 3 * 4);
#if defined(__x86_64__)
  if (has_avx2()) {
    encode_avx2(to, from, count);
    return;
  }
#endif
  encode_plain(to, from, count);
}
