// libsoxr, as far as the engine may see it: mono streams of 32-bit floats. Flushing and clearing
// are not offered: after the one, libsoxr crashes on the next input; the other frees everything
// and designs the filter anew.
#pragma once
#include <stddef.h>
#include <stdint.h>

// Allocates nothing once the stream is warm: its queues have grown to what its frames need. Takes
// no lock: with one thread libsoxr's vector engine has none.
#define CSOXR_WARM __attribute__((swift_attr("@_noLocks")))

typedef struct csoxr_stream csoxr_stream;

// A new stream from one rate to another, or null where there is no memory for it. The band passes
// up to `passband` and stops from `stopband` (1 is the Nyquist frequency of the lower rate);
// `phase` is 0 for minimum and 50 for linear phase; transforms have 2^`size` points.
csoxr_stream *csoxr_create(ptrdiff_t from, ptrdiff_t to, double passband, double stopband,
                           double phase, unsigned size);

// Feeds `count` samples; how many came out, or -1 where not all of them were taken.
CSOXR_WARM ptrdiff_t csoxr_process(csoxr_stream *stream, const void *samples, ptrdiff_t count,
                                   void *out, ptrdiff_t room);

void csoxr_delete(csoxr_stream *stream);
