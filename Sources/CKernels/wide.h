// A plain loop behind WIDE is compiled twice where that is worth it, for any processor of its kind
// and for those with wider vectors; the loader chooses once, when the process starts.
#pragma once

#if defined(__x86_64__) && defined(__linux__)
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif
