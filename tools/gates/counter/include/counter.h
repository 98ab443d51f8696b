// Counts every allocation of a process from outside: loaded in front of libc by LD_PRELOAD, it
// writes the count into the file named by ALLOCATION_COUNTER, which the watcher maps too.
#pragma once
#include <stdint.h>

struct allocation_counter {
  uint64_t allocations;
  uint64_t bytes;
};
