// CRC-32C: by the processor's own instruction where it has one, else half a byte at a time.
#include "ckernels.h"

#include <string.h>

// What is left of each half byte by the polynomial 0x1EDC6F41, its bits in reverse.
static const uint32_t rests[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
    0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
    0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t ck_crc32c_plain(uint32_t before, const void *from, ptrdiff_t count) {
  const uint8_t *at = from;
  uint32_t crc = ~before;
  for (; count > 0; count--) {
    crc ^= *at++;
    crc = crc >> 4 ^ rests[crc & 15];
    crc = crc >> 4 ^ rests[crc & 15];
  }
  return ~crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t before, const void *from,
                                                                 ptrdiff_t count) {
  const uint8_t *at = from;
  uint64_t crc = ~before;
  for (; count >= 8; count -= 8, at += 8) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    crc = __builtin_ia32_crc32di(crc, word);
  }
  for (; count > 0; count--) crc = __builtin_ia32_crc32qi((uint32_t)crc, *at++);
  return ~(uint32_t)crc;
}
#endif

uint32_t ck_crc32c(uint32_t before, const void *from, ptrdiff_t count) {
#ifdef __x86_64__
  if (__builtin_cpu_supports("sse4.2")) return by_instruction(before, from, count);
#endif
  return ck_crc32c_plain(before, from, count);
}
