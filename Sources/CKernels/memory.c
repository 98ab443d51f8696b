// The plain memory kernels: libc does the work, under names that Swift may call on a frame's path.
#include "ckernels.h"
#include "count.h"

#include <string.h>

#ifdef COUNT_COPIES
_Thread_local ptrdiff_t ck_copied_bytes;
ptrdiff_t ck_copied(void) { return ck_copied_bytes; }
#else
ptrdiff_t ck_copied(void) { return -1; }
#endif

void ck_move(void *to, const void *from, ptrdiff_t count) {
  if (to == from) return;
  COUNT_COPY(count);
  memmove(to, from, (size_t)count);
}

void ck_fill(void *to, uint8_t byte, ptrdiff_t count) {
  memset(to, byte, (size_t)count);
}

bool ck_equal(const void *a, const void *b, ptrdiff_t count) {
  return memcmp(a, b, (size_t)count) == 0;
}

ptrdiff_t ck_find(const void *from, uint8_t byte, ptrdiff_t count) {
  const void *found = memchr(from, byte, (size_t)count);
  return found ? (const char *)found - (const char *)from : -1;
}
