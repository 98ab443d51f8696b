// Counts what the kernels copy, in debug builds only.
#pragma once
#include <stddef.h>

#ifdef COUNT_COPIES
extern _Thread_local ptrdiff_t ck_copied_bytes;
#define COUNT_COPY(count) (ck_copied_bytes += (count))
#else
#define COUNT_COPY(count) ((void)0)
#endif
