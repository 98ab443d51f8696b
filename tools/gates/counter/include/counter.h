// Counts every allocation of a process from outside: loaded in front of libc by LD_PRELOAD, it
// writes the count into the file named by ALLOCATION_COUNTER, which the watcher maps too. The first
// process that opens the file is counted; what that starts is not.
#pragma once
#include <stdint.h>

struct allocation_counter {
  uint64_t allocations;
  uint64_t bytes;
  int64_t process;
};
